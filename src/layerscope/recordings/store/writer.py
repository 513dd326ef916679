"""Writing a run, step by step, so that every finished step outlives whatever happens.

A step's chunks are put first, all at once, in threads; nobody reads them, since no array is that
long yet. Then the root's ``zarr.json`` is replaced by one that is a step longer: the commit.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import LayerscopeError, OutputError
from layerscope.recordings.store.array_layout import (
    ArrayLayout,
    Key,
    group_name,
    metric,
    plan,
    stored_dims,
)
from layerscope.recordings.store.header import Header, begun, describes_run, read_header
from layerscope.recordings.store.metadata import WRITABLE, Documents, about, constant
from layerscope.recordings.store.places import Folder, Remote, first_line, place
from layerscope.recordings.store.plain_json import UnexpectedError, expect, parse
from layerscope.recordings.store.schema import Schema
from layerscope.recordings.store.steps import Steps
from layerscope.recordings.store.tails import read_steps
from layerscope.recordings.store.wide import SUFFIX

Constants = Mapping[str, npt.NDArray[Any]]


class Writer:
    """Writes the steps of a run; made by ``create`` or ``resume``, ended by ``close``.

    ``append`` returns when the step is on the disk and can be read. One that fails, because the
    disk is full, say, leaves the run as it was before, and may be tried again.
    """

    def __init__(self, where: Folder | Remote, schema: Schema, layout: ArrayLayout) -> None:
        self.schema = schema
        self._where = where
        self._layout = layout
        self._documents = Documents(layout)
        self._chunks = Steps(where, schema, layout)
        self._steps: list[int] = []
        self._metrics: set[str] = set()
        self._open = True
        #: What ``overwrite=True`` has found beside the run that was there, and left.
        self.left: tuple[str, ...] = ()

    @classmethod
    def create(
        cls,
        url: str | os.PathLike[str],
        schema: Schema,
        *,
        overwrite: bool = False,
        constants: Constants | None = None,
        sync: bool = True,
    ) -> Writer:
        """Begin a run in a place where nothing is.

        Parameters
        ----------
        overwrite
            Replace the run that is there. What is not a run is never replaced, and what layerscope
            has not written stays: ``writer.left`` names it.
        constants
            The values of each group of kind ``input``, by address.
        sync
            Wait for the disk, so that every finished step outlives a power cut too. Without it,
            it outlives the end of the process.

        Raises
        ------
        OutputError
            When something is there, another process writes there, or the disk is full.
        """
        where = place(url, sync=sync)
        with _in_one_sentence(where.name):
            left = _make_room(where, overwrite=overwrite)
            writer = cls(where, schema, plan(schema))
            writer.left = left
            with writer._stopped_if_it_fails():
                where.claim()
                writer._begin(constants or {})
        return writer

    @classmethod
    def resume(
        cls, url: str | os.PathLike[str], schema: Schema | None = None, *, sync: bool = True
    ) -> Writer:
        """Go on with the run that is there; what was not finished of a step is removed.

        Raises
        ------
        OutputError
            When it holds other layers than ``schema``, or another process writes there.
        InputError
            When no run is there, or one of a format that this version does not know.
        """
        where = place(url, sync=sync)
        header = read_header(where)
        if header.format not in WRITABLE:
            raise OutputError(
                f"{where.name} is of format {header.format}, which this version reads but does "
                f"not write: record to another place."
            )
        other = None if schema is None else header.schema.difference(schema)
        if other is not None:
            raise OutputError(f"{where.name} can't be gone on with: {other}.")
        with _in_one_sentence(where.name):
            writer = cls(where, header.schema, header.layout)
            with writer._stopped_if_it_fails():
                where.claim()
                # Read again: another process may have written until it lost its claim.
                writer._go_on(read_header(where, header))
        return writer

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps that are written."""
        return list(self._steps)

    def append(
        self,
        step: int,
        *,
        epoch: float | None = None,
        wall_time: float,
        metrics: Mapping[str, float] | None = None,
        arrays: Mapping[Key, npt.NDArray[Any]],
    ) -> int:
        """Write a step, and return the number of bytes written.

        A variable that is left out is NaN in this step, and so is a metric. One of float16 whose
        values float16 does not hold goes on as float32 from this step on.

        Raises
        ------
        OutputError
            When the number is not above the last one's, an array is not as the schema describes
            it, or the place can't be written to.
        """
        if self._steps and step <= self._steps[-1]:
            raise OutputError(
                f"step {step} can't follow step {self._steps[-1]}: numbers of steps rise."
            )
        if not -(2**63) <= step < 2**63:
            raise OutputError(f"step {step} can't be stored: numbers of steps have 64 bits.")
        self._chunks.check(arrays)
        numbers = {"step": step, "epoch": math.nan if epoch is None else epoch}
        numbers |= {"wall_time": wall_time}
        numbers |= {metric(name).path: value for name, value in (metrics or {}).items()}
        with _in_one_sentence(self._where.name, "; the steps before are whole"):
            self._check_open()
            written = self._describe_metrics(metrics or {}) + self._widen(arrays)
            written += self._put(len(self._steps), arrays, numbers)
        self._steps.append(step)
        return written

    def is_wide(self, key: Key) -> bool:
        """Return whether a variable of float16 goes on as float32, since its values outgrew it."""
        return self._chunks.is_wide(key)

    def note(self, sentence: str) -> None:
        """Keep a sentence about how the recording came about; it is there after the next step."""
        if sentence not in self._documents.notes:
            self._documents.notes.append(sentence)

    def close(self) -> None:
        """End writing; now each array's own document, too, says how many steps there are."""
        if not self._open:
            return
        try:
            with _in_one_sentence(self._where.name):
                self._where.check_claim()
                root = self._documents.root(len(self._steps))
                if self._where.get("zarr.json") != root:
                    self._where.put("zarr.json", root)  # notes have come after the last step
                self._chunks.put_keys(self._documents.members(len(self._steps)))
        finally:
            self._stop()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self, constants: Constants) -> None:
        # First what tells an unfinished beginning from somebody else's folder.
        self._where.put("about/zarr.json", about(self.schema.to_json()))
        for path, (dim, labels) in self._layout.labels.items():
            self._put_constant(path, (dim,), labels(), {})
        for group in self.schema.groups:
            if group.kind == "input":
                if set(group.variables) != {"values"} or group.address not in constants:
                    raise OutputError(f"the values of input {group.address!r} are not given.")
                described = group.variables["values"]
                values = np.asarray(constants[group.address], described.dtype)
                if values.shape != described.shape:
                    raise OutputError(
                        f"input {group.address!r} has the shape {values.shape}, and is described "
                        f"with {described.shape}."
                    )
                dims = stored_dims(self.schema, described.dims, described.shape)
                path = f"{group_name(group.kind, group.address)}/values"
                self._put_constant(path, dims, values, described.attrs)
        self._chunks.put_keys(self._documents.members(0), sync=False)  # the root holds them, too
        self._where.put("zarr.json", self._documents.root(0))

    def _put_constant(
        self, path: str, dims: tuple[str, ...], values: Any, attrs: Mapping[str, Any]
    ) -> None:
        keys = constant(path, dims, values, attrs)
        self._documents.fix(path, json.loads(keys[f"{path}/zarr.json"]))
        self._chunks.put_keys(keys)

    def _go_on(self, header: Header) -> None:
        self._documents.notes[:] = header.notes
        for name in header.metrics:
            self._add_metric(name)
        for path, since in header.wide.items():
            self._documents.add(self._chunks.widen(path, since))
        for path, document in header.constants.items():
            self._documents.fix(path, document)
        self._chunks.restore(header.steps)
        self._chunks.put_keys(self._documents.members(header.steps), sync=False)
        self._steps = read_steps(self._where, header.steps).tolist()

    def _describe_metrics(self, metrics: Mapping[str, float]) -> int:
        """Add the metrics that come for the first time."""
        new = [name for name in metrics if name not in self._metrics]
        for name in new:
            self._add_metric(name)
        if not new:
            return 0
        for name in new:
            self._chunks.remove_before(metric(name), len(self._steps))
        documents = self._documents.members(len(self._steps))
        keys = [f"{metric(name).path}/zarr.json" for name in new]
        return self._chunks.put_keys({key: documents[key] for key in keys})

    def _widen(self, arrays: Mapping[Key, npt.NDArray[Any]]) -> int:
        """Have arrays whose values float16 does not hold go on as float32; returns bytes."""
        new = self._chunks.outgrown(arrays)
        for path in new:
            self._documents.add(self._chunks.widen(path, len(self._steps)))
        if not new:
            return 0
        documents = self._documents.members(len(self._steps))
        paths = [f"{path}{SUFFIX}/zarr.json" for path in new]
        return self._chunks.put_keys({key: documents[key] for key in paths})

    def _add_metric(self, name: str) -> None:
        self._metrics.add(name)
        self._documents.add(metric(name))
        self._chunks.add(metric(name))

    def _put(
        self, at: int, arrays: Mapping[Key, npt.NDArray[Any]], numbers: Mapping[str, float]
    ) -> int:
        """Put the step's chunks, then commit it; where that fails, undo it."""
        root = self._documents.root(at + 1)
        try:
            written = self._chunks.put(at, arrays, numbers)
            self._where.check_claim()  # the folder may have been moved, or replaced, meanwhile
            self._where.put("zarr.json", root)
        except BaseException:
            # The error may have come after the document was replaced: then the step stands.
            if self._is_claimed() and self._where.get("zarr.json") != root:
                self._where.sweep()
                self._chunks.undo(at)
            raise
        return written + len(root)

    def _is_claimed(self) -> bool:
        """Return whether what is there is still this writer's, to tidy up."""
        try:
            self._where.check_claim()
        except (LayerscopeError, OSError):
            return False
        return True

    def _check_open(self) -> None:
        if not self._open:
            raise OutputError(f"{self._where.name} is closed: resume it to go on.")
        self._where.check_claim()

    def _stop(self) -> None:
        self._open = False
        self._chunks.stop()
        self._where.release()

    @contextmanager
    def _stopped_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._stop()
            raise


def holds_run(url: str | os.PathLike[str]) -> bool:
    """Return whether a run is there, with any number of steps, that ``Writer.resume`` takes."""
    return place(url).has("zarr.json")


def _make_room(where: Folder | Remote, *, overwrite: bool) -> tuple[str, ...]:
    """See that nothing is there that may not be replaced, and remove what may; what is left."""
    if not where.has("zarr.json"):
        if where.empty():
            return ()
        if not begun(where):
            raise OutputError(f"{where.name} holds something else than a recording.")
    elif not _ours(where):
        raise OutputError(f"{where.name} holds something else than a recording.")
    elif not overwrite:
        raise OutputError(
            f"{where.name} holds a recording already: resume=True goes on with it, "
            f"overwrite=True begins anew."
        )
    where.claim()
    try:
        # What tells that a run was begun stays until that of the new one is put in its place.
        return where.clear()
    finally:
        where.release()


def _ours(where: Folder | Remote) -> bool:
    try:
        attributes = expect(parse(where.get("zarr.json") or b""), {"attributes": dict})
    except UnexpectedError:  # damaged: what lies beside it tells
        return describes_run(where)
    return "layerscope" in attributes["attributes"]


@contextmanager
def _in_one_sentence(name: str, so: str = "") -> Iterator[None]:
    """Say in a sentence what the system refuses."""
    try:
        yield
    except LayerscopeError:
        raise
    except OSError as error:
        raise OutputError(f"{name} can't be written: {first_line(error)}{so}.") from error
