"""What a step of feature visualization costs beside the framework's bare gradient.

Usage: ``python benchmarks/bench_features.py [FRAMEWORK ...]``, with frameworks keras-jax,
keras-tensorflow, keras-torch and torch; all that are installed by default.

The network is InceptionV3 with random weights, 299×299; the target a channel of ``mixed4``. The
bare step is the forward and the backward pass of the network cut there, compiled where the
framework compiles, in PyTorch with the input channels-last. For each framework:

- tutorial, lucid: the median time of a step of that recipe over that of a bare step, measured in
  turn in one process;
- maco: a step of that recipe, which sees four copies, over a bare step of a batch of four;
- first: the time of the first step of the tutorial recipe in a new process, compilation included,
  over that of the first bare step;
- again: the same for another unit, seed and step size after it, over a bare step: no compilation;
- batch 8: the time of an image in a batch of 8 over that of an image alone, both by us.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
LAYER, SIDE = "mixed4", 299


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frameworks", nargs="*")
    parser.add_argument("--seconds", type=float, default=30, help="to measure steps for")
    parser.add_argument("--repeats", type=int, default=3, help="processes for each first step")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child](*arguments.frameworks, arguments.seconds)))
        return
    chosen = arguments.frameworks or [n for n, m in NEEDS.items() if importlib.util.find_spec(m)]
    columns = ("bare ms", "tutorial", "lucid", "maco", "first s", "first", "again", "batch 8")
    print(f"{'framework':17}" + "".join(f"{name:>9}" for name in columns), flush=True)
    for framework in chosen:
        steps = child("warm", framework, arguments.seconds)
        firsts = [child("first", framework, 0) for _ in range(arguments.repeats)]
        bare = [child("first_bare", framework, 0)["s"] for _ in range(arguments.repeats)]
        first = median(each["s"] for each in firsts)
        again = median(each["again"] for each in firsts)
        batch = child("batch", framework, arguments.seconds)
        row = (
            f"{steps['bare']:9.0f}{steps['tutorial'] / steps['bare']:9.2f}"
            f"{steps['lucid'] / steps['bare']:9.2f}{steps['maco'] / steps['bare of 4']:9.2f}"
            f"{first:9.1f}{first / median(bare):9.2f}"
            f"{1e3 * again / steps['bare']:9.2f}{batch['eight'] / 8 / batch['one']:9.2f}"
        )
        print(f"{framework:17}{row}", flush=True)


def child(what: str, framework: str, seconds: float) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["KERAS_BACKEND"] = framework.removeprefix("keras-")
    command = [sys.executable, __file__, framework, "--child", what, "--seconds", str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def network(framework: str) -> Any:
    """The model that is measured."""
    sys.path.insert(0, str(Path(__file__).parent))
    import models

    return models.torch_inception() if framework == "torch" else models.keras_model("inception")


def bare_step(model: Any, framework: str, images: int = 1) -> Callable[[], Any]:
    """The gradient of a channel's mean with respect to an image, as one would write it by hand."""
    x = np.random.default_rng(0).uniform(-1, 1, (images, SIDE, SIDE, 3)).astype(np.float32)
    if framework == "torch":
        return _bare_torch(model, x)
    import keras

    cut = keras.Model(model.inputs, model.get_layer(LAYER).output)
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        held = [
            [v.value for v in kind]
            for kind in (cut.trainable_variables, cut.non_trainable_variables)
        ]

        def score(x: Any, variables: Any) -> Any:
            return cut.stateless_call(*variables, x, training=False)[0][..., 42].mean()

        compiled = jax.jit(jax.value_and_grad(score))
        placed = jax.numpy.asarray(x)
        return lambda: jax.block_until_ready(compiled(placed, held))
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function
        def slope(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_mean(cut(x, training=False)[..., 42])
            return value, tape.gradient(value, x)

        tensor = tf.constant(x)
        return lambda: slope(tensor)[1].numpy()
    import torch

    for parameter in cut.parameters():
        parameter.requires_grad_(False)
    tensor = torch.from_numpy(x)

    def eager() -> Any:
        leaf = tensor.detach().requires_grad_()
        return torch.autograd.grad(cut(leaf, training=False)[..., 42].mean(), leaf)

    return eager


def _bare_torch(model: Any, x: np.ndarray) -> Callable[[], Any]:
    import copy

    import torch

    names = [name for name, _ in model.named_children()]
    cut = copy.deepcopy(model)[: names.index(LAYER) + 1].requires_grad_(False)
    tensor = torch.from_numpy(x).permute(0, 3, 1, 2)  # channels-last in memory

    def eager() -> Any:
        leaf = tensor.detach().requires_grad_()
        return torch.autograd.grad(cut(leaf)[:, 42].mean(), leaf)

    return eager


def steps(model: Any, recipe_name: str, **changes: Any) -> Iterator[Any]:
    """An ascent of ours, to be asked for one step after the other."""
    from layerscope.instruments.features.ascent.task import task_of
    from layerscope.instruments.features.image.recipes import recipe

    options = {"variants": changes.pop("batch", 1), "seed": changes.pop("seed", 0)}
    unit = changes.pop("unit", 42)
    made = recipe(recipe_name, steps=100_000, size=SIDE, **changes)
    task = task_of(model, f"{LAYER}:{unit}", made, **options)
    (images,) = task.batches
    seeds = [task.seeds[i] for i in images]
    return task.ascent.climb(task.arrays(images), seeds, task.start_of(images))


def warm(framework: str, seconds: float) -> dict[str, float]:
    """Medians in milliseconds, measured in turn."""
    model = network(framework)
    ascents = {name: steps(model, name) for name in ("tutorial", "lucid", "maco")}
    runs: dict[str, Callable[[], Any]] = {
        "bare": bare_step(model, framework),
        "bare of 4": bare_step(model, framework, 4),
    }
    runs |= {name: (lambda ascent=ascent: next(ascent)) for name, ascent in ascents.items()}
    return in_turn(runs, seconds)


def batch(framework: str, seconds: float) -> dict[str, float]:
    """A step of one image, and one of eight."""
    model = network(framework)
    ascents = {"one": steps(model, "tutorial"), "eight": steps(model, "tutorial", batch=8)}
    return in_turn({n: (lambda a=a: next(a)) for n, a in ascents.items()}, seconds)


def in_turn(runs: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The median time of each in milliseconds."""
    for _ in range(3):
        for run in runs.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    started = time.perf_counter()
    while len(times["bare" if "bare" in runs else "one"]) < 7 or (
        time.perf_counter() - started < seconds
    ):
        for name, run in runs.items():
            before = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - before))
    return {name: median(values) for name, values in times.items()}


def first(framework: str, seconds: float) -> dict[str, float]:
    """Seconds of the first step, and of the first of another ascent after it."""
    model = network(framework)
    started(framework)
    before = time.perf_counter()
    next(steps(model, "tutorial"))
    took = time.perf_counter() - before
    other = steps(model, "tutorial", unit=7, seed=3, step_size=0.02)
    before = time.perf_counter()
    next(other)
    return {"s": took, "again": time.perf_counter() - before}


def first_bare(framework: str, seconds: float) -> dict[str, float]:
    """Seconds of the first bare step."""
    model = network(framework)
    started(framework)
    before = time.perf_counter()
    bare_step(model, framework)()
    return {"s": time.perf_counter() - before}


def started(framework: str) -> None:
    """One gradient, to have the framework start; and our own modules imported."""
    import keras

    import layerscope.instruments.features.features  # noqa: F401

    tiny = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    keras.ops.convert_to_numpy(tiny(keras.ops.ones((1, 4))))


CHILDREN = {"warm": warm, "first": first, "first_bare": first_bare, "batch": batch}

if __name__ == "__main__":
    main()
