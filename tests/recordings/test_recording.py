from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import xarray as xr

from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording
from layerscope.core.addresses import Place
from layerscope.core.errors import AddressError
from layerscope.core.network import Layer, Network, Parameter
from layerscope.recordings.recording import Recording

CONV = maps(3, 4, 5)
ACTS = recording(
    {"conv": CONV, "dense": named([[1.0, 2.0]], VECTOR)},
    image=named(np.ones((2, 6, 6, 1)), MAPS),
    aliases={"block": "conv"},
    notes=("The image was resized.",),
)


def test_a_mapping_in_execution_order() -> None:
    assert isinstance(ACTS, Mapping)
    assert list(ACTS) == ["conv", "dense"]
    assert len(ACTS) == 2
    assert isinstance(ACTS["conv"], xr.DataArray)
    assert ACTS["conv"].dims == MAPS
    assert ACTS["conv"].name == "conv"
    assert ACTS["conv"] is ACTS["conv"]
    assert ACTS.get("pool") is None


def test_what_it_contains() -> None:
    contained = ["conv", "block", "conv:2", "conv:2@3,4", "dense:1", "input"]
    assert [a for a in [*contained, "pool", "conv:3", "conv:0@4,0", 0] if a in ACTS] == contained


def test_units_and_neurons() -> None:
    values = CONV.values
    assert ACTS["conv:2"].dims == ("sample", "y", "x")
    assert (ACTS["conv:2"].values == values[..., 2]).all()
    assert (ACTS["conv:2@3,1"].values == values[:, 3, 1, 2]).all()
    assert ACTS["dense:1"].values.tolist() == [2]
    assert ACTS["block:2"].equals(ACTS["conv:2"])
    weights = recording({"conv/kernel": kernel(2, 4)})
    assert weights["conv/kernel:3@0,1"].dims == ("input",)
    attention = recording(
        {"mha": named(np.zeros((1, 2, 3, 3)), ("sample", "head", "query", "key"))}
    )
    assert attention["mha:1"].dims == ("sample", "query", "key")


def test_channels_first_is_shown_as_channels_last() -> None:
    values = np.arange(24.0).reshape(1, 2, 3, 4)
    acts = recording({"conv": named(values, ("sample", "channel", "y", "x"))})
    assert acts["conv"].dims == MAPS
    assert (acts["conv:1"].values == values[:, 1]).all()


@pytest.mark.parametrize("address", ["conv", "conv:1", "input"])
def test_arrays_are_read_only_views(address: str) -> None:
    array = ACTS[address]
    with pytest.raises(ValueError, match="read-only"):
        array.values[...] = 0
    source = ACTS.input.values if address == "input" else CONV.values
    assert np.shares_memory(array.values, source)
    assert CONV.values.flags.writeable


def test_inputs() -> None:
    assert ACTS.input.dims == MAPS
    assert list(ACTS.inputs) == ["input"]
    with pytest.raises(AddressError, match=r"This recording holds no input\."):
        _ = recording({}).input


def test_named_arrays_have_the_same_values() -> None:
    for address in ACTS:
        assert ACTS.named(address).axes == ACTS[address].dims
        assert ACTS.named(address).values is not CONV.values
        assert (ACTS.named(address).values == ACTS[address].values).all()
    assert (ACTS.named(None).values == ACTS.input.values).all()
    with pytest.raises(AddressError, match="holds no input"):
        recording({"conv": CONV}).named(None)


def test_places() -> None:
    assert ACTS.place("conv:2@3,1") == Place("conv", 2, (3, 1))
    assert ACTS.place("block:2") == Place("conv", 2)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("cnov", "There is no layer 'cnov': did you mean 'conv'"),
        (
            "conv:3",
            "'conv' has 3 along channel, counted from 0: 3 is not among them, the last is 2",
        ),
        ("conv:0@4,0", "'conv' has 4 along y, counted from 0: 4 is not among them, the last is 3"),
        ("conv:0@1", "'conv:0@1' gives 1 coordinates; 'conv' has 2: y, x"),
        ("dense:0@1", "'dense:0@1' gives 1 coordinates; 'dense' has 0"),
    ],
)
def test_what_is_not_there(address: str, message: str) -> None:
    with pytest.raises(AddressError, match=message):
        ACTS[address]


def test_units_of_what_has_none() -> None:
    acts = recording({"loss": named([0.5], ("sample",))})
    with pytest.raises(AddressError, match=r"'loss' has axes .*'sample'.*: none of them numbers"):
        acts["loss:0"]


def test_what_has_no_weights_and_what_is_a_parameter_is_said_to_be() -> None:
    kernel = Parameter("conv/kernel", (3, 3, 1, 2), "float32", True, False, 72)
    layers = (Layer("conv", "Any", parameters=(kernel,)), Layer("pool", "Any"))
    network = Network("test", "none", layers, parameters=(kernel,))
    weights = Recording({"conv/kernel": CONV}, network=network, kind="weights")
    with pytest.raises(AddressError, match="'pool' has no weights; there are 'conv/kernel'"):
        weights["pool"]
    with pytest.raises(AddressError, match="holds no input: name one of 'conv/kernel'"):
        weights.input  # noqa: B018
    with pytest.raises(AddressError, match="'conv/kernel' is a parameter, and these are act"):
        Recording({"conv": CONV}, network=network)["conv/kernel"]


def test_not_recorded_is_not_the_same_as_not_there() -> None:
    network = Network("test", "none", (Layer("conv", "Any"), Layer("pool", "Any")))
    acts = Recording({"conv": CONV}, network=network)
    with pytest.raises(AddressError, match="'pool' is in this network but was not recorded; rec"):
        acts["pool"]
    with pytest.raises(AddressError, match="'pool' is in this network but was not recorded"):
        acts["pool:3"]


def test_an_index_is_no_address() -> None:
    with pytest.raises(AddressError, match=r"not by int: try recording\['conv'\]"):
        ACTS[0]  # type: ignore[index]


@pytest.mark.parametrize("sample", [0, 1])
def test_extents_are_of_finite_values(sample: int) -> None:
    values = np.array([[1.0, np.nan, -3.0], [np.inf, 7.0, -np.inf]])
    acts = recording(
        {"a": named(values, VECTOR), "b": named([[0.5], [99.0]], VECTOR)},
        image=named([[-8.0], [8.0]], VECTOR),
    )
    assert acts.extent(sample, "a") == [(-3, 1), (7, 7)][sample]
    assert acts.extent(sample) == [(-3, 1), (7, 99)][sample]
    assert acts.extent(sample, "input") == [(-8, -8), (8, 8)][sample]


def test_where_nothing_is_finite_the_extent_is_zero() -> None:
    values = named([[np.nan, np.inf]], VECTOR)
    acts = recording({"a": values, "words": named(np.array([["a"]]), VECTOR)})
    assert acts.extent() == acts.extent(0, "a") == acts.extent(0, "words") == (0, 0)


def test_provenance_is_computed_once_when_asked_for() -> None:
    calls: list[int] = []

    def digest() -> dict[str, str]:
        calls.append(1)
        return {"model": "abc"}

    acts = recording({"conv": CONV}, digest=digest)
    assert not calls
    assert acts.provenance == acts.provenance == {"model": "abc"}
    assert len(calls) == 1
    assert recording({}).provenance == {}


def test_printed_with_axes_and_notes() -> None:
    assert repr(ACTS).splitlines() == [
        "<layerscope.Recording of 'test': 2 arrays>",
        "  conv   (sample: 2, y: 4, x: 5, channel: 3) float32",
        "  dense  (sample: 1, unit: 2) float64",
        "  note: The image was resized.",
    ]
    assert ACTS.nbytes == CONV.values.nbytes + 16


def test_samples_have_names() -> None:
    acts = recording(
        {"conv": CONV, "dense": named([[1.0, 2.0]], VECTOR)},
        image=named(np.ones((2, 6, 6, 1)), MAPS),
        samples=["a.png", "b.png"],
    )
    assert acts.samples == ("a.png", "b.png")
    assert acts["conv"].coords["sample"].values.tolist() == ["a.png", "b.png"]
    assert acts.input.coords["sample"].values.tolist() == ["a.png", "b.png"]
    assert acts["conv:1"].isel(sample=1).coords["sample"].item() == "b.png"
    assert acts["conv"].set_xindex("sample").sel(sample="b.png").equals(acts["conv"][1])
    assert "sample" not in acts["dense"].coords  # it has one sample, and there are two names
    assert "sample" not in ACTS["conv"].coords


def test_the_difference_of_two_recordings_is_not_empty() -> None:
    one, other = (
        recording({"conv": CONV}, samples=names)["conv"] for names in (["a", "b"], ["c", "d"])
    )
    assert (one - other).shape == CONV.values.shape


def test_steps_and_units_go_by_their_numbers_where_arrays_tell_them() -> None:
    values = np.arange(12.0).reshape(2, 3, 2)
    array = named(values, ("step", "y", "channel"), steps=(5, 20), units=(3, 42))
    held = recording({"conv": array})
    assert held.steps.tolist() == [5, 20]
    assert [held.position(step) for step in (5, 20, None)] == [0, 1, 1]
    assert (held["conv:42"].values == values[..., 1]).all()
    assert (held.at(5)["conv:3"].values == values[0, :, 0]).all()
    assert (held.at(None)["conv:42@2"].values == values[1, 2, 1]).all()
    with pytest.raises(AddressError, match=r"There is no step 0: there are 5, 20\."):
        held.position(0)
    with pytest.raises(AddressError, match=r"'conv' holds the units 3, 42: 0 is not here\."):
        held["conv:0"]


def test_steps_without_numbers_are_counted() -> None:
    held = recording({"conv": named(np.zeros((9, 2, 2)), ("step", "y", "channel"))})
    assert held.steps.tolist() == list(range(9))
    assert held.position(None) == 8
    with pytest.raises(AddressError, match="There is no step 9: there are 9, counted from 0"):
        held.position(9)


@pytest.mark.parametrize("step", [None, 3])
def test_a_single_moment_has_no_place_among_steps(step: int | None) -> None:
    held = recording({"conv": named(np.zeros((2, 2)), ("y", "channel"))})
    assert held.steps.tolist() == []
    with pytest.raises(AddressError, match="this recording is of a single moment"):
        held.position(step)


def test_of_many_steps_a_message_names_a_few() -> None:
    array = named(np.zeros((9, 1)), ("step", "channel"), steps=tuple(range(0, 90, 10)))
    with pytest.raises(AddressError, match=r"there are 0, 10, 20, 30, 40, 50, … 80\."):
        recording({"conv": array}).at(1)


def test_what_is_no_unit_is_not_called_not_recorded() -> None:
    values = named(np.zeros((1, 4)), VECTOR)
    network = Network("n", "?", (Layer("dense", "Dense"),))
    held = Recording({"dense": values}, network=network)
    with pytest.raises(AddressError, match="'3;1' is no unit; after the colon comes its number"):
        held["dense:3;1"]
    kernel = Recording({"dense/kernel": values, "dense/bias": values}, network=network)
    with pytest.raises(AddressError, match="'dense' is a layer; recorded of it: 'dense/kernel', "):
        kernel["dense"]


def test_it_says_what_a_view_needs_to_know() -> None:
    acts = recording({"conv": CONV})
    assert (acts.kind, acts.scale, acts.input_range) == ("activations", "layer", None)
    assert not acts.has_steps
    assert (acts.epochs.size, dict(acts.metrics)) == (0, {})
    assert acts.axes("conv") == {"sample": 2, "y": 4, "x": 5, "channel": 3}


def test_one_in_memory_has_its_steps_and_parts_of_them() -> None:
    values = np.arange(24.0).reshape(3, 2, 4)
    held = recording(
        {"a": named(values, ("step", "sample", "unit"), steps=(5, 10, 20))}, kind="weights"
    )
    assert held.has_steps
    assert np.isnan(held.epochs).all()
    assert held.axes("a") == {"step": 3, "sample": 2, "unit": 4}
    part = held.part("a", slice(1, 3), unit=slice(2, 3))
    assert part.axes == ("step", "sample", "unit")
    assert (part.values == values[1:3, :, 2:3]).all()
    assert held.part("a", 1).axes == ("sample", "unit")
    moment = held.moment(1)
    assert (moment["a"].values == values[1]).all()
    assert (moment.kind, moment.has_steps) == ("weights", False)
