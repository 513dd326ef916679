"""What a recorder must know of a training, in whichever framework it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

OnBegin = Callable[[int], None]
OnEpoch = Callable[[int, float, Mapping[str, float]], object]
OnEnd = Callable[[list[str]], None]

#: PyTorch's wrappers for several devices, whose own forward pass needs all processes to take part.
_PARALLEL = ("DistributedDataParallel", "DataParallel")


def root_of(model: Any) -> str:
    """The framework that a model belongs to: ``keras``, ``torch``, ``sklearn``; empty for none."""
    for kind in type(model).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in ("keras", "torch", "sklearn"):
            return root
    return ""


def unwrapped(model: Any) -> Any:
    """The model itself, where it is wrapped to be trained on several devices."""
    is_wrapped = type(model).__name__ in _PARALLEL and root_of(model) == "torch"
    return model.module if is_wrapped else model


def is_ready(model: Any) -> bool:
    """Whether it has all of its weights; what makes them must be the training, not a look."""
    root = root_of(model)
    if root == "sklearn":
        from layerscope.backends.sklearn_fit import is_fitted

        return is_fitted(model)
    if root == "keras":
        layers = [model, *getattr(model, "_flatten_layers", list)()]
        return all(getattr(layer, "built", True) for layer in layers)
    if root == "torch":
        is_lazy = sys.modules["torch"].nn.parameter.is_lazy
        return not any(is_lazy(p) for p in (*model.parameters(), *model.buffers()))
    return True


def watched(
    model: Any, on_begin: OnBegin, on_epoch: OnEpoch, on_end: OnEnd
) -> AbstractContextManager[None]:
    """A block in which each epoch of an ordinary scikit-learn ``fit`` is told of."""
    if root_of(model) != "sklearn":
        return nullcontext()
    from layerscope.backends.sklearn_fit import perceptron
    from layerscope.backends.sklearn_fit import watched as watched_fit

    if perceptron(model) is None:
        return nullcontext()
    return watched_fit(model, on_begin, on_epoch, on_end)


def attached(model: Any) -> None:
    """See to it that a model in training holds its current weights.

    Keras on JAX trains on values of its own, and hands them back to the model at the end of an
    epoch, or when told to.
    """
    hand_back = getattr(model, "jax_state_sync", None)
    if hand_back is not None:
        hand_back()


def learning_rate(model: Any) -> float | None:
    """The learning rate of a Keras model's optimizer now; None where there is none."""
    if root_of(model) != "keras":
        return None
    rate = getattr(getattr(model, "optimizer", None), "learning_rate", None)
    if rate is None:
        return None
    import keras

    return float(keras.ops.convert_to_numpy(rate))
