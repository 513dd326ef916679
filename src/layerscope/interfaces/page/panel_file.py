"""One panel as a document of its own."""

from __future__ import annotations

from typing import Any

from layerscope._version import __version__
from layerscope.interfaces.page import assets
from layerscope.interfaces.page.bundle import Bundle
from layerscope.interfaces.page.document import file_html
from layerscope.interfaces.page.outline import looks
from layerscope.interfaces.page.wire import packed
from layerscope.views.render.maps import thinned
from layerscope.views.render.panel import Panel

START = "start_panel.js"
_THINNER = (2, 3, 4, 6, 8, 12, 16, 24, 32)  #: rows and columns of a map that are averaged to one


def can_draw(panel: Panel) -> bool:
    """Return whether the page has a module for panels of this kind."""
    return f"panels/{panel.header['kind']}.js" in assets.names()


def panel_html(panel: Panel, size: int | None = None, *, small: bool = False) -> str:
    """Return a document that shows a panel; of maps that make it longer than ``size``, averages.

    Where it is to be ``small``, its script is compressed.
    """
    document = _whole(panel, small)
    if size is not None and panel.header["kind"] == "maps":
        for times in _THINNER:
            if len(document) <= size:
                break
            document = _whole(thinned(panel, times), small)
    return document


def _whole(panel: Panel, small: bool) -> str:
    bundle = Bundle()
    bundle.add("panel", packed(panel))
    title, palette = str(panel.header["title"]), panel.header.get("palette")
    outline: dict[str, Any] = {
        "version": __version__, "title": title, "framework": "", "about": "", "notes": [],
        "samples": [], "recorded": 0, "generation": 0, "steps": [], "epochs": [], "moments": [],
        "layers": [], "unit_panels": [], "can": {}, **looks(palette), "palette": palette,
    }  # fmt: skip
    data = {"outline": outline, "index": bundle.index, "opened": [[]], "first": {}}
    return file_html(title, data, bundle.blocks, START, [str(panel.header["kind"])], small=small)
