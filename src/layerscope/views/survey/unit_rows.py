"""A row of examples for every unit of a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from layerscope.core.addresses import each_unit, with_units
from layerscope.core.errors import AddressError, ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.survey.survey import Survey
from layerscope.views.render.colour_scale import number
from layerscope.views.render.grid import GAP, Heading, Tile, arrange, check_columns
from layerscope.views.render.panel import Panel
from layerscope.views.survey.gallery import ExamplePicture, Gallery
from layerscope.views.survey.painting import Inks, Pixels, paragraph

#: How long an image's side is, by what all of them take together.
_SIDES = (48, 40, 32, 24, 16)
_MOST_BYTES = 16_000_000
_MOST_UNITS = 4096
_EXAMPLES, _OF_MANY = 5, 3
_MANY = 1024  #: units that get fewer examples
_GAP = 2
_WIDTH = 1300  #: about how wide a picture is


def unit_rows(
    survey: Survey,
    address: str | None = None,
    *,
    columns: int | None = None,
    units: int | Iterable[int] | None = None,
    words: Mapping[int, str] | Sequence[str] | None = None,
    reshape: tuple[int, int] | None = None,
    ground: str = "dark",
) -> Panel:
    """Draw the strongest examples of every unit of a layer, ``columns`` in a row for each.

    Raises
    ------
    AddressError
        When the survey has no such layer or unit.
    ViewError
        When an option is none that can be drawn.
    """
    layer, numbers = _units(survey, address, units)
    most = check_columns(columns) or (_EXAMPLES if len(numbers) <= _MANY else _OF_MANY)
    shown = numbers[:_MOST_UNITS]
    side = _side(len(shown) * most)
    gallery = Gallery(
        survey,
        ground=ground,
        side=side,
        outlines=False,
        compact=True,
        words=words,
        reshape=reshape,
    )
    silent = set(survey.never_fired(layer))
    tiles = [_tile(gallery, layer, unit, most, unit in silent) for unit in shown]
    quiet = sum(unit in silent for unit in shown)
    notes = [f"{quiet} of {len(shown)} never fired"] if quiet else []
    if len(shown) < len(numbers):
        notes.append(f"the first {len(shown):,} of {len(numbers):,} units: units= names others")
    heading = Heading(
        shown_name(f"{layer}: what each unit fired for"),
        layer,
        f"its number, the highest value and the strongest of {survey.count:,} samples",
        "input",
        None,
        "; ".join(notes),
        "title",
    )
    return arrange(
        tiles,
        heading,
        columns=max(1, _WIDTH // (max(tile.size[0] for tile in tiles) + GAP)),
        palette="viridis",
        ground=ground,
        provenance=lambda: survey.provenance,
    )


def _units(survey: Survey, address: str | None, units: Any) -> tuple[str, list[int]]:
    """Return the layer and the numbers of its units that are asked for."""
    if address is None:
        raise ViewError(
            "A survey has several layers: name one of them, such as "
            f"{next(iter(survey), 'conv2d')!r}."
        )
    asked = each_unit(with_units(address, units), survey.tallies)
    places = [survey.place(each) for each in asked]
    layer = places[0].layer
    count = survey.tallies[layer].units
    if not count:
        raise AddressError(f"{layer!r} has no units.")
    if len(places) == 1 and places[0].unit is None:
        return layer, list(range(count))
    return layer, [place.unit for place in places if place.unit is not None]


def _side(pictures: int) -> int:
    return next((side for side in _SIDES if pictures * side * side * 3 <= _MOST_BYTES), _SIDES[-1])


def _tile(gallery: Gallery, layer: str, unit: int, most: int, silent: bool) -> Tile:
    """Return one unit's examples side by side; of words and rows, below one another."""
    address, inks = f"{layer}:{unit}", gallery.style.inks
    pictures = [] if silent else gallery.pictures(address, "top", most)
    if not pictures:
        width = most * gallery.style.side + (most - 1) * _GAP
        return Tile(paragraph("never fired", width, inks), str(unit), blank=True)
    peak = number(float(gallery.survey.tallies[layer].high[unit]))
    return Tile(row_of(pictures, inks), f"{unit}  {peak}")


def row_of(pictures: Sequence[ExamplePicture], inks: Inks) -> Pixels:
    """Return pictures as one: images and signals side by side, others below one another."""
    down = any(picture.form in ("tokens", "row", "text") for picture in pictures)
    sizes = np.array([picture.pixels.shape[:2] for picture in pictures])
    gaps = _GAP * (len(pictures) - 1)
    height, width = sizes.max(axis=0)
    if down:
        canvas = inks.canvas(int(sizes[:, 0].sum()) + gaps, int(width))
    else:
        canvas = inks.canvas(int(height), int(sizes[:, 1].sum()) + gaps)
    at = 0
    for picture in pictures:
        high, wide = picture.pixels.shape[:2]
        if down:
            canvas[at : at + high, :wide] = picture.pixels
        else:
            canvas[:high, at : at + wide] = picture.pixels
        at += (high if down else wide) + _GAP
    return canvas
