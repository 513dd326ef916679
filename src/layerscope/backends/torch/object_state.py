"""What the objects of a model hold, noted before a pass and put back after it.

A model may set things up at its first call: hooks on its own layers, layers built when they are
needed, lists that it appends to, flags. After a look it is as if it had never been called, since a
look may come before its owner's first call, and what is half taken back breaks a model: the hooks
would stay, and the flag that says so would go. So everything is noted that can be reached from the
model by attributes and through lists, dicts, sets and objects, and each container gets its contents
back, in place. What functions close over is their owner's: a hook that collects what it sees goes
on doing so.
"""

from __future__ import annotations

import copy
import functools
import gc
import itertools
import operator
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

#: How many objects are noted at most: a data set behind a model has millions.
_MOST = 500_000

#: How many objects are asked at most whether they hold on to a model; beyond, they may.
_MOST_OPAQUE = 10_000

#: Arrays of more values are taken to be data, not state.
_LARGEST_ARRAY = 2**20

_ATOMS = frozenset({
    type(None), bool, int, float, complex, str, bytes, range, slice, type(...), type, FunctionType,
    BuiltinFunctionType, MethodType, ModuleType, property, staticmethod, classmethod,
})  # fmt: skip

#: Packages whose objects hold the state of a process or of a framework, not of a model.
_FOREIGN = frozenset({
    "asyncio", "concurrent", "importlib", "inspect", "io", "jax", "keras", "logging",
    "multiprocessing", "re", "socket", "subprocess", "sympy", "tensorflow", "threading", "torch",
    "typing", "weakref", "_thread", "_weakref",
})  # fmt: skip

_Restore = Callable[[], object]
_MISSING = object()


class DictSnapshot:
    """What dicts of one class held, laid out in a row.

    A model of a thousand layers has thousands of dicts, and is compared at every look: no code of
    Python's own runs for each of them.
    """

    def __init__(
        self, kind: type[dict[Any, Any]], pairs: Iterable[tuple[dict[Any, Any], Mapping[Any, Any]]]
    ) -> None:
        pairs = list(pairs)
        self._values_of = kind.values
        self._dicts = [held for held, _ in pairs]
        self._lengths = [len(before) for _, before in pairs]
        self._keys = list(itertools.chain.from_iterable(before for _, before in pairs))
        self._are_names = {str}.issuperset(map(type, self._keys))
        self._values = [value for _, before in pairs for value in before.values()]

    def is_current(self) -> bool:
        """Return whether each has the same keys in the same order, for the very same objects."""
        dicts, rows = self._dicts, itertools.chain.from_iterable
        return (
            list(map(len, dicts)) == self._lengths
            and all(map(operator.is_, rows(map(self._values_of, dicts)), self._values))
            # Not by equality, but for names: that of tensors, and of others' objects, is no truth
            # value.
            and (
                list(rows(dicts)) == self._keys
                if self._are_names
                else all(map(_is_same_key, rows(dicts), self._keys))
            )
        )


class ObjectState:
    """What is reachable from an object, as it is now.

    Parameters
    ----------
    root
        Where to begin.
    leaf_types
        Of what is somebody else's to keep, such as tensors; those met are ``leaves``.
    holders
        Classes whose objects are looked into also where they come from a framework.
    """

    def __init__(
        self, root: Any, leaf_types: tuple[type, ...] = (), holders: tuple[type, ...] = ()
    ) -> None:
        self.leaves: list[Any] = []
        self.complete = True  #: whether everything was noted
        self.refers_to_root = False  #: whether something that was noted refers to the root
        self._leaf_types = leaf_types
        self._holders = holders
        self._empty: list[dict[Any, Any]] = []
        self._odd: list[tuple[dict[Any, Any], dict[Any, Any]]] = []  #: of classes of their own
        self._dicts: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._snapshots: tuple[DictSnapshot, ...] | None = None  #: of these, made when first needed
        self._lists: list[tuple[list[Any] | deque[Any], list[Any]]] = []
        self._sets: list[tuple[set[Any], set[Any]]] = []
        self._slotted: list[tuple[Any, tuple[str, ...], dict[str, Any]]] = []
        self._others: list[_Restore] = []
        self._opaque: list[Any] = []  #: what is not looked into, and may hold anything
        self._left_alone: frozenset[int] = frozenset()
        self._visit_all(root)
        self.refers_to_root = self.refers_to_root or _reach(self._opaque, root)
        self._opaque.clear()

    def is_current(self) -> bool:
        """Return whether everything is still as it was noted, and need not be noted again."""
        if self._others or any(self._empty):
            return False
        if self._snapshots is None:
            plain = [pair for pair in self._dicts if type(pair[0]) is dict]
            ordered = [pair for pair in self._dicts if type(pair[0]) is not dict]
            named = [pair for pair in plain if {str}.issuperset(map(type, pair[1]))]
            others = [pair for pair in plain if not {str}.issuperset(map(type, pair[1]))]
            self._snapshots = (
                DictSnapshot(dict, named),
                DictSnapshot(dict, others),
                DictSnapshot(OrderedDict, ordered),
            )
        return all(snapshot.is_current() for snapshot in self._snapshots) and not (
            any(_differs(held, before) for held, before in self._odd)
            or any(_items_differ(items, entries) for items, entries in self._lists)
            or any(itertools.starmap(operator.ne, self._sets))
            or any(_slots_differ(*entry) for entry in self._slotted)
        )

    def contents(self) -> Iterator[dict[Any, Any]]:
        """Yield what every dict held, of attributes too, in the order in which they were met."""
        return (before for _, before in [*self._dicts, *self._odd])

    def leave_alone(self, held: Iterable[Any]) -> None:
        """Have :meth:`restore` leave these dicts as they are then."""
        self._left_alone = frozenset(map(id, held))

    def restore(self) -> list[Any]:
        """Put everything back; return the dicts, lists and sets that had changed."""
        changed: list[Any] = []
        if self.is_current():
            return changed
        for held in self._empty:
            if held and id(held) not in self._left_alone:
                changed.append(held)
                _base(held).clear(held)
        for held, before in [*self._dicts, *self._odd]:
            if _differs(held, before) and id(held) not in self._left_alone:
                changed.append(held)
                _refill(held, before)
        for items, entries in self._lists:
            if _items_differ(items, entries):
                changed.append(items)
                items.clear()
                items.extend(entries)
        for members, elements in self._sets:
            if members != elements:
                changed.append(members)
                members.clear()
                members.update(elements)
        for value, slots, filled in self._slotted:
            if _slots_differ(value, slots, filled):
                changed.append(value)
                _refill_slots(value, slots, filled)
        for put_back in self._others:
            put_back()
        return changed

    def _visit_all(self, root: Any) -> None:
        # A model of a thousand layers has ten thousand dicts, most of them empty, and is looked at
        # again and again: what is most frequent is decided here, without another call.
        seen: set[int] = set()
        pending: list[Iterable[Any]] = [(root,)]
        atoms, empty, root_object = _ATOMS, self._empty, root
        while pending:
            for value in pending.pop():
                kind = type(value)
                if kind in atoms:
                    if kind is MethodType or (kind is FunctionType and value.__closure__):
                        self._opaque.append(value)
                    continue
                if (kind is dict or kind is OrderedDict) and not value:
                    empty.append(value)
                    continue
                if kind is tuple and atoms.issuperset(map(type, value)):
                    continue
                if id(value) in seen:
                    self.refers_to_root = self.refers_to_root or value is root_object
                    continue
                seen.add(id(value))
                if isinstance(value, self._leaf_types):
                    self.leaves.append(value)
                else:
                    pending.append(self._visit(value))
            if len(seen) > _MOST:
                self.complete = False
                return

    def _visit(self, value: Any) -> Iterable[Any]:
        """Note one object, and return what it holds."""
        cls: Any = type(value)
        kind = _kind(cls)
        if kind == "object" or isinstance(value, self._holders):
            return self._attributes(value)
        if kind == "dict":
            before = dict(_base(value).items(value))  # plain, whatever the class
            plain = type(value) in (dict, OrderedDict)
            (self._dicts if plain else self._odd).append((value, before))
            return [*before.values(), *self._attributes(value)]
        if kind == "list":
            self._lists.append((value, list(value)))
            return [*value, *self._attributes(value)]
        if kind == "set":
            self._sets.append((value, set(value)))
            return list(value)
        if kind == "array":
            if value.size <= _LARGEST_ARRAY and value.flags.writeable:
                self._others.append(_array_restorer(value, value.copy()))
            return value.ravel().tolist() if value.dtype == object else ()
        if kind == "random":
            self._others.append(_random_restorer(value))
        if kind == "nothing":
            self._opaque.append(value)
        return value if kind == "constant" else ()

    def _attributes(self, value: Any) -> list[Any]:
        """Note the attributes of an object, and return their values."""
        values: list[Any] = []
        if isinstance(value, functools.partial):
            self._opaque.append(value)
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict:
            before = attributes.copy()
            self._dicts.append((attributes, before))
            values.extend(before.values())
        cls: Any = type(value)
        slots = _slots(cls)
        if slots:
            entries = {name: getattr(value, name) for name in slots if hasattr(value, name)}
            self._slotted.append((value, slots, entries))
            values.extend(entries.values())
        return values


def _reach(opaque: list[Any], root: Any) -> bool:
    """Return whether one of these objects, which are not looked into, holds on to the root."""
    seen: set[int] = set()
    pending = list(opaque)
    while pending:
        value = pending.pop()
        if value is root:
            return True
        if id(value) in seen or isinstance(value, ModuleType | type):
            continue
        seen.add(id(value))
        if len(seen) > _MOST_OPAQUE:
            return True
        if isinstance(value, FunctionType):  # not its globals, which are the program's
            pending += [value.__closure__, value.__defaults__, value.__kwdefaults__, vars(value)]
        else:
            pending += gc.get_referents(value)
    return False


def _items_differ(items: Any, entries: list[Any]) -> bool:
    return len(items) != len(entries) or not all(map(operator.is_, items, entries))


def _is_same_key(one: Any, other: Any) -> bool:
    return one is other or (type(one) is str and type(other) is str and one == other)


def _differs(held: dict[Any, Any], before: dict[Any, Any]) -> bool:
    """Return whether entries came, went, changed their order, or are other objects now."""
    held = dict(_base(held).items(held))
    return (
        len(held) != len(before)
        or not all(map(operator.is_, held.values(), before.values()))
        or not all(map(operator.is_, held, before))
    )


def _refill(held: dict[Any, Any], before: dict[Any, Any]) -> None:
    # Not the class's own methods: they may refuse, or count.
    base = _base(held)
    base.clear(held)
    for key, value in before.items():
        base.__setitem__(held, key, value)


def _base(held: dict[Any, Any]) -> Any:
    """Return the class whose methods read and write a dict of whatever class."""
    return OrderedDict if isinstance(held, OrderedDict) else dict


def _array_restorer(array: Any, before: Any) -> _Restore:
    def put_back() -> None:
        array[...] = before

    return put_back


def _random_restorer(value: Any) -> _Restore:
    """Return what puts back the state of a generator of random numbers."""
    if isinstance(value, random.Random):
        return functools.partial(value.setstate, value.getstate())
    if isinstance(value, np.random.RandomState):
        return functools.partial(value.set_state, value.get_state())
    bits = copy.deepcopy(value.bit_generator.state)
    return functools.partial(setattr, value.bit_generator, "state", bits)


@functools.lru_cache(maxsize=4096)
def _kind(kind: type) -> str:
    """Return how objects of a class hold what they hold."""
    for name, classes in _KINDS.items():
        if issubclass(kind, classes):
            return name
    foreign = kind.__module__.partition(".")[0] in _FOREIGN or issubclass(kind, type | Enum)
    return "nothing" if foreign else "object"


_KINDS: dict[str, tuple[type, ...]] = {
    "dict": (dict,), "list": (list, deque), "set": (set,), "constant": (tuple, frozenset),
    "array": (np.ndarray,),
    "random": (random.Random, np.random.RandomState, np.random.Generator),
}  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _slots(kind: type) -> tuple[str, ...]:
    if kind.__module__ in ("builtins", "_io"):
        return ()
    names: list[str] = []
    for base in kind.__mro__:
        stated = base.__dict__.get("__slots__", ())
        for name in (stated,) if isinstance(stated, str) else stated:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{base.__name__.lstrip('_')}{name}"
            if name not in ("__dict__", "__weakref__"):
                names.append(name)
    return tuple(names)


def _slots_differ(value: Any, slots: tuple[str, ...], entries: dict[str, Any]) -> bool:
    return any(getattr(value, name, _MISSING) is not entries.get(name, _MISSING) for name in slots)


def _refill_slots(value: Any, slots: tuple[str, ...], entries: dict[str, Any]) -> None:
    for name in slots:
        if name in entries:
            object.__setattr__(value, name, entries[name])
        elif hasattr(value, name):
            object.__delattr__(value, name)
