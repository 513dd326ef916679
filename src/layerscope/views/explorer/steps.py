"""``steps``: what was measured over the steps of a training, and where something came about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.recordings.fates import fate_of_unit
from layerscope.recordings.finding import moment_text
from layerscope.recordings.findings import findings
from layerscope.recordings.run import Run
from layerscope.recordings.silent_units import silent_units
from layerscope.views.curves import best_and_stopped, metric_charts, read_history, told_apart
from layerscope.views.render.lines import lines_panel
from layerscope.views.render.panel import Panel

_MEASURED = ("loss", "score", "metrics")
_BRIGHTEST = 255


def steps_panel(run: Run) -> Panel | None:
    """Return the metrics over the steps, with the findings at theirs; None before the first step.

    ``header["at"]`` says where each step is on the horizontal axis, ``moments`` what it is called;
    each of ``events`` has an ``address``, a ``kind``, a ``step`` or None, and its ``text``.
    """
    run = run.activations
    if not len(run.steps):
        return None
    history = read_history(run)
    charts = told_apart([chart for chart in metric_charts(history) if chart.label in _MEASURED])
    marks = best_and_stopped(history)
    panel = lines_panel(
        history.title,
        charts,
        x=history.unit,
        address="*",
        marks=marks,
        provenance=history.provenance,
    )
    extra: dict[str, Any] = {
        "steps": run.steps.tolist(),
        "at": history.x.tolist(),
        "moments": [moment_text(run, position) for position in range(len(run.steps))],
        "events": [
            {"address": f.address, "kind": f.kind, "step": f.step, "text": str(f)}
            for f in findings(run)
        ],
    }
    return replace(panel, header={**panel.header, **extra})


def fate_in_words(run: Run, address: str, unit: int) -> str:
    """Return what became of a unit over the steps; empty where a zero of it is no silence."""
    fate = fate_of_unit(run.activations, address, unit)
    return "" if fate is None else fate.words


def activity(run: Run, address: str) -> npt.NDArray[np.uint8] | None:
    """Return how far each unit went at each step, ``(step, unit)``; None where nothing tells.

    255 is the largest distance from 0 that the unit came to over the whole training; 0 is silence
    on every sample, and nothing else is: not a layer's zeros that are values, nor what is NaN.
    """
    run = run.activations
    if address not in run.described:
        return None
    least, most = run.statistic(address, "min"), run.statistic(address, "max")
    if least is None or most is None or least.ndim != 2 or least.shape != most.shape:
        return None
    with np.errstate(invalid="ignore"):
        reach = np.maximum(np.abs(least), np.abs(most)).astype(np.float64)
    finite = np.where(np.isfinite(reach), reach, 0)
    largest = finite.max(axis=0, initial=0)
    shares = np.divide(finite, largest, out=np.zeros_like(finite), where=largest > 0)
    shares[np.isinf(reach)] = 1
    levels: npt.NDArray[np.uint8] = np.maximum(np.ceil(shares * _BRIGHTEST), 1).astype(np.uint8)
    silent = silent_units(run, address)
    if silent is not None:
        levels[silent] = 0
    return levels
