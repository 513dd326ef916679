"""Recordings of samples, made as somebody looks at them, within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from layerscope.backends import backend_for
from layerscope.backends.base import Editable
from layerscope.core.architecture import counterparts
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.network import Network
from layerscope.inputs import InputSettings, Prepared
from layerscope.instruments.interventions.edited import recorded_without
from layerscope.instruments.own_input import InputForm, input_form
from layerscope.instruments.passes import Passes, chunk_of
from layerscope.recordings.recording import Recording

#: Recordings are kept while they take no more than this together; the last one always.
_KEPT_BYTES = 1_000_000_000
_MOST_SAMPLES = 10_000
_MOST_EDITED = 4  #: recordings of the model with units silenced that are kept
_MOST_PUT = 24  #: samples given by hand; a further one takes the place of the oldest
_SETTINGS = frozenset(field.name for field in fields(InputSettings))


class SampleRecordings:
    """The samples that a model is looked at on: recorded when asked for, those seen last are kept.

    ``names`` are those of the samples, in order; :meth:`add` puts others behind them, and
    :meth:`put` one that a person gives by hand, which another may replace: ``editions`` counts
    for each of these how often that was done.
    """

    def __init__(self, model: Any, x: Any = None, **options: Any) -> None:
        self.model = model
        self._options = options
        self._lock = threading.RLock()
        self._parts: list[tuple[Passes, Prepared]] = []
        self._places: list[tuple[int, int]] = []  # of each sample: which part, which row of it
        self._kept: OrderedDict[int, Recording] = OrderedDict()
        #: Of the model with units silenced: by part and units, what was run and what came of it.
        self._without: OrderedDict[Hashable, tuple[Prepared, Recording]] = OrderedDict()
        self._network: Network | None = None
        self._axes: Mapping[str, tuple[str, ...]] = {}  # of the inputs, once one was run
        self.names: list[str] = []
        self._form: InputForm | None = None
        self.editions: dict[int, int] = {}  # in the order in which they were put last
        if x is not None:
            self.add(x)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def resize(self) -> str:
        """How an image gets the model's size: ``stretch``, ``crop`` or ``pad``."""
        return str(self._options.get("resize", "stretch"))

    def add(self, x: Any, name: str | None = None) -> list[int]:
        """Read further input, as ``activations`` takes it; return the numbers of its samples.

        Raises
        ------
        InputError
            When it can't be read, or does not fit.
        """
        with self._lock:
            passes = Passes.on(self.model, x, **self._options)
            self._form = None
            at_once = min(_AT_ONCE, chunk_of(passes.backend.describe()))
            parts: list[Prepared] = []
            count = len(self)
            for one in passes.inputs():
                parts += _split(one, at_once)
                count += _count(one.value)
                if count > _MOST_SAMPLES:  # before a loader's next batch, which may be no last one
                    raise InputError(
                        f"These are more than {_MOST_SAMPLES:,} samples: pass fewer of them."
                    )
            return [number for part in parts for number in self._add_part(passes, part, name)]

    def _add_part(self, passes: Passes, part: Prepared, name: str | None) -> list[int]:
        count = _count(part.value)
        numbers = list(range(len(self), len(self) + count))
        self._parts.append((passes, part))
        self._places += [(len(self._parts) - 1, row) for row in range(count)]
        for row, number in enumerate(numbers):
            known = part.samples[row] if row < len(part.samples) else f"sample {number}"
            self.names.append(name or known)
        return numbers

    def put(self, x: Any, name: str, into: int | None = None) -> int:
        """Read one input that was given by hand, and run the model on it; return its number.

        It takes the place of ``into``, the number of another that was put; else it is a new
        sample, and where there are many of them, takes the place of the one put longest ago.

        Raises
        ------
        InputError
            When it can't be read, or does not fit; then all is as before.
        """
        with self._lock:
            if into is not None and into not in self.editions:
                raise InputError("This sample was not given by hand: it can't be replaced.")
            passes = Passes.on(self.model, x, **self._settings_for(x))
            prepared = next(passes.inputs())
            if _count(prepared.value) != 1:
                raise InputError("Give one input at a time.")
            with in_one_sentence():
                recording = passes.record(prepared)
            if into is None and len(self.editions) >= _MOST_PUT:
                into = next(iter(self.editions))
            if into is None:
                (into,) = self._add_part(passes, prepared, name)
            part, _ = self._places[into]
            self._parts[part] = passes, prepared
            self._kept[part] = recording
            self._kept.move_to_end(part)
            self._forget()
            self.names[into] = name
            self.editions[into] = self.editions.pop(into, 0) + 1
            return into

    def form(self) -> InputForm:
        """Return what can be given to the model by hand, as its samples show it."""
        with self._lock:
            if self._form is None:
                self._form = self._form_now()
            return self._form

    def _form_now(self) -> InputForm:
        backend = backend_for(self.model)
        known = {name: self._options[name] for name in _SETTINGS & set(self._options)}
        if isinstance(known.get("preprocess"), str):
            known["preprocess"] = self._parts[0][0].settings.preprocess if self._parts else None
        pixels = bool(self._parts) and self._parts[0][1].pixels
        settings = InputSettings(**known)
        return input_form(backend.inputs(), settings, self.examples(), pixels)

    def examples(self, most: int = 64) -> Any:
        """Return samples as one array in the model's own layout; None where they are none."""
        with self._lock:
            put = {self._places[number][0] for number in self.editions}
            some: list[Any] = []
            for part, (_, prepared) in enumerate(self._parts):
                value = prepared.value
                if part in put or not isinstance(value, np.ndarray) or value.ndim == 0:
                    continue
                if not some or value.shape[1:] == some[0].shape[1:]:
                    some.append(value[:most])
                if sum(map(len, some)) >= most:
                    break
            return np.concatenate(some)[:most] if some else None

    def _settings_for(self, x: Any) -> dict[str, Any]:
        """Return how an input given by hand is brought to what the samples are like."""
        form = self.form()
        if form.form != "image" or isinstance(x, np.ndarray):
            return self._options
        known = dict(self._options)
        if known.get("size") is None:
            known["size"] = form.shape[:2]
        if known.get("preprocess") is None and known.get("input_range") != "raw":
            known["input_range"] = form.range
        return known

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

    @property
    def can_edit(self) -> bool:
        """Whether values of the model's layers can be replaced."""
        return isinstance(backend_for(self.model), Editable)

    def without(self, sample: int, silenced: Sequence[str]) -> tuple[Recording, int]:
        """Return what :meth:`recording` does, of the model with these units silenced.

        Raises AddressError where there is no such unit, and what :meth:`recording` does.
        """
        with self._lock:
            part, row, passes, prepared = self.prepared(sample)
            key = part, tuple(silenced)
            if key not in self._without or self._without[key][0] is not prepared:
                with in_one_sentence():
                    recording = recorded_without(passes, prepared, silenced)
                self._without[key] = prepared, recording
                while len(self._without) > _MOST_EDITED:
                    self._without.popitem(last=False)
            self._without.move_to_end(key)
            return self._without[key][1], row

    def prepared(self, sample: int) -> tuple[int, int, Passes, Prepared]:
        """Return in which part a sample is, which row of it, and how the part is run.

        Raises
        ------
        InputError
            When there is no such sample.
        """
        with self._lock:
            if not 0 <= sample < len(self):
                raise InputError(f"There is no sample {sample}: there are {len(self)}.")
            part, row = self._places[sample]
            return part, row, *self._parts[part]

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

    def renew(self) -> None:
        """Let go of all recordings: the model is no longer what it was."""
        with self._lock:
            self._kept.clear()
            self._without.clear()

    def _forget(self) -> None:
        """Let go of the recordings that nobody has looked at for longest."""
        total = sum(recording.nbytes for recording in self._kept.values())
        while total > _KEPT_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            total -= gone.nbytes


class SameSamples:
    """The samples that one model is looked at on, on another model of the same architecture.

    Raises
    ------
    ModelError
        When the architectures differ; the message says which layer differs first.
    """

    def __init__(self, samples: SampleRecordings, model: Any) -> None:
        self.model = model
        self._samples = samples
        self._backend = backend_for(model)
        self._kept: dict[int, tuple[Prepared, Recording]] = {}
        counterparts(backend_for(samples.model).describe(), self._backend.describe())

    def recording(self, sample: int) -> tuple[Recording, int]:
        """Return a recording that holds the sample, and which of its samples it is.

        Raises as :meth:`SampleRecordings.recording` does.
        """
        part, row, passes, prepared = self._samples.prepared(sample)
        if part not in self._kept or self._kept[part][0] is not prepared:
            with in_one_sentence():
                beside = replace(passes, model=self.model, backend=self._backend)
                self._kept[part] = prepared, beside.record(prepared)
            if sum(recording.nbytes for _, recording in self._kept.values()) > _KEPT_BYTES:
                self._kept = {part: self._kept[part]}
        return self._kept[part][1], row

    def renew(self) -> None:
        """Let go of all recordings: the model is no longer what it was."""
        self._kept.clear()


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


def _split(prepared: Prepared, most: int) -> Iterator[Prepared]:
    """Yield an array's samples some at a time; anything else as it is."""
    value = prepared.value
    if not isinstance(value, np.ndarray) or value.ndim == 0 or len(value) <= most:
        yield prepared
        return
    for start in range(0, len(value), most):
        stop = start + most
        yield replace(prepared, value=value[start:stop], samples=prepared.samples[start:stop])
