"""Examples of a unit: which samples, cut where, what is written, what is said of silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from cases.surveys import place_of, spots, survey_of
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError, ViewError
from layerscope.core.network import InputSpec, Layer, Network
from layerscope.recordings.survey.reading import InputReading
from layerscope.views.survey import forms
from layerscope.views.survey.examples import examples_panel
from layerscope.views.survey.gallery import Gallery

SEQUENCE = ("sample", "position", "channel")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written in pictures."""
    words: list[str] = []
    monkeypatch.setattr(forms, "write", lambda canvas, text, *more: words.append(text))
    return words


def labels_of(panel: Any) -> list[list[str]]:
    return [tile["label"].split("\n") for tile in panel.header["tiles"]]


def test_the_strongest_come_first_with_value_name_and_label() -> None:
    panel = ls.examples(spots(), "conv:0", n=3)
    assert labels_of(panel) == [
        ["1", "sample 19", "odd"], ["0.95", "sample 18", "even"], ["0.9", "sample 17", "odd"],
    ]  # fmt: skip
    assert panel.header["note"] == "receptive field 3 × 3 (y, x)"
    assert panel.header["scale"]["text"] == "of 20 samples; its values 0 … 1, mean 0.0646"


@pytest.mark.parametrize(("which", "first"), [("weak", "sample 0"), ("drawn", "sample 17")])
def test_the_weakest_and_some_over_all_quantiles(which: str, first: str) -> None:
    panel = ls.examples(spots(), "conv:0", which=which, n=5)
    labels = labels_of(panel)
    assert len(labels) == 5
    assert labels[0][1] == first
    values = [float(value) for value, *_ in labels]
    assert values == sorted(values, reverse=which == "drawn")


def test_samples_are_cut_to_the_field_where_the_unit_fired_most() -> None:
    gallery = Gallery(spots(), side=7, outlines=False)
    pictures = gallery.pictures("conv:0", n=20)
    assert len(pictures) == 16
    for picture in pictures:
        y, x = place_of(picture.example.sample.number)
        assert picture.region is not None
        assert picture.region.ranges == {"y": range(y, y + 3), "x": range(x, x + 3)}
        assert picture.pixels.shape == (7, 7, 3)  # the field, two pixels around, within the image
        level = round(255 * picture.example.value)
        top, left = (min(max(at - 2, 0), 3) for at in (y, x))
        inside = np.zeros((7, 7), bool)
        inside[y - top : y - top + 3, x - left : x - left + 3] = True
        assert (np.abs(picture.pixels[inside].astype(int) - level) <= 1).all()
        assert ((picture.pixels[~inside] > 0) & (picture.pixels[~inside] < 60)).all()  # dimmed


def test_uncut_samples_are_whole_with_the_rest_dimmed() -> None:
    picture = Gallery(spots(), side=10, crop=False, outlines=False).pictures("conv:0", n=1)[0]
    y, x = place_of(19)
    expected = np.zeros((10, 10), bool)
    expected[y : y + 3, x : x + 3] = True
    assert ((picture.pixels[..., 0] == 255) == expected).all()


def test_a_map_is_laid_over() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[0, 0] = 1
    plain, over = (
        Gallery(spots(), side=10, crop=False).pictures("conv:0", n=1, maps=maps)[0].pixels
        for maps in (None, {19: heat})
    )
    assert over[0, 0, 1] > plain[0, 0, 1] + 30
    panel = examples_panel(spots(), "conv:0", n=1, maps={19: heat})
    assert panel.header["tiles"][0]["shape"] == [120, 120]  # whole, where there is a map


def test_of_a_layer_that_mixes_all_the_sample_is_whole() -> None:
    panel = ls.examples(spots(), "dense:0", n=2)
    assert panel.header["note"].startswith("computed from the whole input")
    assert [tile["shape"] for tile in panel.header["tiles"]] == [[120, 120]] * 2


def test_where_no_field_is_known_the_cell_of_the_map_is_marked() -> None:
    survey = spots()
    layers = tuple(replace(layer, shape=None, axes=None) for layer in survey.network)
    survey.network = replace(survey.network, layers=layers)
    picture = Gallery(survey, side=10).pictures("conv:0", n=1)[0]
    y, x = place_of(19)
    assert picture.region is not None
    assert not picture.region.ranges
    assert y * 10 // 8 in picture.region.cell["y"]
    assert x * 10 // 8 in picture.region.cell["x"]
    assert "marked is the cell" in ls.examples(survey, "conv:0").header["note"]


def test_a_unit_that_never_fired_says_so() -> None:
    panel = ls.examples(spots(), "conv:1")
    assert len(panel) == 1
    assert panel.header["scale"]["text"].endswith("fires on 0 (0 %)")


def test_samples_on_which_a_unit_is_silent_are_no_examples_of_it() -> None:
    survey = spots(40)
    survey.tallies["conv"].top.values[0, 3:] = 0
    assert len(ls.examples(survey, "conv:0")) == 3
    assert len(ls.examples(survey, "dense:1")) == 9


def test_bad_words_are_sentences() -> None:
    survey = spots()
    with pytest.raises(AddressError, match="'conv' is a layer: name a unit of it, 'conv:0'"):
        ls.examples(survey, "conv")
    with pytest.raises(AddressError, match="has 3 units"):
        ls.examples(survey, "conv:3")
    with pytest.raises(ViewError, match="which='best': pass 'top', 'weak' or 'drawn'"):
        ls.examples(survey, "conv:0", which="best")
    with pytest.raises(ViewError, match="n=0: pass a whole number from 1"):
        ls.examples(survey, "conv:0", n=0)
    with pytest.raises(ViewError, match="takes a survey, and got"):
        ls.examples({}, "conv:0")  # type: ignore[arg-type]


def test_files_are_read_again_and_one_that_has_gone_is_said(tmp_path: Path) -> None:
    images = spots().samples
    files = []
    for number in range(20):
        pixels = np.rint(255 * images[number].inputs["input"].values[0, ..., 0])
        files.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(pixels.astype(np.uint8)).save(files[-1])
    axes = ("sample", "y", "x", "channel")
    reading = InputReading((InputSpec("input", (None, 10, 10, 1)),), {"input": axes})
    survey = spots(files=files, reading=reading)
    Path(files[18]).unlink()
    first, gone = Gallery(survey, side=10, crop=False, outlines=False).pictures("conv:0", n=2)
    y, x = place_of(19)
    assert (first.pixels[y : y + 3, x : x + 3] == 255).all()
    assert gone.note == f"The file {files[18]!r} is no longer there."
    assert len(ls.examples(survey, "conv:0", n=2)) == 2


def sequence_survey(kind: Any, inputs: NamedArray, place: int) -> Any:
    """A survey of a layer with six positions, of which one fires, the more the later sample."""
    count = len(inputs.values)
    values = np.zeros((count, 6, 2), np.float32)
    values[:, place, 0] = np.arange(count) + 1
    shape = (None, *inputs.values.shape[1:])
    network = Network(
        "chain",
        "none",
        (
            Layer("input", "Input", "input", shape, inputs.axes),
            Layer("layer", "Any", shape=(None, 6, 2), axes=SEQUENCE, inputs=("input",), kind=kind),
        ),
    )
    return survey_of(network, {"layer": NamedArray(values, SEQUENCE)}, inputs)


def test_of_tokens_the_words_are_written(written: list[str]) -> None:
    tokens = np.arange(24, dtype=np.int64).reshape(4, 6)
    survey = sequence_survey("embedding", NamedArray(tokens, ("sample", "unit")), 2)
    (picture,) = Gallery(survey, words=[f"word{i}" for i in range(24)]).pictures("layer:0", n=1)
    assert picture.form == "tokens"
    assert picture.region is not None
    assert [*picture.region.box.values()] == [range(2, 3)]
    assert written == [f"word{i}" for i in range(18, 24)]


def test_of_a_signal_the_stretch_is_shaded() -> None:
    signal = np.sin(np.arange(60, dtype=np.float32)).reshape(1, 60, 1).repeat(3, axis=0)
    survey = sequence_survey("other", NamedArray(signal, SEQUENCE), 4)
    picture = Gallery(survey, side=100).pictures("layer:0", n=1)[0]
    assert picture.form == "signal"
    row = picture.pixels[np.ptp(picture.pixels, axis=1).sum(axis=1).argmin()]
    shaded = np.flatnonzero((row != row[0]).any(axis=-1))
    assert [shaded[0], shaded[-1] + 1] == [round(190 * 40 / 60), round(190 * 50 / 60)]


def test_of_a_table_the_row_is_bars_with_names(written: list[str]) -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    network = Network(
        "mlp",
        "none",
        (
            Layer("input", "Input", "input", (None, 3), ("sample", "unit")),
            Layer("dense", "Dense", shape=(None, 2), axes=("sample", "unit"), inputs=("input",),
                  kind="dense"),
        ),
    )  # fmt: skip
    survey = survey_of(
        network,
        {"dense": NamedArray(values, ("sample", "unit"))},
        NamedArray(rows, ("sample", "unit")),
        reading=InputReading((InputSpec("input", (None, 3), values=("age", "fare", "class")),)),
    )
    (picture,) = Gallery(survey).pictures("dense:1", n=1)
    assert picture.form == "row"
    assert written == ["age", "9", "fare", "10", "class", "11"]
    assert Gallery(survey, reshape=(3, 1)).pictures("dense:1", n=1)[0].form == "image"
