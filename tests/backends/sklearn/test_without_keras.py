"""What perceptrons can be asked where Keras is not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
skops = pytest.importorskip("skops.io")

from sklearn.neural_network import MLPClassifier

import layerscope as ls
from layerscope.backends import availability, backend_for
from layerscope.core.errors import MissingDependencyError
from layerscope.interfaces.cli import main

SENTENCE = (
    "Keras is not installed, which features of a scikit-learn model need: pip install "
    "'layerscope[keras-jax]'."
)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    for package in ("keras", "jax", "tensorflow", "torch"):
        monkeypatch.setitem(sys.modules, package, None)
    assert not availability.installed("keras")
    x = np.random.default_rng(0).normal(size=(30, 4))
    return MLPClassifier((6,), random_state=0).partial_fit(x, np.arange(30) % 3, classes=[0, 1, 2])


def test_all_but_features(model: Any) -> None:
    acts = ls.activations(model, np.ones((2, 4)))
    assert list(acts) == ["hidden_0", "output"]
    ls.sheet(acts, "hidden_0")
    ls.sheet(ls.weights(model), "coefs_0", reshape=(2, 2))
    ls.diagram(model)
    assert "hidden_0" in str(ls.describe(model))


def test_features_say_what_to_install(model: Any) -> None:
    backend = backend_for(model)
    for ask in (
        lambda: ls.features(model, "hidden_0:1"),
        lambda: backend.ops,
        lambda: backend.values([]),
        lambda: backend.gradient(abs),
        lambda: backend.compiled(abs, "abs", network=False),
        lambda: backend.optimizer("adam", np.zeros(2)),
    ):
        with pytest.raises(MissingDependencyError) as raised:
            ask()
        assert str(raised.value) == SENTENCE


def test_the_shell_says_so_too(model: Any, tmp_path: Path, capsys: Any) -> None:
    skops.dump(model, tmp_path / "mlp.skops")
    out = tmp_path / "made"
    code = main(["features", str(tmp_path / "mlp.skops"), "hidden_0:1", "--out", str(out)])
    assert code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip().endswith(SENTENCE)
    assert captured.err.count("\n") == 1
    assert not out.exists()
