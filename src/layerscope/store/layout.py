"""Which Zarr arrays hold a schema's variables, and how each is cut into chunks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerscope.axes import UNIT_AXES
from layerscope.store.names import group_name, safe_name
from layerscope.store.quantize import NAN, map_axes
from layerscope.store.schema import Group, Schema, Variable

#: Bytes. A chunk of many steps is rewritten with every step, so it is small; a chunk within a
#: shard is what one reads at least, and large enough to compress and to be worth a read.
STEPS_CHUNK = 32 * 1024
INNER_LEAST = 16 * 1024
INNER_MOST = 1024 * 1024
_MOST_STEPS = 1024

Key = tuple[str, str, str]  # kind, address, variable


@dataclass(frozen=True)
class Stored:
    """A Zarr array that grows along ``step``; shapes are those of one step."""

    path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fill: float
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How many steps lie in one chunk; more than one where a step is small."""
        step_bytes = max(1, math.prod(self.shape) * self.dtype.itemsize)
        return max(1, min(_MOST_STEPS, STEPS_CHUNK // step_bytes))

    @property
    def inner(self) -> tuple[int, ...]:
        """The shape of a chunk within the shard; of the array's own shape where there is none."""
        chunk = list(self.shape)
        if self.steps > 1 or not chunk or not all(chunk):
            return self.shape
        units = [i for i, dim in enumerate(self.dims) if dim in (*UNIT_AXES, "place", "address")]
        if units:
            one = math.prod(chunk) // chunk[units[-1]] * self.dtype.itemsize
            chunk[units[-1]] = max(1, min(chunk[units[-1]], INNER_LEAST // one))
        for axis in range(len(chunk)):
            while math.prod(chunk) * self.dtype.itemsize > INNER_MOST and chunk[axis] > 1:
                chunk[axis] = -(-chunk[axis] // 2)
        return tuple(chunk)

    @property
    def sharded(self) -> bool:
        return self.inner != self.shape

    def chunk_key(self, step: int) -> str:
        """The key of the chunk that holds this step, counted from 0."""
        return f"{self.path}/c.{'.'.join([str(step // self.steps), *'0' * len(self.shape)])}"


@dataclass(frozen=True)
class Slot:
    """Where a variable lies: the whole of an array, or a part of one that many share."""

    path: str
    part: slice | int | None = None  #: on the array's only axis beside the steps
    low: str | None = None  #: the arrays of low and high values, where the maps are scaled
    high: str | None = None

    def paths(self) -> tuple[str, ...]:
        """All arrays in which it lies."""
        return tuple(path for path in (self.path, self.low, self.high) if path is not None)


@dataclass(frozen=True)
class Layout:
    """The arrays by path, the place of each variable, and the attributes of each group."""

    arrays: dict[str, Stored]
    slots: dict[Key, Slot]
    groups: dict[str, dict[str, Any]]
    labels: dict[str, tuple[str, list[Any]]]  #: coordinates: by path, their axis and values


def plan(schema: Schema) -> Layout:
    """The layout of a schema; the same schema always has the same one."""
    layout = Layout({}, {}, {}, {})
    for name in ("step", "epoch", "wall_time"):
        layout.arrays[name] = coordinate(name)
    if schema.samples:
        layout.labels["sample"] = ("sample", list(schema.samples))
    for group in schema.groups:
        name = group_name(group.kind, group.address)
        if group.kind == "input" or any(len(v.dims) > 1 for v in group.variables.values()):
            layout.groups[name] = {**group.attrs, "kind": group.kind, "address": group.address}
        if group.kind == "input":
            continue
        for variable, described in group.variables.items():
            if len(described.dims) > 1:
                _own(layout, schema, group, variable, described)
    for kind in ("activations", "weights"):
        _shared(layout, [group for group in schema.groups if group.kind == kind], kind)
    layout.groups["metrics"] = {}
    return layout


def coordinate(name: str) -> Stored:
    """The array of step numbers, epochs or times."""
    attrs = {}
    if name == "wall_time":
        attrs = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
    if name == "step":
        return Stored(name, (), (), np.dtype(np.int64), 0)
    return Stored(name, (), (), np.dtype(np.float64), math.nan, attrs)


def metric(name: str) -> Stored:
    """The array of a metric."""
    nan = math.nan
    return Stored(f"metrics/{safe_name(name)}", (), (), np.dtype(np.float64), nan, {"name": name})


def stored_dims(schema: Schema, dims: tuple[str, ...], shape: tuple[int, ...]) -> tuple[str, ...]:
    """The names of axes as stored: a ``sample`` axis of another length may not share its name."""
    names = zip(dims, shape, strict=True)
    count = len(schema.samples)
    return tuple(f"sample{n}" if d == "sample" and count not in (0, n) else d for d, n in names)


def _own(layout: Layout, schema: Schema, group: Group, name: str, variable: Variable) -> None:
    """An array of its own for a variable with several axes."""
    path = f"{group_name(group.kind, group.address)}/{name}"
    dims = stored_dims(schema, variable.dims, variable.shape)
    dtype = np.dtype(variable.dtype)
    fill = NAN if variable.scaled else _fill(dtype)
    low = high = None
    if variable.scaled:
        kept = [i for i in range(len(dims)) if i not in map_axes(variable.dims)]
        low, high = f"{path}_low", f"{path}_high"
        for end in (low, high):
            layout.arrays[end] = Stored(
                end,
                tuple(dims[i] for i in kept),
                tuple(variable.shape[i] for i in kept),
                np.dtype(np.float32),
                math.nan,
            )
    layout.arrays[path] = Stored(path, dims, variable.shape, dtype, fill, variable.attrs)
    layout.slots[group.kind, group.address, name] = Slot(path, None, low, high)


def _shared(layout: Layout, groups: list[Group], kind: str) -> None:
    """What has at most one axis lies together, one array for all addresses: files are dear."""
    addresses = [g.address for g in groups if any(not v.dims for v in g.variables.values())]
    numbers = {address: i for i, address in enumerate(addresses)}
    places: dict[str, slice] = {}
    end = 0
    for group in groups:
        longest = max((v.shape[0] for v in group.variables.values() if len(v.dims) == 1), default=0)
        places[group.address] = slice(end, end + longest)
        end += longest
    ranks = {(name, len(v.dims)) for g in groups for name, v in g.variables.items()}
    both = {name for name, rank in ranks if rank == 0 and (name, 1) in ranks}
    types: dict[tuple[str, int], np.dtype[Any]] = {}
    for group in groups:
        for name, variable in group.variables.items():
            rank = len(variable.dims)
            if rank > 1:
                continue
            dtype = np.dtype(np.float32 if variable.scaled else variable.dtype)
            types[name, rank] = np.result_type(types.get((name, rank), dtype), dtype)
            at = places[group.address].start
            part = slice(at, at + variable.shape[0]) if rank else numbers[group.address]
            path = _shared_path(kind, name, rank, both)
            layout.slots[kind, group.address, name] = Slot(path, part)
    if types:
        layout.groups[kind] = {}
    for (name, rank), dtype in types.items():
        path = _shared_path(kind, name, rank, both)
        shape = (end if rank else len(addresses),)
        dims = ("place",) if rank else ("address",)
        layout.arrays[path] = Stored(path, dims, shape, dtype, _fill(dtype))
    if addresses:
        layout.labels[f"{kind}/address"] = ("address", addresses)
    if end:
        of = [a for a, place in places.items() for _ in range(place.start, place.stop)]
        unit = [i for place in places.values() for i in range(place.stop - place.start)]
        layout.labels[f"{kind}/place_address"] = ("place", of)
        layout.labels[f"{kind}/place_unit"] = ("place", unit)
        layout.groups[kind]["coordinates"] = "place_address place_unit"


def _shared_path(kind: str, name: str, rank: int, both: set[str]) -> str:
    return f"{kind}/{name}_alone" if rank == 0 and name in both else f"{kind}/{name}"


def _fill(dtype: np.dtype[Any]) -> float:
    return math.nan if dtype.kind == "f" else 0
