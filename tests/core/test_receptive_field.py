"""Receptive fields in networks made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerscope.core.errors import AddressError, ModelError
from layerscope.core.layer_kinds import Kind
from layerscope.core.network import Layer, Network, from_json, to_json
from layerscope.core.reads import Move, Reads, ReceivedValue
from layerscope.core.receptive_field import Paths, field
from layerscope.core.windows import Window

MAPS = ("sample", "y", "x", "channel")
THREE = Reads((Window(3, before=1), Window(3, before=1)))


def row(
    address: str, kind: Kind, shape: tuple[int, ...], inputs: Sequence[str] = (), **known: Any
) -> Layer:
    axes = ("sample", "unit") if len(shape) == 1 else MAPS
    role = "input" if kind == "input" else "layer"
    return Layer(
        address, "Any", role, (None, *shape), axes, inputs=tuple(inputs), kind=kind, **known
    )


def network(*rows: Layer) -> Network:
    return Network("net", "none", (row("in", "input", (8, 10, 3)), *rows))


def conv(address: str, source: str, channels: int = 4) -> Layer:
    return row(address, "conv", (8, 10, channels), [source], reads=THREE)


def test_convolutions_grow_and_are_cut_off_at_the_border() -> None:
    net = network(conv("a", "in"), conv("b", "a"))
    inside = field(net, "b:1@3,4")
    assert (inside.y, inside.x) == (range(1, 6), range(2, 7))
    assert field(net, "b", (0, 9)).ranges == {"y": range(3), "x": range(7, 10)}
    assert not inside.whole
    assert inside.because is None
    assert inside.local is inside
    grid = inside.grid["y"]
    assert (grid.size, grid.stride, grid.offset) == (5, 1, -2)


def test_without_a_position_it_is_the_middle() -> None:
    middle = field(network(conv("a", "in")), "a:2")
    assert (middle.address, middle.at) == ("a:2@4,5", {"y": 4, "x": 5})
    assert field(network(conv("a", "in")), "a").y == middle.y


def test_branches_are_joined() -> None:
    net = network(conv("a", "in"), conv("b", "a"), row("sum", "add", (8, 10, 4), ["a", "b"]))
    assert field(net, "sum:0@4,4").y == range(2, 7)


def test_a_unit_of_a_concatenation_is_of_its_part_alone() -> None:
    parts = row("cat", "concat", (8, 10, 7), ["in", "a"], reads=Reads(joins=-1))
    net = network(conv("a", "in"), parts)
    assert field(net, "cat:2@4,4").y == range(4, 5)
    assert field(net, "cat:3@4,4").y == range(3, 6)
    assert field(net, "cat", (4, 4)).y == range(3, 6)


def test_what_mixes_all_positions_is_named() -> None:
    net = network(
        conv("a", "in"),
        row("flat", "reshape", (320,), ["a"]),
        row("dense", "dense", (5,), ["flat"]),
        row("logits", "dense", (2,), ["dense"]),
    )
    whole = field(net, "logits:1")
    assert (whole.whole, whole.because, whole.y) == (True, "dense", range(8))
    assert whole.grid == {}
    assert "everything, because dense" in str(whole)


def test_a_unit_of_a_vector_is_where_it_was_in_the_map() -> None:
    net = network(row("flat", "reshape", (240,), ["in"]))
    for unit in (0, 37, 239):
        y, x, _ = np.unravel_index(unit, (8, 10, 3))
        assert field(net, f"flat:{unit}").ranges == {"y": range(y, y + 1), "x": range(x, x + 1)}


def test_squeeze_and_excite_reaches_everything_and_has_a_local_field() -> None:
    net = network(
        conv("a", "in"),
        row("pool", "pool", (4,), ["a"]),
        row("gate", "dense", (4,), ["pool"], activation="sigmoid"),
        row("map", "reshape", (1, 1, 4), ["gate"]),
        row("scaled", "merge", (8, 10, 4), ["a", "map"]),
        conv("b", "scaled"),
    )
    whole = field(net, "b:0@4,4")
    assert (whole.whole, whole.because) == (True, "pool")
    assert whole.local.ranges == {"y": range(2, 7), "x": range(2, 7)}
    assert whole.local.because is None
    assert "but for what weighs whole channels" in str(whole)
    large = row("c", "conv", (8, 10, 4), ["b"], reads=Reads((Window(15, before=7),)))
    grown = field(Network("net", "none", (*net.layers, large)), "c:0@4,4")
    assert (grown.because, grown.local.because, grown.local.whole) == ("pool", None, True)
    assert grown.local.grid["y"].size == 19


@pytest.mark.parametrize("kind", ["function", "other", "recurrent", "attention", "rearrange"])
def test_what_is_not_known_reaches_everything_and_says_so(kind: Kind) -> None:
    net = network(conv("a", "in"), row("it", kind, (8, 10, 4), ["a"]), conv("b", "it"))
    assert field(net, "b:0@4,4").because == "it"
    assert field(net, "a:0@4,4").because is None


def test_code_that_nobody_saw_reaches_everything() -> None:
    net = network(conv("a", "in"), replace(conv("b", "a"), unseen=True))
    assert field(net, "b", (1, 1)).because == "b"
    moved = replace(conv("b", "a"), received=(ReceivedValue("a", None),))
    assert field(network(conv("a", "in"), moved), "b", (1, 1)).because == "b"


def test_what_code_between_layers_has_moved_is_moved_back() -> None:
    swap = (Move("order", numbers=(1, 0, 2)), Move("slice", (8, 10, 4), (2, 1, 0, 1, 0, 1)))
    turned = row("turned", "activation", (8, 10, 4), received=(ReceivedValue("a", swap),))
    net = network(conv("a", "in"), turned)
    assert field(net, "turned", (3, 4)).ranges == {"y": range(3, 6), "x": range(4, 7)}


def test_groups_keep_channels_apart() -> None:
    cat = row("cat", "concat", (8, 10, 6), ["in", "a"], reads=Reads(joins=3))
    grouped = row("b", "conv", (8, 10, 2), ["cat"], settings={"groups": 2}, reads=THREE)
    net = network(conv("a", "in", 3), cat, grouped)
    assert field(net, "b:0@4,4").y == range(3, 6)
    assert field(net, "b:1@4,4").y == range(2, 7)


def test_lengths_alone_are_no_part_of_the_field() -> None:
    lengths = row("shape", "other", (3,), ["a"], reads=Reads(of_shapes=True))
    net = network(conv("a", "in"), lengths, row("b", "reshape", (8, 10, 4), ["a", "shape"]))
    assert field(net, "b", (4, 4)).y == range(3, 6)


def test_every_input_has_a_field_of_its_own() -> None:
    more = row("more", "input", (8, 10, 4))
    net = network(more, conv("a", "in"), row("sum", "add", (8, 10, 4), ["a", "more"]))
    both = field(net, "sum", (4, 4))
    assert (both.input, both.y) == ("in", range(3, 6))
    assert both.others["more"].y == range(4, 5)


def test_an_input_that_is_no_layer_is_given() -> None:
    rows = (replace(conv("a", "x")), conv("b", "a"))
    net = Network("net", "none", rows)
    inputs = {"x": {"sample": 1, "y": 8, "x": 10, "channel": 3}}
    assert field(net, "b", (0, 0), inputs=inputs).ranges == {"y": range(3), "x": range(3)}


def test_a_volume_and_a_sequence_have_their_own_axes() -> None:
    axes = ("sample", "position", "channel")
    rows = (
        Layer("in", "Any", "input", (None, 20, 3), axes, kind="input"),
        Layer("a", "Any", shape=(None, 9, 3), axes=axes, inputs=("in",), kind="conv",
              reads=Reads((Window(4, 2),))),
    )  # fmt: skip
    sound = field(Network("net", "none", rows), "a:1@3")
    assert sound.position == range(6, 10)
    with pytest.raises(AddressError, match="has no axis y: it has position"):
        sound.y  # noqa: B018


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("b", "There is no layer 'b'"),
        ("a:9", "'a' has 4 along channel, counted from 0: 9 is not among them"),
        ("a:1@8,0", "'a' has 8 along y, counted from 0: 8 is not among them, the last is 7"),
        ("a:1@8", "gives 1 coordinates; 'a' has 2: y, x"),
    ],
)
def test_what_there_is_not_is_said(address: str, message: str) -> None:
    with pytest.raises(AddressError, match=message):
        field(network(conv("a", "in")), address)


def test_a_network_without_shapes_is_said_to_be_one() -> None:
    with pytest.raises(ModelError, match="run the network on an input"):
        field(Network("net", "none", (Layer("a", "Any", kind="conv"),)), "a")


def test_all_that_is_stated_is_kept_as_json() -> None:
    swap = Reads(moves=(Move("order", None, (1, 0, 2)),))
    rows = (
        replace(conv("a", "in"), unseen=True),
        row("b", "rearrange", (8, 10, 4), ["a"], reads=swap),
        row("c", "norm", (8, 10, 4), ["b"], reads=Reads(mixes=(-1,), joins=0, of_shapes=True),
            received=(ReceivedValue("b", (Move("shape", (8, 10, 4)),)), ReceivedValue("a", None))),
    )  # fmt: skip
    net = network(*rows)
    assert from_json(json.loads(json.dumps(to_json(net)))) == net


def test_many_questions_are_answered_at_once() -> None:
    paths = Paths(network(conv("a", "in"), conv("b", "a")))
    places = [(y, x, 0) for y in range(8) for x in range(10)]
    reach = paths.reached("b", places)["in"]
    for place, rows, columns in zip(places, *reach.masks[:2], strict=True):
        one = field(paths.network, "b:0", place[:2])
        assert one.y == range(*np.flatnonzero(rows)[[0, -1]] + (0, 1))
        assert one.x == range(*np.flatnonzero(columns)[[0, -1]] + (0, 1))
