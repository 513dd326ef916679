"""What an examination costs beside the survey that it needs, and gradients beside a recording.

Usage: ``python benchmarks/bench_examine.py [FRAMEWORK …] [network=c1] [images=640] [batch=32]``;
the frameworks are keras-jax, keras-tensorflow, keras-torch and torch, all by default. Each is a
process of its own; surveys and examinations take turns, and medians of three turns are printed.

- survey: ``survey(model, images, top=4)``, which an examination makes, too.
- examine: ``examine(model, images, labels=…)``, with both modes of batch normalization on a batch.
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
TURNS = 3


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(*sys.argv[2:])))
        return
    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    for framework in [word for word in sys.argv[1:] if "=" not in word] or FRAMEWORKS:
        got = one(framework, options)
        print(
            f"{framework:17} {options.get('network', 'c1'):10} survey {got['survey']:6.2f} s, "
            f"examine {got['examine']:6.2f} s: {got['examine'] / got['survey']:.2f} by the clock, "
            f"{got['examine_cpu'] / got['survey_cpu']:.2f} of processors",
            flush=True,
        )


def one(framework: str, options: dict[str, str]) -> dict[str, Any]:
    """Measure in a process of its own."""
    backend = framework.removeprefix("keras-")
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, __file__, "--one", framework, json.dumps(options)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def measured(framework: str, described: str) -> dict[str, Any]:
    """Return the median times of both."""
    import layerscope as ls
    import models

    options = json.loads(described)
    network, batch = options.get("network", "c1"), int(options.get("batch", "32"))
    count = int(options.get("images", "640"))
    if framework == "torch":
        model = models.torch_inception() if network == "inception" else models.torch_model()
    else:
        model = models.keras_model(network)
    size = models.SHAPES[network]
    shape = (size[2], *size[:2]) if framework == "torch" else size
    few = np.random.default_rng(0).random((2 * batch, *shape), np.float32)
    x = np.concatenate([few] * max(1, count // len(few)))
    y = np.arange(len(x)) % 10

    survey = lambda: ls.survey(  # noqa: E731
        model, x, top=4, batch_size=batch, labels=y, progress=False
    )
    examine = lambda: ls.examine(  # noqa: E731
        model, x, batch_size=batch, labels=y, progress=False
    )
    survey()  # compiles
    examine()
    times: dict[str, list[float]] = {}
    for _ in range(TURNS):
        for name, run in (("survey", survey), ("examine", examine)):
            start, processor = time.perf_counter(), time.process_time()
            run()
            times.setdefault(name, []).append(time.perf_counter() - start)
            times.setdefault(f"{name}_cpu", []).append(time.process_time() - processor)
    return {name: statistics.median(taken) for name, taken in times.items()}


if __name__ == "__main__":
    main()
