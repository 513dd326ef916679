"""The epochs of an ordinary ``fit`` of scikit-learn's multi-layer perceptrons.

An MLP has no callbacks. After each epoch it counts for how many the training has not improved: that
method is wrapped, on this estimator alone and for as long as the block lasts, and so is what calls
it, to tell ``fit`` from ``partial_fit``. Nothing of what the training computes with is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline

from layerscope.core.errors import ModelError

_AFTER_EPOCH = "_update_no_improvement_count"
_BY_EPOCHS = "_fit_stochastic"
_AT_ONCE = "_fit_lbfgs"

#: Is told, when the weights have their first values, how many steps there will be at most.
OnBegin = Callable[[int], None]
#: Is told how many epochs there were, 0 before the first, and the metrics of the last of them.
OnEpoch = Callable[[int, float, Mapping[str, float]], object]
#: Is told, after a fit, sentences about how it ended.
OnEnd = Callable[[list[str]], None]


def perceptron(model: Any) -> Any:
    """Return the MLP itself, or the one that a pipeline ends in; None where there is none."""
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    return last if isinstance(last, MLPClassifier | MLPRegressor) else None


def is_fitted(model: Any) -> bool:
    """Return whether it has weights to look at; also True of what is no MLP."""
    mlp = perceptron(model)
    return mlp is None or hasattr(mlp, "coefs_")


@contextmanager
def watched(model: Any, on_begin: OnBegin, on_epoch: OnEpoch, on_end: OnEnd) -> Iterator[None]:
    """Tell of each epoch of each ``fit`` in this block; ``partial_fit`` tells of none.

    Raises ModelError, before it trains, for a fit by ``solver="lbfgs"``, which has no epochs.
    """
    mlp = perceptron(model)
    attributes = vars(mlp)
    by_epochs = getattr(mlp, _BY_EPOCHS)

    def fit_by_epochs(*args: Any, **kwargs: Any) -> Any:
        incremental = kwargs.get("incremental", args[-1] if args else False)
        if incremental:
            return by_epochs(*args, **kwargs)
        on_begin(int(mlp.max_iter) + 1)
        on_epoch(0, 0.0, {})
        with _replaced(attributes, {_AFTER_EPOCH: _after_epoch(mlp, on_epoch)}):
            result = by_epochs(*args, **kwargs)
        on_end(_ending(mlp))
        return result

    def fit_at_once(*args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        raise ModelError(
            "solver='lbfgs' has no epochs that could be recorded: use 'adam' or 'sgd', or record "
            "the network after it was fitted, with snap()."
        )

    with _replaced(attributes, {_BY_EPOCHS: fit_by_epochs, _AT_ONCE: fit_at_once}):
        yield


def _after_epoch(mlp: Any, on_epoch: OnEpoch) -> Callable[..., Any]:
    count = getattr(mlp, _AFTER_EPOCH)

    def after_epoch(*args: Any, **kwargs: Any) -> Any:
        result = count(*args, **kwargs)
        metrics = {"loss": float(mlp.loss_)}
        if mlp.early_stopping:
            metrics["validation_score"] = float(mlp.validation_scores_[-1])
        # Adam's own attribute is its step's length, corrected for its moments' late start.
        adapts = mlp.solver == "adam"
        rate = mlp.learning_rate_init if adapts else mlp._optimizer.learning_rate
        metrics["learning_rate"] = float(rate)
        on_epoch(int(mlp.n_iter_), float(mlp.n_iter_), metrics)
        return result

    return after_epoch


def _ending(mlp: Any) -> list[str]:
    sentences = []
    if mlp.n_iter_ < mlp.max_iter:
        sentences.append(f"the training stopped by itself after epoch {mlp.n_iter_}")
    if mlp.early_stopping and mlp.validation_scores_:
        best = int(np.nanargmax(mlp.validation_scores_))
        sentences.append(
            f"early stopping then put back the weights of epoch {best + 1}, whose validation score "
            f"is the best: {mlp.validation_scores_[best]:.4f}"
        )
    return sentences


@contextmanager
def _replaced(attributes: dict[str, Any], methods: Mapping[str, Any]) -> Iterator[None]:
    """Replace methods of one object, for as long as the block lasts."""
    before = {name: attributes[name] for name in methods if name in attributes}
    attributes.update(methods)
    try:
        yield
    finally:
        for name in methods:
            attributes.pop(name, None)
        attributes.update(before)
