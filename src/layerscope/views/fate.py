"""``fate``: when each unit fired and was silent over a training, when it woke and died."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layerscope.core.errors import ViewError
from layerscope.core.table import a_kind
from layerscope.core.text import shown_name
from layerscope.recordings.fate import DIED, FATES, NONE, SILENT, LayerFate, rarity
from layerscope.recordings.fates import Fates, unit_of
from layerscope.recordings.run import Run
from layerscope.views.curves import History, metric_charts, told_apart
from layerscope.views.fate_pictures import before_and_after
from layerscope.views.render.lines import Chart
from layerscope.views.render.panel import Panel
from layerscope.views.render.strips import (
    ABSENT,
    Cells,
    CellState,
    Strip,
    UnitGroup,
    strips_panel,
)

_UNKNOWN, _SILENT, _FIRES, _WOKE, _DIED = range(5)
STATES = (
    CellState("nothing known", "#c9c9d2"),
    CellState("silent", "#4a3830"),
    CellState("fires", "#6aa6f5"),
    CellState("woke, or revived", "#3fbf7f"),
    CellState("died", "#f0642e"),
)
_CHARTS = ("loss", "score")
#: How a group of units is called that has one fate.
_CALLED = ("fire throughout", "woke", "revived", "died", "never fired", "nothing known")


def fate(
    run: Any, address: str | None = None, *, order: str = "fate", sample: int | str | None = None
) -> Panel:
    """Draw what became of every unit over a training: a strip for each layer, units by steps.

    A cell is a unit at a step: whether it fires on the probe, is silent on all of it, has just
    woken or just died. Of a single unit, the maps before and after each time that it woke or died.

    Where a layer has more units than there is room for, a row stands for several of one fate, and a
    column for several steps where they are more than its pixels. Such a cell shows that one of them
    died, or else that one woke, or else what most of them do.

    Parameters
    ----------
    run
        What ``run.fate()`` returned, or the run.
    address
        A layer, a glob of layers, or a unit (``"conv2d:12"``); by default all layers whose units
        can be silent.
    order
        ``"fate"``: units that share a fate stand together, by when it came about; ``"number"``.
    sample
        Of a single unit, which of the samples that were kept; by default those on which it fired
        most.

    Raises
    ------
    AddressError
        When there is no such layer or unit, or it can't be silent.
    ViewError
        When it is no recording of a training.
    """
    if order not in ("fate", "number"):
        raise ViewError(f"order={order!r}: pass 'fate' or 'number'.")
    if not isinstance(run, Run | Fates):
        raise ViewError(
            f"fate can't draw {a_kind(run)}: pass what open_recording returned, or its fate()."
        )
    unit = _unit(run, address)
    if unit is not None:
        return before_and_after(*unit, sample)
    if sample is not None:
        raise ViewError("sample= is for a unit, such as 'conv2d:12': strips are of all samples.")
    fates = run.fate(address) if isinstance(run, Run) else _some(run, address)
    if not fates:
        raise ViewError(f"{fates}.")
    return strips_of(fates, order=order)


def strips_of(fates: Fates, *, order: str = "fate", charts: bool = True, **more: Any) -> Panel:
    """Return the strips of fates as a panel; what else it takes is as ``strips_panel`` has it."""
    layers = list(fates.values())
    first = layers[0]
    moments = _moments(first)
    title = f"{shown_name(fates.name)}: the fate of every unit"
    if len(layers) == 1:
        title = f"{shown_name(first.address)}: the fate of {first.units} units"
    n = min((layer.n for layer in layers if layer.n is not None), default=None)
    looked = "the probe" if n is None else f"{n:,} sample{'s' * (n != 1)}"
    panel = strips_panel(
        title,
        [_strip(layer, order) for layer in layers],
        STATES,
        folded,
        steps=first.steps.tolist(),
        moments=moments,
        x=moments[0].partition(" ")[0],
        charts=_charts(fates) if charts else (),
        address=first.address if len(layers) == 1 else "*",
        note=f"silent: 0 on all of {looked}{_claim(n)}",
        provenance=fates.provenance,
        **more,
    )
    return _with_rule(panel)


def _claim(n: int | None) -> str:
    """Return what follows of silence on n samples."""
    follows = rarity(n)
    return f"; such a unit fires {follows}" if follows else ""


def _moments(layer: LayerFate) -> list[str]:
    """Return what the steps are called: all of them epochs, or steps."""
    by_epoch = bool((layer.epochs == layer.steps).all())
    return [f"{'epoch' if by_epoch else 'step'} {step}" for step in layer.steps.tolist()]


def _with_rule(panel: Panel) -> Panel:
    """Return the panel with what a cell shows that stands for several."""
    if not any("each " in strip["text"] for strip in panel.header["strips"]):
        return panel
    rule = "a cell of several units or steps: died, or else woke, if one did; else what most do"
    return replace(panel, header={**panel.header, "note": f"{panel.header['note']}; {rule}"})


def folded(blocks: Cells) -> Cells:
    """Return one cell for several: what died, or else woke, if one did; else what most do."""
    counts = [(blocks == state).sum(axis=(1, 3)) for state in range(len(STATES))]
    most = np.where(counts[_FIRES] > counts[_SILENT], _FIRES, _SILENT)
    known = counts[_FIRES] + counts[_SILENT] > 0
    cells = np.where(known, most, _UNKNOWN)
    cells = np.where(counts[_WOKE] > 0, _WOKE, cells)
    cells = np.where(counts[_DIED] > 0, _DIED, cells)
    assert not (cells == ABSENT).any()
    return cells.astype(np.uint8)


def _strip(layer: LayerFate, order: str) -> Strip:
    cells = layer.states.copy()
    came = layer.events != NONE
    cells[came] = np.where(layer.events[came] == DIED, _DIED, _WOKE)
    counted = f"{layer.units:,} unit{'s' * (layer.units != 1)}"
    if layer.untrained:
        silent = int((layer.states[0] == SILENT).sum())
        counted += f", {silent:,} born silent" if silent else ""
    return Strip(layer.address, cells, list(_groups(layer, order)), counted)


def _groups(layer: LayerFate, order: str) -> Iterator[UnitGroup]:
    if order == "number":
        yield UnitGroup(np.arange(layer.units))
        return
    units = layer.order()
    fates = layer.fates[units]
    for number in range(len(FATES)):
        some = units[fates == number]
        if len(some):
            yield UnitGroup(some, f"{len(some):,} {_CALLED[number]}")


def _charts(fates: Fates) -> Sequence[Chart]:
    """Return the charts of the losses and the scores, over the places of the steps."""
    metrics = {name: values for name, values in fates.metrics.items() if np.isfinite(values).any()}
    if not metrics:
        return ()
    count = len(next(iter(metrics.values())))
    history = History("", np.arange(count, dtype=np.float64), "step", metrics)
    return told_apart([chart for chart in metric_charts(history) if chart.label in _CHARTS])


def _unit(run: Run | Fates, address: str | None) -> tuple[Run, Fates, str] | None:
    """Return what is needed to draw the unit that an address names; None where it names layers."""
    known = run.activations.described if isinstance(run, Run) else run
    place = unit_of(known, address) if isinstance(address, str) else None
    if place is None:
        return None
    fates = run.fate(place.layer) if isinstance(run, Run) else run
    if fates.run is None:
        raise ViewError(
            f"There are no values of {address!r}: its fate was counted, and not recorded with it."
        )
    return fates.run, fates, str(place)


def _some(fates: Fates, address: str | None) -> Fates:
    """Return the fates of a layer, or of all."""
    return fates if address is None else fates.only(address)
