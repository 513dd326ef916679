"""What a survey costs beside the bare compiled forward pass over the same data, in batches.

Usage: ``python benchmarks/bench_survey.py [FRAMEWORK …] [network=c1] [images=320] [batch=32]
[layers=GLOB] [rss=1]``; the frameworks are keras-jax, keras-tensorflow, keras-torch and torch, all
by default, and ``network`` c1 or inception. Each framework is a process of its own; passes and
surveys take turns, and medians of three turns are printed. With ``rss=1`` the growth of memory from
1,000 to 10,000 images is measured instead, on small images: it is to be within 5 %, since what is
kept of units does not depend on how many samples there were.

- bare: the framework's own best pass on each batch of an array in memory, answer alone.
- survey: ``survey(model, images)``, figures, histograms, examples and co-moments of the layers.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

FRAMEWORKS = ("keras-jax", "keras-tensorflow", "keras-torch", "torch")
TURNS = 3


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(*sys.argv[2:])))
        return
    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    for framework in [word for word in sys.argv[1:] if "=" not in word] or FRAMEWORKS:
        if options.get("rss"):
            few, many = (one(framework, options | {"images": n}) for n in ("1000", "10000"))
            growth = many["peak"] / few["peak"] - 1
            print(f"{framework:17} 1,000 images {few['peak'] / 1e6:5.0f} MB, 10,000 images "
                  f"{many['peak'] / 1e6:5.0f} MB: {growth:+.1%}", flush=True)  # fmt: skip
            continue
        got = one(framework, options)
        print(
            f"{framework:17} {options.get('network', 'c1'):10} {got['values'] / 1e6:7.2f} million "
            f"values an image, {got['units']:6} units; bare {got['bare']:6.2f} s, survey "
            f"{got['survey']:6.2f} s; throughput {got['bare'] / got['survey']:.2f} by the clock, "
            f"{got['bare_cpu'] / got['survey_cpu']:.2f} of processors",
            flush=True,
        )


def one(framework: str, options: dict[str, str]) -> dict[str, Any]:
    """Measure in a process of its own."""
    backend = framework.removeprefix("keras-")
    environment = os.environ | {"KERAS_BACKEND": "torch" if backend == "torch" else backend}
    command = [sys.executable, __file__, "--one", framework, json.dumps(options)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def measured(framework: str, described: str) -> dict[str, Any]:
    """Return the median times of both ways."""
    import layerscope as ls
    import models

    options = json.loads(described)
    network, batch = options.get("network", "c1"), int(options.get("batch", "32"))
    count = int(options.get("images", "320"))
    if options.get("rss"):
        return {"peak": peak_of_many(count, framework)}
    if framework == "torch":
        model = models.torch_inception() if network == "inception" else models.torch_model()
    else:
        model = models.keras_model(network)
    size = models.SHAPES[network]
    shape = (size[2], *size[:2]) if framework == "torch" else size
    few = np.random.default_rng(0).random((2 * batch, *shape), np.float32)
    x = np.concatenate([few] * max(1, count // len(few)))
    layers = options.get("layers")

    survey = lambda: ls.survey(model, x, layers, batch_size=batch, progress=False)  # noqa: E731
    passes = models.plain_passes(model, x[:batch], framework)
    step = passes.get("compiled", passes["eager"])

    def bare_loop() -> None:
        for _ in range(0, len(x), batch):
            step()

    ls.survey(model, x[: 2 * batch], layers, batch_size=batch, progress=False)  # compiles
    bare_loop()
    times: dict[str, list[float]] = {name: [] for name in ("bare", "survey", "b", "s")}
    result: Any = None
    for _ in range(TURNS):
        for name, short, run in (("bare", "b", bare_loop), ("survey", "s", survey)):
            start, processor = time.perf_counter(), time.process_time()
            result = run() or result
            times[name].append(time.perf_counter() - start)
            times[short].append(time.process_time() - processor)
    tallies = result.tallies.values()
    return {
        "bare": statistics.median(times["bare"]),
        "survey": statistics.median(times["survey"]),
        "bare_cpu": statistics.median(times["b"]),
        "survey_cpu": statistics.median(times["s"]),
        "units": sum(tally.units for tally in tallies),
        "values": sum(float(t.counted.sum() + t.nonfinite.sum()) for t in tallies) / len(x),
    }


def peak_of_many(count: int, framework: str) -> int:
    """Return the peak memory of a survey of so many small images, made as they are asked for."""
    import layerscope as ls

    model, shape = small_torch_cnn() if framework == "torch" else small_keras_cnn()

    def batches() -> Any:
        for seed in range(0, count, 100):
            yield np.random.default_rng(seed).random((100, *shape), np.float32)

    assert ls.survey(model, batches(), progress=False).count == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def small_keras_cnn() -> tuple[Any, tuple[int, ...]]:
    """Four layers on images of 32 × 32."""
    import keras

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((32, 32, 3)), layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(64, 3, strides=2, activation="relu"), layers.GlobalAveragePooling2D(),
        layers.Dense(10),
    ])  # fmt: skip
    return model, (32, 32, 3)


def small_torch_cnn() -> tuple[Any, tuple[int, ...]]:
    """The same, as a PyTorch user writes it."""
    from torch import nn

    model = nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(inplace=True), nn.Conv2d(32, 64, 3, 2), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    return model.eval(), (3, 32, 32)


if __name__ == "__main__":
    main()
