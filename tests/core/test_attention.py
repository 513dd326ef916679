"""Masks, means over heads and rollouts of attention weights, against plain computations."""

from __future__ import annotations

import numpy as np
import pytest

from cases.attention import AXES, by_hand, weights
from cases.recordings import named, recording
from layerscope.core.attention import masked, mean_over_heads, rollout
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError


def test_masked_is_a_negative_zero_and_nothing_else() -> None:
    values = np.array([0.0, -0.0, 0.5, -0.5, np.nan, -np.nan])
    assert masked(values).tolist() == [False, True, False, False, False, False]
    assert not masked(np.zeros(3, np.int32)).any()


def test_the_mean_is_masked_where_every_head_is() -> None:
    values = weights(5, causal=True)
    values[0, 1, 4, 0] = -0.0  # one head alone
    mean, axes = mean_over_heads(values, AXES)
    assert axes == ("sample", "query", "key")
    np.testing.assert_allclose(mean, values.mean(1), atol=1e-7)
    assert (masked(mean) == ~np.tri(5, dtype=bool)).all()
    same, axes = mean_over_heads(mean, axes)
    assert same is mean
    half, _ = mean_over_heads(values.astype(np.float16), AXES)
    assert half.dtype == np.float32


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("residual", [0.0, 0.5, 1.0])
def test_a_rollout_is_the_product_of_its_layers(causal: bool, residual: float) -> None:
    layers = [weights(6, seed=seed, causal=causal) for seed in range(3)]
    acts = recording({f"mha{i}/attention": named(layer, AXES) for i, layer in enumerate(layers)})
    rolled = acts.rollout(residual=residual)
    assert list(rolled) == list(acts)
    for i in range(3):
        array = rolled[f"mha{i}/attention"]
        assert array.dims == ("sample", "query", "key")
        expected = by_hand(layers[: i + 1], residual)
        np.testing.assert_allclose(array.values, expected, atol=1e-6)
        np.testing.assert_allclose(array.sum("key"), 1, atol=1e-6)
        if residual < 1:
            assert (array.masked.values == (~np.tri(6, dtype=bool) & causal)).all()
    assert "through mha0/attention, mha1/attention, mha2/attention" in rolled.notes[-1]


def test_padding_attends_to_itself_in_a_rollout() -> None:
    values = weights(4)
    values[:, :, :, 3] = values[:, :, 3] = -0.0
    rolled = rollout([values[0, 0], values[0, 1]])[-1]
    np.testing.assert_allclose(rolled[3], [0, 0, 0, 1])
    assert masked(rolled)[:3, 3].all()
    assert masked(rolled)[3].tolist() == [True, True, True, False]


def test_which_layers_take_part() -> None:
    acts = recording({
        "encoder/attention": named(weights(5), AXES),
        "encoder/dense": named(np.ones((2, 5, 4)), ("sample", "position", "channel")),
        "plain/attention": named(weights(4)[:, 0], ("sample", "query", "key")),
        "decoder/attention": named(weights(4, seed=1), AXES),
        "cross/attention": named(weights(4, 5), AXES),
    })  # fmt: skip
    assert list(acts.rollout()) == ["plain/attention", "decoder/attention"]
    alone = acts.rollout("encoder/attention")
    assert list(alone) == ["encoder/attention"]
    np.testing.assert_allclose(
        alone["encoder/attention"], by_hand([acts["encoder/attention"].values], 0.5), atol=1e-6
    )
    for layers, message in {
        "encoder/dense": "has the axes sample, position, channel",
        "cross/attention": "as many queries as keys",
        "other": "There is no layer 'other'",
    }.items():
        with pytest.raises(AddressError, match=message):
            acts.rollout([layers])
    with pytest.raises(AddressError, match=r"has 5 queries, the last 4.* of one length"):
        acts.rollout(["encoder/attention", "decoder/attention"])
    with pytest.raises(AddressError, match="no attention weights"):
        recording({"dense": named(np.ones((2, 3)), ("sample", "unit"))}).rollout()
    with pytest.raises(ValueError, match="from 0 to 1"):
        acts.rollout(residual=2)


def test_what_is_masked_is_a_coordinate() -> None:
    values = weights(4, causal=True)
    acts = recording({"mha/attention": NamedArray(values, AXES)}, samples=("a", "b"))
    array = acts["mha/attention"]
    assert array.masked.dims == AXES
    part = array.isel(sample=1, head=0, query=2)
    assert part.masked.values.tolist() == [False, False, False, True]
    assert acts["mha/attention:1"].masked.shape == (2, 4, 4)
    assert array.coords["sample"].values.tolist() == ["a", "b"]
    assert (array - array).max() == 0
    assert acts["mha/attention:2@3,1"].values.tolist() == values[:, 2, 3, 1].tolist()
