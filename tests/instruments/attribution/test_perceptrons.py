"""Maps of scikit-learn's perceptrons, whose gradients Keras computes."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.instruments.attribution.attribute import attribute

pytest.importorskip("sklearn")


def test_all_methods_of_vectors_agree_with_the_network_written_out() -> None:
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    network = MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, random_state=0)
    scaler = StandardScaler()
    with pytest.warns(UserWarning, match="converged"):
        model = make_pipeline(scaler, network).fit(x, x @ [1.0, 2.0, -1.0])
    names = ["saliency", "integrated_gradients", "deeplift", "occlusion"]
    made = attribute(model, x[:2], 0, names, baseline=scaler.mean_)
    (first, second), (bias, _) = network.coefs_, network.intercepts_
    hidden = (x[:2] - scaler.mean_) / scaler.scale_ @ first + bias
    slope = ((hidden > 0) * second[:, 0]) @ first.T / scaler.scale_
    np.testing.assert_allclose(made.named("saliency").values, slope, rtol=1e-3, atol=1e-5)
    gain = model.predict(x[:2]) - model.predict(scaler.mean_[None])
    for name in ("integrated_gradients", "deeplift"):
        sums = made.named(name).values.sum(axis=1)
        np.testing.assert_allclose(sums, gain, atol=0.011 * np.abs(gain).max())
    before = [array.copy() for array in network.coefs_]
    made.check(samples=1)
    for old, new in zip(before, network.coefs_, strict=True):
        np.testing.assert_array_equal(old, new)
