from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording
from layerscope import pages, sheet
from layerscope.core.errors import ViewError
from layerscope.core.network import Layer, Network
from layerscope.recordings.recording import Recording

PATTERN = ("sample", "position", "channel")


def pattern(height: int, width: int) -> Any:
    return named(np.random.default_rng(height).normal(size=(2, height, width)), PATTERN)


ACTS = recording(
    {
        "my_dense": pattern(50, 50),
        "small": pattern(15, 15),
        "flat": pattern(15, 14),
        "conv": maps(4, 20, 30),
        "one": maps(1, 16, 16),
        "vector": named(np.zeros((2, 400)), VECTOR),
        "loss": named(np.zeros(2), ("sample",)),
    },
    image=pattern(50, 75),
)


def labels(panels: Any) -> list[str]:
    return [tile["label"] for page in panels for tile in page.header["tiles"]]


def test_the_input_then_one_picture_per_layer() -> None:
    (page,) = pages(ACTS)
    assert labels([page]) == [
        "input (50, 75)",
        "my_dense (50, 50)",
        "small (15, 15)",
        "conv (20, 30, 4), mean of 4",
        "one (16, 16, 1)",
    ]
    assert page.header["columns"] == 3
    assert page.header["labels"] == "title"
    assert page.header["title"] == "the passage through test"


def test_min_size_is_inclusive() -> None:
    assert "small (15, 15)" in labels(pages(ACTS, min_size=(15, 15)))
    assert "small (15, 15)" not in labels(pages(ACTS, min_size=(16, 15)))
    assert "small (15, 15)" not in labels(pages(ACTS, min_size=(15, 16)))
    assert "flat (15, 14)" in labels(pages(ACTS, min_size=(15, 14)))
    assert labels(pages(ACTS, min_size=(50, 75))) == ["input (50, 75)"]


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 30))
def test_every_picture_is_on_one_page(rows: int, columns: int, count: int) -> None:
    acts = recording({f"layer{i}": pattern(4, 4) for i in range(count)})
    panels = pages(acts, grid=(rows, columns), min_size=(1, 1))
    assert labels(panels) == [f"layer{i} (4, 4)" for i in range(count)]
    assert len(panels) == -(-count // (rows * columns))
    for i, page in enumerate(panels):
        assert len(page) == min(rows * columns, count - i * rows * columns)
        assert page.header["columns"] == min(columns, len(page))
        several = f", page {i + 1} of {len(panels)}" if len(panels) > 1 else ""
        assert page.header["title"] == f"the passage through test{several}"


def test_columns_instead_of_the_grids() -> None:
    assert [len(page) for page in pages(ACTS, grid=(2, 2), columns=1)] == [2, 2, 1]


@pytest.mark.parametrize("sample", [0, 1])
def test_a_layer_of_several_channels_shows_their_mean(sample: int) -> None:
    (page,) = pages(ACTS, sample=sample)
    mean = ACTS["conv"].values[sample].mean(axis=-1)
    exact = (mean - mean.min()) / (mean.max() - mean.min()) * 238
    assert np.abs(page.pixels(3) - exact).max() <= 0.51


@pytest.mark.parametrize("scale", ["unit", "network", "zscore", (-1.0, 1.0)])
def test_scales(scale: Any) -> None:
    (page,) = pages(ACTS, scale=scale)
    assert (page.pixels(1) == sheet(ACTS, "my_dense", scale=scale).pixels(0)).all()
    shown = page.header["scale"]
    assert (shown["low"], shown["high"]) == (ACTS.extent(0) if scale == "network" else (None, None))


def test_reshape_shows_vectors_of_that_length() -> None:
    flat = named(np.arange(800.0).reshape(2, 400), VECTOR)
    acts = recording({"a": flat, "b": named(np.zeros((2, 399)), VECTOR)}, image=flat)
    assert labels(pages(acts, reshape=(20, 20))) == ["input (400)", "a (400)"]
    other = recording({"a": flat}, image=named(np.zeros((2, 784)), VECTOR))
    assert labels(pages(other, reshape=(20, 20))) == ["a (400)"]


def test_silence_is_counted_and_infinities_do_no_harm() -> None:
    values = maps(2, 20, 20).values.copy()
    values[0, 0, 0] = np.inf, -np.inf
    acts = recording({"a": named(values, MAPS), "b": named(np.zeros((1, 15, 15)), PATTERN)})
    (page,) = pages(acts)
    assert page.header["note"] == "1 of 2 blank"


def test_weights_have_patterns_too() -> None:
    weights = recording(
        {"conv/kernel": kernel(3, 4), "dense/kernel": named(np.eye(3), ("input", "unit"))}
    )
    assert labels(pages(weights, min_size=(3, 3))) == [
        "conv/kernel (3, 3, 3, 4), mean of 12",
        "dense/kernel (3, 3)",
    ]


def test_nothing_that_large() -> None:
    with pytest.raises(ViewError, match=r"is 99 by 99 or larger: the largest is \(50, 75\); pass"):
        pages(ACTS, min_size=(99, 99))
    vectors = recording({"dense": named(np.zeros((1, 10)), VECTOR)})
    with pytest.raises(
        ViewError, match="all layers are vectors; pass min_size=, or reshape= for ve"
    ):
        pages(vectors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": (0, 3)}, r"grid=\(0, 3\): pass two whole numbers from 1, \(rows, columns\)"),
        ({"grid": 3}, "grid=3: pass two whole numbers from 1"),
        ({"grid": (1.5, 2)}, "grid="),
        ({"min_size": (-1, 3)}, r"min_size=\(-1, 3\): pass two whole numbers from 0"),
        ({"columns": 0}, "columns=0: pass a whole number from 1"),
        ({"reshape": 28}, "reshape=28: pass"),
        ({"scale": "none"}, "scale='none' is none"),
        ({"palette": "virids"}, "did you mean 'viridis'"),
        ({"sample": 2}, "There is no sample 2"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ViewError, match=message):
        pages(ACTS, **arguments)


def test_the_first_page_says_what_the_network_answered() -> None:
    layers = (Layer("conv", "Conv2D"), Layer("out", "Dense", inputs=("conv",)))
    shares = named(np.array([[0.9, 0.1], [0.25, 0.75]], np.float32), VECTOR)
    acts = Recording(
        {"conv": maps(4, 20, 30), "out": shares}, network=Network("net", "none", layers)
    )
    first, *_ = pages(acts, sample=1, classes=("cat", "dog"))
    assert first.header["note"].startswith("answer: dog (75 %), cat (25 %)")
    both = pages(acts, grid=(1, 1), min_size=(1, 1))
    assert "answer: 0 (90 %), 1 (10 %)" in both[0].header["note"]
    assert not any("answer" in page.header["note"] for page in both[1:])
