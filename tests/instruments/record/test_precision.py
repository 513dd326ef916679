"""Numbers come out of a recording as they went in, at whatever scale, in float32."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("keras")
pytest.importorskip("zarr")

import keras

from cases.amounts import examples
from layerscope.instruments.activations import activations
from layerscope.instruments.record.recorder import Recorder
from layerscope.instruments.weights import weights
from layerscope.recordings.run import Run, open_run

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5, name="hidden"),
            keras.layers.ReLU(name="relu"),
            keras.layers.Dense(2, name="out"),
        ]
    )


def bound(dtype: str, wanted: np.ndarray, maps: tuple[int, ...]) -> np.ndarray:
    """What docs/recording.md promises of the values of one step."""
    if dtype == "float16":
        size = np.abs(wanted)
        return np.maximum(size * 2.0**-11, 2.0**-25 if size.max() >= 2.0**-14 else 0)
    if dtype == "uint8":
        span = wanted.max(axis=maps, keepdims=True) - wanted.min(axis=maps, keepdims=True)
        return span / 503 + np.zeros_like(wanted)
    return np.zeros_like(wanted)


def agree(there: np.ndarray, wanted: np.ndarray, dtype: str) -> None:
    assert there.dtype == np.float32
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(there[~finite], wanted[~finite])
    values, there = np.where(finite, wanted, 0).astype(np.float64), np.where(finite, there, 0)
    assert (np.abs(there - values) <= bound(dtype, values, (1,))).all()


SCALES = st.lists(
    st.one_of(
        st.floats(-8, 8).map(lambda power: 10.0**power), st.sampled_from([0.0, np.nan, np.inf])
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=examples(10), deadline=None)
@given(SCALES, st.sampled_from(["float16", "float32", "uint8"]))
def test_values_come_back_as_they_were(model: Any, scales: list[float], dtype: str) -> None:
    looks = []
    with TemporaryDirectory() as folder:
        with Recorder(f"{folder}/run", model, probe=X, dtype=dtype, quiet=True) as rec:
            for scale in scales:
                kernel = KERNEL.copy()
                kernel[:, 0] *= scale
                kernel[:, 1:] *= scale if np.isfinite(scale) else 1
                model.get_layer("hidden").set_weights([kernel, np.zeros(5, np.float32)])
                rec.snap()
                looks.append((activations(model, X), weights(model)))
        run = open_run(f"{folder}/run")
        for i, (acts, parameters) in enumerate(looks):
            for address in ("hidden", "relu"):
                wanted = acts[address].values
                agree(run[address].sel(step=i).values, wanted, dtype)
                agree(run.at(i)[address].values, wanted, dtype)
                least = run.statistics(address)["min"].sel(step=i).values
                np.testing.assert_allclose(least, wanted.min(axis=0), rtol=1e-6)
            stored = "float16" if dtype == "uint8" else dtype
            kernel = parameters["hidden/kernel"].values
            agree(run.weights["hidden/kernel"].sel(step=i).values, kernel, stored)


def grown(place: Path, model: Any, **options: Any) -> Run:
    """A recording of which the values pass the end of float16 at the third step."""
    with Recorder(place, model, probe=X, **options) as rec:
        for step in range(4):
            model.get_layer("hidden").set_weights([KERNEL * 1000.0**step, np.zeros(5)])
            rec.snap(step)
    return open_run(place)


def test_what_outgrows_float16_is_stored_wider_and_said_once(
    tmp_path: Path, model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = grown(tmp_path / "run", model)
    said = capsys.readouterr().err.splitlines()[1:]
    assert said == [f"layerscope: {note}." for note in run.notes]
    assert len(run.notes) == 1
    assert run.notes[0].startswith("from step 2 on stored as float32, since float16 is for numbers")
    assert "hidden" in run.notes[0]
    assert np.isfinite(run["hidden"]).all()


def test_quiet_says_it_in_the_notes_only(
    tmp_path: Path, model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(grown(tmp_path / "run", model, quiet=True).notes) == 1
    assert not capsys.readouterr().err


def test_means_and_sums_of_what_is_stored_as_float16_are_right(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((200, 200, 1)), keras.layers.ReLU(name="relu")])
    x = np.random.default_rng(0).random((8, 200, 200, 1)).astype(np.float32)
    with Recorder(tmp_path / "run", model, probe=x, quiet=True) as rec:
        rec.snap()
    run = open_run(tmp_path / "run")
    array = run["relu"]
    for lazily in (array, run.at(0)["relu"], run["relu:0"]):
        assert lazily.dtype == np.float32
        assert float(lazily.sum()) == pytest.approx(float(x.sum(dtype=np.float64)), rel=1e-4)
        assert float(lazily.mean()) == pytest.approx(float(x.mean(dtype=np.float64)), rel=1e-4)
        assert float(lazily.std()) == pytest.approx(float(x.std(dtype=np.float64)), rel=1e-4)
    assert run.statistic("relu", "mean").dtype == np.float32
    assert " float32" in repr(run)
    assert run.nbytes == x.nbytes
