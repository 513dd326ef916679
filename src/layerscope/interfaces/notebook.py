"""What a notebook shows as the last line of a cell: a picture, and the page of it in a frame.

The frame holds all that it shows, so it is still there where the saved notebook is opened without
layerscope. The picture is for where no frame is shown: a notebook that is not trusted, a page that
shows notebooks.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from layerscope.core.display import Pictured
from layerscope.core.errors import LayerscopeError
from layerscope.core.network import Network
from layerscope.interfaces.page.page_file import Limits, PageFile
from layerscope.interfaces.page.panel_file import can_draw, panel_html
from layerscope.interfaces.page.recording_subject import RecordingSubject
from layerscope.interfaces.page.subject import PageSubject
from layerscope.recordings.comparison import Comparison
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.survey.survey import Survey
from layerscope.views.curves import curves
from layerscope.views.diagram import diagram
from layerscope.views.difference_diagram import difference_diagram
from layerscope.views.render.panel import Panel
from layerscope.views.render.png import reduced
from layerscope.views.sheet import sheet

MAX_SIZE = 2_000_000  #: bytes of all that a cell shows: a lesson has some twenty such cells
HEIGHT = 520  #: pixels of a frame, at most

_PAGE = 900_000  #: bytes of the page of a recording: there are pictures of its layers besides
_PICTURE = 34_000  #: bytes of its PNG
_BEHIND = 20_000  #: bytes of the PNG that lies behind a frame
_AROUND, _COLUMN = 190, 1000  #: pixels: what is around the maps of a frame, how wide it is at most
_ESCAPES = 1.15  #: how much longer a document gets that stands in an attribute
_MOMENTS = 30  #: samples at steps: nobody waits for more


def bundle(thing: Any) -> dict[str, Any]:
    """Return what is shown of a recording, a network or a panel, by media types."""
    shown: dict[str, Any] = {"text/plain": repr(thing)}
    picture = _first(panel.png for panel in _pictures(thing))
    if picture is None:
        return shown
    shown["image/png"] = _letters(_small(picture, _PICTURE))
    behind = _letters(_small(picture, _BEHIND))
    taken = sum(map(len, shown.values()))
    room = MAX_SIZE - taken - len(behind) - 2_000
    document = _first([lambda: _document(thing, round(room / _ESCAPES))])
    if document is not None:
        framed = frame(document, behind, _height(thing))
        if len(framed) + taken <= MAX_SIZE:
            shown["text/html"] = framed
    return shown


def _letters(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _small(picture: bytes, size: int) -> bytes:
    """Return a PNG of so many bytes: with fewer colours, or smaller, where it has more."""
    small, times = picture, 0
    while len(small) > size:
        times += 1
        small = reduced(picture, times)
    return small


def _height(thing: Any) -> int:
    """Return how high a frame is to be: maps in a few rows need little."""
    if not isinstance(thing, Panel) or thing.header["kind"] != "maps":
        return HEIGHT
    boxes = [tile["box"] for tile in thing.header["tiles"]]
    top, low = min(y for _, y, _, _ in boxes), max(y + height for _, y, _, height in boxes)
    needed: float = _AROUND + _COLUMN * (low - top) / thing.header["size"][0]
    return round(min(HEIGHT, needed))


def frame(document: str, png: str, height: int = HEIGHT) -> str:
    """Return a frame that shows a document, with a picture for where frames are taken out."""
    inside = document.replace("&", "&amp;").replace('"', "&quot;")
    # Letters as numbers: a saved notebook may be read in any encoding, and the policy counts bytes.
    inside = inside.encode("ascii", "xmlcharrefreplace").decode("ascii")
    # A box of its own for the frame lies over the picture: marimo puts frames into further ones.
    return (
        '<div style="display: grid; max-width: 100%;">'
        f'<img alt="" src="data:image/png;base64,{png}" style="grid-area: 1 / 1; max-width: 100%; '
        f'max-height: {height}px; object-fit: contain; border-radius: 8px;">'
        '<div style="grid-area: 1 / 1; min-width: 0; position: relative;">'
        f'<iframe title="layerscope" srcdoc="{inside}" loading="lazy" style="width: 100%; '
        f"height: {height}px; border: 1px solid #8886; border-radius: 8px; background: Canvas; "
        'display: block;"></iframe></div></div>'
    )


def _first(makers: Any) -> Any:
    """Return what the first of these makes that can make it; None where none can."""
    for make in makers:
        try:
            made = make()
        except LayerscopeError:
            continue  # a network whose order is not known, a layer of words: text is shown
        if made is not None:
            return made
    return None


def _pictures(thing: Any) -> Iterator[Panel]:
    """Yield pictures of a thing, the best first; a later one is for where that can't be drawn."""
    for make in _views(thing):
        try:
            yield make()
        except LayerscopeError:
            continue


def _views(thing: Any) -> list[Callable[[], Panel]]:
    if isinstance(thing, Panel):
        return [lambda: thing]
    if isinstance(thing, Network):
        return [lambda: diagram(thing)]
    if isinstance(thing, Comparison):
        return [lambda: difference_diagram(thing)]
    if isinstance(thing, Pictured):
        return [thing.picture]
    if isinstance(thing, Run):
        return [lambda: curves(thing), lambda: _passage(PageSubject(run=thing.activations))]
    if isinstance(thing, Survey):
        return [partial(sheet, thing, address) for address in _surveyed(thing)]
    sheets: list[Callable[[], Panel]] = [
        partial(sheet, thing, address) for address in _drawn(thing)
    ]
    if thing.kind == "activations" and not thing.has_steps:
        return [lambda: _passage(RecordingSubject(thing)), *sheets]
    return [partial(sheet, thing), *sheets] if thing.kind == "features" else sheets


def _drawn(recording: Recording) -> list[str]:
    """Return the addresses of what can be drawn, what has maps first."""
    return sorted(recording, key=lambda address: -len(recording.axes(address)))[:8]


def _surveyed(survey: Survey) -> list[str]:
    """Return the layers of a survey, the deepest that has maps first."""
    layers = list(survey)
    layers.reverse()
    return sorted(layers, key=lambda address: not survey.tallies[address].shape)[:8]


def _passage(subject: PageSubject) -> Panel:
    panel = subject.panel("passage", {})
    assert panel is not None
    return panel


def _document(thing: Any, size: int) -> str | None:
    """Return the page of a thing, or of its picture; None where there is none."""
    limits = Limits(
        min(size, _PAGE), layouts=2, unit_panels=100, moments=_MOMENTS, small=True, slack=0.5
    )
    if isinstance(thing, Run):
        return PageFile(PageSubject(run=thing.activations), limits).html()
    if isinstance(thing, Recording) and thing.kind == "activations" and not thing.has_steps:
        return PageFile(RecordingSubject(thing), limits).html()
    panel = next(_pictures(thing), None)
    return panel_html(panel, size, small=True) if panel is not None and can_draw(panel) else None
