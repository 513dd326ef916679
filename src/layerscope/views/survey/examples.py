"""What a unit fired for: its strongest samples, its weakest, or some over all its quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from layerscope.core.text import shown_name
from layerscope.recordings.survey.survey import Survey
from layerscope.views.render.colour_scale import number
from layerscope.views.render.grid import Heading, Tile, arrange
from layerscope.views.render.panel import Panel
from layerscope.views.survey.gallery import WHICH, ExamplePicture, Gallery, check_which
from layerscope.views.survey.painting import cut, paragraph

Array = npt.NDArray[Any]

_COLUMNS = {"image": 9, "signal": 3, "tokens": 1, "row": 3, "text": 1}


def examples_panel(
    survey: Survey,
    address: str,
    *,
    which: str = "top",
    n: int = 9,
    columns: int | None = None,
    crop: bool | None = None,
    maps: Mapping[int, Array] | None = None,
    words: Mapping[int, str] | Sequence[str] | None = None,
    reshape: tuple[int, int] | None = None,
    ground: str = "dark",
    title: str | None = None,
) -> Panel:
    """Draw the examples of a unit as a panel; ``maps`` are its maps, by the samples' numbers.

    Raises
    ------
    AddressError
        When the survey has no such unit.
    ViewError
        When an option is none that can be drawn.
    """
    n = check_which(which, n)
    gallery = Gallery(
        survey,
        ground=ground,
        crop=not maps if crop is None else crop,
        words=words,
        reshape=reshape,
    )
    pictures = gallery.pictures(address, which, n, maps)
    tiles = [tile_of(picture) for picture in pictures]
    if not tiles:
        tiles = [Tile(paragraph(never_fired(survey), 260, gallery.style.inks))]
    if columns is None:
        forms = [picture.form for picture in pictures if picture.form]
        columns = min(_COLUMNS.get(forms[0], 9) if forms else 9, len(tiles))
    place = survey.place(address)
    heading = Heading(
        f"{place}: {WHICH[which]}" if title is None else title,
        str(place),
        about(survey, str(place)) if title is None else "",
        "input",
        None,
        field_words(pictures),
        "title",
    )
    return arrange(
        tiles,
        heading,
        columns=columns,
        palette="viridis",
        ground=ground,
        provenance=lambda: survey.provenance,
    )


def tile_of(picture: ExamplePicture, *, short: bool = False) -> Tile:
    """Return an example as a tile: above it its value, the sample's name and label."""
    sample = picture.example.sample
    _height, width = picture.pixels.shape[:2]
    room = max(width, 72)
    lines = [picture.value]
    if not short:
        lines += [cut(shown_name(name), room) for name in (sample.name, sample.label or "")]
    return Tile(picture.pixels, "\n".join(lines))


def never_fired(survey: Survey) -> str:
    """Return what it means that a unit never fired."""
    allows = f": it fires on fewer than {300 / survey.count:.2g} % of such data (95 %)"
    return f"never fired in {survey.count:,} samples{allows if survey.count > 3 else ''}"


def about(survey: Survey, address: str) -> str:
    """Return of how many samples it is, and how often the unit fires."""
    place = survey.place(address)
    tally = survey.tallies[place.layer]
    unit = place.unit or 0
    words = [f"of {tally.samples:,} samples"]
    low, high = number(tally.low[unit]), number(tally.high[unit])
    words.append(f"its values {low} … {high}, mean {number(tally.mean[unit])}")
    fires = tally.samples - int(tally.silent[unit])
    if fires < tally.samples:
        share = 100 * fires / tally.samples
        words.append(f"fires on {fires:,} ({share:.3g} %)")
    return "; ".join(words)


def field_words(pictures: Sequence[ExamplePicture]) -> str:
    """Return how large the receptive field is, or why all of the sample is shown."""
    regions = [picture.region for picture in pictures if picture.region is not None]
    fields = [region.ranges for region in regions if region.ranges]
    if fields:
        axes = list(fields[0])
        lengths = [max(len(one[axis]) for one in fields if axis in one) for axis in axes]
        tokens = any(picture.form == "tokens" for picture in pictures)
        names = "words" if tokens else ", ".join(axes)
        return f"receptive field {' × '.join(map(str, lengths))} ({names})"
    cells = any(region.cell for region in regions)
    causes = dict.fromkeys(region.because for region in regions if region.because)
    why = f": {next(iter(causes))} takes all positions" if causes else ""
    words = f"computed from the whole input{why}" if regions else ""
    if any(picture.form == "row" for picture in pictures):
        words += "; bars from the middle of the samples kept to this one's value, on their range"
    return words + ("; marked is the cell of its map where it fired most" if cells else "")
