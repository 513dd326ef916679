"""A sheet of a survey: a row of examples for every unit, bounded however many there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import layerscope as ls
from cases.recordings import MAPS
from cases.surveys import spots, survey_of
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError, ViewError
from layerscope.views.survey import unit_rows as module


def test_every_unit_has_a_row_with_its_number_and_peak() -> None:
    panel = ls.sheet(spots(), "conv")
    tiles = panel.header["tiles"]
    assert [tile["label"] for tile in tiles] == ["0  1", "1", "2  1"]
    assert [tile["blank"] for tile in tiles] == [False, True, False]
    assert panel.header["note"] == "1 of 3 never fired"
    side = 42  # six times the seven pixels of a field and what is around it
    assert tiles[0]["shape"] == [side, 5 * side + 4 * 2]


def test_units_are_chosen_and_examples_counted() -> None:
    panel = ls.sheet(spots(), "conv", units=[2, 0], columns=2)
    assert [tile["label"] for tile in panel.header["tiles"]] == ["2  1", "0  1"]
    assert panel.header["tiles"][0]["shape"] == [42, 2 * 42 + 2]
    assert len(ls.sheet(spots(), "conv:2,0")) == 2


def test_many_units_are_drawn_smaller_and_no_more_than_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_UNITS", 20)
    monkeypatch.setattr(module, "_MOST_BYTES", 20 * 5 * 24 * 24 * 3)
    one = spots()
    images = one.samples[0].inputs["input"].values
    values = np.random.default_rng(0).random((5, 8, 8, 30)).astype(np.float32)
    layers = tuple(
        replace(layer, shape=(None, 8, 8, 30)) if layer.address == "conv" else layer
        for layer in one.network
    )
    survey = survey_of(
        replace(one.network, layers=layers),
        {"conv": NamedArray(values, MAPS)},
        NamedArray(images.repeat(5, axis=0), MAPS),
    )
    panel = ls.sheet(survey, "conv")
    assert len(panel) == 20
    assert panel.header["note"] == "the first 20 of 30 units: units= names others"
    assert panel.header["tiles"][0]["shape"] == [21, 5 * 21 + 8]
    assert len(panel.buffers["pixels"]) < module._MOST_BYTES


def test_bad_words_are_sentences() -> None:
    with pytest.raises(ViewError, match="several layers: name one of them, such as 'conv'"):
        ls.sheet(spots())
    with pytest.raises(AddressError, match="has 3 units"):
        ls.sheet(spots(), "conv", units=7)
    with pytest.raises(ViewError, match="columns=0"):
        ls.sheet(spots(), "conv", columns=0)
