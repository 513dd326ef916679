"""Gradients of an input and a little noise: their mean, and their variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.instruments.attribution.engine import GRADIENTS
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method

Array = npt.NDArray[Any]

_REPEATS = 25
_SPREAD = 0.15  #: of the noise, as a share of the input's range


def smoothgrad(task: AttributionTask) -> Maps:
    """Return the mean gradient under noise."""
    mean, _, settings = _moments(task)
    return Maps(mean, settings)


def vargrad(task: AttributionTask) -> Maps:
    """Return the variance of the gradient under noise."""
    _, variance, settings = _moments(task)
    return Maps(variance, settings)


def _moments(task: AttributionTask) -> tuple[Array, Array, dict[str, Any]]:
    """Return the mean and the variance of gradients under noise.

    The noise of a repetition is drawn for all samples at once, so batches make no difference.
    """
    noise, settings = _noise_of(task)
    count = settings["repeats"]
    total = np.zeros(task.values.shape, np.float64)
    squares = np.zeros(task.values.shape, np.float64)
    size = max(1, task.engine.batch_size // len(task.values))
    for begin in range(0, count, size):
        some = range(begin, min(begin + size, count))
        noisy = np.concatenate([task.values + noise(i) for i in some])
        rows = np.tile(task.rows, len(some))
        gradients = task.engine.gradients(noisy.astype(np.float32), rows)[1]
        gradients = gradients.reshape(len(some), *task.values.shape).astype(np.float64)
        total += gradients.sum(axis=0)
        squares += np.square(gradients).sum(axis=0)
    mean = total / count
    return mean, np.maximum(squares / count - np.square(mean), 0), settings


def _noise_of(task: AttributionTask) -> tuple[Any, dict[str, Any]]:
    """Return what makes the noise of a repetition, and how it is set."""
    given = task.options.noise
    if isinstance(given, Mapping):
        each = task.by_input("noise")
        missing = [part.name for part, one in zip(task.subject.parts, each, strict=True)
                   if one is None]  # fmt: skip
        if missing:
            raise InputError(f"noise= lacks {', '.join(map(repr, missing))}: name every input.")
        of_inputs = [np.asarray(one, np.float32) for one in each]
        if len({len(one) for one in of_inputs if one.ndim}) != 1 or any(
            one.shape[1:] != values.shape
            for one, (_, values) in zip(of_inputs, task.pieces, strict=True)
        ):
            shapes = ", ".join(f"{part.name!r} {values.shape}" for part, values in task.pieces)
            raise InputError(
                f"noise= has the shapes {', '.join(str(one.shape) for one in of_inputs)}: pass "
                f"(repeats, …) of each input: {shapes}."
            )
        repeats = len(of_inputs[0])
        drawn_already = [task.subject.joined([one[i] for one in of_inputs]) for i in range(repeats)]
        return lambda i: drawn_already[i], {"repeats": repeats, "noise": "given"}
    if given is not None and not isinstance(given, int | float):
        task.by_input("noise")  # says that several inputs need a dict
        array = np.asarray(given, np.float32)
        if array.shape[1:] != task.values.shape and array.shape[1:] != task.values.shape[1:]:
            raise InputError(
                f"noise= has shape {array.shape}: pass a share of the input's range, or noise of "
                f"shape (repeats, {', '.join(map(str, task.values.shape))})."
            )
        return lambda i: array[i], {"repeats": len(array), "noise": "given"}
    share = _SPREAD if given is None else float(given)
    if not np.isfinite(share) or share < 0:
        raise InputError(f"noise={given!r}: pass a share of the input's range, 0 or more.")
    extent = task.extent()
    seed = task.options.seed

    def drawn(i: int) -> Array:
        rng = np.random.default_rng((seed, i))
        return np.asarray(share * extent * rng.standard_normal(task.values.shape))

    return drawn, {"repeats": task.options.repeats or _REPEATS, "noise": share}


METHODS = (
    Method(
        "smoothgrad",
        smoothgrad,
        GRADIENTS,
        "Smilkov et al. 2017, SmoothGrad, arXiv:1706.03825",
        ("noise", "repeats", "seed"),
        enough={"repeats": 10},
        tokens="norm",
    ),
    Method(
        "vargrad",
        vargrad,
        GRADIENTS,
        "Adebayo et al. 2018, Local Explanation Methods for Deep Neural Networks, arXiv:1810.03307",
        ("noise", "repeats", "seed"),
        enough={"repeats": 10},
    ),
)
