"""Controls: a map that shows what the network saw passes, one that shows the image is told."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from cases import attribution_networks as cases
from layerscope.errors import InputError
from layerscope.instruments.attribution.attribute import attribute
from layerscope.instruments.attribution.control_words import words_of
from layerscope.instruments.attribution.infilling import infilled
from layerscope.instruments.attribution.score_curves import correlation
from layerscope.recordings.attribution import Attribution, MapCheck


@pytest.fixture(scope="module")
def checked() -> Attribution:
    x, _ = cases.hidden_patches(2)
    made = attribute(cases.finder_keras(), x, 1, ["saliency", "occlusion"], window=4)
    return made.check(samples=2)


@pytest.mark.one_backend
def test_the_score_falls_and_rises_with_what_the_network_saw(checked: Attribution) -> None:
    assert [(c.method, c.sample) for c in checked.checks] == [
        ("saliency", 0), ("saliency", 1), ("occlusion", 0), ("occlusion", 1),
    ]  # fmt: skip
    for check in checked.checks:
        assert check.words[0] in checked.line(check.method, check.sample)
        if check.method == "saliency":  # which has both signs in the patch
            continue
        assert check.deletion["map"] < check.deletion["random"] - 0.2
        assert check.insertion["map"] > check.insertion["random"] + 0.2
        assert check.insertion["map"] > check.insertion["edges"] + 0.2
        assert "rises faster" in str(check)


def test_shuffling_changes_the_map_and_is_undone() -> None:
    model = cases.keras_network()
    before = [np.array(values) for values in model.get_weights()]
    made = attribute(model, cases.samples(1), method="saliency").check(samples=1, seed=1)
    (check,) = made.checks
    assert len(check.shuffled) == 4
    assert next(iter(check.shuffled)) == "o"
    assert list(check.shuffled.values())[-1] < 0.5
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    again = attribute(model, cases.samples(1), method="saliency")
    np.testing.assert_array_equal(again.named("saliency").values, made.named("saliency").values)


@pytest.mark.one_backend
def test_a_map_that_is_the_image_is_told() -> None:
    """Of equal weights, shuffling changes nothing: input times gradient is the image."""
    model = keras.Sequential([
        keras.Input((9, 9, 1)), keras.layers.Flatten(), keras.layers.Dense(1, use_bias=False)
    ])  # fmt: skip
    model.set_weights([np.ones((81, 1))])
    x = np.random.default_rng(0).random((1, 9, 9, 1)).astype(np.float32)
    made = attribute(model, x, 0, "input_x_gradient").check()
    assert "changes little when the network is shuffled" in made.line("input_x_gradient")


@pytest.mark.one_backend
def test_words_say_what_the_numbers_do() -> None:
    edges = words_of(MapCheck("saliency", 0, shuffled={"conv": 0.9}, edges=0.8))
    assert edges == (
        "this map changes little when the network is shuffled (rank correlation 0.90): it shows "
        "the image's edges (rank correlation 0.80 with them), not what the network saw",
    )
    gap = words_of(MapCheck("integrated_gradients", 0, gap=0.2))
    assert gap == ("its sum is 20 % off what it is to explain",)
    nothing = {"map": np.nan, "random": np.nan}
    (lost,) = words_of(MapCheck("lrp", 0, deletion=nothing, insertion=nothing))
    assert "no higher than with all of it gone" in lost
    worse = {"map": 0.6, "random": 0.5, "edges": 0.4}
    assert (
        "no faster (0.60) than with random blobs (0.50) and edges (0.40)"
        in (words_of(MapCheck("lrp", 0, deletion=worse))[0])
    )


@pytest.mark.one_backend
def test_what_is_removed_is_filled_in_from_around() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 32)[:, None] + np.zeros((32, 24))
    removed = np.zeros((32, 24), bool)
    removed[10:16, 5:15] = True
    filled = infilled(ramp[..., None], removed, rng)[..., 0]
    np.testing.assert_array_equal(filled[~removed], ramp.astype(np.float32)[~removed])
    assert np.abs(filled - ramp).max() < 0.15
    assert np.abs(infilled(ramp[..., None], removed | True, rng) - ramp.mean()).max() < 0.06


@pytest.mark.one_backend
def test_ranks_correlate_whatever_the_scale() -> None:
    values = np.array([0.1, 5.0, -2.0, 3.0])
    assert correlation(values, np.exp(values)) == pytest.approx(1)
    assert correlation(values, -values) == pytest.approx(-1)
    assert correlation(values, np.ones(4)) == 0


@pytest.mark.one_backend
def test_maps_without_their_model_are_told() -> None:
    x = cases.samples(1)
    made = attribute(cases.keras_network(), x, 1, "saliency")
    made._checking = None
    with pytest.raises(InputError, match="without their model"):
        made.check()


@pytest.mark.one_backend
def test_controls_hold_cheaper_maps_against_maps_that_were_made_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from layerscope.instruments.attribution.engine import GradientEngine

    x, _ = cases.hidden_patches(1)
    made = attribute(
        cases.finder_keras(), x, 1, ["integrated_gradients", "occlusion"], steps=64, window=8
    )
    counted: list[int] = []
    gradients = GradientEngine.gradients

    def counting(self: GradientEngine, values: Any, *rest: object) -> object:
        counted.append(len(values))
        return gradients(self, values, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(GradientEngine, "gradients", counting)
    made.check()
    assert (
        sum(counted) == 6 * 32
    )  # one to hold against, two shuffled networks, three draws of noise
    assert all(np.isfinite(check.sensitivity) for check in made.checks)
