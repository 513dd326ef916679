"""The pictures of images that were made for units: sheets, curves, a film."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.errors import ViewError
from layerscope.core.files import OutputFolder
from layerscope.core.progress import Bar

if TYPE_CHECKING:
    from layerscope.instruments.features.ascent.task import Task
    from layerscope.recordings.visualization import FeatureVisualization


@dataclass(frozen=True, slots=True)
class Drawing:
    """How images are drawn."""

    columns: int | None = None
    palette: str | None = None
    reshape: tuple[int, int] | None = None
    ground: str = "dark"

    def options(self) -> dict[str, Any]:
        """Return them as ``sheet`` and ``film`` take them."""
        return {
            "columns": self.columns,
            "palette": self.palette,
            "reshape": self.reshape,
            "ground": self.ground,
        }


def check_drawing(task: Task, drawing: Drawing) -> None:
    """Raise ViewError where images can't be drawn so."""
    if drawing.reshape is None:
        return
    shape = task.ascent.canvas.shape
    if len(shape) > 1:
        raise ViewError("--reshape is for networks that take vectors: this one takes images.")
    if math.prod(drawing.reshape) != shape[0]:
        height, width = drawing.reshape
        raise ViewError(
            f"--reshape {height},{width} is {height * width} values, and the network takes "
            f"{shape[0]}."
        )


def draw(
    made: FeatureVisualization, names: dict[str, str], output: OutputFolder, drawing: Drawing
) -> None:
    """Write a picture of each address under its name, and one of each step that was kept.

    What was not made yet, where it was stopped, is left out.
    """
    from layerscope.views.sheet import sheet

    jobs: list[tuple[str, str, int | None]] = []
    steps = made.steps.tolist()
    for address, name in names.items():
        if address in made:
            jobs += [(address, _at_step(name, step, steps), step) for step in steps[:-1]]
            jobs.append((address, name, None))
    with Bar("Drawing images", len(jobs)) as bar:
        for address, name, step in bar.over(jobs):
            panel = sheet(made, address, step=step, **drawing.options())
            output.write(name, panel.save)


def _at_step(name: str, step: int, steps: Sequence[int]) -> str:
    return f"{name.removesuffix('.png')}-step-{step:0{len(str(max(steps)))}d}.png"


def draw_curves(made: FeatureVisualization, name: str, output: OutputFolder) -> None:
    """Write how strongly the images fired while they were made."""
    from layerscope.views.curves import curves

    output.write(name, curves(made).save)


def write_film(made: FeatureVisualization, address: str, path: Path, drawing: Drawing) -> None:
    """Write a film of how what is at an address came about, and say so."""
    from layerscope.views.film import film

    with Bar("Drawing frames") as bar:
        written = film(made, address, path, overwrite=True, progress=bar.show, **drawing.options())
    count = f"{written.frames} frame{'s' * (written.frames != 1)}"
    say(f"Written to {written.path}: {count} of {written.size[0]} × {written.size[1]} pixels")
