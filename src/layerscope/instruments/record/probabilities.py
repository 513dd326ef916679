"""P(class) among the metrics: what the network makes of the probe, by the names of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.core.errors import InputError


def read_classes(classes: Any) -> tuple[str, ...]:
    """Read ``classes=``. Raises InputError when it is no list of different names."""
    if classes is None:
        return ()
    if isinstance(classes, list | tuple) and classes and all(isinstance(c, str) for c in classes):
        if len(set(classes)) == len(classes):
            return tuple(classes)
        raise InputError("classes= names a class twice: each needs a name of its own.")
    raise InputError(
        f"classes={classes!r}: pass the names of the model's classes, in the order of its outputs."
    )


def probabilities(output: Any, classes: Sequence[str]) -> dict[str, float]:
    """Return ``P(name)`` of each class, the mean over the probe's samples.

    The output is taken as it is where each sample's sums to 1, as the probability of the second
    class where there are two and it is one number between 0 and 1; otherwise it is logits.

    Raises InputError when the output is not one value for each class.
    """
    if not classes:
        return {}
    values = np.asarray(output, np.float64) if _is_array(output) else np.empty(0)
    if values.ndim == 2 and values.shape[1] == 1 and len(classes) == 2:
        values = _of_one(values)
    if values.ndim != 2 or values.shape[1] != len(classes):
        shape = f"of shape {values.shape}" if _is_array(output) else f"a {type(output).__name__}"
        raise InputError(
            f"classes= names {len(classes)}, and the model's output is {shape}: it must be one "
            "value for each class."
        )
    sums = values.sum(axis=1)
    if not (np.allclose(sums, 1, atol=1e-3) and values.min() >= -1e-6):
        values = _softmax(values)
    means = values.mean(axis=0)
    return {f"P({name})": float(p) for name, p in zip(classes, means, strict=True)}


def _is_array(output: Any) -> bool:
    return isinstance(output, np.ndarray) and output.dtype.kind in "fiu"


def _of_one(values: Any) -> Any:
    if values.min() < 0 or values.max() > 1:
        return np.concatenate([np.zeros_like(values), values], axis=1)  # a logit
    return np.concatenate([1 - values, values], axis=1)


def _softmax(values: Any) -> Any:
    exponents = np.exp(values - values.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)
