"""Reading a run: all of it lazily, or just the chunks that a question needs."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import AddressError
from layerscope.recordings.store.array_layout import Slot, coordinate, group_name, metric
from layerscope.recordings.store.arrays import read_array
from layerscope.recordings.store.header import Header, read_header
from layerscope.recordings.store.limits import Ledger
from layerscope.recordings.store.places import Folder, Remote, place
from layerscope.recordings.store.quantize import dequantize, map_axes
from layerscope.recordings.store.schema import Schema, Variable
from layerscope.recordings.store.tails import read_numbers, read_steps
from layerscope.recordings.store.wide import wide

if TYPE_CHECKING:
    import xarray as xr

Index = int | slice
_LATEST = 9e12  #: seconds: what 64 bits hold in microseconds


class StoreReader:
    """A run as it was when it was opened, or when ``refresh`` was last called."""

    def __init__(self, where: Folder | Remote, header: Header) -> None:
        self._where = where
        self._take(header)

    @classmethod
    def open(cls, url: str | os.PathLike[str]) -> StoreReader:
        """Open a run; it may be one that is being written.

        Raises
        ------
        InputError
            When no run is there, it is damaged, or a newer layerscope wrote it.
        """
        where = place(url)
        return cls(where, read_header(where))

    def refresh(self) -> bool:
        """See what has been written since; returns whether there is any."""
        header = read_header(self._where, self._header)
        if header.root == self._header.root:
            return False
        self._take(header)
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about how the recording came about, as far as it has come."""
        return self._header.notes

    @property
    def schema(self) -> Schema:
        """What the run holds."""
        return self._header.schema

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """The numbers of the steps."""
        return self._steps

    @property
    def epochs(self) -> npt.NDArray[np.float64]:
        """The epoch of each step; NaN where it was not given."""
        return read_numbers(self._where, coordinate("epoch"), len(self._steps))

    @property
    def wall_times(self) -> npt.NDArray[np.float64]:
        """When each step was written, in seconds since 1970."""
        return read_numbers(self._where, coordinate("wall_time"), len(self._steps))

    @property
    def metrics(self) -> dict[str, npt.NDArray[np.float64]]:
        """The training's metrics by name, one number per step; NaN where it was not given."""
        ledger, steps = Ledger(self._where.name), (slice(0, len(self._steps), 1),)
        grids = {name: metric(name).grid for name in self._header.metrics}
        return {n: read_array(self._where, grid, steps, ledger) for n, grid in grids.items()}

    def read(
        self,
        kind: str,
        address: str,
        variable: str = "values",
        step: Index | None = None,
        **where: Index,
    ) -> npt.NDArray[Any]:
        """Read the values, with ``step`` first where the kind has steps; only what is needed.

        What is stored as float16 or 8 bits comes out as float32.

        Parameters
        ----------
        step
            One of them, counted from 0 (or from the end: -1), or a slice; None for all.
        where
            The same for any other axis, by its name: ``channel=29``, ``sample=slice(4)``.

        Raises
        ------
        AddressError
            When the run has no such variable, axis or index.
        InputError
            When what is stored is damaged.
        """
        described = self._described(kind, address, variable)
        dims, shape = self._axes(kind, described)
        if step is not None:
            where = {"step": step, **where}
        for dim in where.keys() - set(dims):
            raise AddressError(f"{variable} of {address!r} has no axis {dim!r}: {', '.join(dims)}.")
        picks = [
            _bounds(where.get(dim, slice(None)), size, f"{dim} of {address!r}")
            for dim, size in zip(dims, shape, strict=True)
        ]
        values = self._values(kind, address, variable, described, tuple(p[0] for p in picks))
        values = values[tuple(p[1] for p in picks)]
        return np.asarray(values, described.handed_out)

    def dataarray(self, kind: str, address: str, variable: str = "values") -> xr.DataArray:
        """Return an ``xarray.DataArray`` whose values are read when they are needed.

        Its axis ``step`` carries the numbers of the steps, ``epoch`` and ``wall_time``, so that
        ``.sel(epoch=5)`` works; the samples carry their names.
        """
        from layerscope.recordings.store.lazy import lazy_array

        described = self._described(kind, address, variable)
        dims, shape = self._axes(kind, described)
        dtype = described.handed_out
        coords: dict[str, Any] = {}
        if "step" in dims:
            times = self.wall_times
            known = np.abs(times) < _LATEST
            stamps = np.full(len(times), np.datetime64("NaT", "us"))
            stamps[known] = (times[known] * 1e6).astype("datetime64[us]")
            coords = {
                "step": self._steps,
                "epoch": ("step", self.epochs),
                "wall_time": ("step", stamps),
            }
        if "sample" in dims and shape[dims.index("sample")] == len(self.schema.samples):
            coords["sample"] = list(self.schema.samples)

        def read(index: Mapping[str, Index]) -> npt.NDArray[Any]:
            # Of the steps that there are now: a refresh may bring more.
            asked = {
                dim: slice(*at.indices(shape[dims.index(dim)])) if isinstance(at, slice) else at
                for dim, at in index.items()
            }
            return self.read(kind, address, variable, **asked)

        array = lazy_array(read, dims, shape, dtype, coords, described.attrs)
        array.name = address
        return array.set_xindex("epoch") if "step" in dims else array

    def _described(self, kind: str, address: str, variable: str) -> Variable:
        described = self.schema.variable(kind, address, variable)
        if described is None:
            held = self.schema.by_address.get((kind, address))
            if held is not None:
                names = ", ".join(held.variables) or "nothing"
                raise AddressError(f"{kind} of {address!r} have no {variable!r}, but {names}.")
            known = ", ".join([repr(g.address) for g in self.schema.groups if g.kind == kind][:5])
            raise AddressError(
                f"no {kind} of {address!r} were recorded; recorded: {known or 'none'}."
            )
        return described

    def _axes(self, kind: str, described: Variable) -> tuple[tuple[str, ...], tuple[int, ...]]:
        if kind == "input":
            return described.dims, described.shape
        return ("step", *described.dims), (len(self._steps), *described.shape)

    def _values(
        self, kind: str, address: str, name: str, described: Variable, index: tuple[slice, ...]
    ) -> npt.NDArray[Any]:
        if kind == "input":
            path = f"{group_name(kind, address)}/{name}"
            return read_array(self._where, self._header.layout.constants[path], index)
        slot: Slot = self._header.layout.slots[kind, address, name]
        if isinstance(slot.part, int):
            at = slice(slot.part, slot.part + 1, 1)
            return self._load_steps(slot.path, (*index, at))[..., 0]
        if slot.part is not None:
            start, stop, stride = index[1].start, index[1].stop, index[1].step
            shifted = slice(start + slot.part.start, stop + slot.part.start, stride)
            return self._load_steps(slot.path, (index[0], shifted))
        values = self._load_steps(slot.path, index)
        if slot.low is None or slot.high is None:
            return values
        inside = [axis + 1 for axis in map_axes(described.dims)]
        kept = tuple(part for axis, part in enumerate(index) if axis not in inside)
        low, high = (np.expand_dims(self._load(e, kept), inside) for e in (slot.low, slot.high))
        return dequantize(values, low, high)

    def _load_steps(self, path: str, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read an array that grows with the steps, and may go on in another one."""
        since = self._header.wide.get(path)
        steps, rest = index[0], index[1:]
        if since is None or steps.stop <= since:
            return self._load(path, index)
        if steps.start >= since:
            return self._load(path, index, since)
        before = range(steps.start, since, steps.step)
        after = slice(before[-1] + steps.step, steps.stop, steps.step)
        return np.concatenate(
            [
                self._load(path, (slice(steps.start, since, steps.step), *rest)),
                self._load(path, (after, *rest), since),
            ]
        )

    def _load(
        self, path: str, index: tuple[slice, ...], since: int | None = None
    ) -> npt.NDArray[Any]:
        """Read an array, or the one that goes on with it from a step on."""
        stored = self._header.layout.arrays[path]
        grid = (stored if since is None else wide(stored, since)).grid
        return read_array(self._where, grid, index)

    def _take(self, header: Header) -> None:
        self._header = header
        self._steps = read_steps(self._where, header.steps)


def _bounds(index: Index, size: int, what: str) -> tuple[slice, Any]:
    """Return a slice that rises, to read by, and what makes of its result what was asked for."""
    if isinstance(index, slice):
        start, stop, stride = index.indices(size)
        chosen = range(start, stop, stride)
        if not chosen:
            return slice(0, 0, 1), slice(None)
        if stride < 0:
            return slice(chosen[-1], chosen[0] + 1, -stride), slice(None, None, -1)
        return slice(start, chosen[-1] + 1, stride), slice(None)
    number = operator.index(index)
    if not -size <= number < size:
        raise AddressError(f"{what} is {number}: there are {size}, counted from 0.")
    number %= size
    return slice(number, number + 1, 1), 0
