"""The gradients of a compiled Keras model's loss, on samples and labels that are given."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from layerscope.backends.keras import tree
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.turns import in_turn
from layerscope.core.errors import ModelError

#: Compiled gradients by model, on JAX; they go with the model.
_COMPILED: weakref.WeakKeyDictionary[Any, Callable[..., Any]] = weakref.WeakKeyDictionary()


def loss_gradients(model: Any, x: Any, labels: Any) -> Mapping[str, npt.NDArray[Any]]:
    """Return the gradient of the loss with respect to each trainable parameter, by its key.

    The model is run in inference mode; nothing of it changes. Raises ModelError for a model that
    was not compiled.
    """
    if not getattr(model, "compiled", False):
        raise ModelError(
            "Gradients are those of the loss, and the model has none yet: compile it before the "
            "recorder is made."
        )
    return _computed(model, x, labels)


@in_turn
def _computed(model: Any, x: Any, labels: Any) -> Mapping[str, npt.NDArray[Any]]:
    tensor = keras.ops.convert_to_tensor
    x, labels = (keras.tree.map_structure(tensor, value) for value in (x, labels))
    owned = [
        each
        for each in tree.owned_parameters(model, tree.addresses(model))
        if each.variable.trainable
    ]
    compute = {"jax": _by_jax, "tensorflow": _by_tensorflow, "torch": _by_torch}
    with random_state_kept():
        made = compute[keras.config.backend()](model, x, labels, [one.variable for one in owned])
    return {
        one.parameter.key: np.asarray(keras.ops.convert_to_numpy(gradient))
        for one, gradient in zip(owned, made, strict=True)
        if gradient is not None
    }


def _loss(model: Any, x: Any, labels: Any) -> Any:
    return model.compute_loss(x, labels, model(x, training=False), None, training=False)


def _by_jax(model: Any, x: Any, labels: Any, trained: Sequence[Any]) -> Sequence[Any]:
    import jax

    if model not in _COMPILED:
        held = weakref.ref(model)

        def loss(values: Any, others: Any, x: Any, labels: Any) -> Any:
            model: Any = held()
            wanted = {id(v) for v in _trainable(model)}
            variables = list(_trainable(model))
            variables += [v for v in model.variables if id(v) not in wanted]
            mapping = list(zip(variables, [*values, *others], strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                return _loss(model, x, labels)

        _COMPILED[model] = jax.jit(jax.grad(loss))
    wanted = {id(v) for v in trained}
    others = [v.value for v in model.variables if id(v) not in wanted]
    return list(_COMPILED[model]([v.value for v in trained], others, x, labels))


def _trainable(model: Any) -> list[Any]:
    owned = tree.owned_parameters(model, tree.addresses(model))
    return [each.variable for each in owned if each.variable.trainable]


def _by_tensorflow(model: Any, x: Any, labels: Any, trained: Sequence[Any]) -> Sequence[Any]:
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        values = [variable.value for variable in trained]
        tape.watch(values)
        loss = _loss(model, x, labels)
    made = tape.gradient(loss, values)
    return [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in made]


def _by_torch(model: Any, x: Any, labels: Any, trained: Sequence[Any]) -> Sequence[Any]:
    import torch

    with torch.enable_grad():
        values = [variable.value for variable in trained]
        loss = _loss(model, x, labels)
        return list(torch.autograd.grad(loss, values, allow_unused=True))
