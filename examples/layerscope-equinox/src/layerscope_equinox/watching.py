"""Watches the modules of a model as they are called on one sample, under ``jax.vmap``.

What a module returns is there only within the transformation. So the calls are noted, with a number
for each value; all values leave ``jax.vmap`` together, then with an axis of samples, and the calls
are told to layerscope afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
from jax.extend.core import get_opaque_trace_state

from layerscope.backends.turns import here


@dataclass(frozen=True)
class Slot:
    """Stands for a value in what a module was given or returned."""

    number: int


@dataclass
class Call:
    """A module was called, or, where ``arguments`` is None, has returned."""

    address: str
    arguments: Any = None
    result: Any = None


@dataclass
class Calls:
    """The calls of one pass, and the values in them."""

    events: list[Call] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    inside_others: dict[str, None] = field(default_factory=dict)  #: called in a transformation
    _numbers: dict[int, int] = field(default_factory=dict)

    def slots(self, tree: Any) -> Any:
        """Return the same structure with a slot for each array."""
        return jax.tree.map(lambda leaf: self._slot(leaf) if eqx.is_array(leaf) else leaf, tree)

    def _slot(self, value: Any) -> Slot:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self.values)
            self.values.append(value)  # which keeps it, and its id, in being
        return Slot(self._numbers[id(value)])


@contextmanager
def watched(modules: Mapping[str, Any], calls: Calls) -> Iterator[None]:
    """Note the calls of these modules by their addresses, for as long as the block lasts.

    ``__call__`` is replaced in their classes. Other threads, other modules of these classes and
    looks that the model itself takes call what they always did.
    """
    place, state = here(), get_opaque_trace_state(convention="nnx")
    addresses: dict[int, str] = {}
    for address, module in modules.items():
        addresses.setdefault(id(module), address)  # one in two places has its first address

    def noting(original: Any) -> Any:
        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            bound = original.__get__(module, type(module))
            address = addresses.get(id(module))
            if address is None or here() != place:
                return bound(*args, **kwargs)
            if get_opaque_trace_state(convention="nnx") != state:
                calls.inside_others[address] = None
                return bound(*args, **kwargs)
            calls.events.append(Call(address, calls.slots([*args, *kwargs.values()])))
            result = bound(*args, **kwargs)
            calls.events.append(Call(address, result=calls.slots(result)))
            return result

        return call

    owners = {_owner(type(module)) for module in modules.values()}
    originals = {owner: owner.__dict__["__call__"] for owner in owners}
    try:
        for owner, original in originals.items():
            type.__setattr__(owner, "__call__", noting(original))  # not as Equinox would wrap it
        yield
    finally:
        for owner, original in originals.items():
            type.__setattr__(owner, "__call__", original)


def _owner(kind: type) -> type:
    """Return the class that defines what calling an object of another class does."""
    return next(base for base in kind.__mro__ if "__call__" in base.__dict__)
