from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.axes import ORDER, LazyArrays, NamedArray, carried, named_axes, presented


@pytest.mark.parametrize(
    ("shape", "layout", "axes"),
    [
        ((), "channels_last", ()),
        ((8,), "channels_last", ("sample",)),
        ((8, 10), "channels_last", ("sample", "unit")),
        ((8, 50, 75), "channels_last", ("sample", "position", "channel")),
        ((8, 26, 26, 32), "channels_last", ("sample", "y", "x", "channel")),
        ((8, 4, 26, 26, 32), "channels_last", ("sample", "z", "y", "x", "channel")),
        ((8, 32, 26, 26), "channels_first", ("sample", "channel", "y", "x")),
        ((8, 75, 50), "channels_first", ("sample", "channel", "position")),
        ((8, 10), "channels_first", ("sample", "unit")),
        ((8, 4, 9, 9), "attention", ("sample", "head", "query", "key")),
        ((8, 9, 9), "attention", ("sample", "query", "key")),
        ((8, 9), "attention", ("sample", "unit")),
        ((8, 9), ("head", "key"), ("head", "key")),
        ((8, 9, 3), ("head", "key"), ("sample", "position", "channel")),
        ((None, None, None, 3), "channels_last", ("sample", "y", "x", "channel")),
    ],
)
def test_names(shape: tuple[int, ...], layout: str, axes: tuple[str, ...]) -> None:
    assert named_axes(shape, layout=layout) == axes  # type: ignore[arg-type]


def test_names_without_samples() -> None:
    assert named_axes((50, 75), has_samples=False) == ("position", "channel")
    assert named_axes((10,), has_samples=False) == ("unit",)


@given(st.integers(0, 8), st.sampled_from(["channels_last", "channels_first", "attention"]))
def test_every_axis_has_a_name_of_its_own(rank: int, layout: str) -> None:
    axes = named_axes((2,) * rank, layout=layout)  # type: ignore[arg-type]
    assert len(set(axes)) == rank


@given(st.permutations(ORDER).flatmap(lambda names: st.integers(1, 6).map(lambda n: names[:n])))
def test_everyone_sees_axes_in_one_order(names: list[str]) -> None:
    shown = presented(tuple(names))
    assert sorted(shown) == sorted(names)
    assert all(ORDER.index(a) < ORDER.index(b) for a, b in itertools.pairwise(shown))


def test_other_names_go_between_space_and_channels() -> None:
    assert presented(("channel", "axis0", "sample", "axis1")) == (
        "sample", "axis0", "axis1", "channel",
    )  # fmt: skip


def test_presented_arrays_are_read_only_views() -> None:
    values = np.zeros((2, 3, 4, 5))
    shown = NamedArray(values, ("sample", "channel", "y", "x"), {"a": 1}).presented()
    assert shown.axes == ("sample", "y", "x", "channel")
    assert shown.values.shape == (2, 4, 5, 3)
    assert shown.attrs == {"a": 1}
    assert np.shares_memory(shown.values, values)
    with pytest.raises(ValueError, match="read-only"):
        shown.values[0] = 1
    values[0, 1, 2, 3] = 7  # the array itself stays as it was
    assert shown.values[0, 2, 3, 1] == 7


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_low_precision_arrives_as_float32_exactly(name: str) -> None:
    types = pytest.importorskip("ml_dtypes")  # JAX and TensorFlow bring it
    values = np.array([0.5, -2, 1.25]).astype(getattr(types, name))
    kept, was = carried(values)
    assert (kept.dtype, was) == (np.float32, name)
    assert kept.tolist() == [0.5, -2, 1.25]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.bool_])
def test_other_types_arrive_as_they_are(dtype: type) -> None:
    values = np.zeros(3, dtype)
    kept, was = carried(values)
    assert kept is values
    assert was is None


def test_lazy_arrays_are_made_when_they_are_asked_for() -> None:
    asked: list[str] = []

    def make(address: str) -> NamedArray:
        asked.append(address)
        return NamedArray(np.full(2, len(asked)), ("unit",))

    shown = NamedArray(np.zeros(2), ("unit",), {"dtype": "bfloat16"})
    arrays = LazyArrays(["a", "b", "c"], make, {"b": shown})
    assert (list(arrays), len(arrays), "c" in arrays, "d" in arrays) == (
        ["a", "b", "c"],
        3,
        True,
        False,
    )
    assert arrays.upcast == {"bfloat16"}
    assert asked == []
    assert arrays["b"] is shown
    assert arrays["c"] is arrays["c"]
    assert asked == ["c"]
    with pytest.raises(KeyError):
        arrays["d"]
    copied = pickle.loads(pickle.dumps(arrays))
    assert type(copied) is dict
    assert list(copied) == ["a", "b", "c"]
    assert asked == ["c", "a"]
