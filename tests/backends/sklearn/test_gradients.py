"""scikit-learn's MLPs can be differentiated, pipelines included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy.special import expit, softmax
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from layerscope.backends import backend_for
from layerscope.backends.base import Tap
from layerscope.core.errors import AddressError, MissingDependencyError, ModelError
from layerscope.testing import reference
from layerscope.testing.gradients import DifferentiableCase, DifferentiableContract, differences


def reference_mlp() -> Any:
    x = reference.MLP_INPUT
    model = MLPRegressor(hidden_layer_sizes=(2,), random_state=0).partial_fit(x, np.zeros(len(x)))
    model.coefs_ = [kernel.copy() for kernel in reference.MLP_KERNELS]
    model.intercepts_ = [bias.copy() for bias in reference.MLP_BIASES]
    return model


class TestSklearnGradients(DifferentiableContract):
    def case(self) -> DifferentiableCase:
        x = reference.MLP_INPUT
        return DifferentiableCase(reference_mlp(), x, x, ("hidden_0", "output"))

    def state(self, model: Any) -> Any:
        arrays = [a.tolist() for a in (*model.coefs_, *model.intercepts_)]
        return arrays, sorted(vars(model)), np.random.get_state()[1].tolist()

    def failing(self) -> tuple[Any, Any, str, str, type[Exception]]:
        model = reference_mlp()
        model.coefs_[1] = np.zeros((5, 1), np.float32)  # no longer fits what comes before it
        return model, reference.MLP_INPUT, "hidden_0", "output", ValueError


def classes(count: int, activation: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), np.arange(30) % count
    model = MLPClassifier((6, 5), activation=activation, random_state=0)
    return model.partial_fit(x, y, classes=np.arange(count)), x[:2].astype(np.float32)


def slope_of(model: Any, tap: Tap, x: Any, tolerance: float = 1e-3) -> None:
    """The gradient of a value is the slope of that value's differences."""
    backend = backend_for(model)
    values = backend.values([tap])
    weights = (np.arange(values(x)[tap].size) % 3 + 1.0).reshape(values(x)[tap].shape)
    _, gradient = backend.gradient(lambda x: values(x)[tap] * weights)(x)
    assert gradient.dtype == np.float32
    assert np.abs(gradient).max() > 0
    places = list(np.ndindex(x.shape))
    slopes = differences(lambda x: (values(x)[tap] * weights).sum(), x, places, 2.0**-8)
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("before", [False, True])
def test_every_activation(activation: str, count: int, before: bool) -> None:
    model, x = classes(count, activation)
    for layer in ("hidden_0", "hidden_1", "output"):
        slope_of(model, Tap(layer, before), x)


@pytest.mark.parametrize(("count", "activate"), [(2, expit), (3, lambda x: softmax(x, axis=1))])
def test_what_goes_into_an_activation(count: int, activate: Any) -> None:
    model, x = classes(count, "tanh")
    taps = [Tap("hidden_1", True), Tap("hidden_1"), Tap("output", True), Tap("output")]
    found = backend_for(model).values(taps)(x)
    np.testing.assert_allclose(np.tanh(found[taps[0]]), found[taps[1]], rtol=1e-6)
    np.testing.assert_allclose(activate(found[taps[2]]), found[taps[3]], rtol=1e-6)
    expected = model.predict_proba(x)[:, 1:] if count == 2 else model.predict_proba(x)
    np.testing.assert_allclose(found[taps[3]], expected, rtol=1e-5)


def test_a_rectifier_at_zero_has_no_slope() -> None:
    model = reference_mlp()
    model.intercepts_[0] = -model.coefs_[0].T @ reference.MLP_INPUT[0]
    x = reference.MLP_INPUT[:1]
    backend = backend_for(model)
    values = backend.values([Tap("hidden_0")])
    _, gradient = backend.gradient(lambda x: values(x)[Tap("hidden_0")])(x)
    np.testing.assert_array_equal(gradient, np.zeros_like(x))


STEPS = {
    "standard": StandardScaler(),
    "not centred": StandardScaler(with_mean=False),
    "not scaled": StandardScaler(with_std=False),
    "min max": MinMaxScaler(feature_range=(-1, 2)),
    "clipped": MinMaxScaler(clip=True),
    "max abs": MaxAbsScaler(),
    "robust": RobustScaler(),
    "robust, not centred": RobustScaler(with_centering=False),
    "robust, not scaled": RobustScaler(with_scaling=False),
    "components": PCA(3),
    "whitened": PCA(3, whiten=True),
    "l2": Normalizer(),
    "l1": Normalizer("l1"),
    "max": Normalizer("max"),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_a_pipeline(name: str) -> None:
    rng = np.random.default_rng(1)
    data = rng.normal(size=(40, 4)) * [1, 5, 0.2, 2] + [0, 1, -3, 2]
    model = make_pipeline(
        STEPS[name], MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", random_state=0)
    )
    model.steps[-1][1].max_iter = 1
    with pytest.warns(match="Maximum iterations"):
        model.fit(data, data[:, 0])
    # Within the range of the data, where nothing is clipped.
    x = (0.7 * data[:2] + 0.3 * data.mean(0)).astype(np.float32)
    slope_of(model, Tap("output"), x, tolerance=1e-2)
    backend = backend_for(model)
    addresses = [layer.address for layer in backend.describe() if layer.role != "input"]
    run = backend.run(x, backend.select(None))
    found = backend.values([Tap(address) for address in addresses])(x)
    for address in addresses:
        np.testing.assert_allclose(found[Tap(address)], run.values[address].values, 1e-5, 1e-5)


def test_a_step_without_a_known_gradient_is_refused() -> None:
    model = make_pipeline(
        PolynomialFeatures(), MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, random_state=0)
    )
    with pytest.warns(match="Maximum iterations"):
        model.fit(reference.MLP_INPUT, [0.0, 1.0])
    with pytest.raises(
        ModelError,
        match=r"The step 'polynomialfeatures' is a PolynomialFeatures, through which no gradient "
        r"is known: StandardScaler, .*PCA work",
    ):
        backend_for(model).values([Tap("output")])


def test_there_are_no_embeddings() -> None:
    with pytest.raises(AddressError, match="There is no layer 'embed'"):
        backend_for(reference_mlp()).values([Tap("output")], "embed")


def test_optimizers_of_keras_are_refused() -> None:
    with pytest.raises(ModelError, match="none for a scikit-learn model: pass 'ascent' or 'adam'"):
        backend_for(reference_mlp()).optimizer("rmsprop", np.zeros((1, 3)))


def test_adam_is_that_of_the_paper() -> None:
    """Against the algorithm as it is printed, with epsilon where its second form has it."""
    rng = np.random.default_rng(0)
    update = backend_for(reference_mlp()).optimizer("adam", np.zeros((2, 3)))
    params, state = np.zeros((2, 3), np.float32), update.state
    expected, m, v = np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for t in range(1, 8):
        g = rng.normal(size=(2, 3)).astype(np.float32)
        params, state = update(params, state, g, 0.1)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        unbiased = np.sqrt(v / (1 - 0.999**t)) + 1e-7 / np.sqrt(1 - 0.999**t)
        expected += 0.1 * (m / (1 - 0.9**t)) / unbiased
    assert params.dtype == np.float32
    np.testing.assert_allclose(params, expected, rtol=1e-4)


def test_without_autograd_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "autograd", None)
    backend = backend_for(reference_mlp())
    sentence = r"autograd is not installed: pip install 'layerscope\[sklearn\]'\."
    for ask in (
        lambda: backend.ops,
        lambda: backend.values([]),
        lambda: backend.gradient(abs),
        lambda: backend.optimizer("adam", np.zeros(2)),
    ):
        with pytest.raises(MissingDependencyError, match=sentence):
            ask()
