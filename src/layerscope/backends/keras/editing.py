"""Keras layers that return edited values, for as long as that lasts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from layerscope.backends.editing import Editing
from layerscope.backends.keras import tree

#: Where a model keeps what it has compiled of itself.
_COMPILED = ("predict_function", "test_function", "train_function")


class KerasArrays:
    """Keras' tensors, on whatever it runs on."""

    def ordered(self, value: Any, order: Sequence[int]) -> Any:
        return keras.ops.transpose(value, tuple(order))

    def like(self, new: Any, value: Any) -> Any:
        return keras.ops.cast(keras.ops.convert_to_tensor(new), value.dtype)

    def shaped(self, value: Any, shape: tuple[int, ...]) -> Any:
        return keras.ops.reshape(value, shape)

    def where(self, mask: Any, new: Any, value: Any) -> Any:
        return keras.ops.where(keras.ops.convert_to_tensor(mask), new, value)


@contextmanager
def edited(model: Any, editing: Editing) -> Iterator[None]:
    """Have the model's own layers return edited values: each by a method of its own meanwhile."""
    layers = dict(tree.addresses(model).values())
    editing.check(layers)
    with ExitStack() as stack:
        for layer in (model, *layers.values()):
            if isinstance(layer, keras.Model):
                stack.enter_context(_compiled_anew(layer))
        for address in sorted(editing.layers):
            stack.enter_context(_called(layers[address], _editing_call(editing, address)))
        # Outermost, also where the model is one of the layers.
        stack.enter_context(_called(model, _beginning_call(editing)))
        yield


_Around = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


def _editing_call(editing: Editing, address: str) -> _Around:
    return lambda call, args, kwargs: _masked(editing.returned, address, call(*args, **kwargs))


def _beginning_call(editing: Editing) -> _Around:
    def around(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        editing.begin(*args, **kwargs)
        return call(*args, **kwargs)

    return around


def _masked(edit: Callable[[str, Any], Any], address: str, result: Any) -> Any:
    """Return a result, edited; the mask that Keras hands on beside a tensor goes on with it."""
    from keras.src.backend import get_keras_mask, set_keras_mask

    made = edit(address, result)
    if made is not result and hasattr(result, "shape"):
        mask = get_keras_mask(result)
        if mask is not None:
            set_keras_mask(made, mask)
    return made


@contextmanager
def _called(layer: Any, around: _Around) -> Iterator[None]:
    """Have a layer be called by way of this function."""
    attributes, original = vars(layer), layer.call
    was = attributes.get("call")

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        return around(original, args, kwargs)

    # Not by setattr, which Keras' layers take for a setting of theirs.
    attributes["call"] = call
    try:
        yield
    finally:
        if was is None:
            attributes.pop("call", None)
        else:
            attributes["call"] = was


@contextmanager
def _compiled_anew(model: Any) -> Iterator[None]:
    """Have a model compile its passes anew meanwhile, and go on with those that it had."""
    attributes = vars(model)
    before = {name: attributes[name] for name in _COMPILED if name in attributes}
    try:
        attributes.update(dict.fromkeys(before))
        yield
    finally:
        attributes.update(before)
