"""What a worker of a cluster does: it holds the model once, and surveys shares of data."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from layerscope.backends import backend_for
from layerscope.core.errors import LayerscopeError, ModelError
from layerscope.core.foreign_errors import error_text, in_one_sentence
from layerscope.core.network import InputSpec
from layerscope.inputs import InputSettings, sample_count
from layerscope.inputs.batches import FilesRead
from layerscope.inputs.feeds import first_samples
from layerscope.instruments.passes import Passes, index_count
from layerscope.instruments.survey.building import SurveyBuilder, samples_at_once
from layerscope.instruments.survey.shares import Share, ShareRead
from layerscope.recordings.survey.reading import InputReading
from layerscope.recordings.survey.survey import Survey


@dataclass(frozen=True)
class WorkerTask:
    """What all workers are asked for."""

    open_model: bytes  #: a pickled function, loaded where the environment is what it is to be
    environment: Mapping[str, str]
    layers: Any
    top: int
    comoments: bool
    batch_size: int | None
    settings: InputSettings
    reading: InputReading  #: but for what the model expects
    by_name: Mapping[str, Any] | None = None  #: labels by the samples' names
    class_names: Sequence[str] = ()  #: of labels that are numbers


@dataclass(frozen=True, slots=True)
class WorkerModel:
    """What a worker has seen of its model."""

    specs: tuple[InputSpec, ...]
    batch: int  #: samples that it runs at a time
    indices: int | None  #: that an embedding has
    digest: str


@dataclass(frozen=True, slots=True)
class ShareCount:
    """What is known of a share once it was read."""

    samples: int
    files: FilesRead | None


@dataclass
class SurveyWorker:
    """Reads shares, runs them through the model, and adds up what they tell."""

    task: WorkerTask
    _waiting: dict[int, tuple[Share, ShareRead]] = field(default_factory=dict)
    _added: list[int] = field(default_factory=list)

    def open(self) -> WorkerModel:
        """Open the model. Raises ModelError where there is none."""
        task = self.task
        model = _opened(task)
        backend = backend_for(model)
        network = backend.describe()
        specs = backend.inputs()
        self._batch = task.batch_size or samples_at_once(network)
        self._passes = Passes(model, backend, specs, None, task.layers, task.settings, None)
        self._reading = replace(task.reading, specs=specs)
        self._digest = backend.digest()
        self._builder = self._begun(None)
        return WorkerModel(specs, self._batch, index_count(network), self._digest)

    def read(self, number: int, share: Share) -> ShareCount:
        """Read a share, and keep it until it is computed."""
        read = share.read(self._passes.specs, self.task.settings, self._batch)
        self._waiting[number] = share, read
        return ShareCount(read.count, read.files)

    def compute(
        self, number: int, first: int, labels: Sequence[Any] | None, most: int
    ) -> tuple[int, int]:
        """Run a share that was read; return where among all files its last sample lies.

        ``first`` is the number of its first sample, ``labels`` those that were given for samples in
        order, and ``most`` how many samples of it are taken.
        """
        share, read = self._waiting.pop(number)
        begin, behind = share.begin, 0
        last = begin, 0
        for prepared in read.batches:
            count = sample_count(prepared.value)
            left = most - behind
            if left <= 0:
                break
            if count > left:
                value = first_samples(prepared.value, left)
                parts = {n: getattr(prepared, n)[:left] for n in ("samples", "labels", "files")}
                prepared, count = replace(prepared, value=value, **parts), left
            if labels is not None:
                given = list(labels[behind : behind + count])
            elif self.task.by_name is not None:
                names = [*prepared.samples, *[""] * count][:count]
                given = [self.task.by_name.get(name) for name in names]
            else:
                given = share.labels_of(prepared, self.task.class_names)
            with in_one_sentence():
                self._builder.take(prepared, first + behind, given, read.paths)
            behind += count
            if prepared.files:
                file, row = prepared.files[-1]
                last = begin + file, row + 1
        self._added.append(number)
        return last

    def hand_over(self) -> tuple[Survey | None, list[int]]:
        """Return the survey of the shares computed since it was asked last, and which these are."""
        builder, added = self._builder, self._added
        self._builder, self._added = self._begun(builder), []
        return (builder.result() if builder.ranges else None), added

    def _begun(self, before: SurveyBuilder | None) -> SurveyBuilder:
        builder = SurveyBuilder(
            self._passes, self.task.top, self.task.comoments, self._reading,
            provenance={"model": self._digest},
        )  # fmt: skip
        if before is not None:
            builder.network, builder.kept = before.network, before.kept
            builder.masked, builder.notes = before.masked, dict(before.notes)
        return builder


def _opened(task: WorkerTask) -> Any:
    os.environ.update(task.environment)
    try:
        return pickle.loads(task.open_model)()
    except LayerscopeError:
        raise
    # Somebody else's code, which may raise anything.
    except Exception as error:
        raise ModelError(f"The model can't be made on a worker: {error_text(error)}.") from error


def opening(model: Any) -> Callable[[], Any] | None:
    """Return what opens a model on a worker: a file, a name or a function; None for others."""
    if isinstance(model, str | Path):
        from functools import partial

        from layerscope.backends.opening import load_model

        path = str(Path(model).absolute()) if Path(model).exists() else str(model)
        return partial(load_model, path)
    is_function = callable(model) and type(model).__name__ in (
        "function", "partial", "method", "builtin_function_or_method"
    )  # fmt: skip
    return model if is_function or isinstance(model, type) else None
