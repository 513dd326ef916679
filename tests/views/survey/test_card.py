"""A unit's card: which parts it has, what they hold, what is left out and said."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.surveys import spots
from layerscope.core.errors import AddressError, ViewError
from layerscope.views.render.board import parts_of
from layerscope.views.survey.figures import histogram_panel, labels_panel, preferences


def titles(panel: Any) -> list[str]:
    return [part["panel"]["title"] for part in panel.header["parts"]]


def test_without_a_model_it_has_examples_and_figures() -> None:
    panel = ls.card(spots(), "conv:0")
    assert titles(panel) == [
        "the strongest", "evenly over its quantiles", "the weakest", "conv:0: its values",
        "conv:0: mean by label",
    ]  # fmt: skip
    assert panel.header["facts"] == [
        "spots; 20 samples; values 0 … 1, mean 0.0646", "prefers odd (0.0689), even (0.0602)",
    ]  # fmt: skip
    assert panel.header["code"] == "ls.card(s, 'conv:0')"
    rows = parts_of(panel)
    assert [len(row) for row in rows] == [1, 1, 1, 2]
    assert rows[0][0].pixels(0).shape == (126, 126, 3)


def test_it_is_saved_with_names_of_its_own_in_each_part(tmp_path: Any) -> None:
    panel = ls.card(spots(), "conv:0")
    for ending in ("png", "svg", "pdf"):
        assert panel.save(tmp_path / f"card.{ending}").stat().st_size > 1000
    whole = ET.parse(tmp_path / "card.svg").getroot()
    names = [element.get("id") for element in whole.iter() if element.get("id")]
    assert len(names) == len(set(names))


def test_a_unit_that_never_fired() -> None:
    panel = ls.card(spots(), "conv:1")
    assert "never fired in 20 samples" in panel.header["facts"][0]
    assert "conv:1: its values" not in titles(panel)


def test_the_histogram_holds_every_value_once() -> None:
    survey = spots()
    panel = histogram_panel(survey, "conv:0")
    assert panel is not None
    (group,) = panel.header["groups"]
    counted = panel.numbers(group["counts"])
    tally = survey.tallies["conv"]
    assert counted.sum() + group["zeros"] == group["total"] == tally.values.counts[0].sum()
    edges = panel.numbers(panel.header["edges"])
    assert edges[0] == 0
    assert edges[-1] == 1


def test_labels_come_in_the_order_of_their_means() -> None:
    survey = spots()
    preferred = preferences(survey, "conv:0")
    means = survey["conv:0"]["label_mean"].sel(label=[label for label, _, _ in preferred])
    assert np.allclose([mean for _, mean, _ in preferred], means)
    assert [count for _, _, count in preferred] == [10, 10]
    assert preferred[0][1] >= preferred[1][1]
    assert labels_panel(spots(labels=()), "conv:0") is None


def test_bad_words_are_sentences() -> None:
    with pytest.raises(AddressError, match="name a unit of it"):
        ls.card(spots(), "conv")
    with pytest.raises(ViewError, match="takes a survey"):
        ls.card(3, "conv:0")  # type: ignore[arg-type]
