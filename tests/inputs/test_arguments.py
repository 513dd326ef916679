"""What is no array arrives as what it is, at every place among the arguments of a module."""

from __future__ import annotations

import collections
import dataclasses
import enum
import typing

import numpy as np
import pytest
from PIL import Image

from layerscope.core.network import InputSpec
from layerscope.inputs import prepare

ANY = InputSpec("input", None, "float32", "channels_first", certain=False)
IMAGES = InputSpec("input", (None, 3, None, None), "float32", "channels_first", certain=False)
TOKENS = InputSpec("input", (None, None), "int64", certain=False)
GUESSES = [ANY, IMAGES, TOKENS]


@dataclasses.dataclass
class Batch:
    values: np.ndarray
    name: str = "a"


class Mode(enum.Enum):
    FAST = 1


class Pair(typing.NamedTuple):
    first: typing.Any
    second: typing.Any


class Packed(typing.NamedTuple):
    """As PyTorch's packed sequences."""

    data: np.ndarray
    batch_sizes: np.ndarray


X = np.ones((2, 4), np.float32)
NO_ARRAYS = [
    True, False, 0, 3, -1, 0.5, float("nan"), 1j, "b", "", "zeros", "noise", "mean", "a/b", "*",
    b"bytes", None, (2, 2), (), [1, 2], [0.5], [], [[1, 2], [3]], ("a", None), [True, None], {},
    {"a": 1}, collections.OrderedDict(a=None), {1, 2}, frozenset("a"), range(3), slice(1, 2), ...,
    object(), Mode.FAST, int, len, Batch(X), Pair(1, None), Packed(X, X), np.float32(2),
    np.bool_(False), np.dtype("int8"), [Batch(X)], {"a": Batch(X)}, (Mode.FAST, [object()]),
]  # fmt: skip


@pytest.mark.parametrize("guess", GUESSES, ids=lambda spec: spec.dtype + str(spec.shape))
@pytest.mark.parametrize("given", NO_ARRAYS, ids=lambda given: f"{type(given)} {given}"[8:40])
def test_what_is_no_array_is_handed_on(given, guess):
    lists = [[X, given], [X, X, given], [X, given, X]]
    for x in [*lists, *map(tuple, lists)]:
        value = prepare(x, [guess]).value
        assert type(value) is type(x)
        assert all(new is old for new, old in zip(value, x, strict=True))
    for x in ({"input": X, "flag": given}, {"flag": given, "x": X}):
        value = prepare(x, [guess]).value
        assert list(value) == list(x)
        assert all(value[key] is x[key] for key in x)
    inside = prepare([[X, given], {"x": X, "deep": (given, X)}], [guess]).value
    assert inside[0][1] is given
    assert inside[1]["deep"][0] is given


@pytest.mark.parametrize("given", [g for g in NO_ARRAYS if g is not None and g not in ("noise",)])
def test_what_is_no_array_comes_first(given):
    if given == "zeros":
        given = "ones"  # at the place of the input it is the name of one
    value = prepare((given, X), [ANY]).value
    assert value[0] is given
    if not isinstance(given, str):
        assert prepare([given, X], [ANY]).value[0] is given


def test_a_single_object_is_handed_on():
    for given in (Batch(X), object(), 3, True, 0.5, Mode.FAST):
        assert prepare(given, [ANY]).value is given
    packed = Packed(X, X)
    assert prepare(packed, [ANY]).value[0] is packed


def test_arrays_inside_structures_are_made_into_what_is_computed_with():
    x = X.astype(np.float64)
    value = prepare([x, Pair(x, 2), {"a": [x, "b"]}], [ANY]).value
    assert isinstance(value[1], Pair)
    assert [v.dtype for v in (value[0], value[1].first, value[2]["a"][0])] == [np.float32] * 3
    assert value[1].second == 2
    assert value[2]["a"][1] == "b"


def test_lists_of_numbers_are_a_batch_where_they_are_all_that_is_given():
    assert prepare([[1.0, 2.0], [3.0, 4.0]], [ANY]).value.shape == (2, 2)
    assert prepare(([1, 2], [3, 4]), [ANY]).value.shape == (2, 2)
    assert prepare([1, X], [ANY]).value[0] == 1  # begins with a number, and is no list of them


def test_images_and_files_of_arrays_at_any_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = Image.new("RGB", (5, 4), "red")
    image.save("a.png")
    np.save("x.npy", X)
    (tmp_path / "b").write_bytes(b"no image")  # a string is no path because there is such a file
    for given in (image, "a.png", tmp_path / "a.png", [image, image]):
        count = len(given) if isinstance(given, list) else 1
        for x in ((given, "b"), [X, given, "b"], {"pixels": given, "mode": "b"}):
            value = prepare(x, [IMAGES]).value
            *_, pixels, mode = value.values() if isinstance(x, dict) else value
            assert pixels.shape == (count, 3, 4, 5)
            assert mode == "b"
    assert prepare([X, "x.npy"], [IMAGES]).value[1].shape == (2, 4)
    # A module that takes no images is given none.
    assert prepare({"ids": X, "name": "a.png"}, [TOKENS]).value["name"] == "a.png"
    assert prepare("a.png", [IMAGES]).value.shape == (1, 3, 4, 5)


def test_a_model_that_says_what_it_takes_gets_nothing_else():
    two = [InputSpec("a", (None, 2)), InputSpec("b", (None, 1))]
    value = prepare([[[1, 2]], [[3]]], two).value
    assert [v.dtype for v in value] == [np.float32] * 2
