"""What a store says of itself: its format, its schema, and how many steps are committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.core.errors import InputError
from layerscope.recordings.store.array_layout import ArrayLayout, metric, plan
from layerscope.recordings.store.places import Folder, Remote
from layerscope.recordings.store.plain_json import (
    Each,
    Optional,
    Size,
    UnexpectedError,
    expect,
    parse,
)
from layerscope.recordings.store.schema import Schema
from layerscope.recordings.store.wide import SINCE, SUFFIX
from layerscope.recordings.store.written import CLAIM, partial_name

#: Of the layout on disk. A reader opens this one and older ones.
FORMAT = 2
_ROOT = {"attributes": dict, "consolidated_metadata": {"metadata": Each(dict)}}
_ARRAY = {
    "shape": [Size],
    "data_type": str,
    "chunk_grid": {"configuration": {"chunk_shape": [Size]}},
}
_ABOUT = {"attributes": {"schema": dict}}
_OURS = {"format": Size, "notes": Optional([str])}


@dataclass(frozen=True)
class Header:
    """What the documents of a store say, read at one moment.

    Which arrays there are, and where, follows from the schema. Of the rest of the metadata, only
    the metrics and what has outgrown float16 are looked for, under the names that these have.
    """

    format: int
    schema: Schema
    layout: ArrayLayout
    steps: int
    root: bytes
    metrics: tuple[str, ...]  #: their names
    wide: dict[str, int]  #: which arrays go on as float32, by path, and from which step on
    constants: dict[str, dict[str, Any]]  #: the documents of arrays that were written once
    notes: tuple[str, ...] = ()  #: sentences about how the recording came about


def read_header(where: Folder | Remote, before: Header | None = None) -> Header:
    """Read it; the schema, which never changes, only where no header was read before.

    Raises
    ------
    InputError
        When no run is there, it is damaged, or of a newer format.
    """
    root = where.get("zarr.json")
    if root is None:
        raise InputError(_absent(where))
    try:
        document = parse(root)
        known = _attributes(document, where.name)
        documents = expect(document, _ROOT)["consolidated_metadata"]["metadata"]
        schema, layout = (before.schema, before.layout) if before else _described(where)
        steps = _committed(documents)
        _check_arrays(documents, layout, steps)
        return Header(
            format=known["format"],
            schema=schema,
            layout=layout,
            steps=steps,
            root=root,
            metrics=_metrics(documents),
            wide=_wide(documents, layout, steps),
            constants={p: documents[p] for p in _constants(layout) if p in documents},
            notes=tuple(known.get("notes") or ()),
        )
    except UnexpectedError as error:
        raise InputError(
            f"{where.name} is a damaged recording: its description can't be read ({error})."
        ) from None


def begun(where: Folder | Remote) -> bool:
    """Return whether a writer began here and did not come to describe the run."""
    if where.has("zarr.json"):
        return False
    if where.has("about/zarr.json"):
        return describes_run(where)
    claim = where.get(CLAIM)
    # Before that there is a claim alone, whose token may not have been written.
    names = {CLAIM, f"step/{partial_name('about/zarr.json')}"}
    return claim is not None and len(claim) in (0, 16) and names.issuperset(where.names())


def describes_run(where: Folder | Remote) -> bool:
    """Return whether ``about`` is that of a recording, not somebody else's array of that name."""
    try:
        document = expect(parse(where.get("about/zarr.json") or b""), {"attributes": dict})
        expect(document["attributes"], {"format": int, "schema": dict})
    except UnexpectedError:
        return False
    return True


def _attributes(document: Any, name: str) -> dict[str, Any]:
    """Return what the root says of the recording. Raises InputError where it is none, or newer."""
    expect(document, {"attributes": dict})
    known = document["attributes"].get("layerscope")
    if known is None:
        raise InputError(f"{name} is a Zarr store, but no recording of layerscope.")
    expect(known, _OURS, "layerscope")
    if known["format"] > FORMAT:
        raise InputError(
            f"{name} was written by a newer layerscope (format {known['format']}; this "
            f"one knows {FORMAT} and below): pip install -U layerscope."
        )
    return dict(known)


def _described(where: Folder | Remote) -> tuple[Schema, ArrayLayout]:
    about = expect(parse(where.get("about/zarr.json") or b""), _ABOUT)
    schema = Schema.from_json(about["attributes"]["schema"])
    return schema, plan(schema)


def _committed(documents: dict[str, dict[str, Any]]) -> int:
    shape = expect(documents, {"step": {"shape": [Size]}})["step"]["shape"]
    if len(shape) != 1:
        raise UnexpectedError("the steps are no list of numbers")
    return int(shape[0])


def _metrics(documents: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    names = []
    for path, document in documents.items():
        if path.startswith("metrics/"):
            expect(document, {"attributes": {"name": str}}, "a metric")
            name = document["attributes"]["name"]
            if metric(name).path != path:
                raise UnexpectedError("a metric lies where another one does")
            names.append(name)
    return tuple(names)


def _wide(documents: dict[str, dict[str, Any]], layout: ArrayLayout, steps: int) -> dict[str, int]:
    wide = {}
    for path, stored in layout.arrays.items():
        document = documents.get(path + SUFFIX)
        if document is not None and stored.dtype == np.float16:
            expect(document, {"attributes": {SINCE: Size}}, "an array of float32")
            wide[path] = document["attributes"][SINCE]
            if wide[path] > steps:
                raise UnexpectedError("an array of float32 begins after the last step")
    return wide


def _check_arrays(documents: dict[str, dict[str, Any]], layout: ArrayLayout, steps: int) -> None:
    """Raise UnexpectedError where the arrays are described otherwise than the schema has them.

    Nothing is read by what they say; but of two descriptions that differ, one is wrong.
    """
    grids = {path: (stored.grid, (steps, *stored.shape)) for path, stored in layout.arrays.items()}
    for path, (grid, shape) in grids.items():
        if path not in documents:
            raise UnexpectedError("an array that the schema describes is missing")
        document = expect(documents[path], _ARRAY, "an array")
        there = document["shape"], document["chunk_grid"]["configuration"]["chunk_shape"]
        if there != ([*shape], [*grid.outer]) or document["data_type"] != grid.dtype.name:
            raise UnexpectedError("an array is not as the schema describes it")


def _constants(layout: ArrayLayout) -> tuple[str, ...]:
    return (*layout.labels, *layout.constants)


def _absent(where: Folder | Remote) -> str:
    if where.empty():
        return f"{where.name}: there is no recording."
    if begun(where):
        return f"{where.name} was begun, but ended before a step could be written: nothing is lost."
    return (
        f"{where.name} is no recording of layerscope: that is a folder which a Recorder, or "
        "layerscope record, has written."
    )
