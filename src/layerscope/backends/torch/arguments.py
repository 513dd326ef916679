"""What a PyTorch module is called with: arrays made tensors, everything else as it is."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from layerscope.backends.parts import is_record

_NUMBERS = "biufc"  #: the kinds of arrays that tensors can be made of


@dataclass(frozen=True)
class Given:
    """What a model is called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    received: Mapping[str, torch.Tensor]  #: the tensors in it, by name

    @classmethod
    def of(cls, x: Any, like: torch.Tensor | None) -> Given:
        """Make arguments of what the user passed."""
        args, kwargs = arguments(x, like)
        return cls(args, kwargs, tensors_by_name(args, kwargs))

    def copied(self) -> Given:
        """Return the same, for the model to write to."""
        args, kwargs = arguments_copied(self.args, self.kwargs)
        return Given(args, kwargs, tensors_by_name(args, kwargs))

    @property
    def objects(self) -> list[Any]:
        """Those among the arguments that are handed on as they are."""
        return objects_in(self.args, self.kwargs)

    @property
    def batch(self) -> int | None:
        """How many samples there are, as far as an input tells."""
        first = next(iter(self.received.values()), None)
        return None if first is None or not first.ndim else first.shape[0]


def arguments(x: Any, like: torch.Tensor | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return positional and keyword arguments: a list or tuple is several inputs, a dict keywords.

    Tensors are copies, on the device of ``like``, a parameter of the model where it has any.
    """
    like = torch.empty(0) if like is None else like
    if isinstance(x, dict):
        return (), {str(name): _given(value, like) for name, value in x.items()}
    if type(x) in (list, tuple):
        return tuple(_given(value, like) for value in x), {}
    return (_given(x, like),), {}


def arguments_copied(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the same arguments with copies of their tensors."""
    return tuple(map(_copied, args)), {name: _copied(value) for name, value in kwargs.items()}


def tensors_by_name(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors among arguments, those in structures by their names inside."""
    named = {"input" if i == 0 else f"input_{i}": value for i, value in enumerate(args)}
    return {name: value for name, value in _flat({**named, **kwargs}).items() if _is_plain(value)}


def signature(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    """Return what tells calls apart that a module may answer in another way."""
    return tuple(map(_signature, args)), tuple((k, _signature(v)) for k, v in kwargs.items())


def _copied(value: Any) -> Any:
    return _mapped(value, lambda array: array.clone() if torch.is_tensor(array) else array)


def objects_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Return the objects among arguments that are handed on as they are, and can be written to."""
    objects: list[Any] = []

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                visit(item)
        elif isinstance(value, list | tuple):
            for item in value:
                visit(item)
        elif hasattr(value, "__dict__") and not (
            isinstance(value, torch.Tensor | np.ndarray | type)
            or callable(value)
            or is_record(value)
        ):
            objects.append(value)

    visit((args, kwargs))
    return objects


def _given(value: Any, like: torch.Tensor) -> Any:
    """Return an argument with its arrays made tensors, in whatever structure they are."""
    return _mapped(value, lambda array: _tensor(array, like))


def _mapped(value: Any, made: Callable[[Any], Any]) -> Any:
    """Return the same structure, with what is made of each array in its place."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return made(value)
    if isinstance(value, dict):
        given = {key: _mapped(item, made) for key, item in value.items()}
        return given if type(value) is dict else _refilled(value, given)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        if isinstance(value, nn.utils.rnn.PackedSequence):  # its lengths count on the CPU
            return value._replace(data=made(value.data))
        return type(value)(*(_mapped(item, made) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(_mapped(item, made) for item in value)
    if is_record(value):
        given_record = copy.copy(value)
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                new = _mapped(getattr(value, field.name), made)
                object.__setattr__(given_record, field.name, new)  # also where it is frozen
        return given_record
    return value


def _tensor(value: Any, like: torch.Tensor) -> Any:
    """Return an array as a tensor of the model's type, on its device; a tensor as a copy there."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().to(like.device)
    if value.dtype.kind not in _NUMBERS:
        return value
    tensor = torch.from_numpy(np.array(value))
    # Bytes are pixels: no module that has weights of floating numbers takes them as they are.
    is_pixels = tensor.dtype is torch.uint8 and like.numel() > 0
    cast = tensor.is_floating_point() or is_pixels
    return tensor.to(like.device, like.dtype if cast else None)


def _refilled(value: Any, entries: dict[Any, Any]) -> Any:
    """Return a dict of a class of its own with other entries."""
    changed = copy.copy(value)
    for key, item in entries.items():
        changed[key] = item
    return changed


def _flat(named: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in named.items():
        if isinstance(value, nn.utils.rnn.PackedSequence):
            flat[name] = value.data
        elif isinstance(value, dict):
            flat |= _flat({f"{name}.{key}": item for key, item in value.items()})
        elif isinstance(value, list | tuple):
            keys = getattr(value, "_fields", range(len(value)))
            flat |= _flat({f"{name}.{k}": item for k, item in zip(keys, value, strict=True)})
        elif is_record(value):
            fields = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
            flat |= _flat({f"{name}.{key}": item for key, item in fields.items()})
        else:
            flat[name] = value
    return flat


def _is_plain(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not value.is_nested


def _signature(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor) and not value.is_nested:
        return tuple(value.shape), value.dtype, value.device, value.stride()
    if isinstance(value, dict):
        return type(value), tuple((k, _signature(v)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_signature, value))
    if is_record(value):
        fields = dataclasses.fields(value)
        return type(value), tuple(_signature(getattr(value, f.name, None)) for f in fields)
    if isinstance(value, bool | int | float | str | type(None)):
        return type(value), value
    return type(value), id(value)  # objects: a pass that is given some is watched each time
