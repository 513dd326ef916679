"""What maps of attribution cost beside the framework's bare gradients and passes.

Usage: ``python benchmarks/bench_attribution.py [FRAMEWORK ...]``, with frameworks keras-jax,
keras-tensorflow, keras-torch and torch; all that are installed by default.

The network is C1 of ``models.py``, 150×150, random weights. Bare is what one would write by hand,
compiled where the framework compiles, on an input that is in place; each pair is measured in turn,
in one process, and the ratio is that of the medians:

- saliency: of 16 samples, over one gradient of 16;
- integrated: 64 steps for one sample, over one gradient of a batch of 64;
- occlusion: 25 windows for each of 8 samples, over bare passes on as many inputs, 32 at a time;
- memory: the most that the process has gained while 512 steps were integrated, 32 at a time, over
  what it has gained for 32.
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
SIDE = 150


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frameworks", nargs="*")
    parser.add_argument("--repeats", type=int, default=7, help="of each pair")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        (framework,) = arguments.frameworks
        result = (
            memory(framework, arguments.memory)
            if arguments.memory
            else measured(framework, arguments.repeats)
        )
        print(json.dumps(result))
        return
    chosen = arguments.frameworks or [n for n, m in NEEDS.items() if importlib.util.find_spec(m)]
    columns = ("bare ms", "saliency", "integrated", "occlusion", "memory")
    print(f"{'framework':17}" + "".join(f"{name:>12}" for name in columns), flush=True)
    for framework in chosen:
        ratios = child(framework, arguments.repeats)
        few, many = (child(framework, 0, memory=steps)["gained"] for steps in (32, 512))
        print(
            f"{framework:17}{1e3 * ratios['bare']:12.0f}{ratios['saliency']:12.2f}"
            f"{ratios['integrated']:12.2f}{ratios['occlusion']:12.2f}{many / max(few, 1):12.2f}",
            flush=True,
        )


def child(framework: str, repeats: int, *, memory: int = 0) -> dict[str, float]:
    """Measure in a process of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["KERAS_BACKEND"] = framework.removeprefix("keras-")
    command = [sys.executable, __file__, framework, "--child", "--repeats", str(repeats)]
    command += ["--memory", str(memory)] if memory else []
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measured(framework: str, repeats: int) -> dict[str, float]:
    """Return the ratios of one framework, and the seconds of a bare gradient of 16."""
    from layerscope import attribute

    model = network(framework)
    gradient, scores = bare(model, framework)
    rng = np.random.default_rng(0)
    x = rng.random((64, SIDE, SIDE, 3)).astype(np.float32)
    given = x.transpose(0, 3, 1, 2).copy() if framework == "torch" else x
    window, stride = 50, 25  # 25 places

    def occluded() -> None:
        for _ in range(25 * 8 // 32):
            scores(x[:32])
        scores(x[: 25 * 8 % 32])

    target = 0 if framework != "torch" else "output:0"
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "saliency": (
            lambda: attribute(model, given[:16], target, "saliency", batch_size=16),
            lambda: gradient(x[:16]),
        ),
        "integrated": (
            lambda: attribute(
                model, given[:1], target, "integrated_gradients", steps=64, batch_size=64
            ),
            lambda: gradient(x),
        ),
        "occlusion": (
            lambda: attribute(
                model, given[:8], target, "occlusion", window=window, stride=stride, batch_size=32
            ),
            occluded,
        ),
    }
    result: dict[str, float] = {}
    for name, (ours, theirs) in pairs.items():
        times = in_turn(ours, theirs, repeats)
        result[name] = times[0] / times[1]
        if name == "saliency":
            result["bare"] = times[1]
    return result


def in_turn(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int
) -> tuple[float, float]:
    """Return the median seconds of both, the first call of each left out."""
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(repeats + 1):
        for kept, function in zip(times, (ours, theirs), strict=True):
            start = time.perf_counter()
            function()
            if i:
                kept.append(time.perf_counter() - start)
    return median(times[0]), median(times[1])


def memory(framework: str, steps: int) -> dict[str, float]:
    """Return how many bytes a process has gained at most for so many steps, 32 at a time."""
    from layerscope import attribute

    model = network(framework)
    x = np.random.default_rng(0).random((1, SIDE, SIDE, 3)).astype(np.float32)
    given = x.transpose(0, 3, 1, 2).copy() if framework == "torch" else x
    target = 0 if framework != "torch" else "output:0"
    attribute(model, given, target, "saliency")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attribute(model, given, target, "integrated_gradients", steps=steps, batch_size=32)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"gained": 1024 * (after - before)}


def network(framework: str) -> Any:
    """Return the model that is measured."""
    sys.path.insert(0, str(Path(__file__).parent))
    import models

    if framework == "torch":
        model = models.torch_model()
        return model[:-1].eval()  # to the logit
    return models.keras_model("c1")


def bare(model: Any, framework: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the gradient of the logit, and the logit, as one would write them by hand."""
    if framework == "torch":
        import torch

        for parameter in model.parameters():
            parameter.requires_grad_(False)

        def torch_gradient(x: np.ndarray) -> Any:
            leaf = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
            return torch.autograd.grad(model(leaf).sum(), leaf)[0].numpy()

        def torch_scores(x: np.ndarray) -> Any:
            with torch.inference_mode():
                return model(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()

        return torch_gradient, torch_scores
    import keras

    last = model.layers[-1]
    inner = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), *model.layers[:-1], keras.layers.Dense(1)]
    )
    inner.layers[-1].set_weights(last.get_weights())
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        held = [
            [v.value for v in kind]
            for kind in (inner.trainable_variables, inner.non_trainable_variables)
        ]

        def score(x: Any, variables: Any) -> Any:
            return inner.stateless_call(*variables, x, training=False)[0].sum()

        slope, plain = (
            jax.jit(jax.grad(score)),
            jax.jit(lambda x, variables: inner.stateless_call(*variables, x, training=False)[0]),
        )
        return (
            lambda x: np.asarray(slope(x, held)),
            lambda x: np.asarray(plain(x, held)),
        )
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function(reduce_retracing=True)
        def tf_slope(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_sum(inner(x, training=False))
            return tape.gradient(value, x)

        @tf.function(reduce_retracing=True)
        def tf_scores(x: Any) -> Any:
            return inner(x, training=False)

        return (
            lambda x: tf_slope(tf.constant(x)).numpy(),
            lambda x: tf_scores(tf.constant(x)).numpy(),
        )
    import torch

    for parameter in inner.parameters():
        parameter.requires_grad_(False)

    def eager(x: np.ndarray) -> Any:
        leaf = torch.from_numpy(x).requires_grad_()
        return torch.autograd.grad(inner(leaf, training=False).sum(), leaf)[0].numpy()

    def eager_scores(x: np.ndarray) -> Any:
        with torch.no_grad():
            return inner(torch.from_numpy(x), training=False).numpy()

    return eager, eager_scores


if __name__ == "__main__":
    main()
