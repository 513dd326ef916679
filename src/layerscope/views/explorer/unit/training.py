"""Figures of the unit over the training, and its fate: when it woke, and when it died."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place
from layerscope.core.axes import UNIT_AXES
from layerscope.recordings.fates import fate_of_unit
from layerscope.recordings.run import Run
from layerscope.views.explorer.moment import Moment
from layerscope.views.fate_pictures import metrics_beside
from layerscope.views.render.lines import Chart, Line, colour_of, lines_panel
from layerscope.views.render.panel import Panel

TITLE = "Figures over the training"
ORDER = 35

Values = npt.NDArray[np.float64]


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return lines over the recorded steps; None where nothing was recorded of the unit."""
    run = moment.over
    if run is None or place.unit is None or len(run.steps) < 2:
        return None
    if place.layer not in run.described:
        return None
    epochs = run.epochs
    by_epoch = bool(np.isfinite(epochs).all() and (np.diff(epochs) > 0).all())
    x = epochs.astype(np.float64) if by_epoch else run.steps.astype(np.float64)
    charts = _of_sample(moment, run, place, x) if moment.probed else []
    charts += _of_probe(run, place, x)
    if not charts:
        return None
    samples = f" of {run.probed} samples" if run.probed else ""
    panel = lines_panel(
        f"{place} over the training",
        charts,
        x="epoch" if by_epoch else "step",
        address=str(place),
        notes=[
            *_fate(run, place.layer, place.unit),
            f"mean, largest value and zeros are over the whole probe{samples}",
        ],
        provenance=lambda: run.provenance,
    )
    statistics = f"run.statistics({place.layer!r})"
    code = moment.line(
        f"{statistics}.isel({{name: {place.unit} for name in {statistics}.dims if name != 'step'}})"
    )
    extra = {"steps": run.steps.tolist(), "at": x.tolist(), "code": code}
    return Panel({**panel.header, **extra}, panel.buffers, panel.provenance)


def _fate(run: Run, layer: str, unit: int) -> list[str]:
    """Return what became of the unit, and what was measured then, as sentences."""
    fate = fate_of_unit(run, layer, unit)
    if fate is None:
        return []
    return [f"its fate: {fate.words}", *filter(None, [metrics_beside(run, fate)])]


def _of_sample(moment: Moment, run: Run, place: Place, x: Values) -> list[Chart]:
    """Return the value on this sample over the steps, of a unit that has one."""
    if place.layer not in set(run):
        return []
    axes = run.axes(place.layer)
    unit = next((axis for axis in axes if axis in UNIT_AXES), None)
    if unit is None or set(axes) - {"step", "sample", unit} or place.unit is None:
        return []
    where = {unit: slice(place.unit, place.unit + 1)}
    if "sample" in axes:
        where["sample"] = slice(moment.sample, moment.sample + 1)
    values = run.part(place.layer, slice(None), **where).values.reshape(-1).astype(np.float64)
    return [Chart("on this sample", [Line("value", x, values, colour_of(0))])]


def _of_probe(run: Run, place: Place, x: Values) -> list[Chart]:
    charts: list[Chart] = []
    for name, label in (("mean", "mean"), ("max", "largest value"), ("zeros", "zeros")):
        values = run.statistic(place.layer, name)
        if values is None or values.ndim != 2 or (place.unit or 0) >= values.shape[1]:
            continue
        y = values[:, place.unit or 0].astype(np.float64)
        share = name == "zeros"
        line = Line(label, x, y, colour_of(len(charts) + 1))
        limits = (0.0, 1.0) if share else None
        charts.append(Chart(label, [line], percent=share, limits=limits))
    return charts
