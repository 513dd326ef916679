"""What a store says of itself: its format, its schema, and how many steps are committed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from layerscope.errors import InputError
from layerscope.store import metadata
from layerscope.store.places import Folder, Remote
from layerscope.store.schema import Schema


@dataclass(frozen=True)
class Header:
    """The documents of a store, read at one moment."""

    format: int
    schema: Schema
    steps: int
    root: bytes
    documents: dict[str, dict[str, Any]]  #: of each array and group, by path
    notes: tuple[str, ...] = ()  #: sentences about how the recording came about

    def metrics(self) -> dict[str, str]:
        """The path of each metric's array, by the metric's name."""
        return {
            document["attributes"]["name"]: path
            for path, document in self.documents.items()
            if path.startswith("metrics/")
        }


def read_header(where: Folder | Remote, schema: Schema | None = None) -> Header:
    """Read it; the schema, which never changes, only where it is not given.

    Raises
    ------
    InputError
        When no run is there, it is damaged, or of a newer format.
    """
    root = where.get("zarr.json")
    if root is None:
        raise InputError(_absent(where))
    try:
        document = json.loads(root)
        known = document["attributes"].get("layerscope") if isinstance(document, dict) else None
        if known is None:
            raise InputError(f"{where.name} is a Zarr store, but no recording of layerscope.")
        if known["format"] > metadata.FORMAT:
            raise InputError(
                f"{where.name} was written by a newer layerscope (format {known['format']}; this "
                f"one knows {metadata.FORMAT} and below): pip install -U layerscope."
            )
        documents = document["consolidated_metadata"]["metadata"]
        steps = int(documents["step"]["shape"][0])
        if schema is None:
            about = json.loads(where.get("about/zarr.json") or b"")
            schema = Schema.from_json(about["attributes"]["schema"])
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(
            f"{where.name} is a damaged recording: its description can't be read "
            f"({type(error).__name__})."
        ) from None
    notes = tuple(map(str, known.get("notes", ())))
    return Header(int(known["format"]), schema, steps, root, documents, notes)


def _absent(where: Folder | Remote) -> str:
    if where.empty():
        return f"{where.name}: there is no recording."
    if begun(where):
        return f"{where.name} was begun, but ended before a step could be written: nothing is lost."
    return f"{where.name} is no recording of layerscope."


def begun(where: Folder | Remote) -> bool:
    """Whether a writer began here and did not come to describe the run."""
    if where.get("zarr.json") is not None:
        return False
    return any(where.get(key) is not None for key in ("about/zarr.json", "step/claim"))
