"""How strongly images fired while they were made: a curve for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.visualization import Visualization
from layerscope.views.render.lines import (
    HIGH,
    NAMED,
    NOTES,
    WIDTH,
    Values,
    dots,
    extremes,
    legend,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_REFERENCES = 4  #: images whose samples' largest is drawn
_LARGEST = "the samples' largest"


def ascents(
    visualization: Visualization, logarithmic: bool, figsize: tuple[float, float] | None
) -> Figure:
    """The objective of each image over the steps, where octaves begin, and what samples reach.

    Raises
    ------
    ViewError
        When no history was kept, or a logarithm is asked for of what is not positive.
    """
    from layerscope.views.render.shown import ShownFigure

    history = visualization.history.values
    lines = [
        (name, values)
        for name, values in zip(visualization.images, history.T, strict=True)
        if np.isfinite(values).any()
    ]
    if not lines:
        raise ViewError("There is nothing to draw: this visualization holds no history.")
    if logarithmic and not all(np.nanmin(values) > 0 for _, values in lines):
        raise ViewError("logarithmic=True needs an objective that is positive at every step.")
    told = [*visualization.notes, *map(str, visualization.grades)]
    size = figsize or (WIDTH, 1.2 + HIGH + 0.17 * min(NOTES, len(told)))
    figure: Figure = ShownFigure(figsize=size, layout="constrained")
    ax = figure.add_subplot()
    _draw(ax, visualization, lines)
    _mark_octaves(ax, visualization, len(history))
    if logarithmic:
        ax.set_yscale("log")
    ax.set_xlabel("step")
    ax.set_ylabel("objective")
    ax.locator_params(axis="x", integer=True)
    figure.suptitle(_title(visualization, len(history)), parse_math=False)
    if told:
        written = "\n".join(shortened(told, "grades"))
        figure.supxlabel(written, fontsize=8, x=0.01, ha="left", parse_math=False)
    return figure


def _draw(ax: Axes, visualization: Visualization, lines: Sequence[tuple[str, Values]]) -> None:
    """A line for each image, in a colour of its own; of many, in the order of the rainbow."""
    import matplotlib as mpl

    few = len(lines) <= NAMED
    named = {name for name, _ in lines} if few else extremes([(n, own[-1:]) for n, own in lines])
    reference = {grade.address: grade.samples for grade in visualization.grades}
    handles: dict[str, Line2D] = {}
    for i, (name, values) in enumerate(lines):
        colour = f"C{i}" if few else mpl.colormaps["turbo"](0.04 + 0.92 * i / (len(lines) - 1))
        (line,) = ax.plot(
            values, color=colour, label=name, linewidth=1.5 if few else 0.7, **dots(values)
        )
        if name in named:
            handles.setdefault(name, line)
        largest = reference.get(name)
        if len(lines) <= _REFERENCES and largest is not None:
            dashed = ax.axhline(largest, color=colour, linestyle="--", linewidth=0.9)
            handles.setdefault(_LARGEST, dashed)
    title = "" if few else f"{len(named)} of {len(lines)} images,\nhighest and lowest at the end"
    legend(ax, list(handles.values()), list(handles), title)


def _mark_octaves(ax: Axes, visualization: Visualization, count: int) -> None:
    """A line where each octave after the first begins."""
    octaves, steps = (visualization.settings.get(name) for name in ("octaves", "steps"))
    if not isinstance(octaves, int) or not isinstance(steps, int):
        return
    for octave in range(1, octaves):
        if octave * steps < count:
            ax.axvline(octave * steps, color="0.55", linestyle=":", linewidth=0.9)
            ax.annotate(
                f"octave {octave + 1}", (octave * steps, 1), (0, 2),
                xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=7,
                color="0.35",
            )  # fmt: skip


def _title(visualization: Visualization, count: int) -> str:
    names = list(visualization)
    what = shown_name(names[0]) if len(names) == 1 else f"{len(visualization.images)} images"
    steps = max(0, count - 1)
    said = f"feature visualization of {what} over {steps} step{'s' * (steps != 1)}"
    return f"{said}, interrupted" if visualization.interrupted else said
