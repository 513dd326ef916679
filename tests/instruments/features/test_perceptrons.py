"""What hidden units and classes of scikit-learn's perceptrons look for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
keras = pytest.importorskip("keras")

from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import layerscope as ls
from cases.closed_form import ridge
from layerscope.core.errors import ModelError
from layerscope.transforms import blur, flip, jitter, pad, rotate, scale

# That gradients are the same on all is in tests/backends/keras/test_on_sklearn.py.
pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def digits() -> Any:
    return load_digits()


@pytest.fixture(scope="module")
def perceptron(digits: Any) -> Any:
    """Hidden units of random weights, and a readout that is computed instead of trained."""
    x, y = digits.data / 16, digits.target
    model = MLPClassifier((32,), random_state=0).partial_fit(x[:10], y[:10], classes=range(10))
    mixing = np.random.RandomState(0).normal(size=(64, 32)) / 8
    features = np.maximum(x @ mixing + 0.1, 0)  # each fires a little on black
    kernel, bias = ridge(features, y, strength=0.1, gain=20)
    model.coefs_, model.intercepts_ = [mixing, kernel], [np.full(32, 0.1), bias]
    assert model.score(x, y) > 0.6
    return model


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_classes_of_the_digits_are_classified_as_such(perceptron: Any, seed: int) -> None:
    feats = ls.features(
        perceptron,
        ls.objectives.units("output", range(10)),
        recipe="tutorial",
        start="zeros",
        size=8,
        seed=seed,
    )
    images = np.stack([feats.image(f"output:{i}").ravel() for i in range(10)])
    assert images.shape == (10, 64)
    sure = perceptron.predict_proba(images)[range(10), range(10)]
    assert (sure >= 0.9).all()


@pytest.mark.parametrize("recipe", ["lucid", "deepdream", "tutorial", "chollet", "maco"])
@pytest.mark.parametrize("size", [None, 8])
def test_every_recipe_as_vectors_and_as_images(perceptron: Any, recipe: str, size: Any) -> None:
    feats = ls.features(
        perceptron, ls.objectives.units("output", [3, 7]), recipe=recipe, steps=10, size=size
    )
    assert feats["output"].shape == ((64, 2) if size is None else (8, 8, 1, 2))
    assert all(grade.reached > grade.start for grade in feats.grades)


def test_a_hidden_unit_without_transforms_is_the_sign_of_its_weights(perceptron: Any) -> None:
    feats = ls.features(
        perceptron, "hidden_0:4", recipe="tutorial", transforms=[], steps=300, start="zeros"
    )
    kernel = perceptron.coefs_[0][:, 4]
    clear = np.abs(kernel) > kernel.std() / 2  # the others have further to go
    np.testing.assert_array_equal(feats.image()[clear] > 0.5, kernel[clear] > 0)


def test_all_transforms(perceptron: Any) -> None:
    moved = [pad(1), jitter(1), scale((0.9, 1.1)), rotate(5), flip("y", p=0.1), blur(0.5)]
    feats = ls.features(perceptron, "output:3", transforms=moved, steps=10, size=8)
    assert np.isfinite(feats.image()).all()


def test_samples_tell_the_range_and_the_best(perceptron: Any, digits: Any) -> None:
    pipeline = make_pipeline(MinMaxScaler().fit(digits.data), perceptron)
    feats = ls.features(pipeline, "output:3", samples=digits.data, recipe="tutorial")
    assert feats.input_range == (0, 16)
    assert feats.image().max() == 16
    acts = pipeline[:-1].transform(digits.data) @ perceptron.coefs_[0] + perceptron.intercepts_[0]
    logits = np.maximum(acts, 0) @ perceptron.coefs_[1] + perceptron.intercepts_[1]
    assert feats.grades[0].samples == pytest.approx(logits[:, 3].max(), rel=1e-5)


def test_a_regressor() -> None:
    model = MLPRegressor(hidden_layer_sizes=(2,), activation="identity", random_state=0)
    model.partial_fit(np.zeros((1, 5)), [0])
    model.coefs_ = [np.array([[1, -1], [-1, 1], [2, 0], [0, 2], [1, 2]]) / 4, np.array([[1], [-2]])]
    feats = ls.features(model, "output:0", recipe="tutorial", start="zeros", steps=400)
    assert feats.grades[0].reached > feats.grades[0].start
    kernel = (model.coefs_[0] @ model.coefs_[1])[:, 0]  # a linear network's only one
    np.testing.assert_array_equal(feats.image() > 0.5, kernel > 0)


def test_one_sentence(perceptron: Any) -> None:
    with pytest.raises(ModelError, match="adam"):
        ls.features(perceptron, "output:3", optimizer=object())
