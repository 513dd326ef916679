"""What goes along one axis, such as sound, or the taps of a 1-D kernel: lines, bars and strips.

A layer with ``position`` and ``channel`` is a *signal* where it has at least 32 positions, and more
than twice as many positions as channels; else it is a matrix, a row for each position. Maps of a
single row or column are signals from 32 values on, and so is one position of more than 1,024
channels, whose axes have lost their names. Positions of a signal go across. Up to 16 channels are
lines below one another; more are one image, a row for each. Where there are more positions than
pixels, each pixel of a line spans the least to the largest value of those that share it, and in an
image the least and the largest take turns: none is averaged away. So do the channels of a matrix
that has more than 1,920.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.views.render import colour_scale
from layerscope.views.render.palette import (
    GROUND,
    INK,
    LEVELS,
    MARK,
    NAN,
    NEGATIVE_INFINITY,
    POSITIVE_INFINITY,
)
from layerscope.views.render.select_maps import Chosen
from layerscope.views.render.thinning import extremes

WIDTH = 960  #: pixels across of a signal
_LINES = 16  #: up to so many channels are lines
_LEAST = 32  #: positions of a signal
_LONG = 1024  #: an input of more single values, or one position of more channels, is one, too
_WIDEST = 2  #: so many screens wide a matrix may be
_HIGHEST, _HIGH, _LOW = 160, 96, 48  #: of one line, of a few, of many
_FEW = 4
_INPUTS = 4  #: up to so many inputs of a 1-D kernel each have a plot of their own
_TAPS = 64  #: kernels of more are lines, not bars
_PLOT = 64, 40  #: width and height of the plot of a kernel
_STRIP = 512  #: an image of few channels is made about so high
_SPECIAL = 4  #: rows of pixels that show where values are no numbers

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]


def is_signal(positions: int, channels: int) -> bool:
    """Return whether so many positions of so many channels go across, and are no matrix."""
    return positions >= _LEAST and positions > 2 * channels


def along(chosen: Chosen, width: int = WIDTH, lines: int = _LINES) -> Chosen:
    """Return what goes along one axis as lines or as a strip; anything else as it is.

    ``width`` is how many pixels a line takes; of more channels than ``lines`` it is a strip.
    """
    if chosen.form == "kernel":
        return _kernel(chosen)
    if chosen.form == "sequence" and is_signal(*chosen.maps.shape[1:]):
        rows = np.ascontiguousarray(chosen.maps[0].T)
        return _signal(chosen, rows, width, lines)
    if chosen.form == "sequence" and len(chosen.maps[0]) == 1 and chosen.maps.size > _LONG:
        return _signal(chosen, chosen.maps[0], width, lines)
    if _is_flat(chosen) and chosen.maps[0].size >= _LEAST:
        return _signal(chosen, chosen.maps.reshape(len(chosen.maps), -1), width, lines)
    if chosen.vector and chosen.is_input and chosen.maps.size > _LONG:
        note = "a vector, drawn as a line: reshape= draws it as an image"
        named = replace(chosen, vector=False, note="; ".join(filter(None, (chosen.note, note))))
        return _signal(named, chosen.maps[0], width, lines)
    if chosen.form == "sequence" and len(chosen.maps) == 1 and min(chosen.maps.shape[1:]) > 1:
        return _matrix(chosen, width)
    return chosen


def _matrix(chosen: Chosen, width: int) -> Chosen:
    """Return a row for each position; more channels than a screen is wide share its pixels."""
    words, channels = "positions down, channels across", chosen.maps.shape[2]
    if channels > _WIDEST * width:
        each = -(-channels // width)
        words = f"positions down, {channels:,} channels across"
        words += f", the least and the largest of {2 * each} take turns"
        strip = extremes(chosen.maps[0], width)[None]
        chosen = replace(chosen, maps=strip, form="matrix", width=width, positions=channels)
    return replace(chosen, note="; ".join(filter(None, (chosen.note, words))))


def _is_flat(chosen: Chosen) -> bool:
    """Return whether these are maps of a single row, or column, as of a sound in a Conv2D."""
    other = chosen.form or chosen.vector or chosen.kernel or chosen.feature or chosen.attention
    plain = not other and chosen.maps.ndim == 3 and chosen.maps.size > 0
    return plain and 1 in chosen.maps.shape[1:]


def _signal(chosen: Chosen, rows: Array, width: int, lines: int) -> Chosen:
    """Return channels ``(channels, positions)`` as lines, or as one image of so many rows."""
    count, length = rows.shape
    each = -(-length // width)
    labels = chosen.labels
    if count <= lines:
        if len(labels) != count:
            labels = [str(i) for i in range(count)] if count > 1 else [""]
        shared = f", {each} to a pixel, from the least to the largest" * (each > 1)
        words = f"{length:,} positions across{shared}"
        form, maps = "lines", rows[:, None]
    else:
        shared = f", the least and the largest of {2 * each} take turns" * (each > 1)
        words = f"channels down, {length:,} positions across{shared}"
        form, maps = "strip", extremes(rows, width)[None]
        labels = [""]
    return replace(
        chosen,
        maps=maps,
        labels=labels,
        form=form,
        width=width,
        positions=length,
        note="; ".join(filter(None, (chosen.note, words))),
    )


def _kernel(chosen: Chosen) -> Chosen:
    """Return 1-D kernels ``(channel, position, input)``: a plot each, or inputs down."""
    count, taps, inputs = chosen.maps.shape
    turned = np.ascontiguousarray(chosen.maps.transpose(0, 2, 1))
    if taps == 1:
        return replace(chosen, maps=turned)
    if inputs > _INPUTS:
        words = "inputs down, positions across"
        note = "; ".join(filter(None, (chosen.note, words)))
        return replace(chosen, maps=turned, note=note)
    labels = chosen.labels
    if inputs > 1:
        labels = [f"{label}·{i}" for label in labels for i in range(inputs)]
    maps = turned.reshape(count * inputs, 1, taps)
    return replace(chosen, maps=maps, labels=labels, form="taps", positions=taps)


def height_of(chosen: Chosen) -> int:
    """Return how many pixels high each line is."""
    if chosen.width < WIDTH:
        return max(_LOW, chosen.width // 5)
    if len(chosen.maps) > _FEW:
        return _LOW
    return _HIGHEST if len(chosen.maps) == 1 else _HIGH


def stretch(rows: int, columns: int, times: int) -> int:
    """Return how many times higher than wide the cells of a wide image are, to be seen at all.

    An image of few rows becomes about an eighth as high as it is wide.
    """
    return max(1, min(-(-columns // (8 * rows)), _STRIP // max(1, rows * times)))


def drawn(chosen: Chosen, result: colour_scale.Scaled) -> list[Pixels]:
    """Return the pixels of each line, or of each kernel's plot."""
    each = zip(chosen.maps[:, 0], result.indexes[:, 0], result.low, result.high, strict=True)
    if chosen.form == "taps" and chosen.positions <= _TAPS:
        return [_bars(values, colours, low, high) for values, colours, low, high in each]
    width, height = (chosen.width, height_of(chosen)) if chosen.form == "lines" else _PLOT
    return [line(values, float(low), float(high), width, height) for values, _, low, high in each]


def line(values: Array, low: float, high: float, width: int, height: int) -> Pixels:
    """Return a line through values, as palette indexes ``(height, about width)``.

    Each column of pixels spans the least to the largest value there. Zero is marked where it lies
    between ``low``, the last row, and ``high``, the first; what is no number has its own colour.
    """
    least, most, special = _spans(np.asarray(values, np.float64), width)
    rows = np.arange(height)[:, None]
    pixels = np.full((height, len(least)), GROUND, np.uint8)
    if low < 0 < high:
        pixels[_row(np.zeros(1), low, high, height)[0]] = MARK
    there = least <= most
    top = _row(np.where(there, most, low), low, high, height)
    bottom = _row(np.where(there, least, low), low, high, height)
    bottom = np.minimum(np.where(bottom == top, bottom + 1, bottom), height - 1)  # two pixels thick
    top = np.minimum(top, bottom - 1)
    pixels[there & (rows >= top) & (rows <= bottom)] = INK
    for index, where in special.items():
        part = slice(0, _SPECIAL) if index == POSITIVE_INFINITY else slice(height - _SPECIAL, None)
        pixels[part, where] = index
    return pixels


def _spans(values: Array, width: int) -> tuple[Array, Array, dict[int, npt.NDArray[np.bool_]]]:
    """Return the least and the largest value of each column, and where which are no numbers."""
    length = len(values)
    tests = {
        NAN: np.isnan(values),
        POSITIVE_INFINITY: values == np.inf,
        NEGATIVE_INFINITY: values == -np.inf,
    }
    finite = np.isfinite(values)
    if length > width:
        starts = np.arange(width) * length // width
        # The line comes from the value before: columns that do not touch would leave gaps.
        before = np.maximum(starts - 1, 0)
        low, high = np.where(finite, values, np.inf), np.where(finite, values, -np.inf)
        least = np.minimum(np.minimum.reduceat(low, starts), low[before])
        most = np.maximum(np.maximum.reduceat(high, starts), high[before])
        where = {key: np.logical_or.reduceat(test, starts) for key, test in tests.items()}
    else:
        times = width // length
        at = (np.arange(length * times) + 0.5) / times - 0.5
        kept = np.where(finite, values, np.nan)
        ends = np.stack([
            _between(kept, place) for place in (at - 0.5 / times, at, at + 0.5 / times)
        ])  # fmt: skip
        least = np.fmin.reduce(ends, axis=0)
        most = np.fmax.reduce(ends, axis=0)
        least, most = np.where(np.isnan(least), 1, least), np.where(np.isnan(most), 0, most)
        where = {key: test.repeat(times) for key, test in tests.items()}
    return least, most, {key: test for key, test in where.items() if test.any()}


def _between(values: Array, places: Array) -> Array:
    """Return values on the line through the given ones, ends held; NaN beside what is none."""
    places = np.clip(places, 0, len(values) - 1)
    before = places.astype(int)
    after = np.minimum(before + 1, len(values) - 1)
    share = places - before
    between: Array = values[before] * (1 - share) + values[after] * share
    return np.where(share == 0, values[before], between)


def _bars(values: Array, colours: Pixels, low: float, high: float) -> Pixels:
    """Return a bar for each value, from zero, in the value's colour."""
    width, height = _PLOT
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    numbers = np.where(np.isfinite(values), values, 0.0).astype(np.float64)
    zero = _row(np.zeros(1), low, high, height)[0]
    ends = _row(numbers, low, high, height)
    rows = np.arange(height)[:, None]
    bars = (rows >= np.minimum(ends, zero)) & (rows <= np.maximum(ends, zero))
    bars |= (colours >= LEVELS) & (abs(rows - zero) < _SPECIAL)
    pixels = np.where(bars, colours, np.uint8(GROUND))
    pixels[zero] = np.where(bars[zero] & (ends != zero), pixels[zero], MARK)
    thick = max(2, width // len(values))
    wide = pixels.repeat(thick, axis=1)
    gaps = np.arange(wide.shape[1]) % thick == thick - 1
    wide[:, gaps & (thick > 3)] = GROUND
    wide[zero, gaps] = MARK
    return wide


def _row(values: Array, low: float, high: float, height: int) -> npt.NDArray[np.intp]:
    """Return the row of each value, the first for ``high``; the middle where all agree."""
    if not high > low:
        return np.full(len(values), (height - 1) // 2)
    share = (high - np.clip(values, low, high)) / (high - low)
    return np.rint(share * (height - 1)).astype(np.intp)
