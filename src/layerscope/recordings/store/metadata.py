"""The documents that describe a store, and the one whose replacement commits a step.

Every array and group has its own ``zarr.json``, written by zarr itself. The root's holds all of
them once more ("consolidated metadata"), with the numbers of steps; readers of zarr and xarray
that open the root go by it. So a step is there for everyone, in all arrays at once, when the root
has been replaced.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from layerscope.recordings.store.array_layout import ArrayLayout, GrowingArray, constant_grid
from layerscope.recordings.store.chunks import ZSTD_LEVEL
from layerscope.recordings.store.header import FORMAT

#: Those that this version can go on with.
WRITABLE = (1, 2)
_CODEC = ZstdCodec(level=ZSTD_LEVEL, checksum=True)  # a byte that has changed is noticed
_FLAT_KEYS: dict[str, Any] = {"name": "default", "separator": "."}


class Documents:
    """All metadata of a store, rendered for any number of steps.

    Rendering does not depend on how many steps there are: the documents are text already, in
    pieces between which the number goes.
    """

    def __init__(self, layout: ArrayLayout) -> None:
        # By group: zarr takes consolidated metadata apart wrongly where a group's arrays do not
        # follow one another.
        self._pieces: dict[str, dict[str, tuple[str, ...]]] = {}
        self.notes: list[str] = []  #: sentences about how the recording came about
        for name, attributes in layout.groups.items():
            self.fix(name, _group(attributes))
        for stored in layout.arrays.values():
            self.add(stored)

    def add(self, stored: GrowingArray) -> None:
        """Describe an array that grows with the steps."""
        document = _array(stored)
        rest = "".join(f",{size}" for size in document.pop("shape")[1:])
        self._put(stored.path, '{"shape":[', f"{rest}],{json.dumps(document)[1:]}")

    def fix(self, path: str, document: Mapping[str, Any]) -> None:
        """Describe a group, or an array that stays as it is."""
        self._put(path, json.dumps(document))

    def paths(self) -> set[str]:
        """Return all arrays and groups described."""
        return {path for group in self._pieces.values() for path in group}

    def members(self, steps: int) -> dict[str, bytes]:
        """Return each array's and group's own document, by key."""
        return {f"{path}/zarr.json": text.encode() for path, text in self._rendered(steps)}

    def root(self, steps: int) -> bytes:
        """Return the root's document: the commit."""
        entries = ",".join(f'"{path}":{text}' for path, text in self._rendered(steps))
        about_all = {"format": FORMAT, "notes": self.notes}
        attributes = {"layerscope": about_all, "coordinates": "epoch wall_time"}
        return (
            f'{{"zarr_format":3,"node_type":"group","attributes":{json.dumps(attributes)},'
            '"consolidated_metadata":{"kind":"inline","must_understand":false,'
            f'"metadata":{{{entries}}}}}}}'
        ).encode()

    def _put(self, path: str, *pieces: str) -> None:
        self._pieces.setdefault(path.partition("/")[0], {})[path] = pieces

    def _rendered(self, steps: int) -> Iterator[tuple[str, str]]:
        number = str(steps)
        for group in self._pieces.values():
            for path, pieces in group.items():
                yield path, number.join(pieces)


def about(schema: Mapping[str, Any]) -> bytes:
    """Return the document of the group ``about``, whose attributes are the schema."""
    return json.dumps(_group({"format": FORMAT, "schema": dict(schema)})).encode()


def constant(path: str, dims: tuple[str, ...], values: Any, attributes: Any) -> dict[str, bytes]:
    """Return all keys of an array that is written once: its document and its chunks."""
    text = isinstance(values, list) and any(isinstance(value, str) for value in values)
    # The name of a file may be no text; the schema keeps it as it is.
    values = np.array(list(map(_text, values)), object) if text else np.asarray(values)
    store: dict[str, Any] = {}
    array = zarr.create_array(
        MemoryStore(store),
        name=path,
        shape=values.shape,
        dtype="str" if text else values.dtype,
        chunks=constant_grid(path, values.shape, values.dtype).outer,
        compressors=[_CODEC],
        dimension_names=dims,
        chunk_key_encoding=_FLAT_KEYS,
        attributes=dict(attributes),
        fill_value="" if text else 0,
    )
    array[...] = values
    return {key: data.to_bytes() for key, data in store.items() if key.startswith(f"{path}/")}


def _text(name: str) -> str:
    """Return a name that UTF-8 can hold."""
    return name.encode("utf-8", "replace").decode()


def _array(stored: GrowingArray) -> dict[str, Any]:
    grid = stored.grid
    chunks, shards = grid.inner or grid.outer, grid.outer if grid.inner else None
    document = dict(_alike(stored.dims, stored.shape, chunks, shards, stored.dtype, stored.fill))
    document["attributes"] = dict(stored.attrs)
    return document


@functools.lru_cache(maxsize=256)
def _alike(
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None,
    dtype: np.dtype[Any],
    fill: float,
) -> Mapping[str, Any]:
    """Return the document of all arrays of one kind: zarr takes a millisecond to write one."""
    store: dict[str, Any] = {}
    zarr.create_array(
        MemoryStore(store),
        shape=(0, *shape),
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=[_CODEC],
        filters=None,
        fill_value=fill,
        dimension_names=("step", *dims),
        chunk_key_encoding=_FLAT_KEYS,
    )
    return MappingProxyType(json.loads(store["zarr.json"].to_bytes()))


def _group(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
