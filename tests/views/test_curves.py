from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cases.runs import learner, run_of
from layerscope import curves
from layerscope.core.errors import ViewError

HISTORY = {"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.0, 2.0], "accuracy": [0.1, 0.5, 0.7]}


def titles(figure: Any) -> list[str]:
    return [ax.get_ylabel() for ax in figure.axes]


def lines(ax: Any) -> dict[str, list[float]]:
    """The curves by their names; marks have none."""
    named = {line.get_label(): line.get_ydata() for line in ax.lines}
    return {n: list(v) for n, v in named.items() if not str(n).startswith("_")}


def test_a_run_shows_its_metrics_and_its_layers() -> None:
    figure = curves(learner())
    assert titles(figure) == ["loss", "silent units", "mean activation", "change of weights"]
    assert set(lines(figure.axes[0])) == {"loss", "val_loss"}
    assert list(lines(figure.axes[2])) == ["conv", "dense"]
    values = learner()["dense"].values
    np.testing.assert_allclose(lines(figure.axes[2])["dense"], values.mean(axis=(1, 2)), rtol=1e-5)
    assert figure.get_suptitle() == "learner over 5 steps, best at epoch 2"
    assert "val_loss was lowest at epoch 2" in figure.get_supxlabel()
    figure.draw_without_rendering()


def test_weights_lead_to_the_same() -> None:
    assert titles(curves(learner().weights)) == titles(curves(learner()))


def test_many_layers_are_drawn_and_ten_are_named() -> None:
    values = np.random.default_rng(0).random((4, 2, 3)).astype(np.float32)
    run = run_of({f"layer{i}": (("sample", "unit"), values * i) for i in range(300)})
    figure = curves(run)
    legend = figure.axes[1].get_legend()
    assert legend.get_title().get_text() == "10 of 300 layers,\nhighest and lowest"
    assert [text.get_text() for text in legend.get_texts()][::9] == ["layer0", "layer299"]
    assert len(figure.axes[1].lines) == 300
    figure.draw_without_rendering()


def test_names_that_matplotlib_would_read() -> None:
    run = run_of(
        {"$x_{1}$": (("sample", "unit"), np.ones((3, 1, 2), np.float32)),
         "_hidden": (("sample", "unit"), np.ones((3, 1, 2), np.float32))},
    )  # fmt: skip
    figure = curves(run)
    figure.draw_without_rendering()
    shown = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert shown == ["$x_{1}$", "_hidden"]


@pytest.mark.parametrize("given", [HISTORY, SimpleNamespace(history=HISTORY)])
def test_a_history(given: Any) -> None:
    figure = curves(given)
    assert titles(figure) == ["loss", "score"]
    assert lines(figure.axes[0]) == {"loss": [3, 2, 1], "val_loss": [3, 1, 2]}
    assert figure.get_suptitle() == "Training over 3 epochs, best at epoch 1"


def test_where_early_stopping_stopped() -> None:
    model = SimpleNamespace(name="digits")
    given = SimpleNamespace(history=HISTORY, epoch=[0, 1, 2], params={"epochs": 9}, model=model)
    expected = "digits over 3 epochs, best at epoch 1, stopped at epoch 2"
    assert curves(given).get_suptitle() == expected
    whole = SimpleNamespace(history=HISTORY, epoch=[0, 1, 2], params={"epochs": 3}, model=model)
    assert "stopped" not in curves(whole).get_suptitle()


def test_an_mlp() -> None:
    mlp = SimpleNamespace(
        loss_curve_=[3.0, 2.0, 1.5, 1.2], validation_scores_=[0.3, 0.8, 0.7, 0.6], max_iter=50
    )
    figure = curves(mlp)
    assert titles(figure) == ["loss", "score"]
    assert figure.get_suptitle().endswith("over 4 epochs, best at epoch 1, stopped at epoch 3")
    without = SimpleNamespace(loss_curve_=[3.0, 2.0], validation_scores_=None, max_iter=2)
    assert titles(curves(without)) == ["loss"]


def test_logarithmic() -> None:
    assert curves(HISTORY, logarithmic=True).axes[0].get_yscale() == "log"


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
    assert curves(run).get_suptitle() == "learner over 4 steps, stopped at epoch 3"
    assert "stopped" not in curves(run_of(layers)).get_suptitle()


def test_the_extremes_are_named_and_small_shares_are_seen() -> None:
    rng = np.random.default_rng(0)
    layers = {}
    for i in range(40):
        values = rng.random((4, 2, 8)).astype(np.float32) + 1
        if i in (7, 23):
            values[2:, :, 0] = 0  # one unit of eight
            values *= 100 if i == 7 else 0.01
        layers[f"layer{i}"] = (("sample", "unit"), values)
    silent, mean = curves(run_of(layers)).axes[:2]
    named = {text.get_text() for text in mean.get_legend().get_texts()}
    assert len(named) == 10
    assert {"layer7", "layer23"} <= named
    assert [t.get_text() for t in silent.get_legend().get_texts()] == ["layer7", "layer23"]
    assert silent.get_legend().get_title().get_text() == "2 of 40 layers,\nthe others 0 %"
    assert silent.get_ylim()[1] < 0.2
