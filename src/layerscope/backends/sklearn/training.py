"""scikit-learn's multi-layer perceptrons in training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from layerscope.backends.sklearn import fit
from layerscope.backends.training import OnBegin, OnEnd, OnEpoch, Training


class SklearnTraining(Training):
    """An estimator: its fit is watched, and makes its weights."""

    reports_steps = True

    def is_ready(self) -> bool:
        """Return whether it is fitted."""
        return fit.is_fitted(self.model)

    def awaits_training(self, look: Callable[[Any], object]) -> bool:
        """Return whether it is yet to be fitted."""
        return not self.is_ready()

    def starts_over(self) -> bool:
        """Return whether each fit begins with new weights: unless it was made with warm_start."""
        return not getattr(fit.perceptron(self.model), "warm_start", False)

    def watched(
        self, on_begin: OnBegin, on_epoch: OnEpoch, on_end: OnEnd
    ) -> AbstractContextManager[None]:
        """Report each epoch of each ordinary ``fit`` in this block."""
        if fit.perceptron(self.model) is None:
            return nullcontext()
        return fit.watched(self.model, on_begin, on_epoch, on_end)
