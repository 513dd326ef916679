"""How much of a subject goes into one file: all of it, or, by a rule, what fits.

The rule, in this order, and no further than is needed: fewer steps, evenly, down to the first and
the last; fewer samples, the first of them; the last step only; larger maps averaged, until none has
more than 8 rows or columns; of each layer the strongest maps. Nothing is left out without a
sentence that says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

SIDES = (512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8)
MAPS = (1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
INPUT_SIDES = 4  #: an input's maps may have so many times the rows of a layer's
_OF_A_MAP = 8  #: bytes besides its pixels: its least and its largest value

_ROWS, _COLUMNS = ("y", "query"), ("x", "key", "position")


@dataclass(frozen=True)
class Extract:
    """What is taken of a subject: the first ``samples``, of those recorded these ``steps``.

    ``side`` is how many rows and columns a map may have, ``maps`` how many of a layer are kept;
    None where all are.
    """

    samples: int
    steps: tuple[int, ...]
    side: int | None = None
    maps: int | None = None

    def moments(self, recorded: int) -> list[tuple[int, int | None]]:
        """Return the samples and steps that are shown, of so many samples with steps."""
        steps: Sequence[int | None] = self.steps or (None,)
        return [
            (sample, step)
            for sample in range(self.samples)
            for step in (steps if sample < recorded else (None,))
        ]


@dataclass(frozen=True)
class Measure:
    """What the layers of a network take: how many maps each has, of which height and width."""

    layers: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, layers: Sequence[dict[str, Any]]) -> Measure:
        """Read it from the layers of an outline."""
        return cls(tuple(_maps(layer["axes"], layer["shape"]) for layer in layers))

    @property
    def largest(self) -> int:
        """The most rows or columns that a map has."""
        return max((max(height, width) for _, height, width in self.layers), default=1)

    @property
    def most(self) -> int:
        """The most maps that a layer has."""
        return max((count for count, _, _ in self.layers), default=1)

    def nbytes(self, side: int | None, maps: int | None) -> int:
        """Return how many bytes the maps of one sample take, before they are packed."""
        total = 0
        for count, height, width in self.layers:
            times = 1 if side is None else math.ceil(max(height, width) / side)
            kept = count if maps is None else min(count, maps)
            rows, columns = (max(1, length // min(times, length)) for length in (height, width))
            total += kept * (rows * columns + _OF_A_MAP)
        return total


def _maps(axes: Sequence[str], shape: Sequence[int]) -> tuple[int, int, int]:
    lengths = dict(zip(axes, shape, strict=True))
    height = next((lengths[axis] for axis in _ROWS if axis in lengths), 1)
    width = next((lengths[axis] for axis in _COLUMNS if axis in lengths), 1)
    return math.prod(shape) // max(1, height * width), height, width


def thinner(whole: Extract, measure: Measure) -> Iterator[Extract]:
    """Yield extracts in the order of the rule, each with less in it than the one before."""
    extract = whole
    yield extract
    for count in range(len(whole.steps) - 1, 1, -1):
        extract = replace(extract, steps=evenly(whole.steps, count))
        yield extract
    for count in range(whole.samples - 1, 0, -1):
        extract = replace(extract, samples=count)
        yield extract
    if len(whole.steps) > 1:
        extract = replace(extract, steps=whole.steps[-1:])
        yield extract
    for side in SIDES:
        if side < measure.largest:
            extract = replace(extract, side=side)
            yield extract
    for maps in MAPS:
        if maps < measure.most:
            extract = replace(extract, maps=maps)
            yield extract


def evenly(steps: Sequence[int], count: int) -> tuple[int, ...]:
    """Return so many of the steps, evenly, the first and the last among them."""
    if count >= len(steps):
        return tuple(steps)
    last = len(steps) - 1
    return tuple(steps[round(i * last / (count - 1))] for i in range(count))


def left_out(extract: Extract, whole: Extract, names: str = "samples") -> list[str]:
    """Return sentences about what of the whole is not in an extract; none where all of it is."""
    result = []
    if len(extract.steps) < len(whole.steps):
        steps = len(extract.steps)
        which = "the last" if steps == 1 else f"{steps}, evenly"
        result.append(f"Of {len(whole.steps)} steps {which}.")
    if extract.samples < whole.samples:
        first = "the first" if extract.samples == 1 else f"the first {extract.samples}"
        result.append(f"Of {whole.samples} {names} {first}.")
    if extract.side is not None:
        result.append(
            f"Maps of more than {extract.side} rows or columns are averaged "
            f"(the input's of more than {INPUT_SIDES * extract.side})."
        )
    if extract.maps is not None:
        many = f"the {extract.maps} strongest" if extract.maps > 1 else "the strongest one"
        result.append(f"Of layers with more maps {many} on each sample.")
    return result
