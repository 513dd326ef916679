"""The page's panel of where a unit was seen: made when it is asked for, and not for a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases import attribution_networks as cases
from layerscope.interfaces.page.opening import page_subject
from layerscope.interfaces.page.page_file import PageFile
from layerscope.interfaces.page.subject import PageSubject

NAME = "unit.attribution"


@pytest.fixture
def subject() -> PageSubject:
    return page_subject(cases.keras_network(), cases.samples(2))


def test_only_a_host_that_asks_for_one_unit_at_a_time_gets_maps(subject: PageSubject) -> None:
    assert subject.panel(NAME, {"address": "o:1"}) is None
    subject.attributes = True
    panel = subject.panel(NAME, {"address": "o:1", "sample": "1"})
    assert panel is not None
    assert panel.header["kind"] == "cards"
    assert [card["label"] for card in panel.header["cards"]] == ["grad_cam", "input_x_gradient"]
    assert "c2" in panel.header["cards"][0]["text"]
    namespace: dict[str, Any] = {"model": cases.keras_network(), "x": cases.samples(2)}
    exec(panel.header["code"], namespace)
    assert subject.panel(NAME, {"address": "o"}) is None


def test_a_unit_with_no_map_before_it_has_the_gradient_alone(subject: PageSubject) -> None:
    subject.attributes = True
    panel = subject.panel(NAME, {"address": "c1:2"})
    assert panel is not None
    assert [card["label"] for card in panel.header["cards"]] == ["input_x_gradient"]


def test_maps_are_kept_until_the_model_is_trained(
    subject: PageSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.attributes = True
    first = subject.panel(NAME, {"address": "o:1"})
    again = subject.panel(NAME, {"address": "o:1"})
    assert first is not None
    assert again is not None
    assert first.buffers == again.buffers
    assert subject._maps is not None
    assert len(subject._maps._kept) == 1
    assert subject.samples is not None
    model = subject.samples.model
    subject.watch_models()
    for watch in subject._watches:
        monkeypatch.setattr(watch, "changed", lambda: True)
    model.set_weights([-np.asarray(values) for values in model.get_weights()])
    subject.changes()
    trained = subject.panel(NAME, {"address": "o:1"})
    assert trained is not None
    assert trained.buffers != first.buffers


def test_a_page_in_a_file_makes_no_maps(subject: PageSubject) -> None:
    assert "Where it was seen" not in PageFile(subject).html()
