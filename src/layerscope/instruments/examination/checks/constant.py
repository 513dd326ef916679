"""Units that give the same value whatever comes in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.core.layer_kinds import HANDING_ON
from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.look import size_of, spreads
from layerscope.instruments.examination.normalizers import NOT_YET, has_seen_no_batch
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import CONSTANT, FEW_SAMPLES
from layerscope.instruments.examination.wording import be, number, of_units, samples_text
from layerscope.recordings.examination import ExaminationFinding, FindingChart

#: What only scales the input, of which some values may always be the same: the rim of images.
_OF_THE_INPUT = frozenset({"rescale", "standardize", "encode"})


def _nothing_varies(evidence: Evidence) -> str | None:
    if evidence.now.samples < FEW_SAMPLES:
        return f"it needs {FEW_SAMPLES} samples or more"
    inputs = evidence.now.inputs.values()
    if inputs and all(figures.std == 0 for figures in inputs):
        return "the input is the same everywhere"
    return None


@check("constant", clean="Every unit's values vary.", needs=_nothing_varies)
def constant(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers with units that never vary, though what they receive does."""
    now = evidence.now
    rectifiers = {layer.address for layer, _ in now.rectifiers()}
    whole: set[str] = set()
    for layer, tally in now.layers():
        if layer.kind in HANDING_ON or layer.kind in _OF_THE_INPUT:
            continue  # what it hands on is another's
        size = size_of(tally)
        units = (spreads(tally) <= CONSTANT * max(size, 1e-30)) & (tally.nonfinite == 0)
        if units.all():
            whole.add(layer.address)
        before = evidence.before(layer)
        if before and all(name in whole for name in before):
            continue  # what comes in is constant already
        if layer.address in rectifiers:
            units = units & ~now.silent(layer.address) & (tally.high != 0)
        which = np.flatnonzero(units)
        if not len(which):
            continue
        by_design = layer.kind == "batch_norm" and _has_no_scale(evidence, layer)
        new = has_seen_no_batch(evidence)
        failing = bool(units.all()) and not by_design and not new
        values = tally.mean[which]
        value = number(float(values[0])) if np.ptp(values) == 0 else (
            f"{number(float(values.min()))} to {number(float(values.max()))}"
        )  # fmt: skip
        yield ExaminationFinding(
            "constant",
            "found",
            f"{layer.address}: {of_units(which.tolist(), len(units))} {be(which)} {value} on all "
            f"{samples_text(now.samples)}, wherever one looks.",
            layer=layer.address,
            units=tuple(which.tolist()),
            severity="failing" if failing else "notable",
            figures={"constant": len(which), "units": len(units), "values": values},
            samples=now.samples,
            normal=_normal(evidence, layer),
            means="Its scale is 0, as residual blocks often begin with: it is no fault at the start"
            " of a training, and one after it."
            if by_design
            else NOT_YET
            if new and units.all()
            else _cause(layer, len(units)),
            advice="Look at the layer's weights, and at what it receives."
            if layer.activation != "softmax" or len(units) > 1
            else "For two classes use two units with a softmax, or one with a sigmoid.",
            chart=FindingChart(
                "units", f"{layer.address}: spread of each unit", {"spread": spreads(tally)},
                labels=list(range(len(units))), value="standard deviation", marked=which.tolist(),
            ),
        )  # fmt: skip


def _cause(layer: Layer, units: int) -> str:
    if layer.activation == "softmax" and units == 1:
        return "A softmax over one unit is 1 whatever comes in."
    return (
        "It tells the layers behind it nothing. Weights of 0, a function at the end of its range, "
        "and a normalization of a single value per unit all do this."
    )


def _has_no_scale(evidence: Evidence, layer: Layer) -> bool:
    scales = [
        evidence.weights[p.key].values
        for p in layer.parameters
        if p.key in evidence.weights and p.key.rpartition("/")[2].rpartition(".")[2]
        in ("gamma", "weight")
    ]  # fmt: skip
    return bool(scales) and all((scale == 0).all() for scale in scales)


def _normal(evidence: Evidence, layer: Layer) -> str:
    if evidence.reference is None or layer.address not in evidence.reference[0].survey.tallies:
        return ""
    look, where = evidence.reference
    tally = look.tally(layer.address)
    count = int((spreads(tally) <= CONSTANT * max(size_of(tally), 1e-30)).sum())
    return f"{where[0].upper()}{where[1:]} {count} of {tally.units} were."
