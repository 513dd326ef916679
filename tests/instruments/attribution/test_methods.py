"""Methods of attribution on Keras: what PyTorch computes, what is known in closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from cases import attribution_networks as cases
from layerscope.errors import InputError
from layerscope.instruments.attribution.attribute import attribute
from layerscope.instruments.attribution.methods import methods

Array = npt.NDArray[Any]

TARGETS = [1, 3, 0]
#: What PyTorch computes on the same weights: written by tests/backends/torch/test_attribution.py.
KNOWN = Path(__file__).parents[2] / "cases" / "attribution_torch.npz"
LINEAR = np.array([[0.5, -2.0, 1.5], [1.0, 3.0, -0.25]], np.float32)

#: Those whose maps sum up to what the score gains, on a network without a bend.
SUMMING = (
    "input_x_gradient", "integrated_gradients", "expected_gradients", "deeplift", "lrp",
    "occlusion",
)  # fmt: skip


@pytest.fixture(scope="module")
def network() -> Any:
    return cases.keras_network()


@pytest.fixture(scope="module")
def linear() -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="o")])
    model.set_weights([LINEAR.T, np.zeros(2)])
    return model


@pytest.mark.parametrize("method", np.load(KNOWN).files)
def test_maps_are_those_of_pytorch_on_the_same_weights(network: Any, method: str) -> None:
    options: dict[str, Any] = {"window": 4, "stride": 2} if method == "occlusion" else {}
    if method == "integrated_gradients":
        options = {"steps": 40}
    if method in ("grad_cam", "grad_cam_plus_plus", "layer_cam"):
        options = {"layer": "c2"}
    known = np.load(KNOWN)[method]
    if method == "lrp_gamma":
        method, options = "lrp", {"gamma": 0.25}
    made = attribute(network, cases.samples(), TARGETS, method, **options)
    np.testing.assert_allclose(made.named(method).values, known, atol=1e-4 * np.abs(known).max())


@pytest.mark.parametrize("method", SUMMING)
def test_on_a_linear_network_each_value_has_its_share(linear: Any, method: str) -> None:
    x = np.array([[1.0, -1.0, 2.0], [0.5, 2.0, 1.0]], np.float32)
    baseline = {"baseline": np.zeros(3)} if method == "expected_gradients" else {}
    made = attribute(linear, x, 1, method, **baseline)
    np.testing.assert_allclose(made.named(method).values, LINEAR[1] * x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["saliency", "smoothgrad", "guided_backpropagation"])
def test_on_a_linear_network_the_gradient_is_its_weights(linear: Any, method: str) -> None:
    made = attribute(linear, np.ones((2, 3), np.float32), [0, 1], method)
    np.testing.assert_allclose(made.named(method).values, LINEAR, rtol=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 0.25, 100.0])
def test_relevance_is_conserved_and_is_what_the_rule_says(gamma: float) -> None:
    keras.utils.set_random_seed(11)
    dense = [
        keras.layers.Dense(n, use_bias=False, activation=a) for n, a in ((7, "relu"), (3, None))
    ]
    model = keras.Sequential([keras.Input((5,)), *dense])
    x = 20 * np.random.default_rng(4).standard_normal((6, 5)).astype(np.float32)
    made = attribute(model, x, 1, "lrp", gamma=gamma)
    maps = made.named("lrp").values
    np.testing.assert_allclose(maps.sum(axis=1), made.scores, rtol=5e-3, atol=0.05)
    first, second = (layer.get_weights()[0].astype(np.float64) for layer in dense)
    hidden = np.maximum(x @ first, 0)
    relevance = np.zeros((6, 3))
    relevance[:, 1] = (hidden @ second)[:, 1]
    known = _shared(gamma, x, first, _shared(gamma, hidden, second, relevance))
    np.testing.assert_allclose(maps, known, atol=5e-3 * np.abs(known).max())


def _shared(gamma: float, inputs: Array, kernel: Array, relevance: Array) -> Array:
    """Share out relevance as the γ rule says, product by product."""
    products = inputs[:, :, None].astype(np.float64) * kernel
    values = products.sum(axis=1, keepdims=True)
    more = np.where(values > 0, np.maximum(products, 0), np.minimum(products, 0))
    shares = products + gamma * more
    total = shares.sum(axis=1, keepdims=True)
    return (shares / np.where(total == 0, 1, total) * relevance[:, None]).sum(axis=2)


@pytest.mark.one_backend
@pytest.mark.parametrize("gamma", [-1, True, "much", np.nan])
def test_no_other_gamma_is_taken(linear: Any, gamma: Any) -> None:
    with pytest.raises(InputError, match="pass a number, 0 or more"):
        attribute(linear, np.ones((1, 3), np.float32), 0, "lrp", gamma=gamma)


@pytest.mark.one_backend
def test_the_variance_of_a_constant_gradient_is_zero(linear: Any) -> None:
    made = attribute(linear, np.ones((1, 3), np.float32), 0, "vargrad")
    np.testing.assert_allclose(made.named("vargrad").values, 0, atol=1e-6)


def test_the_small_case_is_what_the_paper_says() -> None:
    made = attribute(cases.small_case_keras(), cases.SMALL_INPUT, method="integrated_gradients")
    np.testing.assert_allclose(
        made.named("integrated_gradients").values, cases.SMALL_ANSWER, atol=0.03
    )
    assert made.gaps["integrated_gradients"][0] < 0.01


def test_integrated_gradients_sum_up_to_what_the_score_gains(network: Any) -> None:
    x = cases.samples()
    made = attribute(network, x, TARGETS, "integrated_gradients", baseline="mean")
    before = np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape)
    start = attribute(network, before.copy(), TARGETS, "saliency").scores
    gain = made.scores - start
    sums = made.named("integrated_gradients").values.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, gain, atol=0.011 * np.abs(gain).max())
    np.testing.assert_allclose(made.gaps["integrated_gradients"], 0, atol=0.0101)


@pytest.mark.one_backend
def test_gradients_match_finite_differences(network: Any) -> None:
    x = cases.samples(1)
    map_ = attribute(network, x, 2, "saliency").named("saliency").values[0]
    rng = np.random.default_rng(0)
    way = rng.standard_normal(x.shape).astype(np.float32)
    step = 1e-3
    ends = np.concatenate([x + step * way, x - step * way])
    ahead, behind = attribute(network, ends, 2, "saliency").scores
    assert float((map_ * way[0]).sum()) == pytest.approx((ahead - behind) / (2 * step), rel=2e-2)


@pytest.mark.one_backend
def test_smoothgrad_without_noise_is_its_base(network: Any) -> None:
    made = attribute(
        network, cases.samples(), TARGETS, ["saliency", "smoothgrad"], noise=0.0, repeats=3
    )
    base = made.named("saliency").values
    np.testing.assert_allclose(
        made.named("smoothgrad").values, base, atol=1e-5 * np.abs(base).max()
    )


@pytest.mark.one_backend
@pytest.mark.parametrize("method", ["smoothgrad", "integrated_gradients", "occlusion", "rise"])
def test_the_size_of_batches_makes_no_difference(network: Any, method: str) -> None:
    options: dict[str, Any] = {"masks": 20} if method == "rise" else {}
    if method == "smoothgrad":
        options = {"repeats": 5}
    if method == "integrated_gradients":
        options = {"steps": 7}
    if method == "occlusion":
        options = {"window": 6}
    x = cases.samples(2)
    one, other = (
        attribute(network, x, [1, 2], method, batch_size=size, **options).named(method).values
        for size in (1, 5)
    )
    np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(one).max())


#: Methods whose strongest place should be in the patch, of all those that see the whole input.
POINTING = (
    "saliency", "input_x_gradient", "integrated_gradients", "expected_gradients", "smoothgrad",
    "guided_backpropagation", "deeplift", "lrp", "grad_cam", "grad_cam_plus_plus", "layer_cam",
    "occlusion",
)  # fmt: skip


def test_maps_point_at_a_hidden_patch_and_controls_do_not() -> None:
    x, places = cases.hidden_patches()
    options: dict[str, Any] = {
        "steps": 16, "repeats": 4, "noise": 0.02, "layer": "seen", "window": 2, "stride": 2,
        "baseline": 0.0,
    }  # fmt: skip
    made = attribute(cases.finder_keras(), x, 1, POINTING, **options)
    for method in POINTING:
        maps = made.named(method).values
        maps = maps.sum(axis=-1) if maps.ndim == 4 else maps
        assert cases.hits(maps, places) > 0.95, method
    rng = np.random.default_rng(0)
    chance = cases.PATCH**2 / cases.FIELD**2
    assert cases.hits(rng.random(x.shape[:3]), places) < chance + 0.15
    down, across = np.gradient(x[..., 0], axis=(1, 2))
    assert cases.hits(np.hypot(down, across), places) < chance + 0.15


@pytest.mark.one_backend
def test_every_method_names_its_source() -> None:
    assert all(method.source for method in methods().values())
