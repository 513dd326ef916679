"""How long a person waits for the page, by its own performance marks, in Chromium.

Usage: ``python benchmarks/bench_browser.py [--only digits|inception|training] [--repeat N]``.

``layerscope open`` serves the digits network, InceptionV3 (random weights, 299 × 299), and 40 steps
of a training of the digits network, each in a process of its own; Playwright drives Chromium.
Measured are, the best of several times each, since whatever else the machine does only adds to it:

- from the server's first byte of the document to what is first of use: the passage and a layer are
  drawn;
- from a click on another sample until both are drawn anew, when the sample is first asked for, and
  when it was seen before;
- from a stroke on the board, for one's own input, until all that is seen is drawn anew;
- from a new address until a layer of 2,048 channels is drawn, and how long the drawing takes;
- the longest frame, and their 95th percentile, while that layer is scrolled, while the passage is
  moved by the wheel, dragged and enlarged, and while steps of a training are gone through by hand;
- for each layer, what is sent as a share of its pixels' palette indexes, compressed alone;
- the renderer's memory after every layer was looked at: of JavaScript, and of the whole process.

What the page aims at stands in the last column.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

HERE = Path(__file__).parent

#: Resolves when nothing is awaited and what has come is drawn; tells when the last drawing ended.
DRAWN = """async (since) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const marks = (name) =>
    performance.getEntriesByName(`layerscope.${name}`).filter((m) => m.startTime >= since);
  const ended = (name) => {
    const all = marks(name);
    return all.length ? Math.max(...all.map((m) => m.startTime + m.duration)) : 0;
  };
  const busy = () => document.querySelector('[aria-busy="true"]');
  do {
    while (busy() || !ended("stack")) await frame();
    for (let i = 0; i < 3; i++) await frame();
  } while (busy());
  const drawings = marks("stack");
  return { stack: ended("stack"), graph: ended("graph"),
    drawing: Math.max(...drawings.map((m) => m.duration)) };
}"""

ACTED = f"""async ([act, given]) => {{
  const drawn = {DRAWN};
  const start = performance.now();
  if (act === "sample") document.querySelectorAll(".samples button[data-sample]")[given].click();
  else location.hash = given;
  await new Promise((resolve) => requestAnimationFrame(resolve));
  const ends = await drawn(start);
  return {{ all: Math.max(ends.stack, ends.graph) - start, drawing: ends.drawing }};
}}"""

#: Resolves when a stroke of one's own was followed; tells how long that took.
FOLLOWED = """async (before) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const all = () => performance.getEntriesByName("layerscope.given");
  while (all().length <= before || document.querySelector(".own-input[aria-busy]")) await frame();
  return [all().length, all()[before].duration];
}"""

#: Notes when each frame begins, until it is stopped.
WATCH = """() => {
  const times = [];
  let asked = 0;
  const next = (time) => { times.push(time); asked = requestAnimationFrame(next); };
  asked = requestAnimationFrame(next);
  globalThis.stopWatching = () => { cancelAnimationFrame(asked); return times; };
}"""

MOVES = 120  #: of the hand, for a measurement of frames
STEPS = 40  #: of the training


def digits() -> Any:
    """The textbook's network for handwritten digits; its weights are random."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip


def inception() -> Any:
    """InceptionV3 with random weights: 311 layers, the widest of 2,048 channels."""
    import keras

    keras.utils.set_random_seed(0)
    return keras.applications.InceptionV3(weights=None)


SHAPES = {"digits": (6, 28, 28, 1), "inception": (2, 299, 299, 3)}


def training(path: Path) -> None:
    """Record steps of the digits network, whose weights grow by numbers of chance."""
    import layerscope

    model, chance = digits(), np.random.default_rng(1)
    first = model.get_weights()
    probe = np.random.default_rng(0).random(SHAPES["digits"], np.float32)
    recorder = layerscope.Recorder(path, model, probe=probe, steps=STEPS, every="epoch", quiet=True)
    for step in range(STEPS):
        grown = [w * (0.5 + step / STEPS) + 0.02 * chance.standard_normal(w.shape) for w in first]
        model.set_weights(grown)
        recorder.snap(step, loss=5 / (step + 1), val_loss=1 + 4 / (step + 1))
    recorder.close()


@contextmanager
def served(name: str) -> Iterator[str]:
    """Serve a network; the address of its page, once the first sample was run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.npy"
        words = [f"bench_browser:{name}", str(path)]
        if name == "training":
            words = [str(Path(folder) / "run.zarr")]
            training(Path(words[0]))
        else:
            np.save(path, np.random.default_rng(0).random(SHAPES[name], np.float32))
        env = {**os.environ, "KERAS_BACKEND": "torch"}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), env.get("PYTHONPATH")]))
        command = [sys.executable, "-c", "from layerscope.interfaces.cli import run; run()", "open"]
        command += [*words, "--no-browser"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.communicate()


class Window:
    """The page in a window of its own."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        self.context = browser.new_context(viewport={"width": 1440, "height": 900})
        self.context.add_init_script("localStorage.setItem('layerscope-hints-seen', 'yes')")
        self.page = self.context.new_page()
        self.page.goto(url)
        self.ends = self.page.evaluate(DRAWN, 0)

    def first(self) -> float:
        """Milliseconds from the document's first byte until the passage and a layer are drawn."""
        read = "() => performance.getEntriesByType('navigation')[0].responseStart"
        return float(max(self.ends["stack"], self.ends["graph"]) - self.page.evaluate(read))

    def act(self, what: str, given: Any) -> dict[str, float]:
        """Milliseconds until all is drawn, and those of the drawing alone."""
        return dict(self.page.evaluate(ACTED, [what, given]))

    def strokes(self, count: int) -> list[float]:
        """Milliseconds from each of some strokes on the board until all is drawn."""
        self.page.get_by_role("button", name="Try your own").click()
        box = self.page.locator(".board").bounding_box()
        before, times = 0, []
        for i in range(count):
            x, y = box["x"] + 40 + 8 * i, box["y"] + 60 + (37 * i) % 150
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            self.page.mouse.up()
            before, time = self.page.evaluate(FOLLOWED, before)
            times.append(float(time))
        return times

    def frames(self, what: str) -> list[float]:
        """Milliseconds between frames while a hand does something, 120 times."""
        mouse, keyboard = self.page.mouse, self.page.keyboard
        places = {"layer": ".stack", "scrubbed": ".time .track"}
        box = self.page.locator(places.get(what, ".passage canvas")).bounding_box()
        assert box is not None
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse.move(*middle)
        if what == "enlarged":
            keyboard.down("Control")
        elif what in ("dragged", "scrubbed"):
            mouse.down()
        self.page.evaluate(WATCH)
        for i in range(MOVES):
            if what in ("layer", "moved"):
                mouse.wheel(0, 90 if what == "layer" else 40)
            elif what == "enlarged":
                mouse.wheel(0, -10 if i < MOVES / 2 else 10)
            elif what == "dragged":
                mouse.move(middle[0] + 80 * np.sin(i / 9), middle[1] - 200 * np.sin(i / 19))
            else:
                mouse.move(middle[0] + 0.45 * box["width"] * np.sin(i / 19), middle[1])
        times = self.page.evaluate("() => stopWatching()")
        mouse.up()
        keyboard.up("Control")
        self.page.evaluate(DRAWN, 0)
        return [float(time) for time in np.diff(times)]

    def memory(self) -> tuple[float, float]:
        """Megabytes: JavaScript's own, and those of the renderer's process alone."""
        session = self.context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        processes = self.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
        renderers = [p["id"] for p in processes["processInfo"] if p["type"] == "renderer"]
        return metrics["JSHeapUsedSize"] / 1e6, max(map(_private, renderers))

    def cookie(self) -> str:
        """What the server knows this window by."""
        return "; ".join(f"{c['name']}={c['value']}" for c in self.context.cookies())


def _private(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return float(lines["RssAnon"].split()[0]) / 1e3


def bytes_sent(url: str, cookie: str, addresses: list[str]) -> np.ndarray:
    """For each layer, how many bytes are sent, and how many its pixels alone are, compressed."""
    result = []
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for address in addresses:
        path = f"/api/panel/layer?address={quote(address, safe='')}&sample=0"
        headers = {"Cookie": cookie, "Accept-Encoding": "gzip"}
        connection.request("GET", path, headers=headers)
        body = connection.getresponse().read()
        data = gzip.decompress(body)
        length = struct.unpack("<I", data[:4])[0]
        text = json.loads(data[4 : 4 + length])
        offset, size = text["buffers"]["pixels"]
        start = -(-(4 + length) // 8) * 8 + offset
        result.append((len(body), len(gzip.compress(data[start : start + size], 1))))
    return np.array(result)


def row(name: str, value: str, aim: str) -> None:
    """Print a line of the table."""
    print(f"| {name} | {value} | {aim} |", flush=True)


def row_of_frames(window: Window, what: str, words: str, repeat: int) -> None:
    """Print how long the frames were while a hand did something."""
    times = min((window.frames(what) for _ in range(repeat)), key=max)
    longest = f"longest {max(times):.0f} ms, 95 % {np.quantile(times, 0.95):.0f} ms"
    row(f"frames while {words}", longest, "none over 50")


def of_training(browser: Any, url: str, repeat: int) -> None:
    """Measure on the steps of a training."""
    window = Window(browser, url)
    window.act("address", "#/conv2d")
    row_of_frames(window, "scrubbed", "one goes through the steps", repeat)


def of_digits(browser: Any, url: str, repeat: int) -> None:
    """Measure on the digits network."""
    first = min(Window(browser, url).first() for _ in range(repeat))
    row("digits: first of use", f"{first:.0f} ms", "under 1,000")
    fresh, seen = [], []
    for _ in range(repeat):
        window = Window(browser, url)
        fresh += [window.act("sample", number)["all"] for number in (1, 2, 3)]
        seen += [window.act("sample", number)["all"] for number in (1, 2, 3)]
    times = f"{min(fresh):.0f} ms, seen before {min(seen):.0f} ms"
    row("digits: another sample", times, "under 100")
    strokes = [time for _ in range(repeat) for time in Window(browser, url).strokes(20)]
    words = f"{min(strokes):.0f} ms, half of them within {np.median(strokes):.0f} ms"
    row("digits: a stroke of one's own", words, "under 100")


def of_inception(browser: Any, url: str, repeat: int) -> None:
    """Measure on InceptionV3."""
    first = min(Window(browser, url).first() for _ in range(repeat))
    row("InceptionV3: first of use", f"{first:.0f} ms", "under 2,000")
    drawn = [Window(browser, url).act("address", "#/mixed10") for _ in range(repeat)]
    all_, drawing = (min(times[name] for times in drawn) for name in ("all", "drawing"))
    row("2,048 channels", f"{all_:.0f} ms, of which drawing {drawing:.0f} ms", "under 150")
    window = Window(browser, url)
    window.act("address", "#/mixed10")
    row_of_frames(window, "layer", "a layer is scrolled", repeat)
    for what in ("moved", "dragged", "enlarged"):
        row_of_frames(window, what, f"the passage is {what}", repeat)
    outline = window.context.request.get(url.partition("?")[0] + "api/outline").json()
    addresses = [layer["address"] for layer in outline["layers"]]
    sent, pixels = bytes_sent(url, window.cookie(), addresses).T
    # A value each is its map's range: such a layer has no pixels to speak of.
    mapped = [i for i, layer in enumerate(outline["layers"]) if {"y", "x"} <= set(layer["axes"])]
    share = (sent / pixels)[mapped]
    words = f"all maps together {sent[mapped].sum() / pixels[mapped].sum():.3f}, median "
    words += f"{np.median(share):.3f}, largest {share.max():.3f} "
    words += f"({addresses[mapped[int(share.argmax())]]}), {(share > 1.1).sum()} over 1.1"
    row(f"sent for each of {len(mapped)} layers of maps", words, "at most 1.1 of its pixels")
    for address in addresses:
        window.act("address", f"#/{quote(address, safe='')}")
    heap, process = window.memory()
    words = f"{heap:.0f} MB of JavaScript, {process:.0f} MB of the process"
    row("memory after all layers", words, "under 300")


def main() -> None:
    """Measure and print a table."""
    from playwright.sync_api import sync_playwright

    measure = {"digits": of_digits, "inception": of_inception, "training": of_training}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(measure))
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    print("| | measured | aim |\n| --- | --- | --- |")
    with sync_playwright() as playwright:
        for name in [arguments.only] if arguments.only else measure:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            with served(name) as url:
                measure[name](browser, url, arguments.repeat)
            browser.close()


if __name__ == "__main__":
    main()
