"""scikit-learn's MLPs keep the contract."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import layerscope as ls
from layerscope.backends import backend_for
from layerscope.core.errors import ModelError
from layerscope.testing import reference
from layerscope.testing.contract import BackendContract


def fitted(model: Any, kernels: Any, biases: Any, x: Any, y: Any) -> Any:
    """A model with weights of our own; the single step of fitting only gives it its shapes."""
    model.partial_fit(x, y)
    model.coefs_ = [kernel.copy() for kernel in kernels]
    model.intercepts_ = [bias.copy() for bias in biases]
    return model


class TestSklearn(BackendContract):
    def mlp(self) -> Any:
        model = MLPRegressor(hidden_layer_sizes=(2,), random_state=0)
        x = reference.MLP_INPUT
        return fitted(model, reference.MLP_KERNELS, reference.MLP_BIASES, x, np.zeros(len(x)))

    def predict(self, model: Any, x: Any) -> Any:
        return model.predict(x).reshape(len(x), -1)

    def state(self, model: Any) -> Any:
        arrays = [a.tolist() for a in (*model.coefs_, *model.intercepts_)]
        return arrays, sorted(vars(model)), np.random.get_state()[1].tolist()

    def failing(self) -> tuple[Any, Any, type[Exception]]:
        model = copy.deepcopy(self.mlp())
        model.coefs_[1] = np.zeros((5, 1), np.float32)  # no longer fits what comes before it
        return model, reference.MLP_INPUT, ValueError


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_output_is_that_of_predict_proba(activation: str, classes: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 5)), np.arange(30) % classes
    model = MLPClassifier((6, 4), activation=activation, random_state=0).partial_fit(
        x, y, classes=np.arange(classes)
    )
    acts = ls.activations(model, x)
    assert list(acts) == ["hidden_0", "hidden_1", "output"]
    expected = model.predict_proba(x)
    found = acts["output"].values
    np.testing.assert_allclose(found, expected[:, 1:] if classes == 2 else expected, rtol=1e-12)


def test_the_pinned_total_and_names() -> None:
    rng = np.random.default_rng(0)
    model = MLPClassifier((16, 16)).partial_fit(
        rng.random((20, 784)), np.arange(20) % 10, classes=np.arange(10)
    )
    assert ls.describe(model).total == 13_002
    weights = ls.weights(model)
    assert list(weights)[:2] == ["coefs_0", "intercepts_0"]
    assert weights["coefs_0"].dims == ("input", "unit")


def test_a_data_frame_is_read_by_its_columns() -> None:
    pandas = pytest.importorskip("pandas")
    model = TestSklearn().mlp()
    frame = pandas.DataFrame(reference.MLP_INPUT, columns=["a", "b", "c"])
    np.testing.assert_array_equal(
        ls.activations(model, frame)["output"], reference.MLP_ACTIVATIONS[-1]
    )


def test_what_is_no_fitted_mlp() -> None:
    with pytest.raises(ModelError, match="fit it first"):
        ls.describe(MLPClassifier())
    with pytest.raises(ModelError, match="can't look into a LogisticRegression"):
        ls.describe(LogisticRegression())


class TestPipeline(TestSklearn):
    """A pipeline keeps the contract, too: here its step before changes nothing."""

    def mlp(self) -> Any:
        return make_pipeline("passthrough", super().mlp())

    def state(self, model: Any) -> Any:
        return super().state(model.steps[-1][1])

    def failing(self) -> tuple[Any, Any, type[Exception]]:
        model = copy.deepcopy(self.mlp())
        model.steps[-1][1].coefs_[1] = np.zeros((5, 1), np.float32)
        return model, reference.MLP_INPUT, ValueError


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_the_steps_of_a_pipeline_are_operations(make: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(3.0, 5.0, size=(40, 6)), np.arange(40) % 3
    model = make_pipeline(
        StandardScaler(), "passthrough", PCA(3), make(hidden_layer_sizes=(5,), tol=1e9)
    ).fit(x, y)
    acts = ls.activations(model, x)
    assert list(acts) == ["standardscaler", "pca", "hidden_0", "output"]
    np.testing.assert_allclose(acts["standardscaler"], model[0].transform(x))
    np.testing.assert_allclose(acts["pca"], model[:-1].transform(x))
    predict = model.predict_proba if make is MLPClassifier else model.predict
    np.testing.assert_allclose(acts["output"].values.reshape(40, -1), predict(x).reshape(40, -1))
    network = ls.describe(model)
    assert network.name == "Pipeline"
    roles = [(layer.type, layer.role, layer.inputs) for layer in network][:3]
    assert roles == [
        ("StandardScaler", "operation", ("input",)),
        ("PCA", "operation", ("standardscaler",)),
        ("Dense", "layer", ("pca",)),
    ]
    assert network["standardscaler"].shape == (None, 6)


def test_a_pipeline_that_was_fitted_on_a_table_is_not_warned_of() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=list("abc"))
    model = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(4,), tol=1e9)).fit(
        frame, frame["a"]
    )
    np.testing.assert_allclose(
        ls.activations(model, frame)["output"].values[:, 0], model.predict(frame)
    )


def test_the_digest_of_a_pipeline_knows_its_steps() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    model = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(4,), tol=1e9)).fit(
        x, y
    )
    before = backend_for(model).digest()
    assert backend_for(copy.deepcopy(model)).digest() == before
    model[0].mean_ += 1
    assert backend_for(model).digest() != before


def test_a_pipeline_of_something_else() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression())
    with pytest.raises(ModelError, match="a Pipeline that ends in a LogisticRegression"):
        ls.describe(model)
