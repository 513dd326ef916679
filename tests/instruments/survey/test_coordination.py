"""Shares on workers that come to nothing at any moment: the survey is that of one machine."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layerscope as ls
from cases.amounts import amount
from instruments.survey.test_survey import (
    COUNT,
    assert_same,
    folder_of_images,
    generator,
    images,
    network,
)
from layerscope.errors import InputError, ModelError
from layerscope.instruments.survey import cluster_run
from layerscope.instruments.survey.cluster_run import ClusterRun, data_for_cluster, worker_task
from layerscope.instruments.survey.coordination import Coordinator, WorkerLostError
from layerscope.instruments.survey.request import SurveyRequest
from layerscope.instruments.survey.share_worker import SurveyWorker
from layerscope.instruments.survey.survey import computing
from layerscope.recordings.survey.survey import Survey

pytestmark = pytest.mark.one_backend


class Stage:
    """Workers in this process, whose calls end in any order, and which are lost at any moment."""

    most_losses = 3

    def __init__(self, task: Any, chance: Any, size: int = 2, lost: float = 0) -> None:
        self.task, self.size, self.held_bytes = task, size, 10**9
        self._random, self._lost = np.random.default_rng(chance), lost
        self._calls: dict[int, tuple[int, str, tuple[Any, ...]]] = {}
        self._workers: dict[int, SurveyWorker] = {}
        self._ended = self._made = 0
        self.losses = 0

    def start(self) -> int:
        self._made += 1
        self._workers[self._made] = SurveyWorker(self.task)
        return self._made

    def call(self, worker: int, method: str, *arguments: Any) -> int:
        self._ended += 1
        self._calls[self._ended] = worker, method, pickle.loads(pickle.dumps(arguments))
        return self._ended

    def ended(self, calls: Sequence[int], seconds: float) -> Sequence[int]:
        first: dict[tuple[int, bool], int] = {}  # of each worker, what it reads and computes next
        for call in calls:
            worker, method, _ = self._calls[call]
            first.setdefault((worker, method == "read"), call)
        call = int(self._random.choice(sorted(first.values())))
        if self._loses():
            self._workers.pop(self._calls[call][0], None)
        return [call]

    def result(self, call: int) -> Any:
        worker, method, arguments = self._calls.pop(call)
        if worker not in self._workers:
            raise WorkerLostError
        made = getattr(self._workers[worker], method)(*arguments)
        if method == "hand_over" and self._loses():
            self._workers.pop(worker)
            raise WorkerLostError
        return pickle.loads(pickle.dumps(made))

    def _loses(self) -> bool:
        lost = self._random.random() < self._lost and self.losses < self.most_losses
        self.losses += lost
        return lost

    def stop(self, worker: int) -> None:
        self._workers.pop(worker, None)

    def held(self, share: Any) -> Any:
        return share


def on_stage(x: Any, chance: int = 0, lost: float = 0, size: int = 2, **options: Any) -> Survey:
    request = SurveyRequest(top=5, **options)
    data = data_for_cluster(x, request)
    task = worker_task(pickle.dumps(network), request, request.layers or computing, data)
    stage = Stage(task, chance, size, lost)
    labels = None if isinstance(data.given, dict) else data.given
    coordinator = Coordinator(stage, request.first, request.samples, labels)
    run = ClusterRun(coordinator, request, data)
    coordinator.noted = run.note
    return run.run()


@pytest.fixture(scope="module")
def whole() -> Survey:
    return ls.survey(network(), images(), top=5, labels=np.arange(COUNT) % 3)


@settings(max_examples=amount(5, full=300))
@given(chance=st.integers(0, 2**32), size=st.integers(1, 4), batch=st.sampled_from([16, 45]))
def test_workers_that_are_lost_change_nothing(
    whole: Survey, chance: int, size: int, batch: int
) -> None:
    labels = np.arange(COUNT) % 3
    for x, given_labels in ((images(), labels), (generator(images(), labels), None)):
        own = {} if given_labels is None else {"batch_size": batch}
        got = on_stage(x, chance, 0.3, size, labels=given_labels, progress=False, **own)
        assert_same(got, whole)


@pytest.mark.parametrize("chance", range(3))
def test_files_are_numbered_and_noted_as_on_one_machine(tmp_path: Path, chance: int) -> None:
    photos = folder_of_images(tmp_path / "photos")
    np.save(photos / "class2" / "several.npy", images(9))
    alone = ls.survey(network(), photos, top=5, input_range="raw", batch_size=3)
    got = on_stage(str(photos), chance, 0.1, input_range="raw", batch_size=3)
    assert_same(got, alone)
    assert got.notes == alone.notes
    assert got.unreadable == alone.unreadable
    assert [s.name for s in got.samples.values()] == [s.name for s in alone.samples.values()]
    assert [s.file for s in got.samples.values()] == [s.file for s in alone.samples.values()]
    assert [s.row for s in got.samples.values()] == [s.row for s in alone.samples.values()]
    for count in (1, 4, 15):
        few = on_stage(str(photos), chance, input_range="raw", batch_size=4, samples=count)
        assert_same(few, ls.survey(network(), photos, top=5, input_range="raw", samples=count))
    named = {name: name[:1] for name in ("00.png", "01.png", "several.npy[2]")}
    got = on_stage(str(photos), chance, input_range="raw", labels=named)
    assert_same(got, ls.survey(network(), photos, top=5, input_range="raw", labels=named))


def test_it_goes_on_where_it_was_stopped_on_a_cluster_or_on_one_machine(
    whole: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.arange(COUNT) % 3
    where = tmp_path / "s.zarr"
    monkeypatch.setattr(cluster_run, "CHECKPOINT_SAMPLES", 8)
    advance = Coordinator._advance

    def stopped(self: Coordinator, seconds: float) -> Any:
        self.is_stopped = self.done >= 24
        return advance(self, seconds)

    options: dict[str, Any] = {"labels": labels, "batch_size": 4}
    with monkeypatch.context() as patched:
        patched.setattr(Coordinator, "_advance", stopped)
        part = on_stage(images(), 1, to=where, **options)
    assert 24 <= part.count < COUNT
    assert part.notes[-1].startswith(f"it was stopped after {part.count} samples; the same call")
    assert ls.open_recording(where).count == part.count
    assert_same(on_stage(images(), 2, 0.1, to=where, **options), whole)
    assert_same(ls.survey(network(), images(), top=5, to=where, **options), whole)
    other = tmp_path / "other.zarr"
    photos = folder_of_images(tmp_path / "photos")
    with monkeypatch.context() as patched:
        patched.setattr(Coordinator, "_advance", stopped)
        patched.setattr(Coordinator, "is_stopped", property(lambda s: s.done >= 2, lambda s, v: 0))
        assert on_stage(str(photos), 1, input_range="raw", to=other, batch_size=1).count < 12
    rest = ls.survey(network(), str(photos), input_range="raw", top=5, to=other, batch_size=5)
    assert_same(rest, ls.survey(network(), photos, top=5, input_range="raw"))


def test_what_is_held_is_handed_over_before_it_is_too_much(
    whole: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges = []
    merge = Coordinator._merge
    monkeypatch.setattr(
        Coordinator, "_merge", lambda *given: (merges.append(1), merge(*given))[1]
    )  # fmt: skip
    monkeypatch.setattr(
        Stage, "held_bytes", property(lambda _: 4000, lambda *_: None), raising=False
    )
    batches = generator(images(), np.arange(COUNT) % 3)
    assert_same(on_stage(batches, 3, 0.05), whole)
    assert len(merges) > 2


def broken() -> Any:
    raise RuntimeError("no such weights")


def another_each_time() -> Any:
    model = network()
    model.layers[0].bias.assign(np.random.default_rng().random(4))
    return model


def test_what_is_wrong_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = SurveyRequest()
    task = worker_task(pickle.dumps(broken), request, None, data_for_cluster(images(), request))
    with pytest.raises(
        ModelError, match="can't be made on a worker: RuntimeError: no such weights"
    ):
        ClusterRun(Coordinator(Stage(task, 0)), request, data_for_cluster(images(), request)).run()
    task = worker_task(
        pickle.dumps(another_each_time), request, computing, data_for_cluster(images(), request)
    )
    with pytest.raises(ModelError, match="weights of its own: pass a function that makes the same"):
        ClusterRun(Coordinator(Stage(task, 0)), request, data_for_cluster(images(), request)).run()
    with pytest.raises(InputError, match="5 labels, and the data have more samples"):
        on_stage(images(), labels=range(5))
    monkeypatch.setattr(Stage, "most_losses", 100)
    with pytest.raises((InputError, ModelError), match=r"workers ended, (one after|and none)"):
        on_stage(images(), lost=1)
    (tmp_path / "no.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"None of the 1 files can be read|no samples"):
        on_stage(str(tmp_path))

    def failing() -> Iterator[Any]:
        yield images(4)
        raise OSError("the disk has gone")

    with pytest.raises(OSError, match="the disk has gone"):
        on_stage(failing())
