from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.addresses import Place, parse_place, unknown_address
from layerscope.core.errors import AddressError
from layerscope.core.network import (
    Layer,
    Network,
    Origin,
    Parameter,
    from_json,
    to_json,
    whole_layers,
)

NAMES = st.text("ab/.:#@[]1,", min_size=1, max_size=8)


def parameter(key: str, *shape: int, trainable: bool = True, bias: bool = False) -> Parameter:
    size = 1
    for length in shape:
        size *= length
    return Parameter(key, shape, "float32", trainable, bias, 4 * size)


KERNEL, BIAS = parameter("conv/kernel", 3, 3, 1, 32), parameter("conv/bias", 32, bias=True)
FROZEN = parameter("norm/mean", 32, trainable=False)
NETWORK = Network(
    "digits",
    "none",
    (
        Layer("image", "InputLayer", "input", (None, 28, 28, 1)),
        Layer("conv", "Conv2D", shape=(None, 26, 26, 32), settings={"kernel": (3, 3), "rate": 0.2},
              parameters=(KERNEL, BIAS)),
        Layer("norm", "BatchNormalization", parameters=(FROZEN,)),
        Layer("relu", "ReLU"),
        Layer("relu#2", "ReLU"),
    ),
    (KERNEL, BIAS, FROZEN),
    ("A layer was left out.",),
)  # fmt: skip


def test_counts() -> None:
    assert (NETWORK.total, NETWORK.trainable, NETWORK.non_trainable) == (352, 320, 32)
    assert NETWORK.nbytes == 4 * 352
    conv, norm, relu = NETWORK["conv"], NETWORK["norm"], NETWORK["relu"]
    assert (conv.weights, conv.biases, conv.trainable) == (288, 32, True)
    assert norm.trainable is False
    assert relu.trainable is None
    assert parameter("scalar").size == 1


def test_a_network_is_a_sequence_that_knows_its_addresses() -> None:
    assert [layer.address for layer in NETWORK] == ["image", "conv", "norm", "relu", "relu#2"]
    assert len(NETWORK) == 5
    assert NETWORK[1] is NETWORK["conv"] is NETWORK[-4]
    assert NETWORK[:2] == NETWORK.layers[:2]
    assert "relu#2" in NETWORK
    assert "relu#3" not in NETWORK
    assert 1 not in NETWORK


def test_an_unknown_layer_suggests_near_ones() -> None:
    with pytest.raises(AddressError, match="There is no layer 'cnv': did you mean 'conv'"):
        NETWORK["cnv"]


def test_descriptions_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        NETWORK.name = "other"  # type: ignore[misc]


def test_printed_as_a_table() -> None:
    lines = str(NETWORK).splitlines()
    assert lines[0] == "digits (none)"
    conv = next(line for line in lines if line.startswith("conv"))
    assert "(None, 26, 26, 32)" in conv
    assert "kernel 3×3, rate 0.2" in conv
    assert conv.split()[-3:] == ["288", "32", "yes"]
    assert next(line for line in lines if line.startswith("norm")).split()[-3:] == ["32", "0", "no"]
    assert lines[-2] == "Parameters: 352 (1.4 kB), 320 trainable, 32 non-trainable"
    assert lines[-1] == "Note: A layer was left out."


@given(
    st.sets(NAMES, min_size=1),
    st.data(),
    st.none() | st.integers(0, 999),
    st.none() | st.lists(st.integers(0, 99), min_size=1, max_size=3),
)
def test_a_place_written_is_the_place_read(
    known: set[str], data: st.DataObject, unit: int | None, position: list[int] | None
) -> None:
    layer = data.draw(st.sampled_from(sorted(known)))
    where = None if unit is None or position is None else tuple(position)
    place = Place(layer, unit, where)
    read = parse_place(str(place), known)
    # A layer whose own name is what was written wins over the unit syntax.
    assert read == (Place(str(place)) if str(place) in known else place)
    assert str(read) == str(place)


@given(NAMES, st.sets(NAMES))
def test_what_is_read_is_known_or_refused(text: str, known: set[str]) -> None:
    try:
        place = parse_place(text, known)
    except AddressError:
        assert text not in known
    else:
        assert place.layer in known
        assert str(place).replace("0", "") == text.replace("0", "")


def test_the_exact_name_wins() -> None:
    assert parse_place("a:3", {"a", "a:3"}) == Place("a:3")
    assert parse_place("a:3", {"a"}) == Place("a", 3)
    assert parse_place("a:3:4", {"a", "a:3"}) == Place("a:3", 4)
    assert parse_place("a:29@7,3", {"a"}) == Place("a", 29, (7, 3))


@pytest.mark.parametrize(
    "text", ["conv:", "conv:x", "conv:1@", "conv:1@2,", "conv@1", "conv:-1", "conv:1@-1,2"]
)
def test_what_is_no_unit_of_a_layer_says_how_one_is_written(text: str) -> None:
    rest = text.removeprefix("conv")
    with pytest.raises(AddressError) as caught:
        parse_place(text, ["c", "conv", "conv2d"])
    assert str(caught.value) == (
        f"{rest!r} is no unit of 'conv': write 'conv:3', a whole number from 0, or 'conv:3@7,2' "
        "for the one in row 7 and column 2."
    )


@pytest.mark.parametrize("text", ["conw:x", "conv2:x", "con:-1", "convx"])
def test_what_is_no_place_is_no_layer(text: str) -> None:
    with pytest.raises(AddressError, match=f"There is no layer '{text}': did you mean 'conv'"):
        parse_place(text, ["conv"])


def test_the_message_names_the_layer_rather_than_the_unit() -> None:
    with pytest.raises(AddressError, match="no layer 'conw': did you mean 'conv' or 'conv2'"):
        parse_place("conw:3", ["conv", "conv2", "dense"])


def test_where_nothing_is_near_the_message_lists_some() -> None:
    assert str(unknown_address("zzz", list("abcdefg"))) == (
        "There is no layer 'zzz': there are 'a', 'b', 'c', 'd', 'e' and 2 more."
    )
    assert str(unknown_address("zzz", [])) == "There is no layer 'zzz': there are no layers here."
    assert "'a,b': name several one by one, as a list" in str(unknown_address("a,b", ["a", "b"]))


def test_a_network_is_the_same_after_json() -> None:
    origin = Origin("old.h5", "Keras HDF5", "Keras 2.1.6", ("a repair",))
    for network in (NETWORK, dataclasses.replace(NETWORK, origin=origin)):
        written = json.dumps(to_json(network), allow_nan=False)
        assert from_json(json.loads(written)) == network


def test_a_setting_that_json_can_not_say_becomes_text() -> None:
    odd = Network("odd", "none", (Layer("a", "A", settings={"how": {1, 2}}),))
    assert from_json(to_json(odd))["a"].settings == {"how": "{1, 2}"}


def test_the_origin_is_told() -> None:
    origin = Origin("old.h5", "Keras HDF5", "Keras 2.1.6", ("a repair", "another"))
    assert str(dataclasses.replace(NETWORK, origin=origin)).splitlines()[1:4] == [
        "Opened from old.h5 (Keras HDF5, written by Keras 2.1.6)",
        "Repaired: a repair",
        "Repaired: another",
    ]


def test_a_layer_that_returns_several_values_counts_once() -> None:
    layers = (
        Layer("lstm", "LSTM", shape=(None, 5, 4), settings={"activation": "tanh"}),
        Layer("lstm[1]", "LSTM", shape=(None, 4), settings={"activation": "tanh"}),
        Layer("lstm[state.c]", "LSTM", shape=(None, 4), settings={"activation": "tanh"}),
        Layer("odd[2]", "Dense"),  # so named by its user
        Layer("lstm#2", "LSTM"),
    )
    assert [layer.address for layer in whole_layers(layers)] == ["lstm", "odd[2]", "lstm#2"]
    rows = str(Network("n", "f", layers)).splitlines()
    assert [row.split()[:2] for row in rows[3:6]] == [
        ["lstm", "LSTM"],
        ["lstm[1]", "(None,"],
        ["lstm[state.c]", "(None,"],
    ]


def test_a_network_as_a_data_frame() -> None:
    kernel = Parameter("conv/kernel", (3, 3, 1, 2), "float32", True, False, 72)
    conv = Layer("conv", "Conv2D", shape=(None, 4, 4, 2), settings={"kernel": (3, 3)},
                 parameters=(kernel,), inputs=("x",), kind="conv", activation="relu")  # fmt: skip
    frame = Network("net", "none", (conv, Layer("flat", "Flatten"))).to_frame()
    assert list(frame.index) == ["conv", "flat"]
    assert frame.loc["conv", "weights"] == 18
    assert frame.loc["conv", "shape"] == (None, 4, 4, 2)
    assert frame.loc["conv", "settings"] == {"kernel": (3, 3)}
    assert frame.loc["flat", "trainable"] is None
    assert Network("empty", "none", ()).to_frame().empty
