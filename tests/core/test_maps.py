from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerscope.core.maps import blank, constant, stacked

FORMS = [
    # axes, which of them number the maps, which make up the image
    (("y", "x", "channel"), ("channel",), ("y", "x")),
    (("z", "y", "x", "channel"), ("channel", "z"), ("y", "x")),
    (("y", "x", "input", "channel"), ("channel", "input"), ("y", "x")),
    (("y", "x", "channel", "multiplier"), ("channel", "multiplier"), ("y", "x")),
    (("z", "y", "x", "input", "channel"), ("channel", "input", "z"), ("y", "x")),
    (("position", "input", "channel"), ("channel",), ("position", "input")),
    (("head", "query", "key"), ("head",), ("query", "key")),
    (("head", "position", "channel"), ("head",), ("position", "channel")),
    (("head", "input", "channel"), ("input",), ("head", "channel")),
    (("axis0", "y", "channel"), ("channel",), ("axis0", "y")),
]


def is_constant(image: np.ndarray) -> bool:
    """The slow obvious version."""
    values = image.ravel().tolist()
    return len(values) > 1 and all(value == values[0] for value in values)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int32, np.bool_]),
        hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=4),
        elements=st.sampled_from([0, 1]),
        fill=st.just(0),
    ),
    st.sampled_from([True, False, None]),
    st.booleans(),
)
def test_a_rectifier_s_zeros_are_blank_and_maps_of_one_value_constant(
    maps: np.ndarray, rectified: bool | None, negative: bool
) -> None:
    if negative and maps.dtype.kind != "b":
        maps = -maps
    silences = rectified is not False and not (maps < 0).any()
    silent = [silences and not image.any() for image in maps]
    assert blank(maps, rectified).tolist() == silent
    assert constant(maps).tolist() == [is_constant(image) for image in maps]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_neither(value: float) -> None:
    maps = np.zeros((3, 2, 2))
    maps[0, 0, 0] = value
    maps[1] = value
    assert blank(maps, None).tolist() == [False, False, value != -np.inf]
    assert constant(maps).tolist() == [False, False, True]


@pytest.mark.parametrize(("axes", "across", "image"), FORMS, ids=lambda names: "-".join(names))
def test_every_value_is_in_one_map_at_its_own_place(
    axes: tuple[str, ...], across: tuple[str, ...], image: tuple[str, ...]
) -> None:
    shape = tuple(range(2, 2 + len(axes)))
    values = np.arange(np.prod(shape)).reshape(shape)
    maps, labels = stacked(values, axes)
    assert maps.size == values.size
    for label, own in zip(labels, maps, strict=True):
        counts = dict(zip(across, map(int, label.split("·")), strict=True))
        index = tuple(counts.get(name, slice(None)) for name in axes)
        left = [name for name in axes if name not in across]
        assert (own == values[index].transpose([left.index(name) for name in image])).all()
    assert len(set(labels)) == len(labels) == len(maps)
    assert labels[0] == "·".join("0" * len(across))


def test_vectors_and_matrices_are_one_map() -> None:
    maps, labels = stacked(np.arange(4), ("unit",))
    assert (maps.tolist(), labels) == ([[[0, 1, 2, 3]]], [""])
    maps, labels = stacked(np.eye(2), ("position", "channel"))
    assert (maps.tolist(), labels) == ([[[1, 0], [0, 1]]], [""])


def test_a_kernel_of_one_input_counts_only_its_channels() -> None:
    assert stacked(np.zeros((3, 3, 1, 2)), ("y", "x", "input", "channel"))[1] == ["0", "1"]


def test_a_stack_of_nothing_has_no_maps() -> None:
    maps, labels = stacked(np.zeros((0, 5, 0)), ("y", "x", "channel"))
    assert maps.shape == (0, 0, 5)
    assert labels == []
