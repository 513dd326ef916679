"""Readings of what objects hold, by which one notices later that something in them has changed.

A reading is nested tuples of numbers and texts that compare equal for as long as nothing changes:
of attributes, of the contents of what can change in place, and of the user's own functions with the
defaults, the closures and the globals that they use.
"""

from __future__ import annotations

import functools
import itertools
import types
import weakref
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

_LIBRARIES = frozenset({"keras", "jax", "jaxlib", "tensorflow", "torch", "numpy", "builtins"})
_ATOMS = (int, float, complex, str, bytes, types.NoneType)
_CONTAINERS = (list, tuple, set, frozenset, dict)

#: How far settings are followed from whatever holds them.
DEPTH = 4
#: And those that functions name, or close over, which may be anything: a notebook's globals are
#: whole data sets.
_DEPTH_OF_CODE, _MOST_ITEMS, _MOST_BYTES = 2, 256, 1 << 20

Reading = tuple[Any, ...]


class SettingsReader:
    """Reads objects, and holds on to none that could hold on to a model.

    Objects go by numbers that are never used again, as an ``id`` is once its object is gone.
    ``opaque`` are the types whose objects are looked at elsewhere.
    """

    def __init__(self, opaque: tuple[type, ...]) -> None:
        self.lost = 0  #: how many of the objects that got numbers are gone
        self._opaque = opaque
        self._numbers: dict[int, tuple[Callable[[], Any], int]] = {}
        self._count = itertools.count(1)

    def of(self, value: Any, depth: int = DEPTH, *, bounded: bool = False) -> Reading:
        """Return what tells the value from others, its contents where those can change in place.

        ``bounded`` where it may be anything, and be large.
        """
        if isinstance(value, _ATOMS):
            return _atom(value)
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value, bounded)
        if isinstance(value, self._opaque) or not depth:
            return (self.token(value),)
        if isinstance(value, _CONTAINERS):
            return self._container(value, depth - 1, bounded)
        if isinstance(value, types.FunctionType) and is_own(value):
            return self._function(value, depth - 1)
        parts = _parts(value)
        if parts is None:
            return (self.token(value),)
        if bounded and len(parts) > _MOST_ITEMS:
            return self.token(value), len(parts)
        inside = (self.of(part, depth - 1, bounded=bounded) for part in parts)
        return self.token(type(value)), self.token(value), *inside

    def of_class(self, kind: type) -> Reading:
        """Read a class of the user's own: every method and attribute."""
        members = tuple(vars(kind).items())
        inside = ((name, self.of(value, DEPTH - 1, bounded=True)) for name, value in members)
        return self.token(kind), *inside

    def token(self, value: Any) -> int:
        """Return a number that no other object gets, also not when this one is gone."""
        key = id(value)
        reference, number = self._numbers.get(key, (None, 0))
        if reference is not None and reference() is value:
            return number
        try:
            reference = weakref.ref(value, functools.partial(self._forget, key))
        except TypeError:
            # Nothing tells when it goes. The user's own are read besides; a library's stays.
            if isinstance(value, _CONTAINERS) or is_own(type(value)):
                return -key
            reference = _constant(value)
        number = next(self._count)
        self._numbers[key] = reference, number
        return number

    def _forget(self, key: int, _: Any) -> None:
        self._numbers.pop(key, None)
        self.lost += 1

    def _array(self, value: Any, bounded: bool) -> Reading:
        if value.dtype.hasobject or (bounded and value.nbytes > _MOST_BYTES):
            return self.token(value), value.shape
        data = np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
        return type(value).__name__, value.shape, value.dtype.str, zlib.crc32(data)

    def _container(self, value: Any, depth: int, bounded: bool) -> Reading:
        kind = self.token(type(value))
        if bounded and len(value) > _MOST_ITEMS:
            return kind, -id(value), len(value)
        if isinstance(value, dict):
            items = tuple(value.items())
            inside = ((self.of(k, depth), self.of(v, depth, bounded=bounded)) for k, v in items)
            return kind, *inside
        parts = (self.of(item, depth, bounded=bounded) for item in tuple(value))
        return (kind, frozenset(parts)) if isinstance(value, set | frozenset) else (kind, *parts)

    def _function(self, function: Any, depth: int) -> Reading:
        """Read a function of the user's: its code, and the values that this refers to."""
        inside = (
            self.of(value, min(depth, _DEPTH_OF_CODE), bounded=True) for value in _used(function)
        )
        return self.token(function), self.token(function.__code__), *inside


def is_own(thing: Any) -> bool:
    """Return whether a class, a function or a module is the user's, and no library's."""
    if not isinstance(thing, type | types.FunctionType | types.ModuleType):
        return False
    name = thing.__name__ if isinstance(thing, types.ModuleType) else thing.__module__
    return (name or "").partition(".")[0] not in _LIBRARIES


def is_fixed(value: Any) -> bool:
    """Return whether a value can't change in place, so that the same object is the same value."""
    if type(value) in _ATOMS:
        return True
    if type(value) is tuple:
        return all(
            type(item) in _ATOMS or (type(item) is tuple and is_fixed(item)) for item in value
        )
    if isinstance(value, (*_CONTAINERS, np.ndarray, types.MethodType, functools.partial)):
        return False
    return not is_own(value) and not is_own(type(value))


def is_reachable(value: Any) -> bool:
    """Return whether a weak reference tells when it goes."""
    return bool(type(value).__weakrefoffset__)


def leaves(value: Any, kinds: tuple[type, ...], depth: int = DEPTH) -> list[Any]:
    """Return the objects of these kinds that a value holds, through what is the user's own."""
    if isinstance(value, kinds):
        return [value]
    if not depth or isinstance(value, _ATOMS):
        return []
    if isinstance(value, dict):
        inside: Iterable[Any] = value.values()
    elif isinstance(value, _CONTAINERS):
        inside = value
    elif isinstance(value, types.FunctionType):
        inside = _used(value) if is_own(value) else ()
    else:
        inside = _parts(value) or ()
    return [leaf for item in inside for leaf in leaves(item, kinds, depth - 1)]


def _atom(value: Any) -> Reading:
    # By what is written: -0.0 == 0.0 and True == 1, but they are different settings.
    kind = type(value)
    exact = kind in (str, types.NoneType, bool, int)
    return kind.__name__, value if exact else repr(value)


def _parts(value: Any) -> tuple[Any, ...] | None:
    """Return what is to be read of an object; None for a library's, which goes by its identity."""
    if isinstance(value, types.MethodType):
        return value.__func__, value.__self__
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    if isinstance(value, staticmethod | classmethod):
        return (value.__func__,)
    if isinstance(value, property):
        return (value.fget,)
    if is_own(type(value)) and not isinstance(value, types.ModuleType | type):
        return tuple(itertools.chain(*_attributes(value).items()))
    return None


def _attributes(value: Any) -> Mapping[str, Any]:
    """Return the attributes of an object, those in slots too."""
    slots = _slots(type(value))
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return held | getattr(value, "__dict__", {})


def _used(function: Any) -> list[Any]:
    """Return the values that a function's code refers to: globals, closures, defaults."""
    names = _names(function.__code__)
    used = [function.__globals__.get(name) for name in names]
    used += [
        vars(module)[name]
        for module in used
        if isinstance(module, types.ModuleType) and is_own(module)
        for name in names
        if name in vars(module)
    ]
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_set(cell)]
    return [*used, *cells, function.__defaults__, function.__kwdefaults__]


def _slots(kind: type) -> list[str]:
    stated = (vars(base).get("__slots__", ()) for base in kind.__mro__)
    names = ([slots] if isinstance(slots, str) else list(slots) for slots in stated)
    return [name for name in itertools.chain(*names) if not name.startswith("__")]


@functools.cache
def _names(code: types.CodeType) -> tuple[str, ...]:
    """Return the globals and attributes that code names, functions within it too."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return tuple(dict.fromkeys([*code.co_names, *(n for c in inner for n in _names(c))]))


def _is_set(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value
