"""How strongly images fired while they were made: a curve for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.render.legend import shortened_notes
from layerscope.views.render.lines import (
    NAMED,
    Chart,
    Line,
    Mark,
    Values,
    colour_of,
    extremes,
    lines_panel,
)
from layerscope.views.render.panel import Panel

_REFERENCES = 4  #: images whose samples' largest is drawn
_LARGEST = "the samples' largest"


def ascents(
    visualization: FeatureVisualization, logarithmic: bool, figsize: tuple[float, float] | None
) -> Panel:
    """Draw the objective of each image over the steps, where octaves begin, what samples reach.

    Raises
    ------
    ViewError
        When no history was kept, or a logarithm is asked for of what is not positive.
    """
    history = visualization.history.values
    series = [
        (name, values)
        for name, values in zip(visualization.images, history.T, strict=True)
        if np.isfinite(values).any()
    ]
    if not series:
        raise ViewError("There is nothing to draw: this visualization holds no history.")
    if logarithmic and not all(np.nanmin(values) > 0 for _, values in series):
        raise ViewError("logarithmic=True needs an objective that is positive at every step.")
    notes = [*visualization.notes, *map(str, visualization.grades)]
    return lines_panel(
        _title(visualization, len(history)),
        [_chart(visualization, series, logarithmic)],
        x="step",
        address=" ".join(visualization),
        marks=_octaves(visualization, len(history)),
        notes=shortened_notes(notes, "grades"),
        scale="logarithmic" if logarithmic else "linear",
        figsize=figsize,
        provenance=lambda: visualization.provenance,
    )


def _chart(
    visualization: FeatureVisualization, series: Sequence[tuple[str, Values]], logarithmic: bool
) -> Chart:
    """Return a line for each image, in a colour of its own; of many, in the order of a rainbow."""
    count = len(series)
    few = count <= NAMED
    named = {name for name, _ in series} if few else extremes([(n, v[-1:]) for n, v in series])
    references = {grade.address: grade.samples for grade in visualization.grades}
    return Chart(
        "objective",
        [
            Line(
                name,
                np.arange(len(values), dtype=np.float64),
                values,
                colour_of(i) if few else colour_of(i, count),
                width=1.5 if few else 0.7,
                named=name in named,
                reference=references.get(name) if count <= _REFERENCES else None,
            )
            for i, (name, values) in enumerate(series)
        ],
        logarithmic=logarithmic,
        title="" if few else f"{len(named)} of {count} images,\nhighest and lowest at the end",
        reference=_LARGEST,
    )


def _octaves(visualization: FeatureVisualization, count: int) -> list[Mark]:
    """Return a mark where each octave after the first begins."""
    octaves, steps = (visualization.settings.get(name) for name in ("octaves", "steps"))
    if not isinstance(octaves, int) or not isinstance(steps, int):
        return []
    return [
        Mark(octave * steps, f"octave {octave + 1}", "dotted", "right")
        for octave in range(1, octaves)
        if octave * steps < count
    ]


def _title(visualization: FeatureVisualization, count: int) -> str:
    names = list(visualization)
    what = shown_name(names[0]) if len(names) == 1 else f"{len(visualization.images)} images"
    steps = max(0, count - 1)
    title = f"feature visualization of {what} over {steps} step{'s' * (steps != 1)}"
    return f"{title}, interrupted" if visualization.interrupted else title
