"""The maps of a unit just before and after it woke, died or revived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES
from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.fate import DIED, UnitFate
from layerscope.recordings.fates import Fates
from layerscope.recordings.finding import moment_text
from layerscope.recordings.run import Run
from layerscope.views.moments import StepMoments, steps_of
from layerscope.views.render import colour_scale
from layerscope.views.render.defaults import ground_or, palette_or
from layerscope.views.render.grid import Heading, Tile, arrange, magnification
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import Chosen, sample_of
from layerscope.views.render.signals import along
from layerscope.views.render.tiles import index_tiles

_SAMPLES = 4  #: that are shown of each event,
_EVENTS = 4  #: of so many, the first and the last ones
_SIDE, _LINE, _MATRIX = 96, 240, 320  #: pixels: a map's longer side, a line, values by sample
_METRICS, _BESIDE = 2, 2  #: that are written beside an event, and beside so many of the last

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Turn:
    """An event of a unit, by the places of the steps just before and after it."""

    before: int
    after: int
    died: bool
    text: str


def before_and_after(run: Run, fates: Fates, address: str, sample: int | str | None) -> Panel:
    """Return the maps of a unit just before and after each time that it woke, died or revived.

    Raises
    ------
    ViewError
        When it did not, or no values of it were kept.
    """
    unit = fates.unit(address)
    turns = _turns(fates, unit)
    if not turns:
        raise ViewError(f"{unit}: it neither woke nor died, so there is no before and after.")
    if unit.layer not in set(run) or unit.unit >= _units(run.axes(unit.layer)):
        raise ViewError(
            f"{unit}. No values of it were kept, only figures: there are no maps before and after."
        )
    shown = [*turns[: _EVENTS // 2], *turns[-_EVENTS // 2 :]] if len(turns) > _EVENTS else turns
    number = None if sample is None else steps_of(run, sample_of(run, sample), None).sample
    samples = [_samples(run, unit, turn, number) for turn in shown]
    axes = run.axes(unit.layer)
    flat = not set(axes) - {"step", "sample", *UNIT_AXES}
    if flat:
        tiles, columns = _values(run, unit, shown, number), 1
    else:
        tiles, columns = _maps(run, unit, shown, samples), len(samples[0])
    low, high = tiles[0].low, tiles[0].high
    once = len(shown) == 1 and low < high
    heading = Heading(
        title=str(unit),
        address=address,
        scale="before above, after below, on one range" + _which(axes, flat),
        mode="layer",
        limits=(low, high) if once else None,
        note=_note(run, unit, turns, shown),
        labels="title",
    )
    return arrange(
        tiles,
        heading,
        columns=columns,
        palette=palette_or(None),
        ground=ground_or(None),
        provenance=lambda: run.provenance,
    )


def _which(axes: Mapping[str, int], flat: bool) -> str:
    """Return what is drawn of each sample, where that is not its map."""
    if flat:
        return ", a column for each sample"
    return ", of each volume the slice with the largest value" if "z" in axes else ""


def _turns(fates: Fates, unit: UnitFate) -> list[Turn]:
    turns = fates[unit.layer].turns(unit.unit)
    return [
        Turn(before, after, code == DIED, str(event))
        for (code, before, after), event in zip(turns, unit.events, strict=True)
    ]


def _units(axes: Mapping[str, int]) -> int:
    return next((count for axis, count in axes.items() if axis in UNIT_AXES), 1)


def _samples(run: Run, unit: UnitFate, turn: Turn, sample: int | None) -> list[int]:
    """Return the samples of an event to show: those on which the unit fired most at either step."""
    if sample is not None:
        return [sample]
    values = _of_unit(run, unit, turn.before if turn.died else turn.after)
    strength = np.abs(values.reshape(len(values), -1)).max(axis=1, initial=0)
    return [int(i) for i in np.argsort(-strength, kind="stable")[:_SAMPLES]]


def _of_unit(run: Run, unit: UnitFate, position: int) -> Array:
    """Return the values of a unit at a step, samples first."""
    axes = run.axes(unit.layer)
    axis = next((name for name in axes if name in UNIT_AXES), None)
    where = {} if axis is None else {axis: slice(unit.unit, unit.unit + 1)}
    part = run.part(unit.layer, position, **where)
    values = np.nan_to_num(part.values.astype(np.float64))
    if "sample" not in part.axes:
        return values[None]
    return np.moveaxis(values, part.axes.index("sample"), 0)


def _maps(
    run: Run, unit: UnitFate, turns: Sequence[Turn], samples: Sequence[Sequence[int]]
) -> list[Tile]:
    """Return a row of maps before each event and one after it, a column for each sample."""
    tiles: list[Tile] = []
    for turn, which in zip(turns, samples, strict=True):
        pairs = [_pair(run, unit, turn, sample) for sample in which]
        rows = [pair[row] for row in (0, 1) for pair in pairs]
        labels = [
            f"{moment_text(run, position)} · {_sample_name(run, sample)}"
            for position in (turn.before, turn.after)
            for sample in which
        ]
        maps = np.stack([one.maps[0] for one in rows])
        drawn = replace(rows[0], maps=maps, labels=labels, vector=False)
        tiles += index_tiles(drawn, colour_scale.scaled(maps, "layer"), _SIDE)
    return tiles


def _pair(run: Run, unit: UnitFate, turn: Turn, sample: int) -> list[Chosen]:
    """Return the map before an event and the one after it; of volumes the strongest slice."""
    moments = StepMoments(run, sample, (turn.before, turn.after))
    pair = [along(one, _LINE) for one in moments.chosen(unit.address, None, colours=False)]
    sizes = [np.abs(np.nan_to_num(one.maps)).reshape(len(one.maps), -1).max(axis=1) for one in pair]
    strongest = int(np.maximum(*sizes).argmax())
    return [replace(one, maps=one.maps[strongest : strongest + 1]) for one in pair]


def _values(run: Run, unit: UnitFate, turns: Sequence[Turn], sample: int | None) -> list[Tile]:
    """Return, of a unit of single values, a matrix for each event: before and after by sample."""
    tiles = []
    for turn in turns:
        rows = [_of_unit(run, unit, at).reshape(-1) for at in (turn.before, turn.after)]
        matrix = np.stack(rows)[:, slice(None) if sample is None else slice(sample, sample + 1)]
        result = colour_scale.scaled(matrix[None], "layer")
        label = f"{moment_text(run, turn.before)}, below it {moment_text(run, turn.after)}"
        times = magnification(matrix.shape, _MATRIX, 32)
        ends = float(result.low[0]), float(result.high[0])
        tiles.append(Tile(result.indexes[0], label, *ends, magnify=times))
    return tiles


def _sample_name(run: Run, sample: int) -> str:
    names = run.samples
    return shown_name(names[sample], 24) if sample < len(names) else f"sample {sample}"


def _note(run: Run, unit: UnitFate, turns: Sequence[Turn], shown: Sequence[Turn]) -> str:
    some = f"{len(shown)} of {len(turns)} times" if len(shown) < len(turns) else ""
    unseen = [turn.text for turn in shown if not _fires(run, unit, turn)]
    kept = f"{'; '.join(unseen)}: on samples of which no values were kept" if unseen else ""
    return ", ".join(filter(None, (some, kept, metrics_beside(run, unit))))


def _fires(run: Run, unit: UnitFate, turn: Turn) -> bool:
    """Return whether the unit fired before or after an event on a sample that was kept."""
    return bool(_of_unit(run, unit, turn.before if turn.died else turn.after).any())


def metrics_beside(run: Run, unit: UnitFate) -> str:
    """Return what was measured just before and after the last events of a unit, in words."""
    sentences = []
    for event in unit.events[-_BESIDE:]:
        before, after = np.searchsorted(run.steps, [event.after, event.step]).tolist()
        known = [
            f"{shown_name(name)} {values[before]:.3g} → {values[after]:.3g}"
            for name, values in run.metrics.items()
            if name != "learning_rate" and np.isfinite(values[[before, after]]).all()
        ]
        if known:
            sentences.append(f"{event}: {', '.join(known[:_METRICS])}")
    return "; ".join(sentences)
