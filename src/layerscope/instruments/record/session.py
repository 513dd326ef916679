"""A recording in the making: its plan, its store, and the thread that writes."""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from layerscope.core.console import report
from layerscope.core.errors import OutputError
from layerscope.core.network import to_json
from layerscope.instruments.record.budget import Spending, chosen_samples, free_on_disk
from layerscope.instruments.record.described import as_before, check_probe, kept_json
from layerscope.instruments.record.endings import end_those_at
from layerscope.instruments.record.layout import (
    Encoder,
    Key,
    chosen_weights,
    groups_of,
    layer_array,
    stored_inputs,
    weight_array,
)
from layerscope.instruments.record.plan import RecordingPlan, check_limit, thinned
from layerscope.instruments.record.probabilities import probabilities
from layerscope.instruments.record.probe import Probe, Snapshot
from layerscope.instruments.record.worker import Worker
from layerscope.recordings.store.header import begun
from layerscope.recordings.store.kept import FROM_BEFORE
from layerscope.recordings.store.places import place, same_place
from layerscope.recordings.store.schema import Schema

#: How many bytes of looks there may be at once, the one that is being taken among them; of looks
#: larger than that, there is one.
_WAITING = 32_000_000

_NAMED = 10  #: files that a message names

#: Why something is not stored as float16.
BEYOND_HALF = "since float16 is for numbers from 0.00006 to 65,504"


class StepWriter(Protocol):
    """What is asked of a store."""

    @property
    def schema(self) -> Schema: ...
    @property
    def steps(self) -> Sequence[int]: ...
    def append(
        self,
        step: int,
        *,
        epoch: float | None,
        wall_time: float,
        metrics: Mapping[str, float],
        arrays: Mapping[Key, npt.NDArray[Any]],
    ) -> int: ...
    def is_wide(self, key: Key) -> bool: ...
    def note(self, sentence: str) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Settings:
    """What the user asked for, read."""

    url: str
    samples: Any
    weights: Any
    dtype: str
    budget: float | None
    classes: tuple[str, ...]
    resume: bool
    overwrite: bool
    quiet: bool
    described: Mapping[str, Any]  #: as it is kept with the recording


class Session:
    """A store that is open for steps of one network on one probe.

    Raises OutputError when something is there already, or the store can't be written.
    """

    def __init__(self, settings: Settings, probe: Probe, steps: int | None) -> None:
        look = probe.look()
        self.probe = probe
        self._classes, self._quiet = settings.classes, settings.quiet
        probabilities(look.output, self._classes)  # what is wrong is said before anything is there
        plan = _plan(settings, probe, look, steps)
        resumes = check_place(settings)
        # Its steps may still wait to be written: after an interrupted training in a notebook.
        end_those_at(same_place(settings.url))
        if resumes:
            self.plan, self._writer = _resumed(settings, probe, look, plan)
        else:
            self.plan, self._writer = plan, _begun(settings, probe, look, plan)
        kept = self._writer.schema.attrs.get("settings") or {}
        self.from_before = FROM_BEFORE.items() <= kept.items()
        self.last: int | None = max(self._writer.steps, default=None)
        self._encoder = Encoder(self.plan)
        self._spending = Spending(self.plan)
        end = _End(self._writer, self._encoder, self._spending)
        self._worker = Worker(_WAITING, end, same_place(settings.url))
        self._look_bytes = look.nbytes
        # Also where it is dropped without having been closed.
        self._finish = weakref.finalize(self, self._worker.end_soon)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out while it was made."""
        return _notes(self._encoder, self._spending)

    def make_room(self) -> None:
        """Wait until there is room for another look, which is to be taken after that.

        Raises OutputError when an earlier one could not be written.
        """
        self._worker.make_room(self._look_bytes)

    def add(
        self, step: int, epoch: float | None, metrics: Mapping[str, float], look: Snapshot
    ) -> None:
        """Hand a look over to be written, and wait where too much is waiting.

        Raises OutputError when an earlier one could not be written.
        """
        metrics = {**metrics, **probabilities(look.output, self._classes)}
        parts = (self._writer, self._encoder, self._spending, self._quiet)
        job = _Append(*parts, step, epoch, time.time(), metrics, look)
        self._worker.put(job, look.nbytes)
        self.last = step

    def check(self) -> None:
        """Raise OutputError where an earlier step can't be written; it is tried again before."""
        self._worker.check()

    def allows(self) -> bool:
        """Return whether the step that comes now is within the budget; if so, count it as spent."""
        return self._spending.allows()

    def give_back(self) -> None:
        """Take back that the last step which was allowed counts: it was not taken."""
        self._spending.give_back()

    def follow(self, probe: Probe) -> None:
        """Go on with another network, looked at in the same way."""
        self.probe = probe

    def wait(self) -> None:
        """Return when all that was handed over is written. Raises OutputError when it can't be."""
        self._worker.wait()

    def close(self) -> None:
        """End the writing. Raises OutputError when something could not be written."""
        self._finish.detach()
        self._worker.end()

    def check_here(self) -> None:
        """Raise InputError in a process that was forked from the one that records."""
        self._worker.check_here()

    def note(self, sentence: str) -> None:
        """Keep a sentence about how the training ended."""
        self._spending.notes.append(sentence)


@dataclass(frozen=True)
class _Append:
    """One step, to be written."""

    writer: StepWriter
    encoder: Encoder
    spending: Spending
    quiet: bool
    step: int
    epoch: float | None
    wall_time: float
    metrics: Mapping[str, float]
    look: Snapshot

    def __str__(self) -> str:
        return f"step {self.step}"

    def __call__(self) -> None:
        """Write it. It may be tried again after any failure, also one that follows the commit."""
        if self.writer.steps[-1:] == [self.step]:
            return
        arrays = self.encoder.arrays(self.look, self.writer.is_wide)
        if self.encoder.announced is None:
            self.encoder.announced = {key for key in arrays if self.writer.is_wide(key)}
        nbytes = self.writer.append(
            self.step,
            epoch=self.epoch,
            wall_time=self.wall_time,
            metrics=self.metrics,
            arrays=arrays,
        )
        self.encoder.written(self.look)
        self.spending.spent(nbytes)
        announced = self.encoder.announced
        wider = [key for key in arrays if key not in announced and self.writer.is_wide(key)]
        if wider:
            announced.update(wider)
            self._say(wider, sum(2 * arrays[key].size for key in wider))

    def _say(self, wider: list[Key], nbytes: int) -> None:
        """Note that what is stored of these takes so many bytes more from this step on."""
        self.spending.grows(nbytes)
        names = ", ".join(address for _, address, _ in wider)
        sentence = f"from step {self.step} on stored as float32, {BEYOND_HALF}: {names}"
        self.spending.notes.append(sentence)
        self.writer.note(sentence)
        if not self.quiet:
            report(f"layerscope: {sentence}.")


@dataclass(frozen=True)
class _End:
    """What is done after the last step, with or without a session that still is there."""

    writer: StepWriter
    encoder: Encoder
    spending: Spending

    def __call__(self) -> None:
        for sentence in _notes(self.encoder, self.spending):
            self.writer.note(sentence)
        self.writer.close()


def _notes(encoder: Encoder, spending: Spending) -> tuple[str, ...]:
    missing = [
        f"{address} was not there at each step, or not in the same shape: NaN stands for it"
        for address in encoder.missing
    ]
    return (*spending.notes, *missing)


def _plan(settings: Settings, probe: Probe, look: Snapshot, steps: int | None) -> RecordingPlan:
    samples = chosen_samples(settings.samples, probe.count, probe.samples)
    kept = chosen_weights(settings.weights, list(look.weights))
    limits = [settings.budget, free_on_disk(settings.url)]
    layers = [layer_array(name, value, settings.dtype) for name, value in look.values.items()]
    wide = [array.address for array in layers if array.dtype == "float32"]
    notes: tuple[str, ...] = ()
    if wide and settings.dtype == "float16":
        notes = (f"stored as float32, {BEYOND_HALF}: {', '.join(wide)}",)
    return thinned(
        RecordingPlan(
            layers=tuple(layers),
            weights=tuple(weight_array(key, look.weights[key], settings.dtype) for key in kept),
            parameters=len(look.weights),
            samples=samples,
            steps=steps,
            limit=min((limit for limit in limits if limit is not None), default=None),
            notes=notes,
        )
    )


def _begun(settings: Settings, probe: Probe, look: Snapshot, plan: RecordingPlan) -> StepWriter:
    """Begin a new recording."""
    from layerscope.recordings.store.writer import Writer

    check_limit(plan, settings.budget)
    inputs = stored_inputs(probe.inputs, plan)
    writer = Writer.create(
        settings.url,
        _schema(settings, probe, look, plan),
        overwrite=settings.overwrite,
        constants={name: array.values for name, array in inputs.items()},
    )
    if writer.left:
        names = ", ".join(map(repr, writer.left[:_NAMED]))
        more = f" and {len(writer.left) - _NAMED:,} more" if len(writer.left) > _NAMED else ""
        report(
            f"layerscope: left in {settings.url}, which a recorder has not written: {names}{more}."
        )
    return writer


def _resumed(
    settings: Settings, probe: Probe, look: Snapshot, plan: RecordingPlan
) -> tuple[RecordingPlan, StepWriter]:
    """Open the recording that is there, which goes on keeping what it has kept so far.

    It is only read until it is certain that it is of this network and this probe.
    """
    from layerscope.recordings.store.reader import StoreReader
    from layerscope.recordings.store.writer import Writer

    before = StoreReader.open(settings.url)
    plan = as_before(plan, before.schema.attrs.get("kept") or {}, settings.dtype)
    schema = _schema(settings, probe, look, plan)
    other = before.schema.difference(schema)
    if other is not None:
        raise OutputError(f"The recording {settings.url!r} can't be gone on with: {other}.")
    inputs = {name: a.values for name, a in stored_inputs(probe.inputs, plan).items()}
    check_probe(settings.url, before, inputs, probe.provenance)
    check_limit(plan, settings.budget)
    return plan, Writer.resume(settings.url, schema)


def check_budget(settings: Settings, probe: Probe) -> None:
    """Raise InputError where the budget does not hold a single step of a new recording."""
    if settings.budget is not None and not check_place(settings):
        check_limit(_plan(settings, probe, probe.look(), None), settings.budget)


def _schema(settings: Settings, probe: Probe, look: Snapshot, plan: RecordingPlan) -> Schema:
    inputs = stored_inputs(probe.inputs, plan)
    return Schema(
        groups_of(plan, inputs, list(look.weights), gradients=probe.has_gradients),
        _sample_names(probe, plan),
        _attributes(settings, probe, plan),
    )


def check_place(settings: Settings) -> bool:
    """Return whether a recording is to be gone on with.

    Raises OutputError, before anything is trained, where something is there that nobody allowed to
    be replaced. What a process left that was killed while it began a recording is nobody's.
    """
    where = place(settings.url)
    there = not where.empty() and not begun(where)
    if there and not settings.resume and not settings.overwrite:
        raise OutputError(
            f"There is something at {settings.url!r} already: pass resume=True to go on with it, "
            "overwrite=True to replace it, or another name."
        )
    return there and settings.resume


def _sample_names(probe: Probe, plan: RecordingPlan) -> tuple[str, ...]:
    if probe.samples:
        return tuple(probe.samples[i] for i in plan.samples)
    first = plan.samples == tuple(range(len(plan.samples)))
    return () if first else tuple(map(str, plan.samples))


def _attributes(settings: Settings, probe: Probe, plan: RecordingPlan) -> dict[str, Any]:
    loss = probe.loss()
    attributes = {
        **({} if loss is None else {"loss": loss.to_json()}),
        "network": to_json(probe.network),
        "aliases": dict(probe.aliases),
        "provenance": dict(probe.provenance),
        "settings": dict(settings.described),
        "probed": probe.count,
        "kept": kept_json(plan, settings.dtype),
        "plan": str(plan),
        "notes": [*probe.notes, *plan.notes],
    }
    # A setting may be infinite, which JSON has no number for.
    return dict(json.loads(json.dumps(attributes), parse_constant=str))
