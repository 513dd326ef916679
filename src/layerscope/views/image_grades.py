"""What images made for units are worth, in a few words on their tiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.core.text import shown_name
from layerscope.recordings.visualization import FeatureVisualization, Grade
from layerscope.views.render.colour_scale import number
from layerscope.views.render.grid import Tile


def grades_of(recording: Any, step: int | None) -> Mapping[str, Sequence[Grade]]:
    """Return the grades of images by what they were made for; none at earlier steps."""
    grades: dict[str, list[Grade]] = {}
    last = step is None or (recording.has_steps and step == recording.steps[-1])
    if last and isinstance(recording, FeatureVisualization):
        for grade in recording.grades:
            grades.setdefault(grade.address, []).append(grade)
    return grades


def graded(
    tiles: Sequence[Tile], address: str, grades: Mapping[str, Sequence[Grade]]
) -> list[Tile]:
    """Return tiles with their grades as further lines of their labels.

    A tile is labelled by its unit, by its unit and which of several images it is, by the whole
    objective, or not at all where it is alone.
    """
    shown = {shown_name(name): name for name in grades}
    layer = address.rpartition(":")[0] if address not in grades and ":" in address else address
    made = []
    for tile in tiles:
        if not tile.label and len(tiles) > 1:  # what stands beside an image, as its kernel
            made.append(tile)
            continue
        unit, _, which = tile.label.partition("·")
        names = (f"{layer}:{unit}", shown.get(tile.label, ""), address)
        of_tile = next((grades[name] for name in names if name in grades), ())
        at = int(which.partition("·")[0]) if which and which.partition("·")[0].isdecimal() else 0
        words = tile_words(of_tile[at]) if at < len(of_tile) else []
        label = "\n".join(filter(None, (tile.label, *words)))
        made.append(tile._replace(label=label))
    return made


def tile_words(grade: Grade) -> list[str]:
    """Return what a tile says of its image, a line for each: its grade, and what checks came to."""
    checks = (check.verdict for check in (grade.same_path, grade.holds_up) if check is not None)
    return [grade_text(grade), *checks]


def grade_text(grade: Grade) -> str:
    """Return a grade in a few words: how strongly the unit fires, and beside what."""
    if not math.isfinite(grade.reached):
        return "not finite"
    if grade.ratio is not None:
        return f"{number(grade.ratio)} × samples"
    if grade.note and grade.reached <= 0:
        return "never fired"
    if grade.note and grade.reached <= grade.start:
        return "did not rise"
    return f"reaches {number(grade.reached)}"
