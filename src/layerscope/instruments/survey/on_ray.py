"""Surveys on a cluster of Ray: the only place that knows it, imported where one is asked for.

Workers are actors, each of which holds the model once. A Ray ``Dataset`` is run where it lies: what
comes here of it is which blocks there are, and how many rows each has.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
import ray
import ray.exceptions
from ray.data.block import BlockAccessor

from layerscope.core.errors import InputError, LayerscopeError, ModelError
from layerscope.core.foreign_errors import error_text
from layerscope.core.network import InputSpec
from layerscope.inputs import InputSettings, Prepared, prepare, sample_count
from layerscope.inputs.loaders import labels_of
from layerscope.instruments.survey.cluster_run import ClusterRun, data_for_cluster, worker_task
from layerscope.instruments.survey.coordination import Coordinator, WorkerLostError
from layerscope.instruments.survey.data import (
    Data,
    column_of_inputs,
    column_of_labels,
    data_of,
    is_ray_dataset,
)
from layerscope.instruments.survey.request import SurveyRequest
from layerscope.instruments.survey.share_worker import SurveyWorker, WorkerTask, opening
from layerscope.instruments.survey.shares import BatchShare, Share, ShareRead
from layerscope.recordings.survey.survey import Survey

#: Of the memory that a cluster has for objects, what shares may take until they are done.
_HELD = 0.25
#: What says that a worker has gone: it ended, or was ended for the memory of its machine.
_LOST = (
    ray.exceptions.RayActorError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.NodeDiedError,
)


@dataclass
class RayCluster:
    """Workers on a cluster of Ray: one for each GPU, or for each processor."""

    task: WorkerTask
    size: int
    processors: float  #: of each
    gpus: float
    held_bytes: int = 0

    def start(self) -> Any:
        """Start an actor."""
        groups = {"reading": 1, "computing": 1}
        actor = ray.remote(
            num_cpus=self.processors,
            num_gpus=self.gpus,
            concurrency_groups=groups,
            max_restarts=0,  # another takes its place, and is handed what it had
        )(SurveyWorker)
        return actor.remote(self.task)

    def call(self, worker: Any, method: str, *arguments: Any) -> Any:
        """Call a method of an actor; it reads beside what it computes."""
        group = "reading" if method == "read" else "computing"
        return getattr(worker, method).options(concurrency_group=group).remote(*arguments)

    def ended(self, calls: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Return those that have ended."""
        ended, _ = ray.wait(list(calls), num_returns=1, timeout=seconds)
        if ended:  # and whatever else has ended by now
            ended, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0)
        return list(ended)

    def result(self, call: Any) -> Any:
        """Return what came of a call."""
        try:
            return ray.get(call)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, LayerscopeError):
                raise cause from None
            raise
        except _LOST as error:
            raise WorkerLostError from error

    def stop(self, worker: Any) -> None:
        """End an actor."""
        ray.kill(worker)

    def held(self, share: Share) -> Any:
        """Return a share, its arrays among the cluster's objects."""
        return ray.put(share) if isinstance(share, BatchShare) else share


@dataclass(frozen=True)
class RowShare:
    """Some rows of a Ray ``Dataset``."""

    blocks: Sequence[Any]
    nbytes: int
    row: int = 0  #: that it begins with
    begin: int = 0
    labels: dict[int, Any] = field(default_factory=dict)

    def read(self, specs: Sequence[InputSpec], settings: InputSettings, batch: int) -> ShareRead:
        """Read the rows; images are made to fit as files of images are."""
        read, behind = [], self.row
        for block in ray.get(list(self.blocks)):
            columns = BlockAccessor.for_block(block).to_batch_format("numpy")
            rows = len(next(iter(columns.values()))) if columns else 0
            for begin in range(min(behind, rows), rows, batch):
                part = {name: column[begin : begin + batch] for name, column in columns.items()}
                read.append(_prepared(part, specs, settings))
            behind = max(0, behind - rows)
        return ShareRead(read)

    def labels_of(self, prepared: Prepared, names: Sequence[str]) -> list[Any]:
        """Return the labels that stand in the rows."""
        return Data(None, names=names).labels_of(prepared, 0, sample_count(prepared.value))


def _prepared(
    columns: Mapping[str, Any], specs: Sequence[InputSpec], settings: InputSettings
) -> Prepared:
    """Return rows as input, with their names and labels."""
    if len(specs) > 1 and {spec.name for spec in specs} <= set(columns):
        x: Any = {spec.name: _stacked(columns[spec.name]) for spec in specs}
    else:
        values = columns[column_of_inputs(columns, [spec.name for spec in specs])]
        x = _images(values) or _stacked(values)
    count = len(next(iter(columns.values())))
    prepared = prepare(x, specs, settings)
    label = column_of_labels(columns)
    labels = () if label is None else labels_of(({}, columns[label]), count)
    paths = columns.get("path", ())
    names = tuple(PurePath(str(path)).name for path in paths)
    return Prepared(prepared.value, prepared.notes, names, prepared.pixels, labels)


def _images(values: Any) -> list[Any] | None:
    """Return a column of images, as Ray reads them of files; None for a column of others."""
    from PIL import Image

    images = []
    for value in values:
        one = np.asarray(value)
        while one.ndim > 3 or (one.ndim == 3 and one.shape[0] == 1 and one.shape[2] > 4):
            one = one[0]  # Ray pads the shapes of images of several kinds
        if one.ndim == 3 and one.shape[2] == 1:
            one = one[:, :, 0]
        if one.dtype != np.uint8 or one.ndim not in (2, 3) or (one.ndim == 3 and one.shape[2] > 4):
            return None
        images.append(Image.fromarray(one))
    return images


def _stacked(values: Any) -> Any:
    """Return a column as an array. Raises InputError where its rows differ in shape."""
    if values.dtype != object:
        return values
    rows = [np.asarray(value) for value in values]
    shapes = sorted({str(row.shape) for row in rows})
    if len(shapes) > 1:
        raise InputError(
            f"The rows differ in shape, {' and '.join(shapes[:2])}: make them alike with map()."
        )
    return np.stack(rows)


def survey_on_ray(
    model: Any,
    x: Any,
    request: SurveyRequest,
    default_layers: Any,
    address: str | bool | None,
    workers: int | None,
) -> Survey:
    """Run a survey of data on a cluster, which is started where there is none.

    Raises InputError where no cluster answers, ModelError for a live model, and what a survey
    raises.
    """
    open_model = opening(model)
    if open_model is None:
        raise ModelError(
            f"The model is a {type(model).__name__} in this process, and each of Ray's workers "
            "opens its own: pass the path of its file or a function that makes it; `lambda: model` "
            "sends a copy of this one to each."
        )
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int)
                                or workers < 1):  # fmt: skip
        raise InputError(f"workers={workers!r}: pass a whole number from 1 up.")
    is_dataset = is_ray_dataset(x)
    layers = default_layers if request.layers is None else request.layers
    with _connected(address):
        data = Data(x, given=_labels(request)) if is_dataset else data_for_cluster(x, request)
        task = worker_task(ray.cloudpickle.dumps(open_model), request, layers, data)
        given = data.given
        coordinator = Coordinator(
            _cluster(task, workers, is_dataset),
            int(request.first),
            request.samples,
            None if isinstance(given, Mapping) else given,
        )
        rows = (lambda done: _rows(x, done)) if is_dataset else None
        run = ClusterRun(coordinator, request, data, rows)
        coordinator.noted = run.note
        with _quiet(x if is_dataset else None):
            return run.run()


def _labels(request: SurveyRequest) -> Any:
    return data_of([], request.labels, 1).given


def _cluster(task: WorkerTask, workers: int | None, beside_data: bool) -> RayCluster:
    """Return a cluster of so many workers; ``beside_data`` leaves room for what reads the data."""
    there = ray.cluster_resources()
    processors, gpus = int(there.get("CPU", 1)), int(there.get("GPU", 0))
    for_data = 1 + processors // 8 if beside_data else 0
    size = workers or gpus or max(1, processors - for_data)
    share = max(0.0, processors - for_data) / size
    held = int(_HELD * there.get("object_store_memory", 2e9))
    return RayCluster(task, size, 1 if share >= 1 else int(share * 100) / 100,
                      min(1.0, int(gpus / size * 100) / 100), held)  # fmt: skip


def _rows(dataset: Any, done: int) -> Iterator[Share]:
    """Yield the rows of a ``Dataset`` behind so many, block by block, in their order."""
    behind = done
    for bundle in dataset.iter_internal_ref_bundles():
        rows = bundle.num_rows()
        if rows is not None and rows <= behind:
            behind -= rows
            continue
        yield RowShare(tuple(bundle.block_refs), bundle.size_bytes(), behind)
        behind = 0


@contextmanager
def _connected(address: str | bool | None) -> Iterator[None]:
    """Join a cluster, or start one on this machine, for as long as it is needed."""
    if ray.is_initialized():
        yield
        return
    where = address if isinstance(address, str) and address else None
    try:
        ray.init(where, log_to_driver=False, logging_level=logging.ERROR, **(
            {} if where else {"include_dashboard": False}
        ))  # fmt: skip
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"No Ray cluster answers at {where!r}: {error_text(error)}.") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _quiet(dataset: Any) -> Iterator[None]:
    """Keep the order of a ``Dataset``'s rows, and its log to warnings."""
    if dataset is None:
        yield
        return
    log, options = logging.getLogger("ray.data"), dataset.context.execution_options
    before = log.level, options.preserve_order, dataset.context.enable_progress_bars
    log.setLevel(logging.ERROR)
    options.preserve_order, dataset.context.enable_progress_bars = True, False
    try:
        yield
    finally:
        log.setLevel(before[0])
        options.preserve_order, dataset.context.enable_progress_bars = before[1:]
