"""What pictures look like where no argument says so."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.recordings import MAPS, kernel, maps, recording
from cases.runs import run_of
from cases.visualizations import coloured
from layerscope.core.errors import ViewError
from layerscope.core.network import Layer, Network

ACTS = recording({"conv": maps(4, 20, 30)})
WEIGHTS = recording({"conv/kernel": kernel(3, 4)}, kind="weights")
NETWORK = Network("net", "none", (Layer("conv", "Conv2D", shape=(None, 20, 30, 4), axes=MAPS),))


def run() -> Any:
    values = np.random.default_rng(0).normal(size=(6, 3, 8, 8, 4)).astype(np.float32)
    return run_of({"conv": (MAPS, values)}, image=values[0, ..., :1])


def drawn() -> dict[str, Any]:
    """The ground, the palette and the scaling of each picture."""
    panels = {
        "sheet": ls.sheet(ACTS, "conv"),
        "across": ls.across(ACTS, 1),
        "pages": ls.pages(ACTS)[0],
        "timeline": ls.timeline(run(), "conv:1"),
        "diagram": ls.diagram(NETWORK),
        "weights": ls.sheet(WEIGHTS, "conv/kernel"),
        "features": ls.sheet(coloured()),
    }
    return {
        name: (p.header["ground"], p.header["palette"], p.header["scale"].get("mode"))
        for name, p in panels.items()
    }


def test_they_hold_within_a_with_and_no_longer() -> None:
    before = drawn()
    with ls.defaults(ground="light", palette="magma", scale="unit"):
        within = drawn()
    assert drawn() == before
    for name in ("sheet", "across", "pages"):
        assert within[name] == ("light", "magma", "unit"), name
    assert within["timeline"][:2] == ("light", "magma")
    assert within["diagram"][:2] == ("light", "magma")
    assert within["features"][0] == "light"
    assert within["features"][1:] == before["features"][1:]


def test_they_hold_from_a_call_on_until_all_are_put_back() -> None:
    before = drawn()
    ls.defaults(ground="light")
    try:
        ls.defaults(palette="gray")
        assert drawn()["sheet"] == ("light", "gray", before["sheet"][2])
        assert ls.sheet(ACTS, "conv", ground="dark").header["ground"] == "dark"
    finally:
        shown = ls.defaults()
    assert repr(shown) == "<layerscope.defaults: those of each picture>"
    assert drawn() == before


def test_an_argument_wins() -> None:
    with ls.defaults(ground="light", palette="gray", scale="unit") as shown:
        panel = ls.sheet(ACTS, "conv", ground="dark", palette="magma", scale="network")
        assert panel.header["ground"] == "dark"
        assert panel.header["palette"] == "magma"
        assert panel.header["scale"]["mode"] == "network"
        assert repr(shown) == "<layerscope.defaults: ground='light', palette='gray', scale='unit'>"


def test_they_are_put_back_within_one_another_and_after_an_error() -> None:
    with ls.defaults(ground="light"):
        with ls.defaults(palette="gray"):
            assert ls.sheet(ACTS, "conv").header["ground"] == "light"
        assert ls.sheet(ACTS, "conv").header["palette"] == "viridis"
        assert ls.sheet(ACTS, "conv").header["ground"] == "light"
    with pytest.raises(ViewError), ls.defaults(ground="light"):
        ls.sheet(ACTS, "conv", scale="nothing")
    assert ls.sheet(ACTS, "conv").header["ground"] == "dark"


def test_another_thread_keeps_its_own() -> None:
    grounds: list[str] = []
    with ls.defaults(ground="light"):
        thread = threading.Thread(
            target=lambda: grounds.append(ls.sheet(ACTS, "conv").header["ground"])
        )
        thread.start()
        thread.join()
    assert grounds == ["dark"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ground": "grey"}, "There is no ground 'grey'"),
        ({"palette": "virids"}, "There is no palette 'virids': did you mean 'viridis'"),
        ({"scale": "maps"}, "scale='maps' is none"),
    ],
)
def test_what_there_is_not_is_refused_and_changes_nothing(wrong: Any, message: str) -> None:
    with pytest.raises(ViewError, match=message):
        ls.defaults(**wrong)
    assert ls.sheet(ACTS, "conv").header["ground"] == "dark"


def test_a_panel_is_one_line() -> None:
    panel = ls.sheet(ACTS, "conv")
    assert repr(panel) == "<layerscope.Panel, maps: conv (20, 30, 4)>"
    assert len(repr(ls.pages(ACTS))) < 200
