"""A survey that is being made: batches in, a survey out, at any moment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.backends.reducing import reduced
from layerscope.core.errors import InputError, OutputError
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.network import Network
from layerscope.core.progress import Bar
from layerscope.core.table import size_text
from layerscope.inputs import Feed, Prepared, free_memory, sample_count
from layerscope.instruments.passes import Passes
from layerscope.instruments.survey.data import Data
from layerscope.instruments.survey.reduction import Reduction, are_finite, figures
from layerscope.instruments.survey.sample_pool import SamplePool
from layerscope.recordings.survey.layer_tally import DRAWN, LayerTally, lot
from layerscope.recordings.survey.reading import InputReading
from layerscope.recordings.survey.sample_figures import SampleFigures, joined
from layerscope.recordings.survey.store import (
    SurveyProgress,
    is_begun,
    is_survey,
    read_survey,
    write_survey,
)
from layerscope.recordings.survey.survey import Survey

#: Batches wait to be added until they are so many samples, or so large.
_BUFFER_BYTES, _BUFFER_SAMPLES = 256_000_000, 512
_CHECKPOINT_SAMPLES = 20_000


@dataclass
class SurveyRun:
    """A survey that is being made."""

    passes: Passes
    data: Data
    top: int
    first: int
    comoments: bool
    to: str | os.PathLike[str] | None
    made_with: dict[str, Any]
    reading: InputReading
    tallies: dict[str, LayerTally] = field(default_factory=dict)
    network: Network | None = None
    done: int = 0  #: samples that are part of the tallies or of what waits for them
    file: tuple[int, int] = (0, 0)
    labels: dict[str, int] = field(default_factory=dict)  #: in the order in which they came
    pool: SamplePool = field(default_factory=SamplePool)
    notes: dict[str, None] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    masked: bool = False  #: whether values that are not finite were met
    kept: list[str] | None = None  #: which layers are tallied
    _waiting: list[tuple[dict[str, SampleFigures], Any, Any]] = field(default_factory=list)
    _waiting_bytes: int = 0
    _saved: int = 0  #: how many samples the checkpoint on disk has

    @property
    def feed(self) -> Feed:
        """The data, batch by batch."""
        feed = self.passes.feed
        assert feed is not None  # since there always is a size of batches
        return feed

    def claim(self, *, resume: bool, overwrite: bool) -> None:
        """Take the folder to write to; go on with what is there. Raises OutputError, InputError."""
        assert self.to is not None
        where = Path(self.to)
        if overwrite or not where.exists():
            return
        name = str(self.to)
        if not is_survey(where):
            if where.is_dir() and (is_begun(where) or not any(where.iterdir())):
                return
            raise OutputError(
                f"{name!r} is there already, and is no survey: name another, or pass "
                "overwrite=True."
            )
        if not resume:
            raise OutputError(
                f"There is a survey {name!r} already: name another, or pass overwrite=True."
            )
        before, progress = read_survey(where)
        self.provenance = {"model": self.passes.backend.digest()}
        if before.provenance.get("model") != self.provenance["model"]:
            raise OutputError(
                f"The survey {name!r} is of a model with other weights: name another, or pass "
                "overwrite=True."
            )
        apart = [k for k, v in self.made_with.items() if progress.settings.get(k) != v]
        if apart:
            raise OutputError(
                f"The survey {name!r} was begun with another {apart[0]}, "
                f"{progress.settings.get(apart[0])} instead of {self.made_with[apart[0]]}: name "
                "another, or pass overwrite=True."
            )
        self._go_on(before, progress)

    def _go_on(self, before: Survey, progress: SurveyProgress) -> None:
        self.tallies, self.network = before.tallies, before.network
        self.kept = list(before.tallies)
        self.reading = replace(self.reading, axes=before.reading.axes)
        self.done = self._saved = progress.samples
        self.file = progress.file
        self.labels = {label: i for i, label in enumerate(before.labels)}
        self.pool = SamplePool(dict(before.samples))
        self.unreadable = dict(before.unreadable)
        self.notes = dict.fromkeys(before.notes)
        self.notes.pop(self._stopped(), None)
        self.feed.skip(self.done, self.file)

    def run(self, shown: bool | None) -> Survey:
        """Run the data through the model."""
        feed, interrupted = self.feed, False
        self.provenance = self.provenance or {"model": self.passes.backend.digest()}
        with Bar("Surveying", feed.count or 0, shown=shown) as bar:
            try:
                for prepared in self.passes.inputs():
                    with in_one_sentence():
                        self.take(prepared)
                    bar.show(feed.opened, feed.count or 0, f"{self.done:,} samples")
                    if self.to is not None and self.done - self._saved >= _CHECKPOINT_SAMPLES:
                        self.save(complete=False)
            except KeyboardInterrupt:
                if not self.done:
                    raise
                interrupted = True
        self.notes |= dict.fromkeys(feed.notes)
        if interrupted:
            self.notes[self._stopped()] = None
        return self.result() if self.to is None else self.save(complete=not interrupted)

    def _stopped(self) -> str:
        again = "; the same call goes on from there" if self.to is not None else ""
        return f"it was stopped after {self.done:,} samples{again}"

    def take(self, prepared: Prepared) -> None:
        """Run one batch, and add what it tells."""
        count = sample_count(prepared.value)
        numbers = self.first + self.done + np.arange(count)
        by_layer, input_axes = self._figures(prepared, numbers)
        labels = self._label_numbers(prepared, count)
        self.reading = replace(self.reading, axes=input_axes)
        names = {number: label for label, number in self.labels.items()}
        paths = getattr(getattr(self.feed, "files", None), "paths", ())
        self.pool.put(prepared, numbers, [names.get(n) for n in labels], paths, input_axes)
        self.unreadable |= getattr(self.feed, "unreadable", {})
        if prepared.files:
            number, row = prepared.files[-1]
            self.file = (number, row + 1)
        self._waiting_bytes += sum(f.some.nbytes * 2 for f in by_layer.values())
        self._waiting.append((by_layer, numbers, labels))
        self.done += count
        waiting = sum(len(w[1]) for w in self._waiting)
        if self.pool.is_full:
            self._prune()
        elif self._waiting_bytes > _BUFFER_BYTES or waiting >= _BUFFER_SAMPLES:
            self.add_waiting()

    def _figures(
        self, prepared: Prepared, numbers: Any
    ) -> tuple[dict[str, SampleFigures], Mapping[str, tuple[str, ...]]]:
        """Return what a pass leaves of each layer, and the axes of the inputs."""
        value = prepared.value
        selection = self.passes.selection
        offsets = (lot(numbers) >> np.uint64(34)).astype(np.int32)
        run = reduced(self.passes.backend, value, selection, Reduction(self.masked), offsets)
        if not self.masked and not all(map(are_finite, map(dict, run.values.values()))):
            self.masked = True
            run = reduced(self.passes.backend, value, selection, Reduction(True), offsets)
        if self.network is None:
            self.network = run.network
            self.notes |= dict.fromkeys(run.network.notes)
        if self.kept is None:
            self.kept = self._wanted(run.network, list(run.values), run.aliases)
            self._check_memory(run)
        by_layer = {
            address: figures(dict(run.values[address]), run.axes[address], run.shapes[address])
            for address in self.kept
            if address in run.values
        }
        return by_layer, run.input_axes

    def _wanted(
        self, network: Network, reduced_: Sequence[str], aliases: Mapping[str, str]
    ) -> list[str]:
        selection = self.passes.selection
        if selection.deferred:
            selection = self.passes.backend.select(self.passes.layers, network.layers)
            wanted = {layer.address for i, layer in enumerate(network) if selection.wants(layer, i)}
            reduced_ = [address for address in reduced_ if address in wanted]
        selection.check(dict.fromkeys(reduced_), [*(layer.address for layer in network), *aliases])
        if not reduced_:
            raise InputError("There is nothing to survey: no layer returns numbers of samples.")
        return list(reduced_)

    def _check_memory(self, run: Any) -> None:
        """Raise InputError where what is to be kept takes more than half of the free memory."""
        total = 0
        for address in self.kept or ():
            units = run.values[address]["peak"].shape[1]
            axes = max(len(run.axes[address]) - 2, 0)
            each = (12 + 4 * axes) * 2 * self.top + (4 + 4 * axes) * DRAWN + 300 * 8
            side = units if units <= 4096 else 1024
            total += units * each + (8 * side * side if self.comoments else 0)
        free = free_memory()
        if free is not None and total > free / 2:
            raise InputError(
                f"The survey would keep {size_text(total)}, and {size_text(free)} of memory are "
                "free, of which half may be taken: name fewer layers with layers=, a smaller top=, "
                "or leave the co-moments out with comoments=False."
            )

    def _label_numbers(self, prepared: Prepared, count: int) -> Any:
        given = self.data.labels_of(prepared, self.done, count)
        numbers = np.full(count, -1, np.int64)
        for i, label in enumerate(given):
            if label is not None:
                numbers[i] = self.labels.setdefault(str(label), len(self.labels))
        return numbers

    def _prune(self) -> None:
        """Let go of the samples that no unit's list refers to."""
        self.add_waiting()
        self.pool.keep(set().union(*(tally.referred() for tally in self.tallies.values())))

    def add_waiting(self) -> None:
        """Add the batches that wait to the tallies: each by itself would cost more.

        Interrupted, it has added none of them.
        """
        tallies = dict(self.tallies)
        for address in self.kept or ():
            parts = [(f[address], n, ls) for f, n, ls in self._waiting if address in f]
            while parts:  # maps of each shape by themselves
                shape = parts[0][0].shape
                same = [part for part in parts if part[0].shape == shape]
                parts = [part for part in parts if part[0].shape != shape]
                tally = LayerTally.of(
                    joined([f for f, _, _ in same]),
                    np.concatenate([n for _, n, _ in same]),
                    np.concatenate([ls for _, _, ls in same]),
                    len(self.labels),
                    top=self.top,
                    comoments=self.comoments,
                )
                before = tallies.get(address)
                tallies[address] = tally if before is None else before.merged(tally, self.top)
        self.tallies, self._waiting, self._waiting_bytes = tallies, [], 0

    def result(self) -> Survey:
        """Return the survey of all samples until now."""
        self._prune()
        assert self.network is not None
        return Survey(
            {address: self.tallies[address] for address in self.kept or ()},
            network=self.network,
            ranges=[(self.first, self.first + self.done)],
            samples=dict(self.pool.samples),
            labels=list(self.labels),
            top=self.top,
            notes=tuple(self.notes),
            unreadable=self.unreadable,
            provenance=self.provenance,
            reading=self.reading,
        )

    def save(self, *, complete: bool) -> Survey:
        """Write a checkpoint, and return what it holds."""
        assert self.to is not None
        progress = SurveyProgress(self.done, self.file, complete, self.made_with)
        result = self.result()
        write_survey(self.to, result, progress)
        self._saved = self.done
        return result
