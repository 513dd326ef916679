"""Recordings of samples, made as somebody looks at them, within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.network import Network
from layerscope.inputs import Prepared
from layerscope.instruments.passes import Passes
from layerscope.recordings.recording import Recording

#: Recordings are kept while they take no more than this together; the last one always.
_KEPT_BYTES = 1_000_000_000
_MOST_SAMPLES = 10_000


class SampleRecordings:
    """The samples that a model is looked at on: recorded when asked for, those seen last are kept.

    ``names`` are those of the samples, in order; :meth:`add` puts others behind them.
    """

    def __init__(self, model: Any, x: Any = None, **options: Any) -> None:
        self.model = model
        self._options = options
        self._lock = threading.RLock()
        self._parts: list[tuple[Passes, Prepared]] = []
        self._places: list[tuple[int, int]] = []  # of each sample: which part, which row of it
        self._kept: OrderedDict[int, Recording] = OrderedDict()
        self._network: Network | None = None
        self._axes: Mapping[str, tuple[str, ...]] = {}  # of the inputs, once one was run
        self.names: list[str] = []
        if x is not None:
            self.add(x)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, x: Any, name: str | None = None) -> list[int]:
        """Read further input, as ``activations`` takes it; return the numbers of its samples.

        Raises
        ------
        InputError
            When it can't be read, or does not fit.
        """
        with self._lock:
            passes = Passes.on(self.model, x, **self._options)
            added: list[int] = []
            for prepared in passes.inputs():
                for part in _split(prepared):
                    added += self._add_part(passes, part, name)
            return added

    def _add_part(self, passes: Passes, part: Prepared, name: str | None) -> list[int]:
        count = _count(part.value)
        if len(self) + count > _MOST_SAMPLES:
            raise InputError(f"These are more than {_MOST_SAMPLES:,} samples: pass fewer of them.")
        numbers = list(range(len(self), len(self) + count))
        self._parts.append((passes, part))
        self._places += [(len(self._parts) - 1, row) for row in range(count)]
        for row, number in enumerate(numbers):
            known = part.samples[row] if row < len(part.samples) else f"sample {number}"
            self.names.append(name or known)
        return numbers

    def recording(self, sample: int) -> tuple[Recording, int]:
        """Return a recording that holds the sample, and which of its samples it is.

        Raises
        ------
        InputError
            When there is no such sample.
        ModelError
            When the model can't be run on it.
        """
        with self._lock:
            if not 0 <= sample < len(self):
                raise InputError(f"There is no sample {sample}: there are {len(self)}.")
            part, row = self._places[sample]
            if part not in self._kept:
                passes, prepared = self._parts[part]
                with in_one_sentence():
                    recording = passes.record(prepared)
                self._kept[part] = recording
                self._network, self._axes = recording.network, recording.input_axes
                self._forget()
            self._kept.move_to_end(part)
            return self._kept[part], row

    def input(self, sample: int) -> tuple[Recording, int]:
        """Return a recording of a sample's input alone, for which nothing is run where it can be.

        Raises as :meth:`recording` does.
        """
        with self._lock:
            if not 0 <= sample < len(self):
                raise InputError(f"There is no sample {sample}: there are {len(self)}.")
            part, row = self._places[sample]
            value = self._parts[part][1].value
            if part in self._kept or self._network is None or len(self._axes) != 1:
                return self.recording(sample)
            ((name, axes),) = self._axes.items()
            if not isinstance(value, np.ndarray) or value.ndim != len(axes):
                return self.recording(sample)
            inputs = {name: NamedArray(value, axes)}
            return Recording({}, network=self._network, inputs=inputs), row

    def _forget(self) -> None:
        """Let go of the recordings that nobody has looked at for longest."""
        total = sum(recording.nbytes for recording in self._kept.values())
        while total > _KEPT_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            total -= gone.nbytes


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    for item in value if isinstance(value, list | tuple) else [value]:
        if hasattr(item, "shape") and len(item.shape):
            yield item


def _count(value: Any) -> int:
    """Return how many samples an input holds."""
    lengths = {int(array.shape[0]) for array in _arrays(value)}
    return lengths.pop() if len(lengths) == 1 else 1


_AT_ONCE = 16  #: samples of an array that are run together


def _split(prepared: Prepared) -> Iterator[Prepared]:
    """Yield an array's samples some at a time; anything else as it is."""
    value = prepared.value
    if not isinstance(value, np.ndarray) or value.ndim == 0 or len(value) <= _AT_ONCE:
        yield prepared
        return
    for start in range(0, len(value), _AT_ONCE):
        stop = start + _AT_ONCE
        yield replace(prepared, value=value[start:stop], samples=prepared.samples[start:stop])
