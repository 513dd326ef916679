from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording, weights
from cases.runs import learner
from cases.visualizations import coloured
from layerscope import histogram
from layerscope.core.errors import AddressError, ViewError
from layerscope.views.render.panel import Panel

RECTIFIED = maps(4).values.clip(0)
ACTS = recording(
    {"relu": named(RECTIFIED, MAPS), "dense": named([[0.5, -1.0, 2.0], [1.0, 0, 0]], VECTOR)},
    image=maps(3),
    digest=lambda: {"model": "abc"},
)


def bins(panel: Panel, group: int = 0) -> np.ndarray:
    return panel.numbers(panel.header["groups"][group]["counts"])


def edges(panel: Panel) -> np.ndarray:
    return panel.numbers(panel.header["edges"])


def test_counts_are_those_of_numpy_and_zeros_stand_apart() -> None:
    panel = histogram(ACTS, "relu", bins=20)
    values = RECTIFIED[RECTIFIED != 0].astype(float)
    expected, at = np.histogram(values, 20, (0, values.max()))
    assert (bins(panel) == expected).all()
    np.testing.assert_allclose(edges(panel), at)
    (group,) = panel.header["groups"]
    assert group["zeros"] == (RECTIFIED == 0).sum()
    assert group["total"] == RECTIFIED.size
    share = group["zeros"] / group["total"]
    assert panel.header["note"] == f"{RECTIFIED.size:,} values, {share:.1%} exactly 0"
    assert panel.header["title"] == "relu (2, 5, 7, 4)"
    assert panel.provenance() == {"model": "abc"}


def test_one_for_each_unit_on_the_same_bins() -> None:
    panel = histogram(ACTS, "relu", per="unit")
    groups = panel.header["groups"]
    assert [group["label"].partition(" · ")[0] for group in groups] == ["0", "1", "2", "3"]
    for i, group in enumerate(groups):
        values = RECTIFIED[..., i]
        expected = np.histogram(values[values != 0], edges(panel))[0]
        assert bins(panel, i).sum() == expected.sum()
        assert group["zeros"] == (values == 0).sum()
        assert f"{group['zeros'] / values.size:.0%} zero" in group["label"]
    whole = histogram(ACTS, "relu")
    assert (edges(panel) == edges(whole)).all()
    assert (sum(bins(panel, i) for i in range(4)) == bins(whole)).all()


@pytest.mark.parametrize("address", ["relu:2", "relu"])
def test_a_unit_by_its_address_or_its_number(address: str) -> None:
    panel = histogram(ACTS, address, unit=None if ":" in address else 2)
    values = RECTIFIED[..., 2]
    assert panel.header["address"] == "relu:2"
    assert bins(panel).sum() == (values != 0).sum()
    with pytest.raises(ViewError, match=r"'relu:2' names a unit already: leave out unit=1"):
        histogram(ACTS, "relu:2", unit=1)


def test_a_neuron_a_sample_the_input() -> None:
    assert histogram(ACTS, "relu:1@4,6").header["note"].startswith("2 values")
    one = histogram(ACTS, "relu", sample=1)
    assert bins(one).sum() == (RECTIFIED[1] != 0).sum()
    assert histogram(ACTS, "input").header["groups"][0]["total"] == 2 * 5 * 7 * 3


def test_parameters_and_images() -> None:
    own = weights({"conv": {"conv/kernel": kernel(3, 4), "conv/scale": named(2.0, ())}})
    assert histogram(own, "conv/kernel").header["groups"][0]["total"] == 3 * 3 * 3 * 4
    assert len(histogram(own, "conv/kernel", per="unit").header["groups"]) == 4
    assert histogram(own, "conv/scale").header["note"] == "1 value"
    labels = [
        group["label"] for group in histogram(coloured(), "deep", per="unit").header["groups"]
    ]
    assert [label.partition(" ")[0] for label in labels] == ["3", "42", "57"]
    with pytest.raises(ViewError, match=r"'conv/kernel' has no samples: leave out sample=0"):
        histogram(own, "conv/kernel", sample=0)
    with pytest.raises(ViewError, match="none of them numbers units"):
        histogram(own, "conv/scale", per="unit")


def test_a_run_at_a_step() -> None:
    run = learner()
    for step in (0, 3, None):
        values = run["dense"].values[-1 if step is None else step]
        panel = histogram(run, "dense", step=step)
        assert (bins(panel) == np.histogram(values.astype(float), 50)[0]).all()
        assert panel.provenance()["step"] == str(4 if step is None else step)
    assert histogram(run.weights, "conv/kernel").header["groups"][0]["total"] == 36


def test_what_is_not_finite_is_counted() -> None:
    values = np.array([[1, np.nan, np.inf, -np.inf, 0, 2]], np.float32)
    panel = histogram(recording({"a": named(values, VECTOR)}), "a", bins=4)
    assert bins(panel).tolist() == [0, 0, 1, 1]
    assert panel.header["groups"][0]["not_finite"] == 3
    assert panel.header["note"] == "6 values, 16.7% exactly 0, 3 NaN or infinite"
    panel = histogram(recording({"a": named(values[:, 1:4], VECTOR)}), "a")
    assert bins(panel).sum() == 0
    panel.png()


def test_masked_places_of_attention_are_left_out() -> None:
    scores = np.array([[[[0.5, -0.0], [0.25, 0.0]]]], np.float32)
    acts = recording({"mha": named(scores, ("sample", "head", "query", "key"))})
    panel = histogram(acts, "mha", per="unit")
    assert panel.header["note"] == "3 values, 33.3% exactly 0, 1 masked"
    assert histogram(acts, "mha").header["note"] == panel.header["note"]


def test_edges_that_are_given() -> None:
    panel = histogram(ACTS, "dense", bins=[0, 1, 2])
    assert bins(panel).tolist() == [1, 2]  # the last bin has both its edges, as in NumPy
    assert panel.header["note"] == "6 values, 33.3% exactly 0, 1 outside the bins"
    assert edges(panel).tolist() == [0, 1, 2]


@given(
    arrays.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int32, np.bool_]),
        st.tuples(st.integers(1, 3), st.integers(1, 9)),
    ),
    st.integers(1, 60),
    st.sampled_from(["layer", "unit"]),
)
def test_every_value_is_counted_once(values: np.ndarray, count: int, per: str) -> None:
    acts = recording({"a": named(values, VECTOR)})
    try:
        panel = histogram(acts, "a", bins=count, per=per)
    except ViewError as error:
        assert "too large" in str(error)  # noqa: PT017
        return
    counted = sum(
        bins(panel, i).sum() + group["zeros"] + group["not_finite"]
        for i, group in enumerate(panel.header["groups"])
    )
    assert counted == values.size
    assert (np.diff(edges(panel)) > 0).all()
    assert "outside" not in panel.header["note"]


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("per", ["layer", "unit"])
def test_bars_are_as_high_as_the_counts(log: bool, per: str) -> None:
    panel = histogram(ACTS, "relu", log=log, per=per, bins=5)
    assert panel.header["y"]["logarithmic"] == log
    assert panel.header["scale"]["mode"] == ("logarithmic" if log else "linear")
    (ax,) = panel.figure().axes
    if per == "layer":
        assert ax.get_yscale() == ("log" if log else "linear")
        (stairs,) = ax.patches
        assert (stairs.get_data().values == bins(panel)).all()
        assert "exactly 0" in ax.get_legend().get_texts()[0].get_text()
        return
    shapes = ax.collections[1].get_paths()
    for i, (group, shape) in enumerate(zip(panel.header["groups"], shapes, strict=True)):
        _, top, _, height = group["box"]
        counts, most = bins(panel, i), panel.header["most"]
        shares = np.log1p(counts) / np.log1p(most) if log else counts / most
        drawn = (top + height - shape.vertices[0:10:2, 1]) / height
        np.testing.assert_allclose(drawn, shares, atol=1e-9)


def test_columns_and_the_size_of_many() -> None:
    acts = recording({"a": named(np.ones((2, 3, 3, 600), np.float32), MAPS)})
    width, height = histogram(acts, "a", per="unit").header["size"]
    assert max(width, height) < 4000
    boxes = [g["box"] for g in histogram(acts, "a", per="unit", columns=3).header["groups"]]
    assert len({box[0] for box in boxes}) == 3


@pytest.mark.parametrize(
    ("address", "options", "kind", "message"),
    [
        ("none", {}, AddressError, "none"),
        ("relu", {"unit": 9}, AddressError, "has 4 along channel"),
        ("relu", {"unit": -1}, ViewError, "unit=-1: pass the number of a unit"),
        ("relu", {"per": "channel"}, ViewError, "per='channel': pass 'layer' or 'unit'"),
        ("relu", {"bins": 0}, ViewError, "bins=0: pass 1 to 1,000 bins"),
        ("relu", {"bins": 10**9}, ViewError, "pass 1 to 1,000 bins"),
        ("relu", {"bins": [1, 1]}, ViewError, "edges in order"),
        ("relu", {"bins": "auto"}, ViewError, "bins='auto': pass a number of bins, or 2 to 1,001"),
        ("relu", {"bins": [0, np.nan]}, ViewError, "edges in order"),
        ("relu", {"sample": 2}, ViewError, "no sample 2: there are 2"),
        ("relu", {"step": 1}, AddressError, "single moment"),
        ("relu", {"columns": 0}, ViewError, "columns=0"),
        ("text", {}, ViewError, "can't be counted"),
        ("empty", {}, ViewError, "nothing to count"),
        ("wide", {}, ViewError, "too large for bins of one width: pass bins= as edges"),
        ("many", {"per": "unit"}, ViewError, "has 5,000 units, and up to 4,096 can be drawn"),
    ],
)
def test_what_can_not_be_drawn(
    address: str, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    acts = recording({
        "relu": named(RECTIFIED, MAPS),
        "text": named([["a", "b"]], VECTOR),
        "empty": named(np.zeros((0, 3)), VECTOR),
        "wide": named([[-1.7e308, 1.7e308]], VECTOR),
        "many": named(np.ones((1, 5000), np.float32), VECTOR),
    })  # fmt: skip
    with pytest.raises(kind, match=message):
        histogram(acts, address, **options)
    with pytest.raises(ViewError, match="A view takes a recording"):
        histogram(RECTIFIED, "relu")  # type: ignore[arg-type]
