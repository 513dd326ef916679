from __future__ import annotations

import math

import numpy as np
import pytest

from cases.stored_runs import ODD, SCHEMA
from layerscope.recordings.store import ArrayGroup, Schema, Variable
from layerscope.recordings.store.array_layout import GrowingArray, plan

MAPS = ("sample", "y", "x", "channel")


def stored(dims: tuple[str, ...], shape: tuple[int, ...], dtype: str = "float32") -> GrowingArray:
    return GrowingArray("a", dims, shape, np.dtype(dtype), math.nan)


@pytest.mark.parametrize(
    ("array", "steps", "inner"),
    [
        (stored((), (), "int64"), 1024, ()),
        (stored(("sample", "unit"), (16, 40), "float16"), 25, (16, 40)),
        (stored(MAPS, (16, 148, 148, 32)), 1, (8, 148, 148, 1)),
        (stored(MAPS, (16, 72, 72, 64)), 1, (16, 72, 72, 1)),
        (stored(MAPS, (16, 7, 7, 128)), 1, (16, 7, 7, 5)),
        (stored(("sample", "head", "query", "key"), (4, 8, 64, 64)), 1, (4, 1, 64, 64)),
        (stored(("place",), (62_200,)), 1, (4096,)),
        (stored(("sample", "unit"), (0, 40)), 1024, (0, 40)),
    ],
)
def test_small_steps_share_a_chunk_and_large_maps_have_one_per_channel(
    array: GrowingArray, steps: int, inner: tuple[int, ...]
) -> None:
    assert array.steps == steps
    assert array.inner == inner
    assert array.sharded == (inner != array.shape)


def test_all_that_has_at_most_one_axis_lies_together() -> None:
    layout = plan(SCHEMA)
    assert layout.arrays["activations/mean"].shape == (9 + 7,)
    assert layout.arrays["weights/norm"].shape == (2,)
    assert layout.slots["activations", ODD, "mean"].part == slice(0, 9)
    assert layout.slots["activations", "dense", "mean"].part == slice(9, 16)
    assert layout.slots["weights", "bias", "norm"].part == 1
    assert layout.labels["weights/address"][1]() == ["kernel", "bias"]
    assert layout.labels["activations/place_unit"][1]() == [*range(9), *range(7)]


def test_a_name_with_and_without_an_axis_has_two_arrays() -> None:
    values = [Variable((), (), "float32"), Variable(("unit",), (3,), "float16")]
    groups = [ArrayGroup("weights", str(i), {"values": v}) for i, v in enumerate(values)]
    arrays = plan(Schema(tuple(groups))).arrays
    assert arrays["weights/values_alone"].shape == (1,)
    assert arrays["weights/values"].shape == (3,)
    assert arrays["weights/values"].dtype == np.float16


def test_another_number_of_samples_has_a_name_of_its_own() -> None:
    paths = {stored.dims for stored in plan(SCHEMA).arrays.values()}
    assert ("sample6", "y", "x", "channel") in paths
