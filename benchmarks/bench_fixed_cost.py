"""What a warm look costs beside the framework's own pass, on networks where that costs little.

Usage: ``python benchmarks/bench_fixed_cost.py [FRAMEWORK ...] [--models mlp cnn nested attention
long]``, with frameworks keras-jax, keras-tensorflow, keras-torch and torch; all that are installed
by default.

For each framework and small network, in milliseconds, measured in turn in one process:

- plain: the framework's own pass that returns the same values, compiled where it compiles, on an
  input that is in place;
- ours: ``activations`` on a NumPy array;
- fixed: what ours lies above plain; of the medians, and of the least times in brackets;
- shared: the part of ours outside of the backend's pass: reading the arguments, checking the input,
  making the recording; the median.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
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
MODELS = ("mlp", "cnn", "nested", "attention", "long")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frameworks", nargs="*")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=8, help="of measuring, for each row")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(*arguments.frameworks, arguments.models[0], arguments.seconds)))
        return
    chosen = arguments.frameworks or [n for n, m in NEEDS.items() if importlib.util.find_spec(m)]
    print(f"{'framework':17} {'model':10} {'values':>6} {'plain':>7} {'ours':>7} "
          f"{'fixed':>15} {'shared':>7}", flush=True)  # fmt: skip
    for framework in chosen:
        for model in arguments.models:
            print(row(framework, model, arguments.seconds), flush=True)


def row(framework: str, model: str, seconds: float) -> str:
    """One row of the table, measured in a process of its own."""
    # Several threads take longer than one for so little, and vary more.
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    if framework.startswith("keras"):
        environment["KERAS_BACKEND"] = framework.removeprefix("keras-")
    command = [sys.executable, __file__, framework, "--models", model, "--seconds", str(seconds)]
    done = subprocess.run(
        [*command, "--child"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    t = dict(json.loads(done.stdout.splitlines()[-1]))
    return (
        f"{framework:17} {model:10} {t['values']:6} {t['plain']:7.2f} {t['ours']:7.2f} "
        f"{t['ours'] - t['plain']:7.2f} ({t['least']:5.2f}) {t['shared']:7.3f}"
    )


def measured(framework: str, name: str, seconds: float) -> dict[str, float]:
    """Times in milliseconds."""
    import layerscope as ls
    from layerscope.backends import backend_for

    model, x, plain = prepared(framework, name)
    backend = type(backend_for(model))
    run, inside = backend.run, [0.0]

    def timed(self: Any, *arguments: Any) -> Any:
        before = time.perf_counter()
        result = run(self, *arguments)
        inside[0] = 1e3 * (time.perf_counter() - before)
        return result

    backend.run = timed  # type: ignore[method-assign]
    looks: dict[str, Callable[[], Any]] = {"plain": plain, "ours": lambda: ls.activations(model, x)}
    for _ in range(4):
        for look in looks.values():
            result = look()
    times: dict[str, list[float]] = {"plain": [], "ours": [], "shared": []}
    started = time.perf_counter()
    while len(times["ours"]) < 20 or time.perf_counter() - started < seconds:
        for which, look in looks.items():
            before = time.perf_counter()
            result = look()
            times[which].append(1e3 * (time.perf_counter() - before))
        times["shared"].append(times["ours"][-1] - inside[0])
    medians = {which: median(values) for which, values in times.items()}
    return {**medians, "least": min(times["ours"]) - min(times["plain"]), "values": len(result)}


def prepared(framework: str, name: str) -> tuple[Any, np.ndarray, Callable[[], Any]]:
    """A small network, an input, and the framework's own pass."""
    sys.path.insert(0, str(Path(__file__).parent))
    import models

    if framework == "torch":
        return models.small_torch_model(name)
    return models.small_keras_model(name, framework)


if __name__ == "__main__":
    main()
