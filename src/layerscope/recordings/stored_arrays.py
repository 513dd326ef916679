"""Arrays of a run in its store: each is read when it is asked for, and no more of it than that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core.axes import NamedArray
from layerscope.core.table import padded

if TYPE_CHECKING:
    from layerscope.recordings.store.reader import StoreReader


class StoredArrays(Mapping[str, NamedArray]):
    """The values of layers at one step or at all, or of inputs, each read when first asked for."""

    def __init__(
        self, reader: StoreReader, kind: str, addresses: Sequence[str], step: int | slice | None
    ) -> None:
        self.reader, self.kind = reader, kind
        self._addresses = dict.fromkeys(addresses)
        self._step = step
        self._read: dict[str, NamedArray] = {}

    def __getitem__(self, address: str) -> NamedArray:
        if address not in self._addresses:
            raise KeyError(address)
        if isinstance(self._step, slice):  # all steps: too much to hold on to
            return read_part(self.reader, self.kind, address, self._step)
        if address not in self._read:
            self._read[address] = read_part(self.reader, self.kind, address, self._step)
        return self._read[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)

    def __contains__(self, address: object) -> bool:
        return address in self._addresses


def read_part(
    reader: StoreReader, kind: str, address: str, step: int | slice | None, **where: slice
) -> NamedArray:
    """Read the values of an address, or slices of them by axis."""
    group = reader.schema.by_address[kind, address]
    values = reader.read(kind, address, "values", step, **where)
    steps = ("step",) if isinstance(step, slice) else ()
    attrs = {name: _frozen(value) for name, value in group.attrs.items()}
    return NamedArray(values, (*steps, *group.variables["values"].dims), attrs)


def notes_of(reader: StoreReader) -> tuple[str, ...]:
    """Return what was said when it began, and what came to be said since."""
    return tuple(dict.fromkeys((*(reader.schema.attrs.get("notes") or ()), *reader.notes)))


def _frozen(value: Any) -> Any:
    """Return tuples in the place of the lists that JSON has for them."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def listing(reader: StoreReader, kind: str, addresses: list[str], steps: int | None) -> list[str]:
    """Return a line for each array: its address, axes and type."""
    names = dict(zip(addresses, padded(addresses), strict=True))
    lines = []
    for group in reader.schema.groups:
        if group.kind == kind and "values" in group.variables:
            variable = group.variables["values"]
            sizes = [] if steps is None else [("step", steps)]
            sizes += zip(variable.dims, variable.shape, strict=True)
            axes = ", ".join(f"{axis}: {n}" for axis, n in sizes)
            lines.append(f"  {names[group.address]}  ({axes}) {variable.handed_out}")
    return lines
