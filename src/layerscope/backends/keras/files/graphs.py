"""The graphs of functional models: who calls whom, as Keras 2 wrote it and as Keras 3 does.

Keras 2 wrote a call as ``[["conv", 0, 0, {}], ["skip", 0, 0, {}]]``: the name of a layer, which of
its calls, which of that call's outputs, and the keyword arguments. Keras 3 writes the arguments as
they were passed, each tensor with its history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Config = dict[str, Any]

_CONSTANT = "_CONSTANT_VALUE"
_RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
              "Bidirectional", "CuDNNLSTM", "CuDNNGRU"}  # fmt: skip


def is_tensor(value: Any) -> bool:
    """Return whether this is how Keras 2 wrote a tensor: a layer, which call, which output."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(type(number) is int for number in value[1:3])
        and (len(value) == 3 or isinstance(value[3], dict))
    )


def tensors(value: Any) -> Iterator[list[Any]]:
    """Yield every tensor in the calls, also among the keyword arguments."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        if value and value[0] == _CONSTANT:
            yield from tensors(value[3:])
            return
        if is_tensor(value):
            yield value
            value = value[3:]
        for one in value:
            yield from tensors(one)


def first_calls(layers: list[Any], outputs: Any) -> dict[str, int]:
    """Return the number that each layer's first call has.

    Keras 2 counted a nested model's own making as its call 0, if it was made of an Input.
    """
    first: dict[str, int] = {}
    calls = [layer.get("inbound_nodes") for layer in layers if isinstance(layer, dict)]
    for name, call, *_ in tensors([*calls, outputs]):
        first[name] = min(call, first.get(name, call))
    return first


def new_call(
    call: Any, class_name: str, first: Mapping[str, int], names: Mapping[str, str]
) -> Config:
    """Return one call as Keras 3 writes it; ``names`` are the new names of renamed layers."""
    if isinstance(call, dict):  # it does already
        return call
    flat = bool(call) and isinstance(call[0], str)
    entries = [call] if flat else list(call)
    kwargs: Config = {}
    for entry in entries:
        kwargs |= entry[3] if len(entry) > 3 else {}
    kwargs = {k: _new(v, first, names) for k, v in kwargs.items() if v is not None}
    values = [_new(entry[:3], first, names) for entry in entries]
    if class_name in _RECURRENT and len(values) > 1:
        return {"args": values[:1], "kwargs": {**kwargs, "initial_state": values[1:]}}
    return {"args": values if len(values) == 1 else [values] if values else [], "kwargs": kwargs}


def _new(value: Any, first: Mapping[str, int], names: Mapping[str, str]) -> Any:
    """Return a value among the arguments: a tensor, a constant, or lists and mappings of them."""
    if isinstance(value, dict):
        return {key: _new(one, first, names) for key, one in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > 2 and value[0] == _CONSTANT:
        return value[2]
    if is_tensor(value) and value[0] in first:
        name, call, output = value[:3]
        history = [names.get(name, name), call - first[name], output]
        # Keras looks the tensor up by its history; what it is itself does not matter.
        config = {"shape": [None], "dtype": "float32", "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}
    return [_new(one, first, names) for one in value]


def new_ends(
    ends: Any, first: Mapping[str, int], names: Mapping[str, str], functional: set[str]
) -> Any:
    """Return the inputs or outputs of the model, with calls counted as Keras 3 counts them."""
    if is_tensor(ends):
        name, call, output = ends[:3]
        # Keras 3 takes one off for these again.
        counted = call - first.get(name, 0) + (name in functional)
        return [names.get(name, name), counted, output]
    if isinstance(ends, dict):
        return {key: new_ends(one, first, names, functional) for key, one in ends.items()}
    return [new_ends(one, first, names, functional) for one in ends]
