"""Surveys on a cluster of two Ray workers on this machine: the same as on one machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ray = pytest.importorskip("ray")
data = pytest.importorskip("ray.data")
onnx = pytest.importorskip("onnx")

import layerscope as ls
from cases.onnx_cases import model, node, value
from layerscope.errors import AddressError, InputError, ModelError
from layerscope.instruments.survey.coordination import Coordinator
from layerscope.interfaces.cli import main
from layerscope.recordings.survey.survey import Survey

Array = np.ndarray[Any, Any]
COUNT = 90
LABELS = np.arange(COUNT) % 3


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a small CNN of whole numbers, which is computed exactly in any batches."""
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.integers(-2, 3, (4, 1, 3, 3)).astype(np.float32),
        "dense": rng.integers(-2, 3, (64, 2)).astype(np.float32),
    }
    graph = model(
        [
            node("Conv", "x,kernel", "conv", "conv"),
            node("Relu", "conv", "relu", "relu"),
            node("Flatten", "relu", "flat", "flat"),
            node("MatMul", "flat,dense", "y", "dense"),
        ],
        [value("x", ["batch", 1, 6, 6])],
        [value("y", ["batch", 2])],
        weights,
    )
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    onnx.save(graph, str(path))
    return str(path)


def images(count: int = COUNT) -> Array:
    return np.random.default_rng(1).integers(0, 5, (count, 1, 6, 6)).astype(np.float32)


def assert_same(one: Survey, other: Survey) -> None:
    assert (list(one), one.ranges, one.labels) == (list(other), other.ranges, other.labels)
    assert set(one.samples) == set(other.samples)
    for number, sample in one.samples.items():
        same = other.samples[number]
        assert (sample.name, sample.label, sample.row) == (same.name, same.label, same.row)
    for address in one:
        for name, values in one[address].variables.items():
            mine, theirs = values.values, other[address][name].values
            if name in ("mean", "std", "label_mean", "label_peak"):
                np.testing.assert_allclose(mine, theirs, rtol=1e-6, err_msg=str(name))
            else:
                np.testing.assert_array_equal(mine, theirs, err_msg=str(name))


@pytest.fixture(scope="module")
def whole(network: str) -> Survey:
    return ls.survey(ls.load_model(network), images(), top=5, labels=LABELS)


def test_a_worker_that_is_killed_in_the_middle_costs_time_and_no_more(
    network: str, whole: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    count = Coordinator._count

    def killing(self: Coordinator, worker: Any, *rest: Any) -> None:
        count(self, worker, *rest)
        if self.done > 30 and not killed:
            pid = ray.get(worker.handle.__ray_call__.remote(lambda _: os.getpid()))
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(Coordinator, "_count", killing)
    got = ls.survey(network, images(), top=5, labels=LABELS, batch_size=4, ray=True, workers=2)
    assert killed
    assert_same(got, whole)


def test_a_dataset_gives_the_same_survey_and_keeps_the_order_of_its_rows(
    network: str, whole: Survey
) -> None:
    rows = data.from_items(
        [{"x": x, "label": int(i % 3)} for i, x in enumerate(images())], override_num_blocks=5
    )
    assert_same(ls.survey(network, rows, top=5, batch_size=8), whole)


def photos(at: Path) -> Path:
    for number, image in enumerate(images(10)):
        folder = at / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].astype(np.uint8) * 50).save(folder / f"{number:02}.png")
    return at


def test_images_of_a_dataset_are_read_as_files_are(network: str, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    paths = sorted(map(str, folder.rglob("*.png")))
    options: dict[str, Any] = {"top": 5, "input_range": "raw"}
    alone = ls.survey(ls.load_model(network), folder, labels=[0] * 10, **options)
    read = data.read_images(paths, include_paths=True)
    assert_same(ls.survey(network, read, labels=[0] * 10, **options), alone)


def test_the_shell_surveys_a_folder_and_is_stopped_cleanly(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    folder = photos(tmp_path / "photos")
    (folder / "class1" / "04.png").write_bytes(b"no image")
    words = ["survey", network, str(folder), "--batch-size", "2", "--top", "5"]
    words += ["--input-range", "raw", "-o", str(tmp_path / "s.zarr")]
    count = Coordinator._count

    def interrupted(self: Coordinator, *rest: Any) -> None:
        count(self, *rest)
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.undo()

    monkeypatch.setattr(Coordinator, "_count", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert main([*words, "--ray", "--workers", "1"]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert "the same command goes on from there" in capsys.readouterr().err
    part = ls.open_recording(str(tmp_path / "s.zarr"))
    assert 0 < part.count < 10
    assert main(words) == 0  # goes on on one machine
    alone = ls.survey(ls.load_model(network), folder, top=5, input_range="raw")
    assert_same(ls.open_recording(str(tmp_path / "s.zarr")), alone)
    assert len(alone.unreadable) == 1


def test_what_is_wrong_is_one_sentence(network: str) -> None:
    with pytest.raises(ModelError, match="path of its file or a function that makes it; `lambda"):
        ls.survey(ls.load_model(network), images(), ray=True)
    with pytest.raises(InputError, match="workers=0: pass a whole number"):
        ls.survey(network, images(), ray=True, workers=0)
    with pytest.raises(InputError, match="workers=2: these are Ray's; pass ray=True"):
        ls.survey(ls.load_model(network), images(), workers=2)
    with pytest.raises(AddressError, match="'convv': did you mean 'conv'"):
        ls.survey(network, images(), "convv", ray=True, workers=1)


def test_a_live_model_is_sent_where_the_user_says_so(network: str, whole: Survey) -> None:
    live = ls.load_model(network)
    assert_same(ls.survey(lambda: live, images(), top=5, labels=LABELS, ray=True), whole)


def test_the_workers_of_a_survey_are_gone_when_it_is_done(network: str) -> None:
    ls.survey(network, images(8), ray=True, workers=2)
    while ray.available_resources().get("CPU") != 2:
        time.sleep(0.05)


def test_files_of_a_training_are_surveyed_one_after_the_other(network: str, tmp_path: Path) -> None:
    files = []
    for epoch in (1, 2):
        changed = onnx.load(network)
        kernel = next(one for one in changed.graph.initializer if one.name == "kernel")
        kernel.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(kernel) + epoch, "kernel")
        )
        files.append(str(tmp_path / f"epoch{epoch:02}.onnx"))
        onnx.save(changed, files[-1])
    there = ls.survey(None, images(), at=files, ray=True, workers=1)
    here = ls.survey(None, images(), at=files)
    assert list(there) == list(here) == [1, 2]
    for step in here:
        assert_same(there[step], here[step])
