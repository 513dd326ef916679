"""Every unit of a layer, from Python: kept in files, resumed, and one visualization in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import InputError, OutputError
from layerscope.instruments.features import every_unit as module

pytestmark = pytest.mark.one_backend

keras = pytest.importorskip("keras")

FEW = {"steps": 2, "recipe": "tutorial", "retry": False}


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(1)
    conv = keras.layers.Conv2D(5, 3, activation="relu", name="conv")
    return keras.Sequential([keras.Input((8, 8, 1)), conv])


def stopping_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Have Ctrl-C stop the making at the call after so many."""
    real, counted = module.visualized, []

    def visualized(*args: Any, **options: Any) -> Any:
        if len(counted) == calls:
            raise KeyboardInterrupt
        counted.append(1)
        return real(*args, **options)

    monkeypatch.setattr(module, "visualized", visualized)


def test_every_unit_is_as_features_makes_it_alone(model: Any, tmp_path: Path) -> None:
    made = ls.features(model, "conv", to=tmp_path / "units", at_once=2, **FEW)
    assert not made.interrupted
    assert [grade.address for grade in made.grades] == [f"conv:{unit}" for unit in range(5)]
    assert sorted(path.name for path in (tmp_path / "units").iterdir()) == [
        f"{unit}.npz" for unit in range(5)
    ]
    expected = ls.features(model, ls.objectives.units("conv", range(5)), at_once=2, **FEW)
    for unit in range(5):
        address = f"conv:{unit}"
        np.testing.assert_allclose(made.image(address), expected.image(address), atol=1e-5)
    assert made.settings["steps"] == 2
    ls.sheet(made)


def test_stopped_it_has_what_is_finished_and_goes_on(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        stopping_after(patched, 1)
        made = ls.features(model, "conv", to=tmp_path, at_once=2, **FEW)
    assert made.interrupted
    assert [grade.address for grade in made.grades] == ["conv:0", "conv:1"]
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    made = ls.features(model, "conv", to=tmp_path, at_once=2, **FEW)
    assert not made.interrupted
    assert len(made.grades) == 5
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before


def test_stopped_before_any_is_finished_it_is_stopped(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping_after(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):
        ls.features(model, "conv", to=tmp_path / "units", **FEW)
    assert not (tmp_path / "units").exists()


def test_what_else_the_folder_holds_is_left_alone(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"to='': pass the name of a folder"):
        ls.features(model, "conv", to="", **FEW)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(OutputError, match="is not empty: name another, or pass overwrite=True"):
        ls.features(model, "conv", to=tmp_path, **FEW)
    ls.features(model, "conv", to=tmp_path, overwrite=True, **FEW)
    assert (tmp_path / "mine.txt").exists()


def test_units_that_were_made_otherwise_are_replaced_only_where_asked_for(
    model: Any, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).uniform(size=(3, 8, 8, 1)).astype(np.float32)
    ls.features(model, "conv", to=tmp_path, samples=x, **FEW)
    for change, what in (
        ({"samples": x[:2]}, "samples 3 samples"),
        ({"samples": 1 - x}, "samples 3 samples"),
        ({"samples": None}, "samples 3 samples"),
        ({"steps": 3}, "steps 2, not 3"),
        ({"seed": 1}, "seed 0, not 1"),
    ):
        with pytest.raises(OutputError, match=f"made with .*{what}.*: name another, or pass overw"):
            ls.features(model, "conv", to=tmp_path, **{"samples": x, **FEW, **change})
    made = ls.features(model, "conv", to=tmp_path, overwrite=True, samples=x, **{**FEW, "steps": 3})
    assert made.settings["steps"] == 3


def test_what_is_kept_is_one_layer_as_it_became(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="to= keeps every unit of one layer: pass its address"):
        ls.features(model, ls.objectives.channel("conv", 1), to=tmp_path / "out", **FEW)
    for wrong in ({"every": 2}, {"watch": print}):
        with pytest.raises(InputError, match="leave them out beside to="):
            ls.features(model, "conv", to=tmp_path / "out", **FEW, **wrong)
    assert not (tmp_path / "out").exists()
