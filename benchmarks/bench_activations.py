"""What looking at every layer costs beside the framework's own best forward pass.

Usage: ``python benchmarks/bench_activations.py [FRAMEWORK ...] [--models c1 inception]``, with
frameworks keras-jax, keras-tensorflow, keras-torch and torch; all that are installed by default.

For each framework, model and batch:

- warm: the median time of ``activations``, over that of the framework's best plain pass plus a
  memcpy of the captured bytes, the three measured in turn in one process;
- first: the time of the first ``activations`` in a new process, over the cheaper of a first eager
  and a first compiled pass, each in a process of its own;
- memory: what the peak of ``activations`` lies above that of a plain pass, over the bytes captured,
  each in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

NEEDS = {
    "keras-jax": "jax",
    "keras-tensorflow": "tensorflow",
    "keras-torch": "torch",
    "torch": "torch",
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frameworks", nargs="*")
    parser.add_argument("--models", nargs="+", default=["c1", "inception"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--repeats", type=int, default=3, help="processes for each first pass")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child](*arguments.frameworks)))
        return
    chosen = arguments.frameworks or [n for n, m in NEEDS.items() if importlib.util.find_spec(m)]
    times = f"{'plain ms':>9} {'memcpy':>7} {'ours ms':>9}"
    ratios = f"{'warm':>6} {'first':>6} {'memory':>7}"
    print(f"{'framework':17} {'model':10} {'batch':>5} {times} {ratios}", flush=True)
    for framework in chosen:
        for model in arguments.models if framework != "torch" else ["c1"]:
            for batch in arguments.batches:
                print(measure(framework, model, batch, arguments.repeats), flush=True)


def measure(framework: str, model: str, batch: int, repeats: int) -> str:
    """One row of the table."""
    warm = child("warm", framework, model, batch)
    ours, eager, compiled = (
        median(child("first", framework, model, batch, way)["s"] for _ in range(repeats))
        for way in ("ours", "eager", "compiled")
    )
    plain = min(eager, compiled)
    with_us, without = (child("memory", framework, model, batch, w) for w in ("ours", "plain"))
    extra = (with_us["peak"] - without["peak"]) / with_us["captured"]
    ratio = warm["ours"] / (warm["plain"] + warm["memcpy"])
    return (
        f"{framework:17} {model:10} {batch:5} {warm['plain']:9.1f} {warm['memcpy']:7.1f} "
        f"{warm['ours']:9.1f} {ratio:6.2f} {ours / plain:6.2f} {extra:7.2f}"
    )


def child(what: str, framework: str, model: str, batch: int, *more: str) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if framework.startswith("keras"):
        environment["KERAS_BACKEND"] = framework.removeprefix("keras-")
    command = [sys.executable, __file__, framework, model, str(batch), *more, "--child", what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def prepared(framework: str, model: str, batch: str) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """The model, an input, and the framework's own passes."""
    sys.path.insert(0, str(Path(__file__).parent))
    import models

    net = models.torch_model() if framework == "torch" else models.keras_model(model)
    x = np.random.default_rng(0).random((int(batch), *models.SHAPES[model]), np.float32)
    if framework == "torch":
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return net, x, models.plain_passes(net, x, framework)


def warm(framework: str, model: str, batch: str) -> dict[str, float]:
    """Medians in milliseconds, measured in turn."""
    import layerscope as ls

    net, x, passes = prepared(framework, model, batch)
    looks = {**passes, "ours": lambda: ls.activations(net, x)}
    for _ in range(3):
        for run in looks.values():
            recording = run()
    arrays = [array.values for array in recording.values()]
    copies = [np.empty_like(array) for array in arrays]

    def memcpy() -> None:
        for copy, array in zip(copies, arrays, strict=True):
            np.copyto(copy, array)

    looks["memcpy"] = memcpy
    del recording
    times: dict[str, list[float]] = {name: [] for name in looks}
    started = time.perf_counter()
    while len(times["ours"]) < 5 or time.perf_counter() - started < 10:
        for name, run in looks.items():
            before = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - before))
    medians = {name: median(values) for name, values in times.items()}
    return {
        "plain": min(medians[name] for name in passes),
        "memcpy": medians["memcpy"],
        "ours": medians["ours"],
    }


def first(framework: str, model: str, batch: str, way: str) -> dict[str, float]:
    """Seconds of the first pass of its kind in this process."""
    import layerscope as ls
    import layerscope.instruments.activations

    net, x, passes = prepared(framework, model, batch)
    # The framework's own start (thread pools, its first allocation) is nobody's first pass.
    prepared_small(framework)
    run = (lambda: ls.activations(net, x)) if way == "ours" else passes.get(way, passes["eager"])
    before = time.perf_counter()
    run()
    return {"s": time.perf_counter() - before}


def prepared_small(framework: str) -> None:
    """One operation, to have the framework start."""
    if framework == "torch":
        import torch

        torch.ones(2) + 1
    else:
        import keras

        keras.ops.convert_to_numpy(keras.ops.ones(2) + 1)


def memory(framework: str, model: str, batch: str, way: str) -> dict[str, float]:
    """The peak of this process in bytes, and the bytes captured."""
    import layerscope as ls

    net, x, passes = prepared(framework, model, batch)
    captured = 1
    for _ in range(3):
        if way == "ours":
            recording = ls.activations(net, x)
            captured = recording.nbytes
            del recording
        else:
            passes.get("compiled", passes["eager"])()
    return {"peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "captured": captured}


CHILDREN = {"warm": warm, "first": first, "memory": memory}

if __name__ == "__main__":
    main()
