"""How good an answer is: metrics with a number for each sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.suggestions import did_you_mean
from layerscope.core.table import shape_text

Array = npt.NDArray[Any]
#: Given what the model answered, the labels and what the intact model answered, a number for each
#: sample.
Metric = Callable[[Array, Array | None, Array], Array]

_SMALLEST = 1e-12  #: a probability below it counts as it


def metric_of(metric: Any, has_labels: bool) -> tuple[str, Metric]:
    """Return a metric and its name; by default accuracy, or without labels agreement.

    Raises InputError where there is no such metric, or it needs labels that there are not.
    """
    if metric is None:
        metric = "accuracy" if has_labels else "agreement"
    if callable(metric):
        function: Any = metric
        name = getattr(function, "__name__", type(function).__name__)
        return name, lambda answers, labels, intact: np.asarray(function(answers, labels))
    if metric not in METRICS:
        hint = did_you_mean(str(metric), METRICS, most=1)
        raise InputError(
            f"metric={metric!r}{hint and f': {hint}'}: pass {', '.join(map(repr, METRICS))}, or "
            "a function of the outputs and the labels that returns a number for each sample."
        )
    if metric in _NEED_LABELS and not has_labels:
        raise InputError(f"metric={metric!r} needs to know what is right: pass labels=.")
    return metric, METRICS[metric]


def numbered(labels: Sequence[Any], classes: Sequence[str] | None, outputs: int) -> Array | None:
    """Return labels as numbers of the model's outputs; None where there are none.

    Names are numbered in alphabetical order, as folders of images are, unless ``classes`` names
    the outputs in their order. Raises InputError where a label is none of them.
    """
    if all(label is None for label in labels):
        return None
    if any(label is None for label in labels):
        raise InputError("Some of the samples have labels and some have none.")
    if not any(isinstance(label, str) for label in labels):
        return np.asarray(labels)
    names = list(classes) if classes is not None else sorted(set(map(str, labels)))
    if len(names) != outputs:
        raise InputError(
            f"The labels are {len(names)} names, and the model answers with {outputs} numbers: "
            "pass classes=, the names of its outputs in their order."
        )
    places = {name: number for number, name in enumerate(names)}
    unknown = next((label for label in labels if str(label) not in places), None)
    if unknown is not None:
        raise InputError(f"The label {unknown!r} is none of classes=.")
    return np.asarray([places[str(label)] for label in labels])


def _top(answers: Array) -> Array:
    if answers.ndim == 1 or answers.shape[-1] == 1:
        return np.asarray(answers.reshape(len(answers), -1)[:, 0] > _middle(answers), int)
    return np.asarray(answers.argmax(axis=-1))


def _middle(answers: Array) -> float:
    """Return where one number says yes: 0.5 of probabilities, 0 of logits."""
    return 0.5 if answers.min(initial=0) >= 0 and answers.max(initial=1) <= 1 else 0.0


def _accuracy(answers: Array, labels: Array | None, intact: Array) -> Array:
    assert labels is not None
    right = labels.argmax(axis=-1) if labels.ndim == answers.ndim > 1 else labels.reshape(-1)
    return np.asarray(_top(answers) == right, np.float64)


def _agreement(answers: Array, labels: Array | None, intact: Array) -> Array:
    return np.asarray(_top(answers) == _top(intact), np.float64)


def _cross_entropy(answers: Array, labels: Array | None, intact: Array) -> Array:
    assert labels is not None
    right = labels.argmax(axis=-1) if labels.ndim == answers.ndim > 1 else labels.reshape(-1)
    shares = answers.astype(np.float64)
    is_distribution = shares.min() >= 0 and np.allclose(shares.sum(axis=-1), 1, atol=1e-3)
    if not is_distribution:  # logits
        shares = np.exp(shares - shares.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
    chosen = np.take_along_axis(shares, right.astype(int)[:, None], axis=-1)[:, 0]
    return np.asarray(-np.log(np.maximum(chosen, _SMALLEST)))


def _squared_error(answers: Array, labels: Array | None, intact: Array) -> Array:
    assert labels is not None
    if answers.size != labels.size:
        raise InputError(
            f"squared_error compares outputs of the shape {shape_text(answers.shape)} with labels "
            f"of the shape {shape_text(labels.shape)}."
        )
    gap = answers.reshape(len(answers), -1) - labels.reshape(len(answers), -1)
    return np.asarray(np.square(gap.astype(np.float64)).mean(axis=1))


METRICS: Mapping[str, Metric] = {
    "accuracy": _accuracy,
    "agreement": _agreement,
    "cross_entropy": _cross_entropy,
    "squared_error": _squared_error,
}
_NEED_LABELS = frozenset(METRICS) - {"agreement"}
