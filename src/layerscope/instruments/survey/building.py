"""A survey in the making: batches in, a survey out, at any moment."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from layerscope.backends.reducing import reduced
from layerscope.core.errors import InputError
from layerscope.core.layer_kinds import HANDING_ON
from layerscope.core.network import Layer, Network
from layerscope.core.table import size_text
from layerscope.core.text import quoted
from layerscope.inputs import Prepared, free_memory, sample_count
from layerscope.instruments.passes import Passes
from layerscope.instruments.survey.reduction import Reduction, are_finite, figures
from layerscope.instruments.survey.sample_pool import SamplePool
from layerscope.recordings.survey.layer_tally import DRAWN, LayerTally, lot
from layerscope.recordings.survey.reading import InputReading
from layerscope.recordings.survey.sample_figures import SampleFigures, joined
from layerscope.recordings.survey.survey import Survey

_SHOWN = 5  #: layers that a note lists
#: Batches wait to be added until they are so many samples, or so large.
_BUFFER_BYTES, _BUFFER_SAMPLES = 256_000_000, 512
#: Samples that are run at once take so many bytes; their most, and how many where it is not known.
_CHUNK_BYTES, _LARGEST_CHUNK, _UNKNOWN_CHUNK = 512_000_000, 256, 16


@dataclass
class SurveyBuilder:
    """Runs batches through a model, and adds up what they tell."""

    passes: Passes
    top: int
    comoments: bool
    reading: InputReading
    tallies: dict[str, LayerTally] = field(default_factory=dict)
    network: Network | None = None
    ranges: list[tuple[int, int]] = field(default_factory=list)  #: the samples' numbers
    labels: dict[str, int] = field(default_factory=dict)  #: in the order in which they came
    pool: SamplePool = field(default_factory=SamplePool)
    notes: dict[str, None] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    masked: bool = False  #: whether values that are not finite were met
    kept: list[str] | None = None  #: which layers are tallied
    _waiting: list[tuple[dict[str, SampleFigures], Any, Any]] = field(default_factory=list)
    _waiting_bytes: int = 0

    @property
    def count(self) -> int:
        """How many samples were taken."""
        return sum(stop - first for first, stop in self.ranges)

    def go_on(self, before: Survey) -> None:
        """Begin with what another has added up."""
        self.tallies, self.network = before.tallies, before.network
        self.kept = list(before.tallies)
        self.reading = replace(self.reading, axes=before.reading.axes)
        self.ranges = list(before.ranges)
        self.labels = {label: i for i, label in enumerate(before.labels)}
        self.pool = SamplePool(dict(before.samples))
        self.unreadable = dict(before.unreadable)
        self.notes = dict.fromkeys(before.notes)

    def take(
        self, prepared: Prepared, first: int, given: Sequence[Any], paths: Sequence[str]
    ) -> None:
        """Run a batch, and add what it tells.

        ``first`` is the number of its first sample, ``given`` has its labels, None for a sample
        without one, and ``paths`` are those of the files that it came from.
        """
        count = sample_count(prepared.value)
        numbers = first + np.arange(count)
        by_layer, input_axes = self._figures(prepared, numbers)
        labels = self._label_numbers(given)
        self.reading = replace(self.reading, axes=input_axes)
        names = {number: label for label, number in self.labels.items()}
        self.pool.put(prepared, numbers, [names.get(n) for n in labels], paths, input_axes)
        self._waiting_bytes += sum(f.some.nbytes * 2 for f in by_layer.values())
        self._waiting.append((by_layer, numbers, labels))
        if self.ranges and self.ranges[-1][1] == first:
            self.ranges[-1] = self.ranges[-1][0], first + count
        else:
            self.ranges.append((first, first + count))
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
        known = {*reduced_, *aliases}
        wanted_rows = [row for i, row in enumerate(network) if selection.wants(row, i)]
        self._note_missing([row for row in wanted_rows if row.address not in known])
        return list(reduced_)

    def _note_missing(self, rows: Sequence[Layer]) -> None:
        """Note which layers that compute could not be surveyed."""
        names = [
            quoted(row.address)
            for row in rows
            if row.kind not in HANDING_ON
            and not row.plumbing
            and row.role not in ("input", "container")
        ]
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            listed = ", ".join(names[:_SHOWN]) + more
            self.notes[f"not surveyed, as they return no number for each sample: {listed}"] = None

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

    def _label_numbers(self, given: Sequence[Any]) -> Any:
        numbers = np.full(len(given), -1, np.int64)
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
        _give_back_freed()

    def result(self) -> Survey:
        """Return the survey of all samples until now."""
        self._prune()
        assert self.network is not None
        return Survey(
            {address: self.tallies[address] for address in self.kept or ()},
            network=self.network,
            ranges=self.ranges,
            samples=dict(self.pool.samples),
            labels=list(self.labels),
            top=self.top,
            notes=tuple(self.notes),
            unreadable=self.unreadable,
            provenance=self.provenance,
            reading=self.reading,
        )


@functools.cache
def _trim() -> Any:
    """Return what gives back freed memory to the system; None where glibc is not there."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


def _give_back_freed() -> None:
    """Give back what the threads of a framework have freed, and which they would keep each."""
    trim = _trim()
    if trim is not None:
        trim(0)


def samples_at_once(network: Network) -> int:
    """Return how many samples to run at once, by what its layers are known to return."""
    total = 0
    for layer in network:
        if layer.shape is None or None in layer.shape[1:]:
            return _UNKNOWN_CHUNK
        total += 4 * int(np.prod([n or 1 for n in layer.shape[1:]], dtype=np.int64))
    return int(min(max(_CHUNK_BYTES // max(total, 1), 1), _LARGEST_CHUNK))
