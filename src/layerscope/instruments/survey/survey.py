"""``survey``: what each unit answers to, over data, in one pass and in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from layerscope.backends import backend_for
from layerscope.backends.reducing import reduced
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError, OutputError
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.network import Layer, Network
from layerscope.core.progress import Bar
from layerscope.core.table import size_text
from layerscope.inputs import Feed, Prepared, free_memory, sample_count
from layerscope.inputs.feeds import arrays_in
from layerscope.instruments.passes import Passes
from layerscope.instruments.survey.data import Data, data_of
from layerscope.instruments.survey.reduction import Reduction, are_finite, figures
from layerscope.recordings.survey.layer_tally import DRAWN, LayerTally, lot
from layerscope.recordings.survey.reading import InputReading, name_of
from layerscope.recordings.survey.sample_figures import SampleFigures, joined
from layerscope.recordings.survey.series import SurveySeries
from layerscope.recordings.survey.store import SurveyProgress, is_survey, read_survey, write_survey
from layerscope.recordings.survey.survey import Survey, SurveyedSample

#: What a survey leaves out unless it is named: layers that hand on the values of others.
HANDS_ON = frozenset(
    {"input", "reshape", "rearrange", "pad", "crop", "dropout", "identity", "augment", "container"}
)
_BUFFER_BYTES = 64_000_000
_BUFFER_SAMPLES = 1024
#: What the network received of samples, before it is looked at which of them stay.
_POOL_BYTES = 256_000_000
_CHECKPOINT_SAMPLES = 20_000
_CHUNK_BYTES, _LARGEST_CHUNK, _UNKNOWN_CHUNK = 512_000_000, 256, 16


@overload
def survey(
    model: Any, data: Any, layers: Any = None, *, at: None = None, **options: Any
) -> Survey: ...


@overload
def survey(
    model: Any,
    data: Any,
    layers: Any = None,
    *,
    at: Sequence[str | os.PathLike[str]],
    **options: Any,
) -> SurveySeries: ...


def survey(  # type: ignore[misc]  # the options are named one by one here
    model: Any,
    data: Any,
    layers: Any = None,
    *,
    top: int = 16,
    batch_size: int | None = None,
    samples: int | None = None,
    first: int = 0,
    labels: Sequence[Any] | Mapping[str, Any] | None = None,
    comoments: bool = True,
    at: Sequence[str | os.PathLike[str]] | None = None,
    to: str | os.PathLike[str] | None = None,
    resume: bool = True,
    overwrite: bool = False,
    progress: bool | None = None,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
) -> Survey | SurveySeries:
    """Return what each unit answers to, over data: figures, histograms, and its examples.

    The data go through the model once; of the activations a few numbers for each sample and unit
    are kept, computed where the activations are. So memory does not grow with the data.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module``, an ONNX model or a scikit-learn MLP.
    data
        What :func:`activations` takes: arrays, files, folders, loaders, generators. Besides: a
        folder whose subfolders are labels, a PyTorch ``Dataset``, a data set of Hugging Face, a
        Zarr array. A file of a folder that can't be read is counted and named, and the rest goes
        on.
    layers
        Which layers: as in :func:`activations`. By default all but those that hand on the values of
        others, such as reshaping or dropout.
    top
        How many samples are kept for each unit: of the strongest, of the weakest, and drawn evenly
        over its quantiles.
    batch_size
        How many samples to run at a time; by default as many as take half a gigabyte.
    samples
        How many samples to take, from the first on.
    first
        The number of the first sample: surveys of parts of the data, each with its own numbers,
        are merged by :meth:`Survey.merge`.
    labels
        One for each sample in order, or by the samples' names. Without it they are what a batch
        ``(x, y)`` or a folder of folders says.
    comoments
        Whether to keep how units vary together, which correlations and the effective rank need;
        its size is the square of a layer's units.
    at
        The files of a training, each of which is surveyed in place of the model: the result is a
        ``SurveySeries``, a mapping from steps to surveys, with :meth:`SurveySeries.fate`. Files of
        weights alone are loaded into a copy of the model; for others it may be None.
    to
        A folder to keep the survey in, such as ``survey.zarr``, at checkpoints and at the end.
    resume
        Whether to go on with what is there already, made with the same settings.
    overwrite
        Whether to begin anew in its place.
    progress
        Whether to show a bar; by default where somebody is there to see it.

    The others are those of :func:`activations`.

    Returns
    -------
    Survey
        A mapping from addresses to ``xarray.Dataset``. Interrupted (Ctrl-C), it is the survey of
        the samples until then, which its notes say.

    Raises
    ------
    InputError
        When data can't be read or do not fit; when what is to be kept would take more than half
        of the memory that is free.
    AddressError
        When no layer is so named.
    ModelError
        When it is no model that layerscope knows.
    OutputError
        When something else is at ``to``, or it can't be written.
    """
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise InputError(f"top={top!r}: pass a whole number from 1 up.")
    if isinstance(first, bool) or not isinstance(first, int | np.integer) or first < 0:
        raise InputError(f"first={first!r}: pass a whole number from 0 up.")
    if at is not None:
        from layerscope.instruments.survey.checkpoints import surveys_at

        options: dict[str, Any] = {
            "top": top, "batch_size": batch_size, "samples": samples, "first": first,
            "labels": labels, "comoments": comoments, "resume": resume, "overwrite": overwrite,
            "progress": progress, "input_range": input_range, "resize": resize, "size": size,
            "preprocess": preprocess,
        }  # fmt: skip
        one = lambda opened, where: survey(opened, data, layers, to=where, **options)  # noqa: E731
        return surveys_at(model, data, at, one, to)
    at_once = batch_size or _chunk(backend_for(model).describe())
    read = data_of(data, labels, at_once)
    passes = Passes.on(
        model,
        read.x,
        _computing if layers is None else layers,
        batch_size=None if read.has_own_batches else at_once,
        samples=samples,
        input_range=input_range,
        resize=resize,
        size=size,
        preprocess=preprocess,
    )
    made_with = {
        "layers": repr(layers), "top": int(top), "first": int(first), "comoments": comoments,
        "input_range": repr(input_range), "resize": resize, "size": size and list(size),
    }  # fmt: skip
    reading = InputReading(
        passes.specs,
        input_range=input_range,
        resize=resize,
        size=size,
        preprocess=name_of(preprocess),
        function=passes.settings.preprocess,
    )
    running = _SurveyRun(passes, read, int(top), int(first), comoments, to, made_with, reading)
    if to is not None:
        running.claim(resume=resume, overwrite=overwrite)
    return running.run(progress)


def _computing(layer: Layer) -> bool:
    return layer.kind not in HANDS_ON and not layer.plumbing and layer.role != "container"


def _chunk(network: Network) -> int:
    """Return how many samples to run at once, by what its layers are known to return."""
    total = 0
    for layer in network:
        if layer.shape is None or None in layer.shape[1:]:
            return _UNKNOWN_CHUNK
        total += 4 * int(np.prod([n or 1 for n in layer.shape[1:]], dtype=np.int64))
    return int(min(max(_CHUNK_BYTES // max(total, 1), 1), _LARGEST_CHUNK))


@dataclass
class _SurveyRun:
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
    pool: dict[int, SurveyedSample] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    masked: bool = False  #: whether values that are not finite were met
    kept: list[str] | None = None  #: which layers are tallied
    _waiting: list[tuple[dict[str, SampleFigures], Any, Any]] = field(default_factory=list)
    _waiting_bytes: int = 0
    _pool_bytes: int = 0
    _pool_limit: int = _POOL_BYTES
    _largest: int = 0  #: samples of the largest batch so far
    _saved: int = 0  #: how many samples the checkpoint on disk has

    @property
    def feed(self) -> Feed:
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
            if where.is_dir() and not any(where.iterdir()):
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
        self.pool = dict(before.samples)
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
        result = self.result()
        if self.to is not None:
            self.save(complete=not interrupted)
        return result

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
        self._pool(prepared, numbers, labels, input_axes)
        self.unreadable |= getattr(self.feed, "unreadable", {})
        if prepared.files:
            number, row = prepared.files[-1]
            self.file = (number, row + 1)
        self._waiting_bytes += sum(f.some.nbytes * 2 for f in by_layer.values())
        self._waiting.append((by_layer, numbers, labels))
        self.done += count
        waiting = sum(len(w[1]) for w in self._waiting)
        if self._waiting_bytes > _BUFFER_BYTES or waiting >= _BUFFER_SAMPLES:
            self.add_waiting()

    def _figures(
        self, prepared: Prepared, numbers: Any
    ) -> tuple[dict[str, SampleFigures], Mapping[str, tuple[str, ...]]]:
        """Return what a pass leaves of each layer, and the axes of the inputs."""
        count = len(numbers)
        value = prepared.value
        padding = self._largest - count
        if padding > 0 and isinstance(value, np.ndarray):
            # A last batch of another size would be compiled for itself.
            value = np.concatenate([value, np.repeat(value[-1:], padding, axis=0)])
            numbers = np.append(numbers, np.zeros(padding, np.int64))
        self._largest = max(self._largest, count)
        offsets = (lot(numbers) >> np.uint64(34)).astype(np.int32)
        run = reduced(
            self.passes.backend, value, self._selection(), Reduction(self.masked), offsets
        )
        if not self.masked and not all(map(are_finite, map(dict, run.values.values()))):
            self.masked = True
            run = reduced(self.passes.backend, value, self._selection(), Reduction(True), offsets)
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
        if len(numbers) > count:
            by_layer = {a: f.rows(slice(0, count)) for a, f in by_layer.items()}
        return by_layer, run.input_axes

    def _selection(self) -> Any:
        return self.passes.selection

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

    def _pool(
        self, prepared: Prepared, numbers: Any, labels: Any, input_axes: Mapping[str, Any]
    ) -> None:
        """Keep what the samples are called, and what the network received, until it is decided."""
        names = {number: label for label, number in self.labels.items()}
        arrays = list(arrays_in(prepared.value))
        paths = getattr(getattr(self.feed, "files", None), "paths", ())
        known = prepared.samples
        for i, number in enumerate(numbers.tolist()):
            file, row = None, 0
            if prepared.files:
                at, row = prepared.files[i]
                file = str(Path(paths[at]).absolute())
            inputs = {}
            if file is None:
                inputs = {
                    name: NamedArray(np.array(array[i : i + 1]), tuple(axes))
                    for (name, axes), array in zip(input_axes.items(), arrays, strict=False)
                    if np.ndim(array) and len(array) == len(numbers)
                }
                self._pool_bytes += sum(array.values.nbytes for array in inputs.values())
            self.pool[number] = SurveyedSample(
                number,
                known[i] if i < len(known) else f"sample {number}",
                names.get(int(labels[i])),
                file,
                inputs,
                row,
            )
        if self._pool_bytes > self._pool_limit or len(self.pool) > 200_000:
            self.add_waiting()
            self.prune()
            self._pool_limit = max(_POOL_BYTES, 2 * self._pool_bytes)

    def prune(self) -> None:
        """Let go of the samples that no unit's list refers to."""
        waiting = {int(n) for _, numbers, _ in self._waiting for n in numbers}
        referred: set[int] = set().union(*(t.referred() for t in self.tallies.values()), waiting)
        self.pool = {n: sample for n, sample in self.pool.items() if n in referred}
        self._pool_bytes = sum(
            a.values.nbytes for s in self.pool.values() for a in s.inputs.values()
        )

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
        self.add_waiting()
        self.prune()
        assert self.network is not None
        return Survey(
            {address: self.tallies[address] for address in self.kept or ()},
            network=self.network,
            ranges=[(self.first, self.first + self.done)],
            samples=dict(self.pool),
            labels=list(self.labels),
            top=self.top,
            notes=tuple(self.notes),
            unreadable=self.unreadable,
            provenance=self.provenance,
            reading=self.reading,
        )

    def save(self, *, complete: bool) -> None:
        """Write a checkpoint."""
        assert self.to is not None
        progress = SurveyProgress(self.done, self.file, complete, self.made_with)
        write_survey(self.to, self.result(), progress)
        self._saved = self.done
