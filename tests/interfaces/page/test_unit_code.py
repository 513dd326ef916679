"""The Python that a unit's panels copy: it runs, and makes the values that are shown."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.subject import PageSubject
from layerscope.views.explorer.unit import unit_panels

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def model() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.DepthwiseConv2D(2, depth_multiplier=2, name="depth"),
            layers.SeparableConv2D(6, 2, name="separable"),
            layers.Conv2D(6, 1, groups=2, name="grouped"),
            layers.Flatten(name="flatten"),
            layers.Dense(5, activation="relu", name="hidden"),
            layers.Dense(3, name="dense"),
        ]
    )


X = np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)


def ran(code: str, **names: Any) -> Any:
    """Run lines of Python; return the value of the last."""
    tree = ast.parse(code)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(tree, "copied", "exec"), names)
    return eval(compile(ast.Expression(last.value), "copied", "eval"), names)


@pytest.mark.parametrize(
    "address", ["conv:1", "relu:2", "depth:5", "separable:4", "grouped:4", "hidden:2", "dense:1"]
)
def test_the_lines_copied_make_what_is_shown(model: Any, address: str) -> None:
    subject = PageSubject(SampleRecordings(model, X))
    shown = 0
    for known in unit_panels():
        panel = subject.panel(f"unit.{known.name}", {"address": address, "sample": "2"})
        if panel is None or "code" not in panel.header:
            continue
        shown += 1
        made = ran(panel.header["code"], model=model, x=X)
        if known.name in ("before", "after"):
            values = sorted(abs(card["value"]) for card in panel.header["cards"])
            computed = sorted(np.abs(np.ravel(np.asarray(made))).tolist())
            if known.name == "before" and address == "hidden:2":
                computed = sorted(np.abs(np.asarray(made).reshape(-1, 6).sum(axis=0)).tolist())
            assert values[::-1][: len(computed)] == pytest.approx(
                computed[::-1][: len(values)], rel=1e-4
            )
        if known.name == "map" and panel.header["map"]:
            low, high = made.header["tiles"][0]["range"][:2]
            assert panel.header["map"]["shape"] == made.header["tiles"][0]["shape"]
            assert low <= panel.header["map"]["low"] <= panel.header["map"]["high"] <= high
    assert shown >= 3


def test_weights_are_read_once(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = PageSubject(SampleRecordings(model, X))
    first = subject.panel("unit.kernel", {"address": "conv:1"})
    monkeypatch.setattr("layerscope.instruments.weights.weights", None)
    second = subject.panel("unit.kernel", {"address": "conv:2"})
    assert first is not None
    assert second is not None
