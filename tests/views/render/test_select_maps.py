from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording
from layerscope.core.errors import AddressError, ViewError
from layerscope.views.render.select_maps import choose, shape_of

CONV = maps(4, 5, 7)
DENSE = np.arange(12, dtype=np.float32).reshape(2, 6)
ACTS = recording(
    {
        "conv": CONV,
        "dense": named(DENSE, VECTOR),
        "lstm": named(np.zeros((2, 3, 8)), ("sample", "position", "channel")),
        "volume": named(np.zeros((2, 3, 4, 5, 6)), ("sample", "z", "y", "x", "channel")),
        "mha": named(np.zeros((2, 3, 4, 4)), ("sample", "head", "query", "key")),
        "words": named(np.array([["a"], ["b"]]), VECTOR),
        "steps": named(np.arange(6.0).reshape(3, 2), ("step", "unit")),
    },
    image=named(np.random.default_rng(0).random((2, 4, 4, 3)), MAPS),
)
WEIGHTS = recording(
    {
        "conv/kernel": kernel(1, 4),
        "colour/kernel": kernel(3, 4),
        "deep/kernel": kernel(5, 4),
        "dense/kernel": named(np.arange(12.0).reshape(6, 2), ("input", "unit")),
        "last/kernel": named(
            np.arange(48.0).reshape(24, 2),
            ("input", "unit"),
            input_shape=(2, 3, 4),
            input_axes=("y", "x", "channel"),
        ),
        "first/kernel": named(
            np.arange(48.0).reshape(24, 2),
            ("input", "unit"),
            input_shape=(4, 2, 3),
            input_axes=("channel", "y", "x"),
        ),
    }
)


@pytest.mark.parametrize("sample", [0, 1])
def test_every_channel_of_a_sample(sample: int) -> None:
    chosen = choose(ACTS, "conv", sample=sample)
    assert chosen.labels == ["0", "1", "2", "3"]
    assert (chosen.maps == CONV.values[sample].transpose(2, 0, 1)).all()
    assert (chosen.title, chosen.address, chosen.counts) == ("conv (5, 7, 4)", "conv", "channel")
    assert not any((chosen.vector, chosen.kernel, chosen.is_input, chosen.colour))


@pytest.mark.parametrize(
    ("address", "title", "labels"),
    [
        ("conv:3", "conv:3 (5, 7)", ["3"]),
        ("dense:3", "dense:3 = 3", ["3"]),
        ("lstm:7", "lstm:7 (3,)", ["7"]),
        ("volume:2", "volume:2 (3, 4, 5)", ["2·0", "2·1", "2·2"]),
        ("mha:1", "mha:1 (4, 4)", ["1"]),
    ],
)
def test_units(address: str, title: str, labels: list[str]) -> None:
    chosen = choose(ACTS, address)
    assert (chosen.title.replace("(3)", "(3,)"), chosen.labels) == (title, labels)
    assert not chosen.vector


def test_the_values_of_units() -> None:
    assert (choose(ACTS, "conv:3", sample=1).maps == CONV.values[1, :, :, 3]).all()
    assert choose(ACTS, "dense:3", sample=1).maps.tolist() == [[[9]]]
    assert (
        choose(WEIGHTS, "deep/kernel:3").maps == WEIGHTS["deep/kernel:3"].values.T.swapaxes(1, 2)
    ).all()


def test_a_neuron_is_its_value() -> None:
    chosen = choose(ACTS, "conv:3@1,2", sample=1)
    value = CONV.values[1, 1, 2, 3]
    assert chosen.maps.tolist() == [[[value]]]
    assert chosen.title == f"conv:3@1,2 = {value:.4g}"
    inputs = choose(WEIGHTS, "deep/kernel:3@1,2")
    assert inputs.vector
    assert (inputs.maps[0, 0] == WEIGHTS["deep/kernel:3@1,2"].values).all()


def test_the_forms_of_layers() -> None:
    vector = choose(ACTS, "dense")
    assert (vector.vector, vector.maps.tolist(), vector.counts) == (
        True,
        [[[0, 1, 2, 3, 4, 5]]],
        "unit",
    )
    assert choose(ACTS, "lstm").maps.shape == (1, 3, 8)
    assert choose(ACTS, "volume").maps.shape == (18, 4, 5)
    attention = choose(ACTS, "mha")
    assert (attention.maps.shape, attention.counts) == ((3, 4, 4), "head")


def test_the_input_is_in_colour() -> None:
    for chosen in (choose(ACTS, None), choose(ACTS, "input")):
        assert chosen.is_input
        assert chosen.colour
        assert chosen.title == "input (4, 4, 3)"
        assert (chosen.maps == ACTS.input.values[:1]).all()
    assert choose(ACTS, None, colours=False).maps.shape == (3, 4, 4)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_inputs_of_other_depths_are_maps(channels: int) -> None:
    acts = recording({}, image=maps(channels))
    assert choose(acts, None).maps.shape == (channels, 5, 7)


def test_an_input_with_opacity_shows_its_colours() -> None:
    acts = recording({}, image=maps(4))
    assert (choose(acts, None).maps == acts.input.values[:1, ..., :3]).all()


def test_a_layer_named_input_is_that_layer() -> None:
    acts = recording({"input": maps(4)}, image=maps(3))
    assert choose(acts, "input").title == "input (5, 7, 4)"


def test_kernels_on_colours_are_in_colour_and_others_a_tile_per_input() -> None:
    colour = choose(WEIGHTS, "colour/kernel")
    assert colour.colour
    assert colour.maps.shape == (4, 3, 3, 3)
    assert (colour.maps[2] == WEIGHTS["colour/kernel"].values[..., 2]).all()
    assert choose(WEIGHTS, "colour/kernel", colours=False).maps.shape == (12, 3, 3)
    deep = choose(WEIGHTS, "deep/kernel")
    assert deep.labels == [f"{channel}·{i}" for channel in range(4) for i in range(5)]
    assert (deep.maps[7] == WEIGHTS["deep/kernel"].values[:, :, 2, 1]).all()
    assert choose(WEIGHTS, "conv/kernel").labels == ["0", "1", "2", "3"]
    assert all(choose(WEIGHTS, address).kernel for address in WEIGHTS)


def test_reshape_makes_images_of_vectors() -> None:
    assert choose(ACTS, "dense", reshape=(2, 3)).maps.tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert choose(ACTS, "dense", reshape=(1, 2, 3)).maps.shape == (3, 1, 2)
    units = choose(WEIGHTS, "dense/kernel", reshape=(2, 3))
    assert units.labels == ["0", "1"]
    assert units.maps[1].tolist() == [[1, 3, 5], [7, 9, 11]]


def test_dense_kernels_take_the_flattened_shape_by_themselves() -> None:
    weights = np.arange(48.0).reshape(24, 2)
    last = choose(WEIGHTS, "last/kernel")
    assert last.labels == [f"{unit}·{channel}" for unit in range(2) for channel in range(4)]
    first = choose(WEIGHTS, "first/kernel")
    assert first.labels == last.labels
    for i, label in enumerate(last.labels):
        unit, channel = map(int, label.split("·"))
        assert (last.maps[i] == weights[:, unit].reshape(2, 3, 4)[:, :, channel]).all()
        assert (first.maps[i] == weights[:, unit].reshape(4, 2, 3)[channel]).all()
    assert choose(WEIGHTS, "last/kernel", reshape=(4, 6)).maps.shape == (2, 4, 6)


def test_over_time_the_last_step_unless_told() -> None:
    assert choose(ACTS.at(None), "steps").maps.tolist() == [[[4, 5]]]
    assert choose(ACTS.at(0), "steps").maps.tolist() == [[[0, 1]]]
    with pytest.raises(AddressError, match="There is no step 3: there are 3, counted from 0"):
        ACTS.at(3)


def test_maps_lie_one_after_the_other() -> None:
    for address in ("conv", "conv:1", "volume", "mha", "dense"):
        assert choose(ACTS, address).maps.flags.c_contiguous


@pytest.mark.parametrize("sample", [2, -1, 1.5, "0", None])
def test_no_such_sample(sample: Any) -> None:
    with pytest.raises(ViewError, match=r"There is no sample .*: there are 2, counted from 0\."):
        choose(ACTS, "conv", sample=sample)


@pytest.mark.parametrize("reshape", [28, (28,), (1, 2, 3, 4), (2.0, 3), (-2, -3), (0, 6), "23"])
def test_what_is_no_shape(reshape: Any) -> None:
    with pytest.raises(
        ViewError, match=r"reshape=.*: pass \(height, width\) or \(height, width, c"
    ):
        choose(ACTS, "dense", reshape=reshape)


@pytest.mark.parametrize(
    ("length", "fitting"), [(784, "(28, 28)"), (6, "(2, 3)"), (7, "(1, 7)"), (1, "(1, 1)")]
)
def test_a_shape_that_does_not_fit_suggests_one_that_does(length: int, fitting: str) -> None:
    acts = recording({"dense": named(np.zeros((1, length)), VECTOR)})
    message = f"reshape=(9, 9) has 81 places, 'dense' has {length} values: try {fitting}."
    with pytest.raises(ViewError) as caught:
        choose(acts, "dense", reshape=(9, 9))
    assert str(caught.value) == message
    sides = tuple(map(int, fitting.strip("()").split(",")))
    assert choose(acts, "dense", reshape=sides).maps.shape == (1, *sides)


def test_only_vectors_are_reshaped() -> None:
    with pytest.raises(
        ViewError, match="'conv' has the axes y, x, channel: reshape= is for vectors"
    ):
        choose(ACTS, "conv", reshape=(5, 7))


@pytest.mark.parametrize("address", ["cnov", "conv:4", "conv:0@9,9", "lstm:8"])
def test_no_such_place(address: str) -> None:
    with pytest.raises(AddressError):
        choose(ACTS, address)


def test_only_numbers_are_drawn() -> None:
    with pytest.raises(ViewError, match="'words' holds <U1 values, which can't be drawn"):
        choose(ACTS, "words")


def test_no_input_to_choose() -> None:
    with pytest.raises(AddressError, match="This recording holds no input"):
        choose(WEIGHTS, None)


def test_shapes_in_titles() -> None:
    assert shape_of((50, 50)) == "(50, 50)"
