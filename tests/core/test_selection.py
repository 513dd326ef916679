from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.errors import AddressError
from layerscope.core.network import Layer
from layerscope.core.selection import Selection, select

NAMES = ["image", "conv", "conv#2", "block/conv", "lstm[0]", "lstm[1]", "dense"]
LAYERS = [Layer(name, "Any", "input" if name == "image" else "layer") for name in NAMES]


def no_object(item: Any) -> str | None:
    """No framework here: nothing is a layer object."""
    return None


def kept(selection: Selection, layers: list[Layer] = LAYERS) -> list[str]:
    return [layer.address for i, layer in enumerate(layers) if selection.wants(layer, i)]


def both(layers: Any) -> list[str]:
    """What is kept: the same whether or not the layers are known before the pass."""
    known, unknown = select(layers, no_object, LAYERS), select(layers, no_object)
    assert not unknown.deferred
    assert kept(known) == kept(unknown)
    return kept(known)


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        (None, NAMES),
        ("conv", ["conv"]),
        ("conv*", ["conv", "conv#2"]),
        ("*conv", ["conv", "block/conv"]),
        ("conv#?", ["conv#2"]),
        ("CONV*", []),
        ("lstm[1]", ["lstm[1]"]),  # brackets are part of the address
        ("lstm[*", ["lstm[0]", "lstm[1]"]),
        ("lstm[?]", ["lstm[0]", "lstm[1]"]),
        ("lstm[01]", []),
        (0, ["image"]),
        (6, ["dense"]),
        (7, []),
        (slice(2), ["image", "conv"]),
        (slice(1, 6, 2), ["conv", "block/conv", "lstm[1]"]),
        (slice(5, None), ["lstm[1]", "dense"]),
        ([], []),
        (["dense", 1, "lstm[*"], ["conv", "lstm[0]", "lstm[1]", "dense"]),
        (lambda layer: "#" in layer.address, ["conv#2"]),
        ([lambda layer: layer.address == "dense", "conv"], ["conv", "dense"]),
    ],
)
def test_what_is_kept(layers: Any, names: list[str]) -> None:
    assert both(layers) == names


def test_an_address_with_a_star_in_it_is_itself() -> None:
    layers = [Layer("a*", "Any"), Layer("ab", "Any")]
    assert kept(select("a*", no_object, layers), layers) == ["a*"]


BOUND = st.none() | st.integers(-9, 9)


@given(st.integers(-7, 6) | st.builds(slice, BOUND, BOUND, BOUND.filter(lambda step: step != 0)))
def test_positions_are_those_of_a_list(which: int | slice) -> None:
    expected = NAMES[which] if isinstance(which, slice) else [NAMES[which]]
    assert sorted(kept(select(which, no_object, LAYERS))) == sorted(expected)
    unknown = select(which, no_object)
    if not unknown.deferred:
        assert sorted(kept(unknown)) == sorted(expected)


@pytest.mark.parametrize("which", [-1, slice(-2, None), slice(None, -1), slice(None, None, -1)])
def test_what_counts_from_the_end_waits_for_the_end(which: Any) -> None:
    selection = select(["conv", which], no_object)
    assert selection.deferred
    assert kept(selection) == NAMES
    assert not selection.is_complete(NAMES, 99)
    assert not select(which, no_object, LAYERS).deferred


def test_layer_objects_select_all_their_calls() -> None:
    layer = object()
    selection = select([layer], lambda item: "conv" if item is layer else None, LAYERS)
    assert kept(selection) == ["conv", "conv#2"]
    selection = select(layer, lambda item: "lstm" if item is layer else None)
    assert kept(selection) == ["lstm[0]", "lstm[1]"]


@pytest.mark.parametrize(
    ("layers", "stop"),
    [("conv", 1), (["conv", "block/conv"], 3), (slice(3), 2), (2, 2), ("conv*", 2), ("dense", 6)],
)
def test_the_pass_can_stop_after_the_last_one(layers: Any, stop: int) -> None:
    selection = select(layers, no_object, LAYERS)
    seen: list[str] = []
    for position, layer in enumerate(LAYERS):
        if selection.wants(layer, position):
            seen.append(layer.address)
        assert selection.is_complete(seen, position) == (position >= stop)


@pytest.mark.parametrize(("layers", "stop"), [("conv", 1), (slice(3), 2), ("conv*", None)])
def test_where_layers_are_not_known_it_stops_when_it_can(layers: Any, stop: int | None) -> None:
    selection = select(layers, no_object)
    seen: list[str] = []
    for position, layer in enumerate(LAYERS):
        if selection.wants(layer, position):
            seen.append(layer.address)
        complete = stop is not None and position >= stop
        assert selection.is_complete(seen, position) == complete


def test_everything_is_never_complete_early() -> None:
    assert not select(None, no_object, LAYERS).is_complete(NAMES[:-1], 5)


def test_the_input_alone_needs_no_layer() -> None:
    selection = select("image", no_object, LAYERS)
    assert selection.is_complete([], 0)
    selection.check([], NAMES)


def test_check_names_an_address_that_did_not_occur() -> None:
    with pytest.raises(AddressError, match="There is no layer 'cnv': did you mean 'conv'"):
        select(["conv", "cnv"], no_object, LAYERS).check(["conv"], NAMES)
    with pytest.raises(AddressError, match="'conv:3' is a part of 'conv', and whole layers are"):
        select("conv:3", no_object, LAYERS).check([], NAMES)


def test_check_says_when_nothing_matched() -> None:
    with pytest.raises(
        AddressError, match=r"No layer matches layers='x\*': the layers are 'image'"
    ):
        select("x*", no_object).check([], NAMES)
    many = [f"layer{i}" for i in range(15)]
    with pytest.raises(AddressError, match=r"'layer11' and 3 more\.$"):
        select(99, no_object).check([], many)


def test_check_is_content_with_what_was_kept() -> None:
    select("conv*", no_object).check(["conv"], NAMES)
    select(None, no_object).check([], [])


@pytest.mark.parametrize("layers", [3.5, True, [object()], {"conv": 1}])
def test_anything_else_is_refused(layers: Any) -> None:
    with pytest.raises(AddressError, match=r"layers= got .*: pass an address, a glob, an index"):
        select(layers, no_object, LAYERS)
