"""What a comparison of two models costs beside both of their passes.

Usage: ``python benchmarks/bench_compare.py [FRAMEWORK …] [network=c1] [batch=32]``; the frameworks
are keras-jax, keras-tensorflow, keras-torch and torch, all by default. Each is a process of its
own, which compares a model with a copy of other weights; both take turns, and medians are printed.

- passes: ``activations`` of both models on the batch.
- compare: ``compare(model, copy, x)``, with its second run for the noise, figures and reasons.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

FRAMEWORKS = ("keras-jax", "keras-tensorflow", "keras-torch", "torch")
TURNS = 5


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(*sys.argv[2:])))
        return
    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    for framework in [word for word in sys.argv[1:] if "=" not in word] or FRAMEWORKS:
        got = one(framework, options)
        print(
            f"{framework:17} {options.get('network', 'c1'):10} batch "
            f"{options.get('batch', '32'):>3}; both passes {got['passes']:6.2f} s, compare "
            f"{got['compare']:6.2f} s; ratio "
            f"{got['compare'] / got['passes']:.2f} by the clock, "
            f"{got['compare_cpu'] / got['passes_cpu']:.2f} of processors",
            flush=True,
        )


def one(framework: str, options: dict[str, str]) -> dict[str, Any]:
    """Measure in a process of its own."""
    environment = os.environ | {"KERAS_BACKEND": framework.removeprefix("keras-")}
    command = [sys.executable, __file__, "--one", framework, json.dumps(options)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def measured(framework: str, described: str) -> dict[str, Any]:
    """Return the median times of both ways."""
    import layerscope as ls
    import models

    options = json.loads(described)
    network, batch = options.get("network", "c1"), int(options.get("batch", "32"))
    if framework == "torch":
        make = models.torch_inception if network == "inception" else models.torch_model
        model, copy = make(), make()
    else:
        model, copy = models.keras_model(network), models.keras_model(network)
    size = models.SHAPES[network]
    shape = (size[2], *size[:2]) if framework == "torch" else size
    x = np.random.default_rng(0).random((batch, *shape), np.float32)

    def passes() -> None:
        ls.activations(model, x)
        ls.activations(copy, x)

    def compare() -> None:
        assert ls.compare(model, copy, x).first is not None

    times: dict[str, list[float]] = {name: [] for name in ("passes", "compare", "p", "c")}
    passes()
    compare()
    for _ in range(TURNS):
        for name, short, run in (("passes", "p", passes), ("compare", "c", compare)):
            start, processor = time.perf_counter(), time.process_time()
            run()
            times[name].append(time.perf_counter() - start)
            times[short].append(time.process_time() - processor)
    return {
        "passes": statistics.median(times["passes"]),
        "compare": statistics.median(times["compare"]),
        "passes_cpu": statistics.median(times["p"]),
        "compare_cpu": statistics.median(times["c"]),
    }


if __name__ == "__main__":
    main()
