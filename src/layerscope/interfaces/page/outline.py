"""What the page is told before it asks for panels: layers, steps, palettes and grounds."""

from __future__ import annotations

import base64
from typing import Any

from layerscope.core.axes import UNIT_AXES
from layerscope.core.text import shown_name
from layerscope.recordings.examination import ExaminationFinding, ExaminationReport
from layerscope.recordings.finding import moment_text
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.views.diagram.kinds import colours
from layerscope.views.render.palette import LEVELS, is_diverging, table

_LONGEST = 1500  #: characters of what is said of a finding

PALETTES = ("viridis", "gray", "diverging", "magma", "cividis", "coolwarm")


def looks(palette: str | None = None) -> dict[str, Any]:
    """Return the palettes and grounds that the page colours with, and the one that is chosen."""
    names = PALETTES if palette is None else tuple(dict.fromkeys((palette, *PALETTES)))
    return {
        "levels": LEVELS,
        "palettes": {name: _palette(name) for name in names},
        "diverging": [name for name in names if is_diverging(name)],
        "grounds": {ground: _ground(ground) for ground in ("light", "dark")},
    }


def steps_of(run: Run | None) -> dict[str, Any]:
    """Return the numbers, epochs and names of a training's steps."""
    if run is None:
        return {"steps": [], "epochs": [], "moments": []}
    steps = run.steps.tolist()
    words = [moment_text(run, position) for position in range(len(steps))]
    return {"steps": steps, "epochs": run.epochs.tolist(), "moments": words}


def findings_of(report: ExaminationReport | None) -> dict[str, Any]:
    """Return what an examination found, and where the page goes from each; nothing without one."""
    if report is None:
        return {}
    return {
        "findings": [
            {
                "kind": finding.kind,
                "severity": finding.severity,
                "headline": shown_name(finding.headline, _LONGEST),
                "words": shown_name(finding.words, _LONGEST),
                "address": _place_of(finding),
                "step": finding.step,
            }
            for finding in report.found
        ]
    }


def _place_of(finding: ExaminationFinding) -> str | None:
    """Return the unit that a finding is about where it is one, else its layer."""
    if finding.layer is None or len(finding.units) != 1:
        return finding.layer
    return f"{finding.layer}:{finding.units[0]}"


def layers_of(recording: Recording) -> list[dict[str, Any]]:
    """Return what each recorded layer is, and how many units it has."""
    known = {layer.address: layer for layer in recording.network}
    result = []
    for address in recording:
        layer = known.get(address)
        axes = {n: c for n, c in recording.axes(address).items() if n not in ("sample", "step")}
        counted = next((axis for axis in UNIT_AXES if axis in axes), None)
        result.append({
            "address": address,
            "type": "" if layer is None else shown_name(layer.type),
            "kind": "other" if layer is None else layer.kind,
            "axes": list(axes),
            "shape": list(axes.values()),
            "units": axes[counted] if counted else 0,
            "counts": counted or "",
        })  # fmt: skip
    return result


def _palette(name: str) -> str:
    return base64.b64encode(table(name, "dark")[:LEVELS].tobytes()).decode()


def _ground(ground: str) -> dict[str, Any]:
    special = base64.b64encode(table("gray", ground)[LEVELS:].tobytes()).decode()
    return {**colours(ground), "special": special}
