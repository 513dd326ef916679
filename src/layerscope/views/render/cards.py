"""The kind ``cards``: small pictures or bars, each with a name, a number and where it leads.

``header["cards"]`` lists them: ``label`` and ``text`` are what is written, ``view`` is where the
page goes from there (``{"address": …}``, ``{"step": …}``, or nothing), ``group`` which of
``header["labels"]`` it stands under. A card with a ``shape`` has a picture, its pixels at
``offset`` of the buffer ``pixels``: colours where its ``format`` is ``rgb``, else palette indexes
on the range from ``low`` to ``high``. A ``value`` is drawn as a bar, of which ``header["most"]`` is
the longest. Where ``header["scale"]`` has ``low`` and ``high``, all pictures are drawn on that
range; where ``header["fixed"]``, the palette is part of what is shown; where ``header["large"]``,
a page draws them larger than most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.text import shown_name
from layerscope.views.render import colour_scale, documents, maps
from layerscope.views.render.grid import Heading, Tile, arrange, magnification
from layerscope.views.render.palette import MASKED, is_diverging
from layerscope.views.render.panel import VERSION, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_SIDE = 96  #: how long the longer side of a picture is
_DPI = 100
_BAR, _NEGATIVE = "#3b6fb6", "#c0504d"

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class PictureCard:
    """One of them; ``picture`` is ``(height, width)`` of values, or ``(height, width, 3)`` RGB.

    Where a masked array is masked, there is nothing.
    """

    label: str
    text: str = ""
    view: Mapping[str, Any] = field(default_factory=dict)
    picture: Array | None = None
    value: float | None = None
    group: int = 0


def cards_panel(
    title: str,
    cards: Sequence[PictureCard],
    *,
    address: str,
    groups: Sequence[str] = (),
    note: str = "",
    limits: tuple[float, float] | None = None,
    fixed: str = "",
    extra: Mapping[str, Any] | None = None,
    provenance: Callable[[], Mapping[str, str]] = dict,
) -> Panel:
    """Return cards as a panel.

    ``limits`` is the one range that all pictures are drawn on; without, each is drawn on its own.
    ``fixed`` is the palette where it is part of what is shown, such as one about zero.
    """
    pixels = bytearray()
    entries = [_entry(card, pixels, limits, fixed) for card in cards]
    values = [abs(card.value) for card in cards if card.value is not None]
    low, high = limits or (None, None)
    words = "each picture on its own range"
    if limits is not None:
        words = f"all on {colour_scale.number(limits[0])} … {colour_scale.number(limits[1])}"
    header = {
        "version": VERSION,
        "kind": "cards",
        "title": shown_name(title),
        "address": address,
        "note": note,
        "size": [960, 480],
        "ground": "dark",
        "palette": fixed or "viridis",
        "fixed": bool(fixed),
        "scale": {"mode": "layer" if limits else "unit", "text": words, "low": low, "high": high},
        "labels": [shown_name(group) for group in groups],
        "most": max(values, default=0.0),
        "cards": entries,
        **(extra or {}),
    }
    return Panel(header, {"pixels": bytes(pixels)}, provenance)


def _entry(
    card: PictureCard, pixels: bytearray, limits: tuple[float, float] | None, fixed: str
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "label": shown_name(card.label),
        "text": card.text,
        "view": dict(card.view),
        "group": card.group,
        "value": card.value,
        "shape": None,
    }
    if card.picture is None:
        return entry
    entry |= {"shape": list(card.picture.shape[:2]), "offset": len(pixels)}
    if card.picture.ndim == 3:
        pixels += np.ascontiguousarray(card.picture, np.uint8).tobytes()
        return entry | {"format": "rgb", "low": 0.0, "high": 255.0}
    scale: colour_scale.Scaling = limits if limits is not None and fixed else "unit"
    values = np.ma.filled(card.picture, 0)[None]
    scaled = colour_scale.scaled(values, scale, diverging=is_diverging(fixed))
    indexes = np.where(np.ma.getmaskarray(card.picture), MASKED, scaled.indexes[0])
    pixels += indexes.astype(np.uint8, copy=False).tobytes()
    low, high = float(scaled.low[0]), float(scaled.high[0])
    flat = bool(scaled.flat[0]) and scale == "unit"
    return entry | {"format": "index", "low": low, "high": low if flat else high}


def as_maps(panel: Panel) -> Panel:
    """Return the pictures as a panel of the kind ``maps``."""
    header = panel.header
    tiles = [_tile(panel, card) for card in header["cards"] if card["shape"]]
    limits = None
    if header["fixed"] and header["scale"]["low"] is not None:
        limits = (header["scale"]["low"], header["scale"]["high"])
    heading = Heading(
        header["title"],
        header["address"],
        header["scale"]["text"],
        header["scale"]["mode"],
        limits,
        header["note"],
        "title",
    )
    return arrange(
        tiles,
        heading,
        columns=None,
        palette=header["palette"],
        ground=header["ground"],
        provenance=panel.provenance,
    )


def _tile(panel: Panel, card: Mapping[str, Any]) -> Tile:
    height, width = card["shape"]
    depth = 3 if card["format"] == "rgb" else 1
    count = height * width * depth
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8, count, card["offset"])
    label = " ".join(filter(None, (card["label"], card["text"])))
    shaped = pixels.reshape((height, width, 3) if depth == 3 else (height, width))
    low, high = panel.header["scale"]["low"], panel.header["scale"]["high"]
    if depth == 1 and low is not None and not panel.header["fixed"]:
        shaped = _on(shaped, card, (low, high))
    else:
        low, high = card["low"], card["high"]
    return Tile(shaped, label, low, high, magnify=magnification((height, width), _SIDE))


def _on(pixels: Array, card: Mapping[str, Any], limits: tuple[float, float]) -> Array:
    """Return a picture's indexes on another range than its own."""
    from layerscope.views.render.palette import LEVELS

    values = card["low"] + pixels.astype(np.float64) / (LEVELS - 1) * (card["high"] - card["low"])
    moved = colour_scale.scaled(values[None], limits).indexes[0]
    return np.where(pixels < LEVELS, moved, pixels).astype(np.uint8)


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the pictures, or else the bars, as a PNG file with the metadata as text chunks."""
    if _pictured(panel):
        return maps.png(as_maps(panel), metadata)
    return documents.png_of(figure(panel, None, None), metadata, panel.header)


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return the pictures, or else the bars, as an SVG document with the metadata in it."""
    if _pictured(panel):
        return maps.svg(as_maps(panel), metadata)
    return documents.svg_of(figure(panel, None, None), metadata)


def _pictured(panel: Panel) -> bool:
    return any(card["shape"] for card in panel.header["cards"])


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw the pictures, or else a bar for each card."""
    if _pictured(panel):
        return maps.figure(as_maps(panel), figsize, ax)
    from layerscope.views.render.shown import ShownFigure

    cards = panel.header["cards"]
    if ax is None:
        size = figsize or (7.0, 1.0 + 0.24 * len(cards))
        made: Figure = ShownFigure(figsize=size, dpi=_DPI, layout="constrained")
        ax = made.add_subplot()
    values = [card["value"] or 0.0 for card in cards]
    colours = [_BAR if value >= 0 else _NEGATIVE for value in values]
    ax.barh(range(len(cards)), values, color=colours)
    ax.set_yticks(range(len(cards)), [card["label"] for card in cards], parse_math=False)
    ax.invert_yaxis()
    ax.axvline(0, color="#9696a0", linewidth=0.6)
    words = (panel.header["title"], panel.header["note"])
    ax.set_title("\n".join(filter(None, words)), fontsize=10, parse_math=False)
    drawn = ax.get_figure(root=True)
    assert drawn is not None
    return drawn
