"""What a run holds: groups of variables, described before the first step is written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from layerscope.core.errors import OutputError
from layerscope.recordings.store.kept import check_attributes, check_group_attributes
from layerscope.recordings.store.plain_json import Anything, Each, Size, UnexpectedError, expect

KINDS = ("activations", "weights", "input")
#: What the store itself calls arrays beside the variables.
_TAKEN = re.compile(r"address|place_address|place_unit|.*_low|.*_high|.*_wide|.*_alone")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STORED = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
#: Names of arguments beside those that name an axis.
_RESERVED = frozenset(
    ["step", "steps", "epoch", "wall_time", "kind", "address", "variable", "layer", "self"]
)
_MOST_AXES = 30
#: Statistics: of each unit, and of a parameter as a whole.
_FIGURES = frozenset({"mean", "std", "min", "max", "zeros"})
_NUMBERS = frozenset({"norm", "change", "gradient"})

_VARIABLE = {"dims": [str], "shape": [Size], "dtype": str, "scaled": bool, "attrs": Each(Anything)}
_GROUP = {"kind": str, "address": str, "variables": Each(_VARIABLE), "attrs": Each(Anything)}
_SCHEMA = {"groups": [_GROUP], "samples": [str], "attrs": Each(Anything)}


@dataclass(frozen=True)
class Variable:
    """One array per step: its axes without ``step``, in the order in which they are presented.

    A ``dtype`` that Zarr lacks (bfloat16, the float8 types) becomes float32, and the attribute
    ``recorded_dtype`` says what it was. With ``scaled`` and ``uint8`` each map is kept as 8 bits
    between its own lowest and highest value.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    scaled: bool = False
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.dims) != len(self.shape) or len(set(self.dims)) != len(self.dims):
            raise OutputError(f"axes {self.dims} do not name a shape of {self.shape} one by one.")
        if "step" in self.dims:
            raise OutputError("a variable is described without its axis 'step', which all share.")
        if not _carried(self.dtype):
            object.__setattr__(self, "attrs", {**self.attrs, "recorded_dtype": self.dtype})
            object.__setattr__(self, "dtype", "float32")
        if self.scaled and self.dtype != "uint8":
            raise OutputError(f"maps are scaled to uint8, not to {self.dtype}.")

    @property
    def handed_out(self) -> np.dtype[Any]:
        """The type in which values come out: never float16, in which sums overflow and round."""
        return np.dtype(np.float32 if self.scaled or self.dtype == "float16" else self.dtype)


@dataclass(frozen=True)
class ArrayGroup:
    """The variables of one layer (``activations``), parameter (``weights``) or ``input``."""

    kind: str
    address: str
    variables: Mapping[str, Variable]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise OutputError(f"kind {self.kind!r}: a group is one of {', '.join(KINDS)}.")
        for name in self.variables:
            if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
                raise OutputError(f"variable {name!r}: its name is a word, such as 'values'.")

    @property
    def has_plain_statistics(self) -> bool:
        """Whether each statistic has one number for each unit, or for the whole parameter."""
        shapes = {name: variable.shape for name, variable in self.variables.items()}
        figures = {shape for name, shape in shapes.items() if name in _FIGURES}
        numbers = {shape for name, shape in shapes.items() if name in _NUMBERS}
        return len(figures) <= 1 and all(len(shape) == 1 for shape in figures) and numbers <= {()}


@dataclass(frozen=True)
class Schema:
    """All groups, the names of the samples, and whatever else is to be kept, as JSON can say it."""

    groups: tuple[ArrayGroup, ...]
    samples: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen = set()
        for group in self.groups:
            if (group.kind, group.address) in seen:
                raise OutputError(f"{group.kind} of {group.address!r} are described twice.")
            seen.add((group.kind, group.address))

    @cached_property
    def by_address(self) -> Mapping[tuple[str, str], ArrayGroup]:
        """The groups by kind and address."""
        return {(group.kind, group.address): group for group in self.groups}

    def variable(self, kind: str, address: str, variable: str) -> Variable | None:
        """Return what is described under these names, or None."""
        group = self.by_address.get((kind, address))
        return None if group is None else group.variables.get(variable)

    def to_json(self) -> dict[str, Any]:
        """Return the schema as numbers, strings, lists and dicts; ``from_json`` reads it back."""
        described = {
            "groups": [
                {
                    "kind": group.kind,
                    "address": group.address,
                    "variables": {n: _variable_json(v) for n, v in group.variables.items()},
                    "attrs": dict(group.attrs),
                }
                for group in self.groups
            ],
            "samples": list(self.samples),
            "attrs": dict(self.attrs),
        }
        try:
            return dict(json.loads(json.dumps(described, allow_nan=False)))
        except (TypeError, ValueError) as error:
            raise OutputError(f"an attribute of the recording is not JSON: {error}.") from None

    @classmethod
    def from_json(cls, described: Any) -> Schema:
        """Return what ``to_json`` wrote.

        Raises
        ------
        UnexpectedError
            When it is something else: a store may come from anyone.
        """
        expect(described, _SCHEMA, "the schema")
        check_attributes(described["attrs"])
        try:
            groups = tuple(map(_group, described["groups"]))
            return cls(groups, tuple(described["samples"]), described["attrs"])
        except OutputError as error:
            raise UnexpectedError(str(error).rstrip(".")) from None

    def difference(self, other: Schema) -> str | None:
        """Return a clause on the first thing that another schema stores otherwise; else None."""
        mine = {(g.kind, g.address): g.variables for g in self.groups}
        theirs = {(g.kind, g.address): g.variables for g in other.groups}
        for key in (*mine, *theirs):
            kind, address = key
            if key not in theirs:
                return f"it holds {kind} of {address!r}, which are not asked for now"
            if key not in mine:
                return f"it holds no {kind} of {address!r}"
            for name in (*mine[key], *theirs[key]):
                ours, asked = mine[key].get(name), theirs[key].get(name)
                if ours is None or asked is None or not _alike(ours, asked):
                    return f"{name} of {address!r} is {_say(ours)} there and {_say(asked)} now"
        if self.samples != other.samples:
            return f"its samples are others ({len(self.samples)} there, {len(other.samples)} now)"
        return None


def _carried(dtype: str) -> bool:
    try:
        return np.dtype(dtype).isbuiltin == 1 and np.dtype(dtype).kind in "biuf"
    except TypeError:
        return False


def _variable_json(variable: Variable) -> dict[str, Any]:
    return {
        "dims": list(variable.dims),
        "shape": list(variable.shape),
        "dtype": variable.dtype,
        "scaled": variable.scaled,
        "attrs": dict(variable.attrs),
    }


def _group(described: Mapping[str, Any]) -> ArrayGroup:
    where = f"{described['kind']!r} of {described['address'][:60]!r}"
    check_group_attributes(described["attrs"], where)
    named = described["variables"].items()
    variables = {name: _variable(variable, f"{name!r} in {where}") for name, variable in named}
    return ArrayGroup(described["kind"], described["address"], variables, described["attrs"])


def _variable(described: Mapping[str, Any], where: str) -> Variable:
    dims, shape, dtype = described["dims"], described["shape"], described["dtype"]
    if dtype not in _STORED:
        raise UnexpectedError(f"{where} is of a type that is never stored")
    if len(dims) > _MOST_AXES or not all(name.isprintable() and name for name in dims):
        raise UnexpectedError(f"{where} has axes without a name")
    if _RESERVED & set(dims):
        raise UnexpectedError(f"{where} has an axis {min(_RESERVED & set(dims))!r}")
    if math.prod(shape) * 8 >= 2**62:
        raise UnexpectedError(f"{where} is larger than any file")
    return Variable(tuple(dims), tuple(shape), dtype, described["scaled"], described["attrs"])


def _alike(one: Variable, other: Variable) -> bool:
    kept = (one.dims, one.shape, one.dtype, one.scaled)
    return kept == (other.dims, other.shape, other.dtype, other.scaled)


def _say(variable: Variable | None) -> str:
    if variable is None:
        return "absent"
    return f"{variable.dtype} {' × '.join(map(str, variable.shape)) or 'alone'}"
