"""A unit's page where its network was surveyed: examples, values, labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cases.surveys import place_of, spots
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.interfaces.page.opening import page_subject
from layerscope.recordings.recording import Recording
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.unit import unit_panel
from layerscope.views.survey.gallery import Gallery

NAMES = ("examples", "survey_values", "labels")


def recording() -> Recording:
    survey = spots()
    maps = NamedArray(np.ones((1, 8, 8, 3), np.float32), ("sample", "y", "x", "channel"))
    further = NamedArray(np.ones((1, 5), np.float32), ("sample", "unit"))
    return Recording(
        {"conv": maps, "dense": further},
        network=survey.network,
        inputs={"input": survey.samples[0].inputs["input"]},
    )


def panel_of(name: str, address: str, survey: Any = None) -> Any:
    acts = recording()
    gallery = None if survey is None else Gallery(survey, side=14, outlines=False)
    moment = replace(Moment(acts), gallery=gallery)
    return unit_panel(name).panel(moment, acts.place(address))


@pytest.mark.parametrize("name", NAMES)
def test_without_a_survey_there_is_nothing(name: str) -> None:
    assert panel_of(name, "conv:0") is None


@pytest.mark.parametrize("name", NAMES)
def test_of_units_that_the_survey_does_not_have_there_is_nothing(name: str) -> None:
    assert panel_of(name, "dense:4", spots()) is None


def test_examples_are_cards_in_three_groups() -> None:
    panel = panel_of("examples", "conv:0", spots())
    cards = panel.header["cards"]
    assert panel.header["labels"] == [
        "the strongest", "evenly over its quantiles", "the weakest",
    ]  # fmt: skip
    assert [sum(card["group"] == group for card in cards) for group in range(3)] == [8, 4, 4]
    assert (cards[0]["label"], cards[0]["text"]) == ("odd", "1")
    assert panel.header["note"].endswith("receptive field 3 × 3 (y, x)")
    assert panel.header["code"].endswith("ls.examples(s, 'conv:0')")
    size = 14 * 14 * 3
    first = np.frombuffer(panel.buffers["pixels"], np.uint8, size, cards[0]["offset"])
    assert (first.reshape(14, 14, 3)[..., 0] == 255).sum() == 36  # the field, twice as large
    assert place_of(19) == (5, 1)


def test_a_unit_that_never_fired_has_no_examples() -> None:
    panel = panel_of("examples", "conv:1", spots())
    assert panel.header["cards"] == []
    assert panel.header["note"].startswith("never fired in 20 samples: it fires on fewer than 15 %")
    assert panel_of("survey_values", "conv:1", spots()) is None


def test_labels_are_bars_in_order() -> None:
    cards = panel_of("labels", "conv:0", spots()).header["cards"]
    assert [card["label"] for card in cards] == ["odd", "even"]
    assert [card["value"] for card in cards] == sorted((c["value"] for c in cards), reverse=True)


def test_a_page_takes_a_survey_and_nothing_else() -> None:
    subject = page_subject(recording(), survey=spots())
    panel = subject.panel("unit.examples", {"address": "conv:0"})
    assert panel is not None
    assert len(panel.header["cards"]) == 16
    with pytest.raises(InputError, match="survey is a dict: pass what survey or open_recording"):
        page_subject(recording(), survey={})
