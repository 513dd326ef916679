"""What is written in a box, and how large that makes it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

from layerscope.core.network import Layer, whole_layers
from layerscope.core.table import setting_text, shape_text
from layerscope.core.text import shown_name
from layerscope.views.diagram.blocks import Block, Item
from layerscope.views.diagram.boxes import Box
from layerscope.views.diagram.kinds import OTHER, colour_of
from layerscope.views.render.text import length

NAME, SMALL = 11, 10  #: sizes of text, in pixels
_BAR, _PAD, _BETWEEN = 5, 8, 16  #: the coloured bar, the padding, the least between two texts
_LINE, _TIGHT = 15, 14  #: from one line of text to the next
_NARROWEST, _LONGEST = 92, 44  #: a card's least width; how many characters a text may have


class Text(NamedTuple):
    """A line of text; ``x`` is its left end, or its right where ``anchor`` is ``end``."""

    x: float
    y: float  #: of the baseline
    text: str
    size: int = SMALL
    style: str = "ink"  #: ``ink``, ``soft`` or ``name``
    anchor: str = "start"

    @property
    def width(self) -> float:
        """How long it is."""
        return length(self.text, self.size, bold=self.style == "name")


class CardRow(NamedTuple):
    """A line of a card: what stands left and what right."""

    left: str
    right: str
    style: str
    advance: int


@dataclass(frozen=True)
class Card:
    """A box as it is drawn, its corner at the origin."""

    width: float
    height: float
    texts: tuple[Text, ...]
    kind: str
    about: str  #: all that is known of it, for those who point at it
    thumbnail: tuple[float, float, float, float] | None = None


def card(
    item: Item, show_shapes: bool, show_layer_names: bool, thumbnail: tuple[int, int] | None = None
) -> Card:
    """Return the card of a box or of a closed block; ``thumbnail`` is the size of its picture."""
    rows = _block_rows(item, show_shapes) if isinstance(item, Block) else _box_rows(
        item, show_shapes, show_layer_names
    )  # fmt: skip
    width = max(_NARROWEST, *(_row_width(row) for row in rows))
    if thumbnail is not None:
        width = max(width, thumbnail[0] + 2 * _PAD + _BAR)
    texts, y = [], float(_PAD - 3)
    for row in rows:
        y += row.advance
        size = NAME if row.style == "name" else SMALL
        texts.append(Text(_BAR + _PAD, y, row.left, size, row.style))
        if row.right:
            texts.append(Text(width - _PAD, y, row.right, SMALL, "soft", "end"))
    height, place = y + _PAD - 2, None
    if thumbnail is not None:
        left = _BAR + (width - _BAR - thumbnail[0]) / 2
        place = (round(left), round(height + 2), *thumbnail)
        height = place[1] + thumbnail[1] + _LINE + 4  # its caption stands below it
    kind = OTHER if isinstance(item, Block) else colour_of(item.main)
    return Card(width, height, tuple(texts), kind, _about(item), place)


def _row_width(row: CardRow) -> float:
    size = NAME if row.style == "name" else SMALL
    left = length(row.left, size, bold=row.style == "name")
    right = length(row.right, SMALL) + _BETWEEN if row.right else 0.0
    return _BAR + 2 * _PAD + left + right


def _box_rows(box: Box, show_shapes: bool, show_layer_names: bool) -> list[CardRow]:
    rows: list[CardRow] = []
    shape = None
    for layer in box.layers:
        first = not rows
        shape_words = shape_text(layer.shape) if show_shapes and layer.shape != shape else ""
        count = layer.weights + layer.biases
        parameters = f"{count:,} params" if count else ""
        if layer is box.main:
            if show_layer_names:
                rows.append(CardRow(short(layer.address), parameters, "name", _LINE))
                rows.append(CardRow(type_text(layer), shape_words, "ink", _LINE))
            else:
                rows.append(CardRow(type_text(layer), parameters, "name", _LINE))
                rows += [CardRow("", shape_words, "ink", _LINE)] if shape_words else []
        else:
            left = short(layer.address) if show_layer_names else type_text(layer)
            right = ", ".join(filter(None, (type_text(layer) * show_layer_names, shape_words)))
            rows.append(
                CardRow(left, right, "ink" if first else "soft", _LINE if first else _TIGHT)
            )
        shape = layer.shape
    return rows


def _block_rows(block: Block, show_shapes: bool) -> list[CardRow]:
    layers = [layer for box in block.boxes for layer in box.layers]
    parameters = f"{block.parameters:,} params" if block.parameters else ""
    rows = [CardRow(title(block), parameters, "name", _LINE)]
    shape = shape_text(layers[-1].shape) if show_shapes else ""
    return [*rows, CardRow(f"{len(whole_layers(layers))} layers", shape, "ink", _LINE)]


def title(block: Block) -> str:
    """Return the name of a block, and how many alike it stands for."""
    name = short(block.name)
    if block.repeat == 1:
        return name
    return f"{name} … {short(block.last)}  × {block.repeat}"


def frame_text(block: Block) -> str:
    """Return what is written at the right of a frame's title."""
    return f"{block.parameters:,} params" if block.parameters else ""


def frame_widths(block: Block) -> tuple[float, float]:
    """Return how much room a frame's title needs at its left and at its right."""
    right = length(frame_text(block), SMALL)
    return length(title(block), NAME, bold=True) + 2 * _PAD, right + 2 * _PAD if right else 0.0


@functools.lru_cache(maxsize=8192)
def short(address: str) -> str:
    """Return the address, its middle left out where it is long."""
    return shown_name(address, _LONGEST)


def type_text(layer: Layer) -> str:
    """Return the type with the settings that one would draw by: ``Conv2D 3×3 /2``, ``relu``."""
    settings = layer.settings
    words = [layer.type]
    for name in ("kernel", "pool"):
        if name in settings:
            words.append(setting_text(settings[name]))
    if _is_stride(settings.get("stride")) and settings.get("stride") != settings.get("pool"):
        words.append("/" + setting_text(_one(settings["stride"])))
    activation = settings.get("activation")
    if activation not in (None, "linear", ""):
        if layer.kind == "activation":
            return short(str(activation))
        words.append(str(activation))
    return short(" ".join(words))


def _is_stride(value: Any) -> bool:
    numbers = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(number, int) and number != 1 for number in numbers)


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and len(set(value)) == 1 else value


def _about(item: Item) -> str:
    boxes = item.boxes if isinstance(item, Block) else (item,)
    lines = []
    for layer in (layer for box in boxes for layer in box.layers):
        settings = ", ".join(f"{name} {setting_text(v)}" for name, v in layer.settings.items())
        count = layer.weights + layer.biases
        parts = (layer.address, layer.type, shape_text(layer.shape), settings)
        lines.append(
            "; ".join(
                [*map(shown_name, filter(None, parts)), *([f"{count:,} params"] if count else [])]
            )
        )
    return " · ".join(lines[:12]) + (" · …" if lines[12:] else "")
