"""A summary over many files: what one pass over all of them gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import InputError
from layerscope.instruments import passes as module
from layerscope.instruments.passes import Passes
from layerscope.instruments.summary import summary
from layerscope.instruments.survey.tallies import DataSummary

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(2, name="out"),
    ]
    return keras.Sequential([keras.Input((6, 6, 1)), *layers])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven arrays; of them the fifth holds two samples."""
    made = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(0)
    for number in range(7):
        shape = (2 if number == 4 else 1, 6, 6, 1)
        np.save(made / f"{number}.npy", rng.normal(size=shape).astype(np.float32))
    return made


def summary_of(
    model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, chunk: int = 3
) -> DataSummary:
    monkeypatch.setattr(module, "_LARGEST_CHUNK", chunk)
    passes = Passes.on(model, str(folder))
    assert passes.feed is not None
    return DataSummary(passes, passes.feed)


def test_the_summary_of_the_chunks_is_that_of_one_pass(
    model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunked = summary_of(model, folder, monkeypatch)
    assert len(list(chunked.chunks())) > 1
    for row, expected in zip(chunked.rows, summary(ls.activations(model, folder)), strict=True):
        assert (row.address, row.units, row.blank) == (
            expected.address, expected.units, expected.blank,
        )  # fmt: skip
        assert (row.min, row.max) == pytest.approx((expected.min, expected.max), rel=1e-5)
        assert row.mean == pytest.approx(expected.mean, rel=1e-4, abs=1e-6)
    assert (chunked.count, chunked.opened, chunked.samples) == (7, 7, 8)
    assert chunked.scope == "for all 8 samples given"


def test_each_sample_is_in_one_chunk(
    model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = list(summary_of(model, folder, monkeypatch).chunks())
    names = [name for chunk in chunks for name in chunk.recording.samples]
    for sample in [*range(len(names)), *names]:
        number = sample if isinstance(sample, int) else names.index(sample)
        (where,) = [c for c in chunks if c.position(sample) is not None]
        at = where.position(sample)
        assert at is not None
        assert where.recording.samples[at] == names[number]
        assert where.begin + at == number


def test_stopped_it_says_over_how_many_it_is(
    model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = summary_of(model, folder, monkeypatch, chunk=2)
    next(stopped.chunks())
    assert stopped.scope == "for the first 2 samples: it was stopped after 2 of 7 files"
    assert len(stopped.rows) == 3


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (8, "There is no sample 8: there are 8, counted from 0."),
        ("5.np", "There is no file '5.np' among the 7: did you mean '"),
        ("cat", "There is no file 'cat' among the 7: none is so named."),
    ],
)
def test_a_sample_that_is_not_there_is_told_before_anything_is_run(
    model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, sample: int | str, message: str
) -> None:
    made = summary_of(model, folder, monkeypatch)
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        made.check_sample(sample)
    made.check_sample(7)
    made.check_sample("5.npy")
    assert made.samples == 0
