"""The panels of a unit's page, against plain computations on networks made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from cases.recordings import KERNEL, MAPS, VECTOR, named
from cases.runs import run_of
from layerscope.core.layer_kinds import Kind
from layerscope.core.network import Layer, Network, Parameter
from layerscope.recordings.recording import Recording
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.unit import unit_panel, unit_panels

rng = np.random.default_rng(0)
IMAGE = rng.random((2, 6, 6, 3)).astype(np.float32)
CONV = rng.normal(size=(2, 5, 5, 4)).astype(np.float32)
FLAT = np.maximum(CONV, 0).reshape(2, -1)
NEXT = rng.normal(size=(2, 4, 4, 2)).astype(np.float32)
DENSE = rng.normal(size=(2, 3)).astype(np.float32)
K1 = rng.normal(size=(2, 2, 3, 4)).astype(np.float32)
K2 = rng.normal(size=(2, 2, 4, 2)).astype(np.float32)
K3 = rng.normal(size=(100, 3)).astype(np.float32)


def _layer(address: str, kind: Kind, values: Any, source: str, kernel: Any = None) -> Layer:
    parameters = ()
    if kernel is not None:
        parameters = (
            Parameter(f"{address}/kernel", kernel.shape, "float32", True, False, kernel.nbytes),
        )
    axes = MAPS if values.ndim == 4 else VECTOR
    shape = (None, *values.shape[1:])
    return Layer(address, kind, "layer", shape, axes, {}, parameters, (source,), kind)


NETWORK = Network(
    "net",
    "none",
    (
        _layer("conv", "conv", CONV, "input", K1),
        _layer("relu", "activation", CONV, "conv"),
        _layer("next", "conv", NEXT, "relu", K2),
        _layer("flat", "reshape", FLAT, "relu"),
        _layer("dense", "dense", DENSE, "flat", K3),
    ),
)
ACTS = Recording(
    {
        "conv": named(CONV, MAPS),
        "relu": named(np.maximum(CONV, 0), MAPS),
        "next": named(NEXT, MAPS),
        "flat": named(FLAT, VECTOR),
        "dense": named(DENSE, VECTOR),
    },
    network=NETWORK,
    inputs={"input": named(IMAGE, MAPS)},
)
WEIGHTS = Recording(
    {
        "conv/kernel": named(K1, KERNEL),
        "next/kernel": named(K2, KERNEL),
        "dense/kernel": named(K3, ("input", "unit")),
    },
    network=NETWORK,
    kind="weights",
)


def made(name: str, address: str, sample: int = 1, **more: Any) -> Any:
    moment = Moment(ACTS, sample, load_weights=lambda: WEIGHTS, **more)
    panel = unit_panel(name).panel(moment, ACTS.place(address))
    if panel is not None:
        assert panel.png().startswith(b"\x89PNG")
        assert "<svg" in panel.svg()
    return panel


def cards(panel: Any) -> list[Mapping[str, Any]]:
    return list(panel.header["cards"])


def values_of(panel: Any, card: Mapping[str, Any]) -> Any:
    """A card's picture as values, as well as its indexes tell."""
    height, width = card["shape"]
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8, height * width, card["offset"])
    return card["low"] + pixels.reshape(height, width) / 238 * (card["high"] - card["low"])


def test_the_order_of_the_page() -> None:
    names = [panel.name for panel in unit_panels()]
    order = ["map", "timeline", "kernel", "training", "histogram", "before", "after"]
    assert [name for name in names if name in order] == order


def test_a_map_and_the_input_below_it() -> None:
    panel = made("map", "conv:2")
    header = panel.header
    assert (header["kind"], header["map"]["form"], header["map"]["shape"]) == (
        "overlay", "maps", [5, 5],
    )  # fmt: skip
    values = np.frombuffer(panel.buffers["values"], "<f4").reshape(5, 5)
    np.testing.assert_array_equal(values, CONV[1, :, :, 2])
    assert (header["map"]["low"], header["map"]["high"]) == (values.min(), values.max())
    assert header["picture"] == {
        "name": "input", "shape": [6, 6], "of": (6, 6), "format": "rgb",
    }  # fmt: skip
    colours = np.frombuffer(panel.buffers["picture"], np.uint8).reshape(6, 6, 3)
    low, high = IMAGE[1].min(), IMAGE[1].max()
    np.testing.assert_allclose(colours, (IMAGE[1] - low) / (high - low) * 255, atol=0.51)


def test_a_unit_of_single_values_shows_the_input_alone() -> None:
    header = made("map", "dense:1").header
    assert header["map"] is None
    assert header["picture"]["format"] == "rgb"
    assert header["text"] == f"dense:1 = {DENSE[1, 1]:.3g}, on this input"


def test_the_kernel_over_colours() -> None:
    panel = made("kernel", "conv:1")
    first, *rest = cards(panel)
    assert (first["label"], first["format"], first["shape"]) == ("in colour", "rgb", [2, 2])
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8, 12, 0).reshape(2, 2, 3)
    reach = np.abs(K1[..., 1]).max()
    np.testing.assert_allclose(pixels, (K1[..., 1] / reach + 1) / 2 * 255, atol=0.51)
    lengths = np.sqrt((K1[..., 1] ** 2).sum((0, 1)))
    assert [card["label"] for card in rest] == [f"input:{i}" for i in np.argsort(-lengths)]
    assert all(card["view"] == {"address": "input"} for card in rest)


def test_the_strongest_inputs_of_a_deeper_kernel_are_links() -> None:
    panel = made("kernel", "next:1")
    lengths = np.sqrt((K2[..., 1] ** 2).sum((0, 1)))
    order = np.argsort(-lengths)
    assert [card["view"]["address"] for card in cards(panel)] == [f"conv:{i}" for i in order]
    assert [card["text"] for card in cards(panel)] == [f"{lengths[i]:.3g}" for i in order]
    for card, i in zip(cards(panel), order, strict=True):
        reach = np.abs(K2[..., 1]).max()
        np.testing.assert_allclose(values_of(panel, card), K2[:, :, i, 1], atol=reach / 200)
    assert panel.header["fixed"]


def test_an_activation_shows_the_kernel_of_what_it_hands_on() -> None:
    panel = made("kernel", "relu:3")
    assert panel.header["title"] == "kernel of conv:3"
    assert panel.header["note"].startswith("of conv:3, whose values these are; 3 inputs")


def test_the_weights_behind_a_flatten_are_maps_again() -> None:
    panel = made("kernel", "dense:2")
    shaped = K3[:, 2].reshape(5, 5, 4)
    lengths = np.sqrt((shaped**2).sum((0, 1)))
    order = np.argsort(-lengths)
    assert [card["view"]["address"] for card in cards(panel)] == [f"conv:{i}" for i in order]
    first = values_of(panel, cards(panel)[0])
    np.testing.assert_allclose(first, shaped[:, :, order[0]], atol=np.abs(shaped).max() / 200)


def test_what_drives_a_dense_unit_adds_up() -> None:
    panel = made("before", "dense:0")
    each = (FLAT[1] * K3[:, 0]).reshape(5, 5, 4).sum((0, 1))
    found = {card["label"]: card["value"] for card in cards(panel)}
    assert found == {f"conv:{i}": pytest.approx(each[i], rel=1e-4) for i in range(4)}
    assert sum(found.values()) == pytest.approx(float(FLAT[1] @ K3[:, 0]), rel=1e-4)
    ranked = [abs(card["value"]) for card in cards(panel)]
    assert ranked == sorted(ranked, reverse=True)


def test_what_drives_a_convolution() -> None:
    panel = made("before", "next:0")
    lengths = np.sqrt((K2[..., 0] ** 2).sum((0, 1)))
    each = lengths * np.abs(np.maximum(CONV[1], 0)).mean((0, 1))
    found = {card["label"]: card["value"] for card in cards(panel)}
    assert found == {f"conv:{i}": pytest.approx(float(each[i]), rel=1e-4) for i in range(4)}
    low, high = CONV[1, :, :, 0].min(), CONV[1, :, :, 0].max()
    card = next(card for card in cards(panel) if card["label"] == "conv:0")
    np.testing.assert_allclose(values_of(panel, card), CONV[1, :, :, 0], atol=(high - low) / 200)


def test_who_listens_to_a_unit() -> None:
    panel = made("after", "conv:3")
    assert panel.header["labels"] == [
        "next: lengths of kernels (L2)", "dense: lengths of kernels (L2)",
    ]  # fmt: skip
    found = {card["label"]: card["value"] for card in cards(panel)}
    of_next = np.sqrt((K2[:, :, 3] ** 2).sum((0, 1)))
    of_dense = np.sqrt((K3.reshape(5, 5, 4, 3)[:, :, 3] ** 2).sum((0, 1)))
    expected = {f"next:{i}": of_next[i] for i in range(2)}
    expected |= {f"dense:{i}": of_dense[i] for i in range(3)}
    assert found == {name: pytest.approx(float(v), rel=1e-5) for name, v in expected.items()}
    assert {card["view"]["address"] for card in cards(panel)} == set(expected)


def test_signs_are_kept_where_one_number_weighs() -> None:
    network = Network(
        "net",
        "none",
        (
            _layer("a", "dense", DENSE, "input", np.zeros((3, 3), np.float32)),
            _layer("b", "dense", DENSE, "a", np.zeros((3, 3), np.float32)),
        ),
    )
    kernel = np.array([[1, 2, 3], [-4, 5, 0], [7, 8, 9]], np.float32)
    arrays = {
        "a/kernel": named(kernel, ("input", "unit")),
        "b/kernel": named(kernel, ("input", "unit")),
    }
    acts = Recording(
        {"a": named(DENSE, VECTOR), "b": named(DENSE, VECTOR)},
        network=network,
        inputs={"input": named(DENSE, VECTOR)},
    )
    moment = Moment(acts, load_weights=lambda: Recording(arrays, network=network, kind="weights"))
    after = unit_panel("after").panel(moment, acts.place("a:1"))
    assert after is not None
    assert after.header["labels"] == ["b: weights"]
    assert [(c["label"], c["value"]) for c in cards(after)] == [("b:1", 5), ("b:0", -4)]
    own = unit_panel("kernel").panel(moment, acts.place("b:0"))
    assert own is not None
    assert [(c["label"], c["value"]) for c in cards(own)] == [("a:2", 7), ("a:1", -4), ("a:0", 1)]
    assert after.figure() is not None


def test_without_weights_there_is_nothing_to_say() -> None:
    moment = Moment(ACTS)
    for name in ("kernel", "before", "after", "timeline", "training"):
        assert unit_panel(name).panel(moment, ACTS.place("next:0")) is None


def test_a_map_over_the_training() -> None:
    values = rng.normal(size=(5, 2, 4, 4, 3)).astype(np.float32)
    layer = Layer("conv", "Conv2D", kind="conv")
    run = run_of(
        {"conv": (MAPS, values)},
        image=np.zeros((2, 4, 4, 1), np.float32),
        network=Network("net", "none", (layer,)),
        steps=[0, 10, 20, 30, 40],
        epochs=range(5),
    )
    moment = Moment(run.at(20), 1, 20, run, probed=True, code={"run": "run = open()"})
    panel = unit_panel("timeline").panel(moment, run.place("conv:2"))
    assert panel is not None
    assert [card["view"] for card in cards(panel)] == [{"step": 10 * i} for i in range(5)]
    maps = values[:, 1, :, :, 2]
    scale = panel.header["scale"]
    assert (scale["low"], scale["high"]) == (maps.min(), maps.max())
    for card, map_ in zip(cards(panel), maps, strict=True):
        np.testing.assert_allclose(values_of(panel, card), map_, atol=np.ptp(map_) / 400)
    assert panel.header["code"] == "run = open()\nls.timeline(run, 'conv:2', sample=1)"
    assert panel.png().startswith(b"\x89PNG")
    other = Moment(run.at(20), 1, 20, run)
    assert unit_panel("timeline").panel(other, run.place("conv:2")) is None


def test_lines_of_python_come_after_what_they_need() -> None:
    code = {
        "ls": "import layerscope as ls",
        "x": "x = ['a.png', 'acts']",
        "model": "model = ls.load_model('weights.keras')",
        "acts": "acts = ls.activations(model, x)",
        "weights": "weights = ls.weights(model)",
    }
    line = Moment(ACTS, code=code).line("ls.sheet(acts, 'model:3')")
    assert line.splitlines() == [
        "import layerscope as ls",
        "model = ls.load_model('weights.keras')",
        "x = ['a.png', 'acts']",
        "acts = ls.activations(model, x)",
        "ls.sheet(acts, 'model:3')",
    ]


def test_the_kernel_of_a_volume_has_its_slices_side_by_side() -> None:
    kernel = rng.normal(size=(3, 2, 2, 1, 2)).astype(np.float32)
    axes = ("sample", "z", "y", "x", "channel")
    values = np.ones((1, 2, 3, 3, 2), np.float32)
    parameter = Parameter("conv/kernel", kernel.shape, "float32", True, False, kernel.nbytes)
    layer = Layer(
        "conv", "Conv3D", "layer", (None, 2, 3, 3, 2), axes, {}, (parameter,), ("input",), "conv"
    )
    network = Network("net", "none", (layer,))
    image = np.ones((1, 4, 4, 4, 1), np.float32)
    acts = Recording(
        {"conv": named(values, axes)}, network=network, inputs={"input": named(image, axes)}
    )
    weights = Recording(
        {"conv/kernel": named(kernel, ("z", "y", "x", "input", "channel"))},
        network=network,
        kind="weights",
    )
    moment = Moment(acts, load_weights=lambda: weights)
    panel = unit_panel("kernel").panel(moment, acts.place("conv:1"))
    assert panel is not None
    (card,) = cards(panel)
    assert card["shape"] == [2, 8]
    assert card["text"] == f"{np.sqrt((kernel[..., 1] ** 2).sum()):.3g}"
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(2, 8)
    assert (pixels[:, [2, 5]] == 239).all()
    assert (pixels[:, [0, 1, 3, 4, 6, 7]] < 239).all()


def test_indexes_of_words_are_no_picture_to_lie_on() -> None:
    tokens = np.array([[3, 1, 4]])
    acts = Recording(
        {"dense": named(DENSE[:1], VECTOR)},
        network=Network("net", "none", (_layer("dense", "dense", DENSE, "input"),)),
        inputs={"input": named(tokens, VECTOR)},
    )
    assert unit_panel("map").panel(Moment(acts), acts.place("dense:0")) is None


def test_a_sum_is_driven_by_its_branches() -> None:
    one, other = CONV, np.roll(CONV, 1, axis=0)
    network = Network(
        "net",
        "none",
        (
            _layer("a", "conv", one, "input"),
            _layer("b", "conv", other, "input"),
            Layer("add", "Add", "layer", (None, 5, 5, 4), MAPS, {}, (), ("a", "b"), "add"),
            _layer("relu", "activation", one, "add"),
        ),
    )
    arrays = {"a": one, "b": other, "add": one + other, "relu": np.maximum(one + other, 0)}
    acts = Recording(
        {name: named(values, MAPS) for name, values in arrays.items()},
        network=network,
        inputs={"input": named(IMAGE, MAPS)},
    )
    panel = unit_panel("before").panel(Moment(acts, 1), acts.place("relu:2"))
    assert panel is not None
    assert [card["view"]["address"] for card in cards(panel)] == ["a:2", "b:2"]
    means = [values[1, :, :, 2].mean() for values in (one, other)]
    assert [card["value"] for card in cards(panel)] == pytest.approx(means, rel=1e-4)
