"""A survey on a cluster: the data in shares, a coordinator, and what is kept of it here."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from layerscope.backends.digits import with_samples
from layerscope.core.errors import InputError
from layerscope.core.progress import Bar
from layerscope.inputs import Batches, Feed, InputSettings, feed_of
from layerscope.instruments.survey.coordination import Coordinator
from layerscope.instruments.survey.data import Data, data_of
from layerscope.instruments.survey.request import SurveyRequest
from layerscope.instruments.survey.running import CHECKPOINT_SAMPLES, claimed, stopped_note
from layerscope.instruments.survey.share_worker import ShareCount, WorkerModel, WorkerTask
from layerscope.instruments.survey.shares import Share, shares_of
from layerscope.recordings.survey.store import SurveyProgress, write_survey
from layerscope.recordings.survey.survey import Survey

#: How many samples a data set's single ones are put together to, where no batch_size is passed.
_BATCH = 32
#: What workers have to have as this process has it.
_ENVIRONMENT = ("KERAS_BACKEND",)


def worker_task(open_model: bytes, request: SurveyRequest, layers: Any, data: Data) -> WorkerTask:
    """Return what all workers are asked for."""
    preprocess = request.preprocess
    if isinstance(preprocess, str):
        from layerscope.backends.opening.imported import named

        preprocess = named(preprocess)
    settings = InputSettings(**request.reading_options() | {"preprocess": preprocess})
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return WorkerTask(
        open_model=open_model,
        environment=environment,
        layers=layers,
        top=int(request.top),
        comoments=request.comoments,
        batch_size=request.batch_size,
        settings=settings,
        reading=request.reading((), preprocess),
        by_name=data.given if isinstance(data.given, Mapping) else None,
        class_names=data.names,
    )


def data_for_cluster(x: Any, request: SurveyRequest) -> Data:
    """Return data as they are read here, or by workers."""
    return data_of(with_samples(x), request.labels, request.batch_size or _BATCH)


@dataclass
class ClusterRun:
    """A survey that is being made on a cluster."""

    coordinator: Coordinator
    request: SurveyRequest
    data: Data
    rows: Callable[[int], Iterable[Share]] | None = None  #: of data that lie in the cluster
    feed: Feed | None = None
    made_with: Mapping[str, Any] | None = None

    def run(self) -> Survey:
        """Run the data through the model."""
        coordinator, request = self.coordinator, self.request
        try:
            with Bar("Waiting for workers", shown=request.progress):
                model = coordinator.open()
            shares = self._shares(model)
            total = 0 if self.feed is None else self.feed.samples() or 0
            with Bar("Surveying", total, shown=request.progress) as bar, self._stopping():
                coordinator.run(
                    shares,
                    lambda done: bar.show(done, total, f"{done:,} samples"),
                    lambda: self._save(complete=False),
                    None if request.to is None else CHECKPOINT_SAMPLES * coordinator.cluster.size,
                )
        finally:
            coordinator.close()
        if coordinator.merged is None:
            if coordinator.is_stopped:
                raise KeyboardInterrupt
            raise InputError("There is nothing to survey: the data have no samples.")
        return self._result() if request.to is None else self._save(not coordinator.is_stopped)

    def _shares(self, model: WorkerModel) -> Iterable[Share]:
        """Return the data in shares, behind what was surveyed before."""
        request, coordinator = self.request, self.coordinator
        if self.rows is None:
            settings = InputSettings(indices=model.indices, **request.reading_options() | {
                "preprocess": None
            })  # fmt: skip
            size = None if self.data.has_own_batches else model.batch
            self.feed = feed_of(
                self.data.x, model.specs, settings, batch_size=size, samples=request.samples
            )
        self.made_with = request.made_with(self.data, self.feed)
        if request.to is not None:
            kept = claimed(
                request.to, self.made_with, lambda: model.digest,
                resume=request.resume, overwrite=request.overwrite,
            )  # fmt: skip
            if kept is not None:
                coordinator.merged, progress = kept
                coordinator.done = coordinator.numbered = progress.samples
                coordinator.file = progress.file
                if self.feed is not None:
                    self.feed.skip(progress.samples, progress.file)
        if self.rows is not None:
            return self.rows(coordinator.done)
        assert self.feed is not None
        return shares_of(self.feed, self.data, model.batch, coordinator.file)

    def note(self, read: ShareCount) -> None:
        """Note what a worker did to files."""
        if read.files is not None and isinstance(self.feed, Batches):
            self.feed.add_read(read.files)

    def _result(self) -> Survey:
        """Return the survey until now, with what was noted here."""
        survey, feed = self.coordinator.merged, self.feed
        assert survey is not None
        notes = dict.fromkeys(
            note for note in survey.notes if not note.startswith("it was stopped")
        )
        if feed is not None:
            notes |= dict.fromkeys(feed.notes)
            survey.unreadable |= getattr(feed, "unreadable", {})
        if self.coordinator.is_stopped:
            notes[stopped_note(survey.count, self.request.to)] = None
        survey.notes = tuple(notes)
        return survey

    def _save(self, complete: bool) -> Survey:
        assert self.request.to is not None
        survey, coordinator = self._result(), self.coordinator
        assert self.made_with is not None
        write_survey(
            self.request.to, survey,
            SurveyProgress(coordinator.numbered, coordinator.file, complete, self.made_with),
        )  # fmt: skip
        return survey

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """End the work with what is begun where Ctrl-C is pressed; at once the second time."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: Any) -> None:
            if self.coordinator.is_stopped:
                raise KeyboardInterrupt
            self.coordinator.is_stopped = True

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
