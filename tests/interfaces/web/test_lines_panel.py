"""Curves as a document of their own: what a notebook's frame holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cases.page_visits import Visit
from layerscope.interfaces.page.panel_file import panel_html
from layerscope.views.render.lines import Chart, Line, lines_panel


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens the document of a panel, where nothing can be reached."""
    visits = []

    def open_panel(panel) -> Visit:
        path = tmp_path / f"{len(visits)}.html"
        path.write_text(panel_html(panel), encoding="utf-8")
        made = Visit(chromium, path.as_uri(), offline=True)
        visits.append(made)
        made.page.goto(made.url)
        made.settled()
        return made

    yield open_panel
    assert not [line for made in visits for line in made.close()]


X = np.arange(5.0)


def lines(*ends: tuple[str, float]) -> list[Line]:
    return [
        Line(name, X, np.linspace(0, end, 5), f"#{i:02x}4080") for i, (name, end) in enumerate(ends)
    ]


def names_of(there: Visit) -> list[str]:
    return [text.partition("\n")[0] for text in there.page.locator("text.end").evaluate_all(
        "found => found.map((text) => text.firstChild.data)"
    )]  # fmt: skip


def places(there: Visit) -> list[tuple[float, float]]:
    boxes = [text.bounding_box() for text in there.page.locator("text.end").all()]
    return sorted((box["y"], box["y"] + box["height"]) for box in boxes)


def test_lines_are_named_at_their_ends_from_above_to_below(opened):
    chart = Chart("loss", lines(("low", 1), ("high", 3), ("middle", 2), ("the same", 2)))
    there = opened(lines_panel("curves", [chart, Chart("alone", lines(("rate", 1)))], x="epoch"))
    assert names_of(there) == ["high", "middle = the same", "low"]
    leads = there.page.locator("g > g > path").evaluate_all(
        "found => found.map((p) => p.getAttribute('stroke'))"
    )
    assert leads == ["#014080", "#034080", "#004080"]  # of two that are the same the upper one's


def test_names_do_not_lie_on_each_other_and_stay_within_their_chart(opened):
    many = lines(*((f"layer_{i}_with_a_long_name", 1 + i / 1000) for i in range(30)))
    there = opened(lines_panel("curves", [Chart("mean", many), Chart("more", many)], x="epoch"))
    names = names_of(there)
    assert names[-1] == "and 23 more"
    assert names[0] == "layer_29_…ong_name"
    assert len(names) == 16
    for (_, end), (begin, _) in itertools.pairwise(places(there)):
        assert begin > end - 4  # boxes of text are higher than its letters
    whole = there.page.locator("svg.chart").bounding_box()
    assert all(whole["y"] <= a and b <= whole["y"] + whole["height"] + 4 for a, b in places(there))
