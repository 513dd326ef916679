"""Which unit's values go into which kernel, in networks made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from layerscope.core.layer_kinds import Kind
from layerscope.core.network import Layer, Network
from layerscope.core.wiring import Units, Wiring

MAPS = ("sample", "y", "x", "channel")
FIRST = ("sample", "channel", "y", "x")
VECTOR = ("sample", "unit")


def row(
    address: str, kind: Kind, shape: tuple[int, ...], inputs: Sequence[str], axes: object = None
) -> Layer:
    named = axes or (VECTOR if len(shape) == 1 else MAPS)
    return Layer(address, "Any", shape=(None, *shape), axes=named, inputs=tuple(inputs), kind=kind)  # type: ignore[arg-type]


def chain(*rows: tuple[str, Kind, tuple[int, ...]]) -> list[Layer]:
    names = ["input", *(name for name, _, _ in rows)]
    return [row(name, kind, shape, [names[i]]) for i, (name, kind, shape) in enumerate(rows)]


def wiring(layers: Sequence[Layer], **inputs: dict[str, int]) -> Wiring:
    return Wiring(Network("net", "none", tuple(layers)), inputs)


def plain(found: Sequence[Units]) -> list[tuple[str, list[int]]]:
    return [(units.layer, units.units.tolist()) for units in found]


def test_what_keeps_channels_is_passed() -> None:
    net = wiring(
        chain(
            ("conv", "conv", (6, 6, 3)),
            ("norm", "batch_norm", (6, 6, 3)),
            ("relu", "activation", (6, 6, 3)),
            ("pool", "pool", (3, 3, 3)),
            ("drop", "dropout", (3, 3, 3)),
            ("next", "conv", (1, 1, 5)),
        )
    )
    assert plain(net.sources("drop", np.arange(3))) == [("conv", [0, 1, 2])]
    assert plain(list(net.readers("conv", 2))) == [("next", [2])]
    assert plain(list(net.readers("pool", 1))) == [("next", [1])]
    assert plain(list(net.readers("next", 0))) == []


@pytest.mark.parametrize("axes", [MAPS, FIRST])
def test_a_flatten_is_undone_in_the_frameworks_own_order(axes: tuple[str, ...]) -> None:
    sizes = {"sample": None, "y": 2, "x": 3, "channel": 4}
    shape = tuple(sizes[axis] for axis in axes if axis != "sample")
    layers = [
        row("conv", "conv", shape, ["input"], axes),  # type: ignore[arg-type]
        row("flat", "reshape", (24,), ["conv"]),
        row("dense", "dense", (2,), ["flat"]),
    ]
    net = wiring(layers)
    grid = np.zeros(shape, int)  # type: ignore[arg-type]
    view = np.moveaxis(grid, axes.index("channel") - 1, -1)
    view[...] = np.arange(4)
    assert plain(net.sources("flat", np.arange(24))) == [("conv", grid.reshape(-1).tolist())]
    ((reader, inputs),) = plain(list(net.readers("conv", 2)))
    assert (reader, inputs) == ("dense", np.flatnonzero(grid.reshape(-1) == 2).tolist())
    assert list(net.flattened("dense") or {}) == [axis for axis in axes if axis != "sample"]


def test_an_input_that_is_flattened() -> None:
    layers = chain(("flat", "reshape", (12,)), ("dense", "dense", (2,)))
    net = wiring(layers, input={"sample": 1, "y": 2, "x": 3, "channel": 2})
    assert net.flattened("dense") == {"y": 2, "x": 3, "channel": 2}
    assert plain(net.sources("flat", np.arange(3))) == [("input", [0, 1, 0])]
    assert net.is_input("input")
    assert net.reached_inputs("dense") == {"input"}


def test_both_branches_of_an_addition_and_no_further() -> None:
    layers = [
        row("stem", "conv", (4, 4, 2), ["input"]),
        row("a", "conv", (4, 4, 2), ["stem"]),
        row("add", "add", (4, 4, 2), ["stem", "a"]),
        row("relu", "activation", (4, 4, 2), ["add"]),
        row("b", "conv", (4, 4, 2), ["relu"]),
        row("add_1", "add", (4, 4, 2), ["relu", "b"]),
        row("head", "conv", (4, 4, 5), ["add_1"]),
    ]
    net = wiring(layers)
    assert plain(net.sources("relu", np.arange(2))) == [("stem", [0, 1]), ("a", [0, 1])]
    assert plain(net.sources("add_1", np.arange(2))) == [("b", [0, 1]), ("add", [0, 1])]
    assert plain(list(net.readers("a", 1))) == [("b", [1])]
    assert plain(list(net.readers("b", 0))) == [("head", [0])]
    assert plain(list(net.readers("stem", 0))) == [("a", [0]), ("b", [0])]


def test_the_parts_of_a_concatenation() -> None:
    layers = [
        row("a", "conv", (4, 4, 2), ["input"]),
        row("b", "conv", (4, 4, 3), ["input"]),
        row("both", "concat", (4, 4, 5), ["a", "b"]),
        row("next", "conv", (4, 4, 1), ["both"]),
    ]
    net = wiring(layers)
    found = plain(net.sources("both", np.arange(5)))
    assert found == [("a", [0, 1, -1, -1, -1]), ("b", [-1, -1, 0, 1, 2])]
    assert plain(list(net.readers("b", 1))) == [("next", [3])]


def test_what_mixes_channels_makes_its_own() -> None:
    rows = chain(("conv", "conv", (4, 4, 2)), ("attend", "attention", (4, 4, 2)))
    net = wiring(rows)
    assert plain(net.sources("attend", np.arange(2))) == [("attend", [0, 1])]
    assert plain(list(net.readers("conv", 0))) == []


def test_a_unit_reaches_a_kernel_along_every_way_through_concatenations() -> None:
    layers = [
        row("a", "conv", (4, 4, 2), ["input"]),
        row("norm", "batch_norm", (4, 4, 2), ["a"]),
        row("dense_block", "concat", (4, 4, 4), ["a", "norm"]),
        row("twice", "concat", (4, 4, 8), ["dense_block", "dense_block"]),
        row("next", "conv", (4, 4, 1), ["twice"]),
    ]
    net = wiring(layers)
    assert plain(list(net.readers("a", 1))) == [("next", [1, 3, 5, 7])]
    sources = net.sources("twice", np.arange(8))
    for unit in range(2):
        places = {p for s in sources for p in np.flatnonzero(s.units == unit).tolist()}
        assert places == {unit, unit + 2, unit + 4, unit + 6}
