"""The gradients that a recorder notes: those of the training, or of the loss on the probe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.training import Training
from layerscope.core.errors import InputError
from layerscope.inputs import sample_count

Norms = Callable[[], Mapping[str, float]]


def gradients_of(training: Training, asked: Any, values: Sequence[Any], count: int) -> Norms | None:
    """Read ``gradients=``: return what gives the norms of a step, None where nobody asks.

    ``values`` are the parts of the probe, ``count`` how many samples they have. Raises InputError
    for what this framework can't do, and for labels that are not those of the probe.
    """
    if asked is None or asked is False:
        return None
    if asked is True:
        if training.keeps_gradients:
            return training.kept_gradients
        hint = (
            ": pass the labels of the probe, gradients=labels, and they are those of the loss on it"
            if training.computes_gradients
            else ", and has no gradients to record"
        )
        raise InputError(
            "gradients=True reads what the training's own backward pass leaves with the weights; "
            f"this framework leaves nothing{hint}."
        )
    if not training.computes_gradients:
        raise InputError(
            "gradients=labels computes the gradients of a compiled loss, as Keras has it: pass "
            "gradients=True, and call snap() after backward(), to record those of the training."
            if training.keeps_gradients
            else f"gradients={asked!r}: there are none to record in this framework."
        )
    if not hasattr(asked, "__len__") or len(asked) != count:
        there = f"{len(asked)} labels" if hasattr(asked, "__len__") else repr(asked)
        raise InputError(f"gradients= takes a label for each of the {count} samples, not {there}.")
    return _OnTheProbe(training, np.asarray(asked), values)


class _OnTheProbe:
    """Computes the gradients of the loss on the probe."""

    def __init__(self, training: Training, labels: npt.NDArray[Any], values: Sequence[Any]) -> None:
        self._training, self._labels, self._values = training, labels, values

    def __call__(self) -> Mapping[str, float]:
        """Return the norm of each parameter's gradient, of the mean loss over all samples."""
        total: dict[str, npt.NDArray[np.float64]] = {}
        begin = 0
        for value in self._values:
            count = sample_count(value)
            labels = self._labels[begin : begin + count]
            for key, gradient in self._training.loss_gradients(value, labels).items():
                part = gradient.astype(np.float64) * (count / len(self._labels))
                total[key] = total[key] + part if key in total else part
            begin += count
        return {key: float(np.linalg.norm(gradient)) for key, gradient in total.items()}
