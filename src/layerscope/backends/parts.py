"""The tensors in what a layer is given and in what it returns, whatever structure holds them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def named_parts(result: Any) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a result with the suffixes of their addresses; the first bears none."""
    first = True
    for key, value in _items(result):
        yield ("" if first or not key else f"[{key}]"), value
        first = False


def _items(result: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if hasattr(result, "shape"):
        yield prefix, result
        return
    names: Sequence[Any]
    if isinstance(result, Mapping):
        names, values = list(result), list(result.values())
    elif isinstance(result, tuple | list):
        names, values = getattr(result, "_fields", range(len(result))), list(result)
    elif is_record(result):
        names = [field.name for field in dataclasses.fields(result)]
        values = [getattr(result, name, None) for name in names]
    else:
        return  # None, a number, a string: no tensor
    for name, value in zip(names, values, strict=True):
        yield from _items(value, f"{prefix}.{name}" if prefix else str(name))


def leaves(arguments: Any) -> Iterator[Any]:
    return (value for _, value in _items(list(arguments)))


def substituted(result: Any, replaced: Mapping[int, Any]) -> Any:
    """Return the same structure with some of its tensors replaced, by identity."""
    if id(result) in replaced:
        return replaced[id(result)]
    if isinstance(result, Mapping):
        return type(result)((k, substituted(v, replaced)) for k, v in result.items())  # type: ignore[call-arg]
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*(substituted(v, replaced) for v in result))
    if isinstance(result, tuple | list):
        return type(result)(substituted(v, replaced) for v in result)
    if is_record(result):
        changed = copy.copy(result)
        for field in dataclasses.fields(result):
            new = substituted(getattr(result, field.name, None), replaced)
            object.__setattr__(changed, field.name, new)  # also where the class is frozen
        return changed
    return result


def is_record(value: Any) -> bool:
    """Return whether this is an instance of a dataclass."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
