"""What a recorder must know of a training, in whichever framework it runs."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from layerscope.core.errors import ModelError

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


def check_runs(model: Any) -> None:
    """Raise ModelError for a model that no input can be run through, trained or not."""
    root = root_of(model)
    if root == "keras":
        from layerscope.backends.keras.unreached import check_call

        check_call(model)
    if root == "torch" and type(model).forward is sys.modules["torch"].nn.Module.forward:
        raise ModelError(
            f"The module {type(model).__name__} has no forward(), so nothing can be run through "
            "it: write one, or pass the module that is called."
        )


def is_ready(model: Any) -> bool:
    """Whether it certainly has all of its weights before it is trained.

    What makes them must be the training, not a look. A layer that is never called has none at any
    time: at the first step, ``awaits_training`` tells whether a look would make some.
    """
    root = root_of(model)
    if root == "sklearn":
        from layerscope.backends.sklearn.fit import is_fitted

        return is_fitted(model)
    if root == "keras":
        from layerscope.backends.keras.tree import is_exact

        layers = [model, *getattr(model, "_flatten_layers", list)()]
        return is_exact(model) or all(getattr(layer, "built", True) for layer in layers)
    if root == "torch":
        return not _lazy(model)
    return True


def awaits_training(model: Any, look: Callable[[Any], object]) -> bool:
    """Whether a look now, at a step, would make weights that the training is to make.

    ``look`` runs the model that it is given. A Keras layer draws its weights by a seed of its own,
    so there it makes no difference; a PyTorch module draws them from the state that the training
    draws from, and so a copy of it is tried.
    """
    root = root_of(model)
    if root == "sklearn":
        return not is_ready(model)
    if root != "torch" or not _lazy(model):
        return False
    trial = copy.deepcopy(model)
    look(trial)
    return _lazy(trial) != _lazy(model)


def uncalled(model: Any, called: Collection[str]) -> tuple[list[str], list[str]]:
    """Return what was not called in a pass: the layers that have weights, those that have none.

    Of PyTorch only modules whose weights have no shape yet: others may be used without a call.
    """
    root = root_of(model)
    if root == "keras":
        from layerscope.backends.keras.unreached import uncalled as uncalled_layers

        return uncalled_layers(model, called)
    return [], sorted({key.rpartition(".")[0] for key in _lazy(model)}) if root == "torch" else []


def _lazy(module: Any) -> list[str]:
    """Return the names of the weights that have no shape yet."""
    is_lazy = sys.modules["torch"].nn.parameter.is_lazy
    tensors = (*module.named_parameters(), *module.named_buffers())
    return [name for name, tensor in tensors if is_lazy(tensor)]


def starts_over(model: Any) -> bool:
    """Whether each fit begins with new weights, rather than with those of the one before."""
    if root_of(model) != "sklearn":
        return False
    from layerscope.backends.sklearn.fit import perceptron

    return not getattr(perceptron(model), "warm_start", False)


def watched(
    model: Any, on_begin: OnBegin, on_epoch: OnEpoch, on_end: OnEnd
) -> AbstractContextManager[None]:
    """A block in which each epoch of an ordinary scikit-learn ``fit`` is told of."""
    if root_of(model) != "sklearn":
        return nullcontext()
    from layerscope.backends.sklearn.fit import perceptron
    from layerscope.backends.sklearn.fit import watched as watched_fit

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
