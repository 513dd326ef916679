from __future__ import annotations

import numpy as np
import pytest

from cases.attention import AXES, by_hand, weights
from cases.recordings import named, recording
from layerscope.core.errors import ViewError
from layerscope.views.render.palette import LEVELS, MASKED, table
from layerscope.views.sheet import sheet

CLOSED = ~np.tri(6, dtype=bool)


def decoder() -> tuple[list[np.ndarray], object]:
    layers = [weights(6, seed=seed, causal=True) for seed in range(2)]
    arrays = {f"mha{i}/attention": named(layer, AXES) for i, layer in enumerate(layers)}
    return layers, recording(arrays)


def expected(values: np.ndarray, high: float) -> np.ndarray:
    levels = np.floor(values.astype(float) / high * (LEVELS - 1) + 0.5)
    return np.where(np.signbit(values), MASKED, levels)


def test_heads_share_one_range_from_zero() -> None:
    layers, acts = decoder()
    values = layers[1][1]
    panel = sheet(acts, "mha1/attention", sample=1)
    assert (panel.header["scale"]["low"], len(panel)) == (0, 3)
    assert panel.header["scale"]["high"] == pytest.approx(values.max())
    for head in range(3):
        found = panel.pixels(head).astype(int)
        assert (found == expected(values[head], values.max())).mean() > 0.95
        assert np.abs(found - expected(values[head], values.max())).max() <= 1
    alone = sheet(acts, "mha1/attention:2", sample=1)
    assert (alone.pixels(0) == panel.pixels(2)).all()


def test_a_range_from_zero_also_where_no_weight_is_zero() -> None:
    acts = recording({"mha": named(np.full((1, 2, 3, 3), 1 / 3, np.float32), AXES)})
    scale = sheet(acts, "mha").header["scale"]
    assert (scale["low"], scale["high"]) == (0, pytest.approx(1 / 3))


def test_what_is_masked_has_a_colour_and_a_legend() -> None:
    _, acts = decoder()
    panel = sheet(acts, "mha0/attention")
    for head in range(3):
        assert ((panel.pixels(head) == MASKED) == CLOSED).all()
    assert panel.header["note"] == "down: query, across: key; 45 of 108 masked"
    (entry,) = panel.header["legend"]
    assert (entry["index"], entry["text"]) == (MASKED, "masked")
    assert "masked" in [line["text"] for line in panel.header["lines"]]
    figure = panel.figure()
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "masked"
    plain = recording({"mha": named(weights(4), AXES)})
    assert not sheet(plain, "mha").header["legend"]
    assert sheet(plain, "mha").figure().axes[0].get_legend() is None


@pytest.mark.parametrize("ground", ["dark", "light"])
@pytest.mark.parametrize("name", ["viridis", "gray", "diverging", "magma", "cividis", "plasma"])
def test_the_colour_of_what_is_masked_is_far_from_any_value(name: str, ground: str) -> None:
    colours = table(name, ground).astype(int)
    apart = np.abs(colours[:LEVELS] - colours[MASKED]).sum(axis=1)
    assert apart.min() >= 24
    assert np.abs(colours[MASKED] - table(name, ground)[244].astype(int)).sum() > 60


@pytest.mark.parametrize("kind", ["mean", "rollout"])
def test_heads_made_one_map(kind: str) -> None:
    layers, acts = decoder()
    panel = sheet(acts, "mha1/attention", heads=kind)
    values = layers[1][0].mean(0) if kind == "mean" else by_hand(layers, 0.5)[0]
    assert len(panel) == 1
    found = panel.pixels(0).astype(int)
    assert ((found == MASKED) == CLOSED).all()
    levels = np.where(CLOSED, MASKED, values / values.max() * (LEVELS - 1))
    assert np.abs(found - levels).max() <= 1
    title = {"mean": "mean over 3 heads of ", "rollout": "rollout of 2 layers up to "}[kind]
    assert panel.header["title"] == f"{title}mha1/attention (6, 6)"
    if kind == "rollout":
        told = "mha0/attention, mha1/attention, each 0.5 attention + 0.5 identity"
        assert told in panel.header["note"]
    axes = panel.figure().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("key", "query")


def test_a_rollout_ends_at_its_layer() -> None:
    _, acts = decoder()
    panel = sheet(acts, "mha0/attention", heads="rollout")
    assert panel.header["title"].startswith("rollout of 1 layer up to mha0/attention")
    rolled = sheet(acts.rollout(["mha0/attention"]), "mha0/attention")
    assert (panel.pixels(0) == rolled.pixels(0)).all()


def test_heads_is_for_attention() -> None:
    _, acts = decoder()
    other = recording({"conv": named(np.ones((1, 4, 4, 2)), ("sample", "y", "x", "channel"))})
    with pytest.raises(ViewError, match="heads='max': pass 'mean' or 'rollout'"):
        sheet(acts, "mha0/attention", heads="max")
    with pytest.raises(ViewError, match="'conv' has the axes sample, y, x, channel"):
        sheet(other, "conv", heads="mean")
    with pytest.raises(ViewError, match="heads= is for all heads"):
        sheet(acts, "mha0/attention:1", heads="mean")


def test_attention_at_several_positions() -> None:
    values = np.random.default_rng(0).random((1, 2, 3, 4, 5)).astype(np.float32)
    acts = recording({"mha": named(values, ("sample", "position", "head", "query", "key"))})
    panel = sheet(acts, "mha")
    labels = [tile["label"] for tile in panel.header["tiles"]]
    assert labels == [f"{head}·{at}" for head in range(3) for at in range(2)]
    levels = values[0, 1, 2] / values.max() * (LEVELS - 1)
    assert np.abs(panel.pixels(5) - levels).max() <= 1
