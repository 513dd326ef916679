"""How long a network's forward pass takes in a page itself, in Chromium.

Usage: ``python benchmarks/bench_live.py [--rounds N]``.

- digits: the demo's network, 28×28, 34,826 weights; a stroke on the canvas is one pass;
- colours: five convolutions and three dense layers on 32×32 colours, 1.8 million weights, near the
  most that a page takes;
- library: ``model(x)`` of the same network in this process, Keras on PyTorch.

Times are the page's own, ``performance.now()`` around ``run``, on a random input, on which no layer
but those behind a ReLU has zeros to leave out.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree, which
from statistics import median
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from playwright.sync_api import sync_playwright

from layerscope.backends.keras import digits_network
from layerscope.instruments.portable import portable
from layerscope.interfaces.page.wire import packed

MEASURE = """async ([name, rounds]) => {
  const { unpacked } = await import("/web/wire.js");
  const { compile } = await import("/web/live/forward.js");
  const program = unpacked(await (await fetch(`/${name}.bin`)).arrayBuffer());
  const began = performance.now();
  const network = compile(program);
  const compiled = performance.now() - began;
  const size = network.input.shape.reduce((product, length) => product * length, 1);
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const x = new Float32Array(size).map(() => Math.random());
    const start = performance.now();
    network.run(x);
    times.push(performance.now() - start);
  }
  return { compiled, times };
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write nothing."""


def colours() -> Any:
    """A network of 1.8 million weights on 32×32 colours."""
    layers = keras.layers
    conv = functools.partial(layers.Conv2D, kernel_size=3, padding="same", activation="relu")
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *(conv(64), conv(64), layers.MaxPooling2D()),
            *(conv(128), conv(128), layers.MaxPooling2D()),
            *(conv(256), layers.GlobalAveragePooling2D()),
            *(layers.Dense(1000, "relu"), layers.Dense(1000, "relu"), layers.Dense(10, "softmax")),
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    models = {"digits": digits_network.build(), "colours": colours()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with as_file(files("layerscope.interfaces") / "web") as web:
            copytree(web, folder / "web")
        (folder / "index.html").write_text("<!doctype html>", encoding="utf-8")
        for which_one, model in models.items():
            x = np.random.default_rng(0).random((1, *model.input_shape[1:]), np.float32)
            program = portable(model, x)
            (folder / f"{which_one}.bin").write_bytes(packed(program))
            library = median(timed(model, x) for _ in range(rounds))
            print(f"{which_one}: {program.weights:,} weights, {program.nbytes / 1e6:.1f} MB")
            print(f"  library {library:.1f} ms a pass")
            measure(folder, which_one, rounds)


def timed(model: Any, x: np.ndarray) -> float:
    """Return the milliseconds of one pass of the framework."""
    began = time.perf_counter()
    np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
    return 1000 * (time.perf_counter() - began)


def measure(folder: Path, name: str, rounds: int) -> None:
    """Run a program in Chromium, and print what the page measured."""
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = which("chromium") or which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        measured = page.evaluate(MEASURE, [name, rounds])
        browser.close()
        server.shutdown()
    times = sorted(measured["times"])
    print(
        f"  page    {median(times):.1f} ms a pass (least {times[0]:.1f}, most {times[-1]:.1f}), "
        f"{measured['compiled']:.1f} ms to be made ready"
    )


if __name__ == "__main__":
    main()
