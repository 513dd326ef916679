"""scikit-learn's MLPs can be differentiated with Keras, pipelines included."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
keras = pytest.importorskip("keras")

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
from layerscope.core.errors import AddressError, ModelError
from layerscope.testing import reference
from layerscope.testing.gradients import DifferentiableCase, DifferentiableContract, differences


def reference_mlp() -> Any:
    x = reference.MLP_INPUT
    model = MLPRegressor(hidden_layer_sizes=(2,), random_state=0).partial_fit(x, np.zeros(len(x)))
    model.coefs_ = [kernel.copy() for kernel in reference.MLP_KERNELS]
    model.intercepts_ = [bias.copy() for bias in reference.MLP_BIASES]
    return model


def misfit() -> type[Exception]:
    """What the framework raises where a kernel does not fit what it is multiplied with."""
    if keras.config.backend() == "tensorflow":
        error: type[Exception] = pytest.importorskip("tensorflow").errors.InvalidArgumentError
        return error
    return {"jax": TypeError, "torch": RuntimeError}[keras.config.backend()]


class TestSklearnGradients(DifferentiableContract):
    remembers = keras.config.backend() != "torch"

    def case(self) -> DifferentiableCase:
        x = reference.MLP_INPUT
        return DifferentiableCase(reference_mlp(), x, x, ("hidden_0", "output"))

    def state(self, model: Any) -> Any:
        arrays = [a.tolist() for a in (*model.coefs_, *model.intercepts_)]
        return arrays, sorted(vars(model)), np.random.get_state()[1].tolist()

    def failing(self) -> tuple[Any, Any, str, str, type[Exception]]:
        model = reference_mlp()
        model.coefs_[1] = np.zeros((5, 1), np.float32)  # no longer fits what comes before it
        return model, reference.MLP_INPUT, "hidden_0", "output", misfit()


def classes(count: int, activation: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), np.arange(30) % count
    model = MLPClassifier((6, 5), activation=activation, random_state=0)
    return model.partial_fit(x, y, classes=np.arange(count)), x[:2].astype(np.float32)


def numpy(tensor: Any) -> Any:
    return keras.ops.convert_to_numpy(tensor)


def tapped(model: Any, taps: list[Tap], x: Any) -> list[Any]:
    """The values of a pass, by tap, uncompiled."""
    found = backend_for(model).values(taps)(keras.ops.convert_to_tensor(x))
    return [numpy(found[tap]) for tap in taps]


def slope_of(model: Any, tap: Tap, x: Any, tolerance: float = 1e-3) -> None:
    """The gradient of a value is the slope of that value's differences."""
    backend = backend_for(model)
    values = backend.values([tap])
    shape = tapped(model, [tap], x)[0].shape
    weights = (np.arange(np.prod(shape)) % 3 + 1.0).reshape(shape).astype(np.float32)
    held = keras.ops.convert_to_tensor(weights)
    _, gradient = backend.gradient(lambda x: values(x)[tap] * held)(keras.ops.convert_to_tensor(x))
    gradient = numpy(gradient)
    assert gradient.dtype == np.float32
    assert np.abs(gradient).max() > 0
    places = list(np.ndindex(x.shape))
    total = lambda x: (tapped(model, [tap], x)[0] * weights).sum(dtype=np.float64)  # noqa: E731
    slopes = differences(total, x, places, 2.0**-8)
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=tolerance, atol=tolerance)


@pytest.mark.combinations
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
    before, hidden, logits, output = tapped(model, taps, x)
    np.testing.assert_allclose(np.tanh(before), hidden, rtol=1e-5)
    np.testing.assert_allclose(activate(logits), output, rtol=1e-5)
    expected = model.predict_proba(x)[:, 1:] if count == 2 else model.predict_proba(x)
    np.testing.assert_allclose(output, expected, rtol=1e-5)


def test_a_rectifier_at_zero_has_no_slope() -> None:
    model = reference_mlp()
    model.intercepts_[0] = -model.coefs_[0].T @ reference.MLP_INPUT[0]
    x = reference.MLP_INPUT[:1]
    backend = backend_for(model)
    values = backend.values([Tap("hidden_0")])
    _, gradient = backend.gradient(lambda x: values(x)[Tap("hidden_0")])(
        backend.ops.convert_to_tensor(x)
    )
    np.testing.assert_array_equal(numpy(gradient), np.zeros_like(x))


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
    found = tapped(model, [Tap(address) for address in addresses], x)
    for address, value in zip(addresses, found, strict=True):
        np.testing.assert_allclose(value, run.values[address].values, 1e-5, 1e-5)


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


def test_optimizers_of_keras() -> None:
    backend = backend_for(reference_mlp())
    start = np.array([1.0, -2.0, 0.5], np.float32)
    update = backend.optimizer(keras.optimizers.SGD(), start)
    step = backend.compiled(lambda *args: update(*args), "sgd", network=False)
    params, _ = step(start, update.state, np.float32([1, 0, -2]), 0.5)
    np.testing.assert_allclose(numpy(params), [1.5, -2.0, -0.5], rtol=1e-6)
    with pytest.raises(ModelError, match="optimizer='adamant' is none"):
        backend.optimizer("adamant", start)


def output(model: Any, x: Any) -> Any:
    """The output by what is compiled, or was."""
    backend, tap = backend_for(model), Tap("output")
    return numpy(backend.compiled(backend.values([tap]), "output", network=True)(x)[tap])


def test_what_was_compiled_follows_the_training() -> None:
    model, x = classes(3, "tanh")
    rng = np.random.default_rng(3)
    traced = []
    for _ in range(3):
        values = backend_for(model).values([Tap("output")])
        counted = lambda x, values=values: (traced.append(1), values(x))[1]  # noqa: E731
        seen = backend_for(model).compiled(counted, "counted", network=True)(x)
        np.testing.assert_allclose(numpy(seen[Tap("output")]), model.predict_proba(x), 1e-5)
        model.partial_fit(rng.normal(size=(30, 4)), np.arange(30) % 3)
    assert len(traced) == (3 if keras.config.backend() == "torch" else 1)


def test_what_was_compiled_is_not_used_for_another_network() -> None:
    model, x = classes(3, "tanh")
    scaler = StandardScaler().fit(x + np.arange(4))
    first = output(model, x)
    model.activation = "logistic"
    np.testing.assert_allclose(output(model, x), model.predict_proba(x), 1e-5)
    whole = make_pipeline(scaler, model)
    np.testing.assert_allclose(output(whole, x), whole.predict_proba(x), 1e-5)
    scaler.mean_ = scaler.mean_ - 1
    np.testing.assert_allclose(output(whole, x), whole.predict_proba(x), 1e-5)
    model.activation = "tanh"
    held = model.coefs_, model.intercepts_
    model.coefs_ = [a[:, :3] if i == 0 else a[:3] if i == 1 else a for i, a in enumerate(held[0])]
    model.intercepts_ = [held[1][0][:3], *held[1][1:]]
    np.testing.assert_allclose(output(model, x), model.predict_proba(x), 1e-5)
    model.coefs_, model.intercepts_ = [a * 2 for a in held[0]], held[1]
    assert not np.allclose(output(model, x), first)
    np.testing.assert_allclose(output(model, x), model.predict_proba(x), 1e-5)


def test_what_was_compiled_goes_with_the_estimator() -> None:
    model, x = classes(3, "relu")
    output(model, x)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_sample_that_is_zero_has_a_slope() -> None:
    model = make_pipeline(Normalizer().fit(np.ones((1, 3))), reference_mlp())
    x = np.zeros((1, 3), np.float32)
    backend = backend_for(model)
    values = backend.values([Tap("output")])
    _, gradient = backend.gradient(lambda x: values(x)[Tap("output")])(
        backend.ops.convert_to_tensor(x)
    )
    assert np.isfinite(numpy(gradient)).all()


def test_a_range_far_from_zero_is_scaled_exactly() -> None:
    data = np.array([[2019.0, 1e6, 0.0], [2021.0, 1e6 + 1, 2.0]])
    model = make_pipeline(MinMaxScaler().fit(data), reference_mlp())
    (scaled,) = tapped(model, [Tap("minmaxscaler")], np.float32(data.mean(0, keepdims=True)))
    np.testing.assert_allclose(scaled, [[0.5, 0.5, 0.5]], rtol=1e-6)


PROGRAM = """
import sys
import numpy as np
from sklearn.neural_network import MLPRegressor
from layerscope.backends import backend_for
from layerscope.core.selection import Selection
x = np.ones((2, 3))
backend = backend_for(MLPRegressor(hidden_layer_sizes=(2,)).partial_fit(x, [0, 1]))
backend.describe(), backend.weights(), backend.run(x, Selection(everything=True))
assert "keras" not in sys.modules
backend.ops
print(sys.modules["keras"].config.backend())
"""


@pytest.mark.one_backend
def test_keras_is_imported_where_it_is_needed() -> None:
    """On what ``KERAS_BACKEND`` says, which is for Keras to read."""
    running = keras.config.backend()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"KERAS_BACKEND": running},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [running]
