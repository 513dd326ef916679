"""The names of axes, and arrays that carry them.

Whatever layout a framework computes in, a value leaves its backend with its axes named, and is
shown to everyone else in one order: ``sample`` first, ``channel`` or ``unit`` last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

#: The order in which axes are presented. A name that is not here goes after those that are.
ORDER = (
    "step", "sample", "layer", "head", "query", "key",
    "source", "group", "z", "y", "x", "position", "input", "rank", "channel", "unit",
    "multiplier",
)  # fmt: skip

#: The axes that number a layer's units: one picture per index.
UNIT_AXES = ("channel", "unit", "head")

#: How a layer places the channels of what it returns.
#: ``inherit``: as its input has them; ``attention``: scores of queries against keys; a tuple names
#: the axes outright.
Layout = Literal["channels_last", "channels_first", "inherit", "attention"] | tuple[str, ...]

_SPACE = {0: (), 1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}


def named_axes(
    shape: tuple[int | None, ...], *, layout: Layout = "channels_last", has_samples: bool = True
) -> tuple[str, ...]:
    """Return names for the axes of an array of this shape, in the array's own order.

    Examples: ``(N, 26, 26, 32)`` → ``sample, y, x, channel``; ``(N, 10)`` → ``sample, unit``;
    ``(N, 50, 75)`` → ``sample, position, channel``; without samples ``(50, 75)`` →
    ``position, channel``.
    """
    if isinstance(layout, tuple):
        if len(layout) == len(shape):
            return layout
        layout = "channels_last"
    samples = ("sample",) if has_samples and shape else ()
    rank = len(shape) - len(samples)
    if layout == "attention" and rank in (2, 3):
        return (*samples, "head", "query", "key") if rank == 3 else (*samples, "query", "key")
    if rank == 0:
        return samples
    if rank == 1:
        return (*samples, "unit")
    space = _SPACE.get(rank - 1) or tuple(f"axis{i}" for i in range(rank - 1))
    if layout == "channels_first":
        return (*samples, "channel", *space)
    return (*samples, *space, "channel")


def presented(axes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the same names in the order in which everyone sees them."""

    def rank(name: str) -> int:
        return ORDER.index(name) if name in ORDER else ORDER.index("position")

    return tuple(sorted(axes, key=rank))


@dataclass(frozen=True, slots=True, eq=False)
class NamedArray:
    """An array, the names of its axes in its own order, and what else is known of it."""

    values: npt.NDArray[Any]
    axes: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def presented(self) -> NamedArray:
        """Return a read-only view with the axes in the presented order; nothing is copied."""
        order = presented(self.axes)
        values = self.values.transpose([self.axes.index(name) for name in order])
        values.flags.writeable = False
        return NamedArray(values, order, self.attrs)


class LazyArrays(Mapping[str, NamedArray]):
    """Arrays by address, each made when it is first asked for.

    A pass has hundreds of them, of which few are looked at.

    Parameters
    ----------
    addresses
        All of them, in order.
    make
        Makes the array of one.
    made
        Those that are there already.
    """

    def __init__(
        self,
        addresses: Iterable[str],
        make: Callable[[str], NamedArray],
        made: Mapping[str, NamedArray],
    ) -> None:
        self._arrays: dict[str, NamedArray | None] = {a: made.get(a) for a in addresses}
        self._make = make
        #: The types of values that are shown in another; an array that is yet to be made has none.
        self.upcast = frozenset(str(a.attrs["dtype"]) for a in made.values() if "dtype" in a.attrs)

    def __getitem__(self, address: str) -> NamedArray:
        array = self._arrays[address]
        if array is None:
            array = self._arrays[address] = self._make(address)
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, address: object) -> bool:
        return address in self._arrays

    def __reduce__(self) -> tuple[type, tuple[dict[str, NamedArray]]]:
        return dict, (dict(self.items()),)


def carried(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], str | None]:
    """Return values in a type that NumPy, xarray and Zarr carry, and the type they had if changed.

    bfloat16 and the float8 types become float32, which holds each of their values exactly.
    """
    if values.dtype.isbuiltin != 1:  # a type that a framework has added to NumPy's own
        return values.astype(np.float32), values.dtype.name
    return values, None
