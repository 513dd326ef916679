from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording
from layerscope import across, sheet
from layerscope.core.errors import ViewError

SILENT = maps(8).values.copy()
SILENT[..., 3] = 0
ACTS = recording(
    {
        "a": maps(8, 9, 9),
        "b": maps(3, 5, 5),
        "c": named(SILENT, MAPS),
        "lstm": named(
            np.random.default_rng(0).random((2, 6, 4)), ("sample", "position", "channel")
        ),
        "dense": named(np.zeros((2, 10)), VECTOR),
    },
    image=maps(3, 12, 12),
)


def labels(panel: Any) -> list[str]:
    return [tile["label"] for tile in panel.header["tiles"]]


def test_the_input_first_then_all_layers_that_have_the_channel() -> None:
    panel = across(ACTS, 3)
    assert labels(panel) == ["input (12, 12, 3)", "a (9, 9)", "c (5, 7)", "lstm (6, 1)"]
    assert panel.header["labels"] == "title"
    assert panel.header["tiles"][0]["format"] == "rgb"
    assert panel.header["title"] == "channel 3 through 3 layers"
    assert panel.header["address"] == "*:3"
    assert labels(across(ACTS, 2))[1:] == ["a (9, 9)", "b (5, 5)", "c (5, 7)", "lstm (6, 1)"]


def test_blank_where_it_is_silent() -> None:
    panel = across(ACTS, 3)
    assert [tile["blank"] for tile in panel.header["tiles"]] == [False, False, True, False]
    assert panel.header["note"] == "1 of 3 blank"
    assert across(ACTS, 2).header["note"] == ""


@pytest.mark.parametrize("name", ["viridis", "diverging"])
@pytest.mark.parametrize("sample", [0, 1])
def test_each_map_is_on_its_whole_layers_scale(name: str, sample: int) -> None:
    panel = across(ACTS, 3, sample=sample, palette=name)
    for i, address in ((1, "a"), (2, "c"), (3, "lstm")):
        whole = sheet(ACTS, address, sample=sample, palette=name)
        expected = whole.pixels(0)[:, 3:4] if address == "lstm" else whole.pixels(3)
        assert (panel.pixels(i) == expected).all()


@pytest.mark.parametrize("scale", ["unit", "network", "zscore", (-1.0, 1.0)])
def test_other_scales(scale: Any) -> None:
    panel = across(ACTS, 1, scale=scale)
    whole = sheet(ACTS, "a:1", scale=scale)
    assert (panel.pixels(1) == whole.pixels(0)).all()
    shown = panel.header["scale"]
    assert (shown["low"], shown["high"]) == (ACTS.extent(0) if scale == "network" else (None, None))


def test_inputs_that_are_vectors_need_a_shape() -> None:
    acts = recording({"a": maps(2)}, image=named(np.arange(12.0).reshape(2, 6), VECTOR))
    assert labels(across(acts, 0)) == ["a (5, 7)"]
    panel = across(acts, 0, reshape=(2, 3))
    assert labels(panel) == ["input (6)", "a (5, 7)"]
    assert panel.pixels(0).shape == (2, 3)
    with pytest.raises(ViewError, match=r"try \(2, 3\)"):
        across(acts, 0, reshape=(5, 5))


def test_without_an_input_and_with_one_of_many_channels() -> None:
    assert labels(across(recording({"a": maps(2)}), 1)) == ["a (5, 7)"]
    acts = recording({"a": maps(2)}, image=maps(2, 3, 3))
    assert labels(across(acts, 1)) == ["input (3, 3, 2) 0", "input (3, 3, 2) 1", "a (5, 7)"]


def test_through_weights() -> None:
    weights = recording({"conv/kernel": kernel(3, 4)})
    assert len(across(weights, 3)) == 3


def test_columns() -> None:
    assert across(ACTS, 3).header["columns"] == 4
    assert across(ACTS, 3, columns=2).header["columns"] == 2
    many = recording({f"l{i}": maps(2) for i in range(20)})
    assert across(many, 0).header["columns"] == 8


@pytest.mark.parametrize("channel", [8, 99, -1])
def test_a_channel_that_no_layer_has(channel: int) -> None:
    message = f"No layer has a channel {channel}: those with maps have up to 8, counted from 0"
    with pytest.raises(ViewError, match=message):
        across(ACTS, channel)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": "layers"}, "scale='layers' is none"),
        ({"palette": "virids"}, "did you mean 'viridis'"),
        ({"columns": 0}, "columns=0: pass a whole number"),
        ({"sample": 5}, "There is no sample 5: there are 2"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ViewError, match=message):
        across(ACTS, 0, **arguments)
