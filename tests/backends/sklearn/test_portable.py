"""scikit-learn's perceptrons as operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from cases.followed import followed, values
from layerscope.errors import ModelError
from layerscope.instruments.portable import portable

X = values(40, 5) * [1, 2, 3, 0.1, 5] + [0, 0, 20, 0, -5]


def fitted(*steps: Any, classes: int = 3, **settings: Any) -> Any:
    """A pipeline whose steps are fitted; a single step of training gives the network its shapes."""
    steps = tuple(step.fit(X) for step in steps)
    network = MLPClassifier(hidden_layer_sizes=(6, 4), random_state=0, **settings)
    network.partial_fit(X, np.arange(40) % classes, classes=np.arange(classes))
    return make_pipeline(*steps, network) if steps else network


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_perceptrons(activation: str) -> None:
    program = followed(fitted(activation=activation), X)
    assert program.layers == ("hidden_0", "hidden_1", "output")


def test_two_classes() -> None:
    followed(fitted(classes=2), X)


def test_a_regression() -> None:
    network = MLPRegressor(hidden_layer_sizes=(3,), random_state=0)
    followed(network.partial_fit(X, X[:, 0]), X)


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        RobustScaler(),
        MinMaxScaler((-1, 3)),
        MinMaxScaler(clip=True),
        MaxAbsScaler(),
    ],
)
def test_steps_before_a_perceptron(step: Any) -> None:
    program = followed(fitted(step), X)
    assert program.layers[0] == type(step).__name__.lower()


def test_a_step_that_is_none_of_them_is_named() -> None:
    sentence = r"the layer 'pca' \(PCA\) is a step that a page does not know\."
    with pytest.raises(ModelError, match=sentence):
        portable(fitted(PCA(5)), X)
