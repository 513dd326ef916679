"""Kinds of panel: every kind can be drawn in every form, and others can bring theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from cases.networks import chain
from cases.recordings import maps, recording
from cases.runs import learner
from layerscope import curves, histogram, sheet
from layerscope.core.errors import ViewError
from layerscope.views.diagram import diagram
from layerscope.views.fate import fate
from layerscope.views.render import kinds
from layerscope.views.render.board import board_panel
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.overlay import Under, overlay_panel
from layerscope.views.render.panel import Panel
from layerscope.views.render.stack import stack_of, stack_panel
from layerscope.views.run_tables import run_tables

EACH = {
    "maps": lambda: sheet(recording({"conv": maps(3)}), "conv"),
    "lines": lambda: curves({"loss": [2.0, 1.0], "accuracy": [0.1, 0.5]}),
    "bars": lambda: histogram(recording({"conv": maps(3)}), "conv"),
    "table": lambda: run_tables(learner())[0],
    "graph": lambda: diagram(chain(3)),
    "stack": lambda: stack_panel(stack_of(recording({"conv": maps(3)}), "conv")),
    "cards": lambda: cards_panel(
        "two", [PictureCard("a", value=1.0), PictureCard("b", value=-2.0)], address="a"
    ),
    "strips": lambda: fate(learner()),
    "board": lambda: board_panel(
        "two", [[EACH["bars"](), EACH["maps"]()], [EACH["cards"]()]], address="a", code="ls.card(s)"
    ),
    "overlay": lambda: overlay_panel("one", np.eye(3), Under("input", np.eye(6)), address="a:1"),
}


def test_there_is_an_example_of_each_kind() -> None:
    assert set(EACH) == set(kinds._MODULES)


@pytest.mark.parametrize("name", EACH)
def test_a_kind_has_every_lowering(name: str) -> None:
    panel = EACH[name]()
    assert panel.header["kind"] == name
    assert isinstance(kinds.lowering(name), kinds.PanelKind)
    assert panel.png({"Title": "x"}).startswith(b"\x89PNG")
    assert "<svg" in panel.svg({"Title": "x"})
    assert isinstance(panel.figure(), Figure)
    figure = Figure()
    assert panel.figure(ax=figure.add_subplot()) is figure
    assert panel._repr_png_() == panel.png()


@pytest.mark.parametrize("name", EACH)
def test_a_header_is_json_and_has_what_all_headers_have(name: str) -> None:
    panel = EACH[name]()
    assert json.loads(json.dumps(panel.header, allow_nan=False)).keys() == panel.header.keys()
    assert {"version", "kind", "title", "address", "note", "size", "scale"} <= panel.header.keys()
    assert all(type(data) is bytes for data in panel.buffers.values())
    assert panel


@pytest.mark.parametrize("name", ["", "tiles", "Maps", None])
def test_an_unknown_kind_is_an_error(name: Any) -> None:
    known = ", ".join(map(repr, sorted(EACH)))
    with pytest.raises(ViewError, match=f"no kind of panel .*: {known} are known"):
        Panel({"kind": name})


class Plain:
    """A kind as a package would bring it."""

    def png(self, panel: Panel, metadata: Mapping[str, str]) -> bytes:
        return b"PNG of " + panel.header["title"].encode()

    def svg(self, panel: Panel, metadata: Mapping[str, str]) -> str:
        return f"<svg>{panel.header['title']}</svg>"

    def figure(self, panel: Panel, figsize: Any, ax: Any) -> Figure:
        return Figure()


def brought(monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    """Have an installed package bring a kind of panel."""
    entry = EntryPoint("plain", "package.plain", kinds.GROUP)
    package = SimpleNamespace(name=entry.name, value=entry.value, load=lambda: kind)
    groups = {kinds.GROUP: [package]}
    monkeypatch.setattr(kinds, "entry_points", lambda *, group: groups.get(group, ()))


def test_a_package_brings_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    brought(monkeypatch, Plain())
    panel = Panel({"kind": "plain", "title": "a"})
    assert panel.png() == b"PNG of a"
    assert panel.svg() == "<svg>a</svg>"
    with pytest.raises(ViewError, match=r"'plain'.* are known"):
        Panel({"kind": "other"})


def test_a_kind_that_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    brought(monkeypatch, SimpleNamespace(png=Plain().png))
    panel = Panel({"kind": "plain", "title": "a"})
    with pytest.raises(
        ViewError, match=r"'plain' \(package.plain\) lacks one of png, svg and figure"
    ):
        panel.png()
