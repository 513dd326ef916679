from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cases.runs import learner, run_of
from layerscope import curves
from layerscope.core.errors import ViewError
from layerscope.views.render.panel import Panel

HISTORY = {"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.0, 2.0], "accuracy": [0.1, 0.5, 0.7]}


def labels(panel: Panel) -> list[str]:
    return [chart["label"] for chart in panel.header["charts"]]


def lines(panel: Panel, chart: int) -> dict[str, list[float]]:
    """The curves by their names."""
    series = panel.header["charts"][chart]["series"]
    return {one["name"]: panel.numbers(one["y"]).tolist() for one in series}


def named(panel: Panel, chart: int) -> list[str]:
    """What the legend of a chart names."""
    return [one["label"] for one in panel.header["charts"][chart]["series"] if one["named"]]


def test_a_run_shows_its_metrics_and_its_layers() -> None:
    panel = curves(learner())
    assert labels(panel) == ["loss", "silent units", "mean activation", "change of weights"]
    assert set(lines(panel, 0)) == {"loss", "val_loss"}
    assert list(lines(panel, 2)) == ["conv", "dense"]
    values = learner()["dense"].values
    np.testing.assert_allclose(lines(panel, 2)["dense"], values.mean(axis=(1, 2)), rtol=1e-5)
    assert panel.header["title"] == "learner over 5 steps, best at epoch 2"
    assert "val_loss was lowest at epoch 2" in "\n".join(panel.header["notes"])
    assert [mark["text"] for mark in panel.header["marks"]] == ["best 2"]


def test_a_saved_picture_says_of_which_model_it_is(tmp_path: Path) -> None:
    with Image.open(curves(learner()).save(tmp_path / "curves.png")) as image:
        assert image.info["layerscope:model"] == "abc"
        assert image.info["layerscope:scale"] == "linear"
        assert image.size == tuple(curves(learner()).header["size"])
    for ending in ("svg", "pdf"):
        assert b"layerscope" in curves(HISTORY).save(tmp_path / f"c.{ending}").read_bytes()


def test_weights_lead_to_the_same() -> None:
    assert labels(curves(learner().weights)) == labels(curves(learner()))


@pytest.mark.slow
def test_many_layers_are_drawn_and_ten_are_named() -> None:
    values = np.random.default_rng(0).random((4, 2, 3)).astype(np.float32)
    run = run_of({f"layer{i}": (("sample", "unit"), values * i) for i in range(300)})
    panel = curves(run)
    chart = panel.header["charts"][1]
    assert chart["title"] == "10 of 300 layers,\nhighest and lowest"
    assert named(panel, 1)[::9] == ["layer0", "layer299"]
    assert len(chart["series"]) == 300
    figure = panel.figure()
    above, *ends = [text.get_text() for text in figure.axes[1].texts]
    assert above == chart["title"]
    assert sorted(ends) == sorted(f"{n}: 0" if n == "layer0" else n for n in named(panel, 1))
    assert len(figure.axes[1].lines) == 300
    figure.draw_without_rendering()


def test_names_that_matplotlib_would_read() -> None:
    run = run_of(
        {"$x_{1}$": (("sample", "unit"), np.ones((3, 1, 2), np.float32)),
         "_hidden": (("sample", "unit"), np.ones((3, 1, 2), np.float32))},
    )  # fmt: skip
    figure = curves(run).figure()
    figure.draw_without_rendering()
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == ["$x_{1}$ = _hidden: 0"]  # no unit is silent


@pytest.mark.parametrize("given", [HISTORY, SimpleNamespace(history=HISTORY)])
def test_a_history(given: Any) -> None:
    panel = curves(given)
    assert labels(panel) == ["loss", "score"]
    assert lines(panel, 0) == {"loss": [3, 2, 1], "val_loss": [3, 1, 2]}
    assert [one["dashed"] for one in panel.header["charts"][0]["series"]] == [False, True]
    assert panel.header["title"] == "Training over 3 epochs, best at epoch 1"


def test_where_early_stopping_stopped() -> None:
    model = SimpleNamespace(name="digits")
    given = SimpleNamespace(history=HISTORY, epoch=[0, 1, 2], params={"epochs": 9}, model=model)
    expected = "digits over 3 epochs, best at epoch 1, stopped at epoch 2"
    assert curves(given).header["title"] == expected
    whole = SimpleNamespace(history=HISTORY, epoch=[0, 1, 2], params={"epochs": 3}, model=model)
    assert "stopped" not in curves(whole).header["title"]


def test_an_mlp() -> None:
    mlp = SimpleNamespace(
        loss_curve_=[3.0, 2.0, 1.5, 1.2], validation_scores_=[0.3, 0.8, 0.7, 0.6], max_iter=50
    )
    panel = curves(mlp)
    assert labels(panel) == ["loss", "score"]
    assert panel.header["title"].endswith("over 4 epochs, best at epoch 1, stopped at epoch 3")
    without = SimpleNamespace(loss_curve_=[3.0, 2.0], validation_scores_=None, max_iter=2)
    assert labels(curves(without)) == ["loss"]


def test_logarithmic() -> None:
    panel = curves(HISTORY, logarithmic=True)
    assert [chart["logarithmic"] for chart in panel.header["charts"]] == [True, False]
    assert [ax.get_yscale() for ax in panel.figure().axes] == ["log", "linear"]
    assert panel.header["scale"]["text"] == "logarithmic"


def test_in_axes_of_the_users_own() -> None:
    mine = Figure()
    left, right = mine.subplots(1, 2)
    assert curves(HISTORY).figure(ax=right) is mine
    assert right.get_title() == "Training over 3 epochs, best at epoch 1"
    assert [len(ax.lines) for ax in right.child_axes] == [3, 2]
    assert not left.lines
    assert curves({"loss": [2.0, 1.0]}).figure(ax=left) is mine
    assert len(left.lines) == 1
    mine.savefig(io.BytesIO())
    assert tuple(curves(HISTORY, figsize=(5, 3)).figure().get_size_inches()) == (5, 3)
    assert tuple(curves(HISTORY).figure(figsize=(4, 2)).get_size_inches()) == (4, 2)


@pytest.mark.parametrize("given", [3, "x", {}, {"loss": []}, {"loss": ["a"]}, None, [1, 2]])
def test_what_has_no_curves(given: Any) -> None:
    with pytest.raises(ViewError, match=r"curves can't draw an? .*pass what open_recording"):
        curves(given)


def test_an_mlp_that_was_not_fitted() -> None:
    with pytest.raises(ViewError, match="it has no loss_curve_"):
        curves(SimpleNamespace(n_iter_no_change=10))


def test_what_was_given_in_the_place_of_a_training() -> None:
    for given, said in (
        ({}, "an empty history"),
        ({"loss": [1, "a"]}, "a history whose 'loss' is no list of numbers"),
        (learner().at(1), "a recording of a single moment"),
        (3, "an int"),
    ):
        with pytest.raises(ViewError, match=f"curves can't draw {said}: pass what"):
            curves(given)


def test_a_run_that_stopped_by_itself() -> None:
    values = np.ones((4, 1, 2), np.float32)
    layers = {"dense": (("sample", "unit"), values)}
    run = run_of(layers, notes=["the training stopped by itself after epoch 3"])
    assert curves(run).header["title"] == "learner over 4 steps, stopped at epoch 3"
    assert "stopped" not in curves(run_of(layers)).header["title"]


def test_the_extremes_are_named_and_small_shares_are_seen() -> None:
    rng = np.random.default_rng(0)
    layers = {}
    for i in range(40):
        values = rng.random((4, 2, 8)).astype(np.float32) + 1
        if i in (7, 23):
            values[2:, :, 0] = 0  # one unit of eight
            values *= 100 if i == 7 else 0.01
        layers[f"layer{i}"] = (("sample", "unit"), values)
    panel = curves(run_of(layers))
    assert len(named(panel, 1)) == 10
    assert {"layer7", "layer23"} <= {*named(panel, 1)}
    assert named(panel, 0) == ["layer7", "layer23"]
    assert panel.header["charts"][0]["title"] == "2 of 40 layers,\nthe others 0 %"
    assert panel.header["charts"][0]["limits"][1] < 0.2
    assert panel.figure().axes[0].get_ylim()[1] < 0.2


def test_values_over_decades_have_an_axis_of_decades() -> None:
    assert curves({"loss": [1e4, 10, 0.1, 1e-3]}).header["charts"][0]["linear_to"] == 1e-3
    assert curves({"loss": [1e4, 10, 0, -1e-3]}).header["charts"][0]["linear_to"] == 1e-3
    assert curves({"loss": [1, 0.5, 0, 0.02]}).header["charts"][0]["linear_to"] is None
    steady = [1.0, 1.1, -1.2, 1.0, 0.9, 1e-7, 1.0]  # one that passes through zero
    assert curves({"loss": steady}).header["charts"][0]["linear_to"] is None
    figure = curves({"loss": [1e4, 10, 0.1, 1e-3]}).figure()
    assert figure.axes[0].get_yscale() == "asinh"
    log = curves({"loss": [1e4, 10, 0.1, 1e-3]}, logarithmic=True).header["charts"][0]
    assert (log["logarithmic"], log["linear_to"]) == (True, None)


def test_where_nothing_moves_no_epoch_is_the_best() -> None:
    panel = curves({"loss": [2, 1, 1], "val_loss": [1.5, 1.5, 1.5]})
    assert "best" not in panel.header["title"]
    assert panel.header["marks"] == []


def test_a_layer_that_never_fires_less_is_named_too() -> None:
    values = np.ones((3, 2, 4), np.float32)
    silent = values.copy()
    silent[1:, :, 0] = 0
    panel = curves(run_of({"a": (("sample", "unit"), values), "b": (("sample", "unit"), silent)}))
    ends = [text.get_text() for text in panel.figure().axes[0].texts]
    assert sorted(ends) == ["a: 0", "b"]
