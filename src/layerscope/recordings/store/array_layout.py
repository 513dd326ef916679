"""Which Zarr arrays hold a schema's variables, and how each is cut into chunks."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from layerscope.core.axes import UNIT_AXES
from layerscope.recordings.store.quantize import NAN, map_axes
from layerscope.recordings.store.schema import ArrayGroup, Schema, Variable

#: Parts of the format: a reader goes by them, not by what an array's own document says.
#: Bytes. A chunk of many steps is rewritten with every step, so it is small; a chunk within a
#: shard is what one reads at least, and large enough to compress and to be worth a read.
STEPS_CHUNK = 32 * 1024
INNER_LEAST = 16 * 1024
INNER_MOST = 1024 * 1024
_MOST_STEPS = 1024
#: Of what is written once: a chunk is whole samples of about so many bytes.
_CONSTANT = 4 * 2**20

_UNSAFE = re.compile(r"[^a-z0-9_-]+")
_LONGEST = 60  #: characters of a name

Key = tuple[str, str, str]  # kind, address, variable


def safe_name(text: str) -> str:
    """Return a name of lower case letters, digits, ``_``, ``-`` and at most one dot, for any text.

    A text that is all that, at most 60 characters long, is its own name. Every other one is
    shortened to something readable, followed by a dot and a digest of the whole text; so two texts
    never share a name, not even on a file system that does not tell upper from lower case. The
    text can't be had back: it is kept as an attribute beside the name.
    """
    readable = _UNSAFE.sub("-", text.lower())[:_LONGEST]
    if text and readable == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable.strip('-')}.{digest}"


def group_name(kind: str, address: str) -> str:
    """Return the name of the group of an address' arrays, such as ``activations.conv2d``."""
    return f"{kind}.{safe_name(address)}"


@dataclass(frozen=True)
class Grid:
    """How an array lies in files: the shape of what is in one of them, and of chunks within."""

    path: str
    dtype: np.dtype[Any]
    fill: float  #: what stands for a chunk that is not there
    outer: tuple[int, ...]
    inner: tuple[int, ...] | None  #: where a file is a shard
    optional: bool  #: whether a chunk may be missing

    def key(self, numbers: Iterable[int]) -> str:
        """Return the key of a file, by the number of its chunk along each axis."""
        return f"{self.path}/{'.'.join(['c', *map(str, numbers)])}"


@dataclass(frozen=True)
class GrowingArray:
    """A Zarr array that grows along ``step``; shapes are those of one step."""

    path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fill: float
    attrs: Mapping[str, Any] = field(default_factory=dict)
    late: bool = False  #: it may have come after the first step

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

    @property
    def grid(self) -> Grid:
        """How it lies in files, the steps first."""
        # Only what can be NaN may be left out of a step; a chunk of many steps is always written.
        optional = self.late or (self.steps == 1 and (self.dtype.kind == "f" or self.fill == NAN))
        inner = tuple(max(1, size) for size in self.inner)
        outer, within = (self.steps, *inner), None
        if self.sharded:
            whole = (-(-n // c) * c for n, c in zip(self.shape, inner, strict=True))
            outer, within = (1, *whole), (1, *inner)
        return Grid(self.path, self.dtype, self.fill, outer, within, optional)

    def chunk_key(self, step: int) -> str:
        """Return the key of the chunk that holds this step, counted from 0."""
        return f"{self.path}/c.{'.'.join([str(step // self.steps), *'0' * len(self.shape)])}"


@dataclass(frozen=True)
class Slot:
    """Where a variable lies: the whole of an array, or a part of one that many share."""

    path: str
    part: slice | int | None = None  #: on the array's only axis beside the steps
    low: str | None = None  #: the arrays of low and high values, where the maps are scaled
    high: str | None = None

    def paths(self) -> tuple[str, ...]:
        """Return all arrays in which it lies."""
        return tuple(path for path in (self.path, self.low, self.high) if path is not None)


@dataclass(frozen=True)
class ArrayLayout:
    """The arrays by path, the place of each variable, and the attributes of each group."""

    arrays: dict[str, GrowingArray]
    slots: dict[Key, Slot]
    groups: dict[str, dict[str, Any]]
    #: Coordinates by path: their axis, and what makes their values. A stranger's schema may claim
    #: any number of them.
    labels: dict[str, tuple[str, Callable[[], list[Any]]]]
    #: Arrays that are written once: what the network received.
    constants: dict[str, Grid] = field(default_factory=dict)


def plan(schema: Schema) -> ArrayLayout:
    """Return the layout of a schema; the same schema always has the same one."""
    layout = ArrayLayout({}, {}, {}, {})
    for name in ("step", "epoch", "wall_time"):
        layout.arrays[name] = coordinate(name)
    if schema.samples:
        layout.labels["sample"] = ("sample", partial(list, schema.samples))
    for group in schema.groups:
        name = group_name(group.kind, group.address)
        if group.kind == "input" or any(len(v.dims) > 1 for v in group.variables.values()):
            layout.groups[name] = {**group.attrs, "kind": group.kind, "address": group.address}
        if group.kind == "input":
            for variable, described in group.variables.items():
                path, dtype = f"{name}/{variable}", np.dtype(described.dtype)
                layout.constants[path] = constant_grid(path, described.shape, dtype)
            continue
        for variable, described in group.variables.items():
            if len(described.dims) > 1:
                _separate(layout, schema, group, variable, described)
    for kind in ("activations", "weights"):
        _shared(layout, [group for group in schema.groups if group.kind == kind], kind)
    layout.groups["metrics"] = {}
    return layout


def coordinate(name: str) -> GrowingArray:
    """Return the array of step numbers, epochs or times."""
    attrs = {}
    if name == "wall_time":
        attrs = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
    if name == "step":
        return GrowingArray(name, (), (), np.dtype(np.int64), 0)
    return GrowingArray(name, (), (), np.dtype(np.float64), math.nan, attrs)


def constant_grid(path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Grid:
    """Return how an array that is written once lies in files: in chunks of whole samples."""
    outer: tuple[int, ...] = ()
    if shape:
        nbytes = math.prod(shape) * dtype.itemsize
        one = max(1, nbytes // max(1, shape[0]))
        first = max(1, min(shape[0], _CONSTANT // one))
        outer = (first, *(max(1, size) for size in shape[1:]))
    return Grid(path, dtype, 0, outer, None, True)  # a chunk of zeros is not written


def metric(name: str) -> GrowingArray:
    """Return the array of a metric."""
    nan = math.nan
    path, dtype = f"metrics/{safe_name(name)}", np.dtype(np.float64)
    return GrowingArray(path, (), (), dtype, nan, {"name": name}, late=True)


def stored_dims(schema: Schema, dims: tuple[str, ...], shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return names of axes as stored: a ``sample`` axis of another length has another name."""
    names = zip(dims, shape, strict=True)
    count = len(schema.samples)
    return tuple(f"sample{n}" if d == "sample" and count not in (0, n) else d for d, n in names)


def _separate(
    layout: ArrayLayout, schema: Schema, group: ArrayGroup, name: str, variable: Variable
) -> None:
    """Give a variable with several axes an array to itself."""
    path = f"{group_name(group.kind, group.address)}/{name}"
    dims = stored_dims(schema, variable.dims, variable.shape)
    dtype = np.dtype(variable.dtype)
    fill = NAN if variable.scaled else _fill(dtype)
    low = high = None
    if variable.scaled:
        kept = [i for i in range(len(dims)) if i not in map_axes(variable.dims)]
        low, high = f"{path}_low", f"{path}_high"
        for end in (low, high):
            layout.arrays[end] = GrowingArray(
                end,
                tuple(dims[i] for i in kept),
                tuple(variable.shape[i] for i in kept),
                np.dtype(np.float32),
                math.nan,
            )
    layout.arrays[path] = GrowingArray(path, dims, variable.shape, dtype, fill, variable.attrs)
    layout.slots[group.kind, group.address, name] = Slot(path, None, low, high)


def _shared(layout: ArrayLayout, groups: list[ArrayGroup], kind: str) -> None:
    """Lay together what has at most one axis, in one array for all addresses: files are dear."""
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
        layout.arrays[path] = GrowingArray(path, dims, shape, dtype, _fill(dtype))
    if addresses:
        layout.labels[f"{kind}/address"] = ("address", partial(list, addresses))
    if end:
        layout.labels[f"{kind}/place_address"] = ("place", partial(_owners, places))
        layout.labels[f"{kind}/place_unit"] = ("place", partial(_units, places))
        layout.groups[kind]["coordinates"] = "place_address place_unit"


def _owners(places: Mapping[str, slice]) -> list[str]:
    return [a for a, place in places.items() for _ in range(place.start, place.stop)]


def _units(places: Mapping[str, slice]) -> list[int]:
    return [i for place in places.values() for i in range(place.stop - place.start)]


def _shared_path(kind: str, name: str, rank: int, both: set[str]) -> str:
    return f"{kind}/{name}_alone" if rank == 0 and name in both else f"{kind}/{name}"


def _fill(dtype: np.dtype[Any]) -> float:
    return math.nan if dtype.kind == "f" else 0
