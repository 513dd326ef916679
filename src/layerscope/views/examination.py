"""The picture of a finding: layers as bars, units and steps as lines, two modes as maps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.examination import ExaminationFinding, FindingChart
from layerscope.views.render import colour_scale
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.grid import Heading, Tile, arrange, magnification
from layerscope.views.render.lines import Chart, Line, Mark, lines_panel
from layerscope.views.render.palette import table
from layerscope.views.render.panel import Panel

_COLOURS = ("#3b6fb6", "#4f9d69", "#9a5fb4", "#9696a0")
_MARKED = "#e07b28"
_MOST_BARS = 40
_LIMITS = {"share": (0.0, 1.02), "correlation": (0.0, 1.02), "cosine": (-1.02, 1.02)}

Array = npt.NDArray[np.float64]


def finding_panel(finding: ExaminationFinding) -> Panel:
    """Return the picture of what was found.

    Raises ViewError where there is nothing to draw: of what was not found, or not checked.
    """
    chart = finding.chart
    if chart is None:
        raise ViewError(f"{finding.kind}: there is no picture of it, {finding.state}.")
    made = {"layers": _bars, "units": _units, "steps": _steps, "maps": _maps}
    return made[chart.form](finding, chart)


def _bars(finding: ExaminationFinding, chart: FindingChart) -> Panel:
    """Return a bar for each layer, or whatever has names; of many those about the first marked."""
    shown = _about(chart.labels, chart.marked)
    cards = []
    for name, values in chart.series.items():
        before = f"{name}: " if len(chart.series) > 1 else ""
        for i in shown:
            mark = "▸ " if chart.labels[i] in chart.marked else ""
            value = float(values[i])
            cards.append(
                PictureCard(
                    f"{mark}{before}{chart.labels[i]}  {colour_scale.number(value)}",
                    value=_long(value, logarithmic=chart.logarithmic),
                )
            )
    left = len(chart.labels) - len(shown)
    notes = ["bars are powers of ten"] * chart.logarithmic + [f"{left} more"] * bool(left)
    return cards_panel(_title(chart), cards, address=finding.layer or "*", note=", ".join(notes))


def _long(value: float, *, logarithmic: bool) -> float:
    """Return how long a bar is; of what has no length 0."""
    if not np.isfinite(value):
        return 0.0
    if not logarithmic:
        return value
    return float(np.log10(value)) if value > 0 else 0.0


def _about(labels: Sequence[Any], marked: Sequence[Any]) -> range:
    """Return which of many bars are drawn: those about the first that is marked."""
    if len(labels) <= _MOST_BARS:
        return range(len(labels))
    at = next((i for i, label in enumerate(labels) if label in marked), 0)
    begin = min(max(0, at - _MOST_BARS // 2), len(labels) - _MOST_BARS)
    return range(begin, begin + _MOST_BARS)


def _units(finding: ExaminationFinding, chart: FindingChart) -> Panel:
    """Return a bar for each unit of a layer, those that it is about in a colour of their own.

    Several series are lines over the units.
    """
    marked = set(chart.marked)
    series = {name: np.asarray(values, np.float64) for name, values in chart.series.items()}
    first = next(iter(series.values()))
    if len(series) > 1 or chart.logarithmic:
        x = np.asarray(chart.labels, np.float64)
        lines = [
            Line(name, x, values, _COLOURS[i % len(_COLOURS)], width=1.0)
            for i, (name, values) in enumerate(series.items())
        ]
    else:
        parts = [(False, "the others", _COLOURS[0]), (True, "found", _MARKED)]
        lines = []
        for is_marked, name, colour in parts:
            of = [i for i, label in enumerate(chart.labels) if (label in marked) == is_marked]
            if of:
                units = np.asarray([chart.labels[i] for i in of], np.float64)
                x, y = _stems(units, first[of])
                width = max(1.0, min(6.0, 300 / len(first)))
                lines.append(Line(name, x, y, colour, width=width))
    return lines_panel(
        _title(chart),
        [Chart(chart.value, lines, logarithmic=chart.logarithmic, limits=_LIMITS.get(chart.value))],
        x="unit",
        address=finding.layer or "*",
    )


def _stems(units: Array, values: Array) -> tuple[Array, Array]:
    """Return lines that rise from 0 to the value of each unit, as one line with gaps."""
    x = np.repeat(units, 3)
    y = np.stack([np.zeros_like(values), values, np.full_like(values, np.nan)], axis=1).ravel()
    return x[:-1], y[:-1]


def _steps(finding: ExaminationFinding, chart: FindingChart) -> Panel:
    """Return lines over the steps of a training, with the step at which it came about."""
    x = np.asarray(chart.labels, np.float64)
    lines = [
        Line(name, x, np.asarray(values, np.float64), _COLOURS[i % len(_COLOURS)])
        for i, (name, values) in enumerate(chart.series.items())
    ]
    return lines_panel(
        _title(chart),
        [Chart(chart.value, lines, logarithmic=chart.logarithmic)],
        x="step",
        address=finding.layer or "*",
        marks=[Mark(float(step), f"step {step}") for step in chart.marked],
    )


def _maps(finding: ExaminationFinding, chart: FindingChart) -> Panel:
    """Return each channel's maps side by side: the first two on one range, the last about zero."""
    names = list(chart.series)
    arrays = [np.asarray(chart.series[name], np.float32) for name in names]
    both = np.concatenate([array.ravel() for array in arrays[:-1]])
    finite = both[np.isfinite(both)]
    limits = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if limits[0] == limits[1]:
        limits = (limits[0], limits[0] + 1.0)
    last = arrays[-1][np.isfinite(arrays[-1])]
    far = float(np.abs(last).max()) if last.size else 1.0
    tiles = []
    for channel, (name, array) in itertools.product(
        range(arrays[0].shape[-1]), zip(names, arrays, strict=True)
    ):
        signed = name == names[-1]
        extent = (-far or -1.0, far or 1.0) if signed else limits
        tiles.append(_tile(array[..., channel], f"{name} {channel}", extent, signed=signed))
    words = (
        f"{' and '.join(names[:-1])} on {colour_scale.number(limits[0])} … "
        f"{colour_scale.number(limits[1])}; {names[-1]} about 0, to {colour_scale.number(far)}"
    )
    heading = Heading(_title(chart), finding.layer or "*", words, "layer", None, labels="title")
    wide = tiles[0].size[0] > 400
    return arrange(
        tiles,
        heading,
        columns=1 if wide else 2,
        group=1 if wide else len(names),
        palette="viridis",
        ground="dark",
        provenance=dict,
    )


def _tile(
    values: npt.NDArray[np.float32], label: str, limits: tuple[float, float], *, signed: bool
) -> Tile:
    scaled = colour_scale.scaled(values[None], limits, diverging=signed)
    colours = table("diverging" if signed else "viridis", "dark")
    row = values.shape[0] == 1
    return Tile(
        colours[scaled.indexes[0]],
        label,
        *limits,
        magnify=max(2, 512 // values.shape[1]) if row else magnification(values.shape, 96),
        tall=max(1, 16 // max(2, 512 // values.shape[1])) if row else 1,
    )


def _title(chart: FindingChart) -> str:
    return shown_name(chart.title)
