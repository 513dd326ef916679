"""Units that are 0 on every sample: those that died in the training, and those that never fired."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.look import NetworkLook
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import (
    DIED_SHARE,
    ENOUGH_SAMPLES,
    SILENT_MORE,
    SILENT_SHARE,
)
from layerscope.instruments.examination.wording import be, of_units, percent, samples_text
from layerscope.recordings.examination import ExaminationFinding, FindingChart
from layerscope.recordings.finding import moment_text, since
from layerscope.recordings.silent_units import silent_units

_NO_GRADIENT = (
    "Behind a unit that is 0 on all samples no gradient flows, so what feeds it can't learn to wake"
    " it."
)
_SMALLER_STEPS = (
    "Try a smaller learning rate, or a warm-up; check the scale of the input; a function that is "
    "not flat below zero (leaky ReLU, GELU) lets such units come back."
)


def _no_rectifier(evidence: Evidence) -> str | None:
    if not evidence.now.rectifiers():
        return "no layer's zeros are silence: there is no ReLU"
    return None


def _no_steps(evidence: Evidence) -> str | None:
    if evidence.run is None:
        return "it needs a recording of the training"
    if len(evidence.run.steps) < 2:
        return "the recording holds a single step"
    return _no_rectifier(evidence)


@check("dying", clean="No unit that fired fell silent for good.", needs=_no_steps)
def dying(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers in which units died: they fired at some step, and not to the end."""
    run = evidence.run
    assert run is not None
    for layer, _ in evidence.now.rectifiers():
        silent = silent_units(run, layer.address)
        if silent is None:
            continue
        begins = since(silent)
        died = np.flatnonzero((begins > 0) & (begins < len(silent)))
        if not len(died):
            continue
        count = silent.shape[1]
        steps, deaths = np.unique(begins[died], return_counts=True)
        worst = int(steps[deaths.argmax()])
        when = moment_text(run, worst)
        how_many = "" if len(steps) == 1 else f", {deaths.max()} of them"
        whole = bool(silent[-1].all())
        failing = whole or (len(died) / count >= DIED_SHARE and (run.probed or 0) >= ENOUGH_SAMPLES)
        shares = {"silent units": silent.mean(axis=1)}
        yield ExaminationFinding(
            "dying",
            "found",
            f"{layer.address}: {of_units(died.tolist(), count)} died{how_many} at {when}, and "
            f"{be(died)} 0 on all {samples_text(run.probed)} since.",
            layer=layer.address,
            units=tuple(died.tolist()),
            severity="failing" if failing else "notable",
            step=int(run.steps[worst]),
            figures={"died": len(died), "units": count, "silent now": int(silent[-1].sum())},
            samples=run.probed,
            normal=f"At its start ({moment_text(run, 0)}) {int(silent[0].sum())} of {count} were "
            "silent.",
            means=f"{_NO_GRADIENT} The usual cause is one step that was too large. Some units die "
            "in trainings that go well, too."
            if not whole
            else f"{_NO_GRADIENT} With all of them silent, the layers before it have stopped "
            "learning, and all samples look alike to the layers behind it.",
            advice=_SMALLER_STEPS,
            chart=FindingChart(
                "steps", f"{layer.address}: share of units that are silent", shares,
                labels=run.steps.tolist(), value="share", marked=[int(run.steps[worst])],
            ),
        )  # fmt: skip


@check("silent", clean="No unit is 0 on every sample.", needs=_no_rectifier)
def silent(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers with units that are 0 on every sample; in a training at every step."""
    for layer, tally in evidence.now.rectifiers():
        units = evidence.now.silent(layer.address)
        if evidence.run is not None and evidence.start is not None:
            recorded = silent_units(evidence.run, layer.address)
            if recorded is not None and recorded.shape[1] == len(units):
                units = np.asarray(recorded.all(axis=0))
        which = np.flatnonzero(units)
        if not len(which):
            continue
        n = evidence.now.over or evidence.now.samples
        share, normal = float(units.mean()), _normal(evidence, layer)
        far = evidence.healthy is None or normal is None or share - normal[0] >= SILENT_MORE
        failing = bool(units.all()) or (share >= SILENT_SHARE and far and n >= ENOUGH_SAMPLES)
        silent_share = tally.silent / max(tally.samples, 1)
        yield ExaminationFinding(
            "silent",
            "found",
            f"{layer.address}: {of_units(which.tolist(), len(units))} {be(which)} 0 on all "
            f"{samples_text(n)}{' at every step' if evidence.start is not None else ''}.",
            layer=layer.address,
            units=tuple(which.tolist()),
            severity="failing" if failing else "notable",
            figures={"silent": len(which), "units": len(units), "share": share},
            samples=n,
            normal="" if normal is None else normal[1],
            means=f"{_NO_GRADIENT} Or these samples lack what it looks for: {samples_text(n)} allow"
            f" no more than that it fires on fewer than {percent(min(3 / n, 1))} of such data.",
            advice=_SMALLER_STEPS,
            chart=FindingChart(
                "units", f"{layer.address}: share of samples on which each unit is 0",
                {"silent": silent_share}, labels=list(range(len(silent_share))), value="share",
                marked=which.tolist(),
            ),
        )  # fmt: skip


def _normal(evidence: Evidence, layer: Layer) -> tuple[float, str] | None:
    """Return which share of the layer was silent where it was well, and that in words."""
    if evidence.reference is None:
        return None
    look, where = evidence.reference
    if not _knows(look, layer):
        return None
    units = look.silent(layer.address)
    words = f"{where[0].upper()}{where[1:]} {int(units.sum())} of {len(units)} were."
    return float(units.mean()), words


def _knows(look: NetworkLook, layer: Layer) -> bool:
    return layer.address in look.survey.tallies
