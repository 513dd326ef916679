"""Gradients of Keras models: passes to be differentiated, and the functions compiled of them."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.backend import get_keras_mask, set_keras_mask

from layerscope.backends.base import Tap
from layerscope.backends.calculus import calculus
from layerscope.backends.gradient_rules import GradientRule, ruled_functions
from layerscope.backends.keras import tree
from layerscope.backends.keras.call_order import CallOrder
from layerscope.backends.keras.calls import Perform, as_it_is
from layerscope.backends.keras.engines import Engine
from layerscope.backends.keras.forward import watched
from layerscope.backends.keras.gamma import spread
from layerscope.backends.keras.inputs import input_specs
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.relu_gradient import redirected_relus
from layerscope.backends.turns import here, in_turn
from layerscope.core.addresses import unknown_address
from layerscope.core.attention import is_attention
from layerscope.core.axes import presented
from layerscope.core.errors import ModelError
from layerscope.core.network import Layer
from layerscope.core.selection import Selection


def values_of(
    model: Any,
    engine: Engine,
    taps: Sequence[Tap],
    embedding: str | None = None,
    *,
    redirected: bool = False,
    shifted: Sequence[Layer] = (),
    rule: GradientRule | None = None,
) -> Callable[..., dict[Tap, Any]]:
    """Return a forward pass, as :meth:`Differentiable.values` and :meth:`Alterable.altered` do."""
    held = weakref.ref(model)
    known = tree.subjects(model)
    forwarded = calculus().forwarded
    layers = frozenset(tap.layer for tap in taps)
    selection = Selection(written=sorted(layers), exact=layers, expected=layers)
    listed = dict(tree.addresses(model).values())
    fused = {
        tap.layer: listed[_first_call(tap.layer)]
        for tap in taps
        if tap.before_activation and hasattr(listed.get(_first_call(tap.layer)), "activation")
    }
    table = listed[embedding] if embedding is not None else None
    owners = {address: weakref.ref(layer) for address, layer in fused.items()}
    order = CallOrder(model)
    attended = [layer.address if is_attention(layer.axes or ()) else None for layer in shifted]
    shifting = [
        None if is_attention(layer.axes or ()) else _Shift.of(listed, order, layer)
        for layer in shifted
    ]
    calls = {address: order.executed(layer, _call(address)) for address, layer in fused.items()}
    replaced = None if table is None else weakref.ref(table)
    first = next(iter(input_specs(model)), None)
    to_model = first is not None and first.layout == "channels_first"
    del listed, fused, table, model

    @in_turn
    def run(x: Any, shifts: Sequence[Any] = ()) -> dict[Tap, Any]:
        model = held()
        values: dict[str, Any] = {}
        several = isinstance(x, list | tuple | dict)  # which come in the model's own layout
        received = _channels_first(x) if to_model and not several else x
        perform: Perform = as_it_is
        for one, shift in zip(shifting, shifts, strict=True):
            perform = perform if one is None else one.adding(shift, perform)
        of_weights = {
            name: shift for name, shift in zip(attended, shifts, strict=True) if name is not None
        }
        if rule is not None and rule.gamma:
            perform = functools.partial(spread, rule.gamma, perform)
        if replaced is not None:
            received = keras.ops.zeros(keras.ops.shape(x)[:2], dtype="int32")
            perform = functools.partial(_in_place_of, replaced(), x)
        with (
            random_state_kept(),
            redirected_relus(redirected),
            ruled_functions(rule),
            _before(owners) as before,
        ):
            _, facts = watched(
                model,
                received,
                selection,
                engine,
                values,
                lambda _, value: forwarded(value),
                known=known,
                perform=perform,
                attention_shifts=of_weights,
            )
        selection.check(values, [*(layer.address for layer in facts.network), *facts.aliases])
        return {
            tap: _presented(_value(tap, values, before, calls), facts.axes[tap.layer])
            for tap in taps
        }

    return run


@contextmanager
def _before(owners: Mapping[str, Any]) -> Iterator[dict[str, list[Any]]]:
    """Note what goes into the activation of these layers, call by call, during a pass."""
    seen: dict[str, list[Any]] = {address: [] for address in owners}
    by_layer: dict[int, tuple[Any, list[list[Any]]]] = {}
    for address, owner in owners.items():
        layer = owner()
        by_layer.setdefault(id(layer), (layer, []))[1].append(seen[address])
    before = [(vars(layer), vars(layer)["activation"]) for layer, _ in by_layer.values()]
    try:
        for layer, lists in by_layer.values():
            vars(layer)["activation"] = _noting(layer.activation, lists)
        yield seen
    finally:
        for attributes, activation in before:
            attributes["activation"] = activation


def _noting(activation: Callable[[Any], Any], lists: list[list[Any]]) -> Callable[[Any], Any]:
    owner = here()

    def noted(x: Any) -> Any:
        if here() == owner:  # others may call the model meanwhile
            for each in lists:
                each.append(x)
        return x if activation is None else activation(x)

    return noted


def _value(
    tap: Tap,
    values: Mapping[str, Any],
    before: Mapping[str, list[Any]],
    calls: Mapping[str, int],
) -> Any:
    if not tap.before_activation or not before.get(tap.layer):
        return values[tap.layer]
    return before[tap.layer][calls[tap.layer]]


@dataclass(frozen=True)
class _Shift:
    """What is added to, and at which of its calls."""

    layer: Any  #: a weak reference
    call: int
    order: tuple[int, ...]  #: of the presented axes, as the layer has them

    @classmethod
    def of(cls, listed: Mapping[str, Any], order: CallOrder, shifted: Layer) -> _Shift:
        """Return that of a layer.

        Raises AddressError and ModelError where nothing can be added to it.
        """
        address = shifted.address
        layer = listed.get(_first_call(address))
        if layer is None:
            raise unknown_address(address, list(listed))
        axes = shifted.axes or ()
        shown = presented(axes)
        inward = tuple(shown.index(name) for name in axes)
        return cls(weakref.ref(layer), order.executed(layer, _call(address)), inward)

    def adding(self, shift: Any, call: Perform) -> Perform:
        """Return what makes the calls of a pass as ``call`` does, and adds to this one."""
        count = itertools.count()
        wanted = self.layer()

        def perform(original: Any, operation: Any, args: Any, kwargs: Any) -> Any:
            value = call(original, operation, args, kwargs)
            if operation is not wanted or next(count) != self.call:
                return value
            if not hasattr(value, "shape"):
                raise ModelError(
                    f"{wanted.name!r} returns several values, to which nothing can be added: name "
                    "a layer that returns one."
                )
            inward = shift if len(self.order) < 2 else keras.ops.transpose(shift, self.order)
            moved = value + keras.ops.cast(inward, value.dtype)
            mask = get_keras_mask(value)
            if mask is not None:
                set_keras_mask(moved, mask)
            return moved

        return perform


def _in_place_of(layer: Any, value: Any, original: Any, operation: Any, args: Any, kw: Any) -> Any:
    return value if operation is layer else original(operation, *args, **kw)


def _call(address: str) -> int:
    """Return which of a layer's calls an address is, counted from 0."""
    _, _, call = address.partition("#")
    return int(call) - 1 if call.isdecimal() else 0


def _first_call(address: str) -> str:
    """Return the address of a layer's first call."""
    return address.partition("#")[0]


def _channels_first(x: Any) -> Any:
    rank = len(x.shape)
    return keras.ops.transpose(x, (0, rank - 1, *range(1, rank - 1))) if rank > 2 else x


def _presented(value: Any, axes: tuple[str, ...]) -> Any:
    value = keras.ops.cast(value, "float32")
    if len(axes) != len(value.shape):
        return value
    order = [axes.index(name) for name in presented(axes)]
    return value if order == sorted(order) else keras.ops.transpose(value, order)
