"""``pages``: the passage of a 2-D pattern through the network, one picture per layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.answers import answer_text, answers
from layerscope.recordings.recording import Recording
from layerscope.views.passage import Passage, alike
from layerscope.views.render import colour_scale
from layerscope.views.render.defaults import ground_or, palette_or, scale_or
from layerscope.views.render.feature_maps import check_passage
from layerscope.views.render.grid import Heading, Tile, arrange, check_columns, without_pattern
from layerscope.views.render.panel import Pages
from layerscope.views.render.select_maps import (
    Chosen,
    check_recording,
    check_shape,
    choose,
    reshapes,
    sample_of,
    shape_of,
)
from layerscope.views.render.signals import is_signal

_SIDE = 240  #: the longer side of a picture, where enlarging it in whole steps gets there


def pages(
    recording: Recording,
    *,
    grid: tuple[int, int] = (3, 3),
    min_size: tuple[int, int] = (15, 15),
    columns: int | None = None,
    scale: colour_scale.Scaling | None = None,
    palette: str | None = None,
    sample: int | str = 0,
    step: int | None = None,
    ground: str | None = None,
    reshape: tuple[int, ...] | None = None,
    classes: Sequence[str] = (),
) -> Pages:
    """Draw the passage of a 2-D pattern: the input, then each layer that has two axes.

    A layer of several channels shows their mean, and its title says so. Above the first page stands
    what the network answered.

    Parameters
    ----------
    grid
        Rows and columns of pictures on a page.
    min_size
        The smallest height and width to show, both inclusive.
    columns
        Instead of the grid's.
    reshape
        ``(height, width)``: shows vectors of that many values too, the input among them, and the
        tokens of as many places as images.
    classes
        The names of the classes that the network answers with.

    The other parameters are those of :func:`layerscope.sheet`.

    Returns
    -------
    A list of panels, one to a page.

    Raises
    ------
    ViewError
        When nothing is that large; the message says how large the largest is.
    """
    rows, across = _whole_numbers("grid", grid, 1)
    height, width = _whole_numbers("min_size", min_size, 0)
    across = check_columns(columns) or across
    reshape = reshape and check_shape(reshape)
    check_recording(recording)
    check_passage(recording)
    recording = recording.at(step)
    number = sample_of(recording, sample)
    palette = palette_or(palette)
    passage = Passage(recording, colour_scale.check(scale_or(scale)), palette, number, _SIDE)
    inputs = input_of(passage, reshape)
    seen = [tile.pixels.shape[:2] for tile in inputs]
    patterns = [p for p in inputs if p.pixels.shape[0] >= height and p.pixels.shape[1] >= width]
    for address, chosen in patterns_of(recording, number, reshape):
        seen.append(chosen.maps.shape[1:3])
        if _is_large(chosen, height, width):
            patterns += passage.tiles(chosen, address, chosen.title, of_its_own=True)
    if not patterns:
        largest = max(seen, key=lambda shape: int(np.prod(shape)), default=None)
        extent = f"the largest is {shape_of(largest)}" if largest else "all layers are vectors"
        raise ViewError(
            f"No layer's pattern is {height} by {width} or larger: {extent}; pass min_size=, or "
            "reshape= for vectors."
        )
    patterns = alike(patterns, _SIDE)
    answer = answer_text(answers(recording, number, classes))
    per_page = rows * across
    chunks = [patterns[i : i + per_page] for i in range(0, len(patterns), per_page)]
    return Pages(
        arrange(
            chunk,
            _heading(recording, passage, i, len(chunks), _note(answer if not i else "", chunk)),
            columns=across,
            palette=palette,
            ground=ground_or(ground),
            provenance=lambda: recording.provenance,
        )
        for i, chunk in enumerate(chunks)
    )


def _note(answer: str, tiles: Sequence[Tile]) -> str:
    return "; ".join(filter(None, [answer and f"answer: {answer}", without_pattern(tiles)]))


def patterns_of(
    recording: Recording, sample: int, reshape: tuple[int, ...] | None
) -> Iterator[tuple[str, Chosen]]:
    """Yield each layer that has a pattern of two axes, and the pattern."""
    for address in recording:
        chosen = _pattern(recording, address, sample, reshape)
        if chosen is not None:
            yield address, chosen


def _heading(recording: Recording, passage: Passage, page: int, count: int, note: str) -> Heading:
    of = f", page {page + 1} of {count}" if count > 1 else ""
    network = passage.scale == "network"
    return Heading(
        f"the passage through {shown_name(recording.network.name)}{of}",
        "*",
        colour_scale.words("unit" if passage.scale == "layer" else passage.scale),
        str(passage.scale),
        recording.extent(passage.sample) if network else None,
        note,
        labels="title",
    )


def input_of(passage: Passage, reshape: tuple[int, ...] | None) -> list[Tile]:
    """Return the input, where there is one that can be shown."""
    if not passage.recording.inputs:
        return []
    fits = reshapes(passage.recording.named(None), reshape)
    return passage.input(reshape if fits else None)


def _pattern(
    recording: Recording,
    address: str,
    sample: int,
    reshape: tuple[int, ...] | None,
) -> Chosen | None:
    """Return a layer's one pattern: its matrix, or the mean of its maps; None where it has none."""
    sizes = _sizes(recording.named(address))
    fits = reshapes(recording.named(address), reshape)
    if len(sizes) < 2 and not fits:
        return None
    chosen = choose(
        recording,
        address,
        sample=sample,
        reshape=reshape if fits else None,
        colours=False,
    )
    if chosen.maps.size == 0:
        return None
    if len(chosen.maps) == 1:
        return chosen
    with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs have no mean
        mean = chosen.maps.mean(axis=0, dtype=np.float32, keepdims=True)
    title = f"{chosen.title}, mean of {len(chosen.maps)}"
    return replace(chosen, maps=mean, labels=[""], title=title)


def _is_large(chosen: Chosen, height: int, width: int) -> bool:
    """Return whether a pattern is to be shown; a signal by its positions alone."""
    rows, columns = chosen.maps.shape[1:3]
    signal = chosen.form == "sequence" and is_signal(rows, columns)
    return bool(rows >= height and (signal or columns >= width))


def _sizes(array: NamedArray) -> list[int]:
    """Return the lengths of the axes of one sample."""
    lengths = zip(array.axes, array.values.shape, strict=True)
    return [length for name, length in lengths if name != "sample"]


def _whole_numbers(name: str, pair: object, least: int) -> tuple[int, int]:
    if (
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(isinstance(n, int) and n >= least for n in pair)
    ):
        return pair[0], pair[1]
    raise ViewError(f"{name}={pair!r}: pass two whole numbers from {least}, (rows, columns).")
