"""Units at the end of their function's range, where it is flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.look import NetworkLook
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import (
    FLAT_SLOPE,
    SATURATED_SHARE,
    SATURATED_UNIT,
    SILENT_MORE,
)
from layerscope.instruments.examination.wording import percent, samples_text, unit_names
from layerscope.recordings.examination import ExaminationFinding, FindingChart
from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.value_counts import limits

_ROOT = float(np.sqrt(1 - FLAT_SLOPE))
#: From where on each function is flat, below and above: its slope is below 5 % of its steepest.
#: A sigmoid's slope is y (1 - y), a tanh's 1 - y².
ENDS: Mapping[str, tuple[float, float]] = {
    "sigmoid": ((1 - _ROOT) / 2, (1 + _ROOT) / 2),
    "tanh": (-_ROOT, _ROOT),
    "hard_sigmoid": (0.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "relu6": (-np.inf, 6.0),
}


def _no_such_function(evidence: Evidence) -> str | None:
    if not _bounded(evidence.now):
        return "no hidden layer's function has an end: there is no sigmoid, tanh or ReLU6"
    return None


@check("saturation", clean="No layer lies at the ends of its function.", needs=_no_such_function)
def saturation(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers, or the units, most of whose values lie where their function is flat."""
    now = evidence.now
    for layer, tally in _bounded(now):
        shares = saturated(layer, tally)
        whole, which = float(shares.mean()), np.flatnonzero(shares >= SATURATED_UNIT)
        if whole < SATURATED_SHARE and not len(which):
            continue
        normal = _normal(evidence, layer)
        far = evidence.healthy is None or normal is None or whole - normal >= SILENT_MORE
        is_gate = layer.activation == "hard_sigmoid" or any(
            follower.kind == "merge" for follower in evidence.followers(layer)
        )
        failing = whole >= SATURATED_SHARE and far and not is_gate and layer.kind != "recurrent"
        where = "" if not len(which) or len(which) == len(shares) else (
            f", most of all {unit_names(which.tolist())}"
        )  # fmt: skip
        yield ExaminationFinding(
            "saturation",
            "found",
            f"{layer.address}: {percent(whole)} of its values lie where {layer.activation} is flat"
            f"{where}, on {samples_text(now.samples)}.",
            layer=layer.address,
            units=tuple(which.tolist()),
            severity="failing" if failing else "notable",
            figures={"share": whole, "shares": shares},
            samples=now.samples,
            normal=""
            if normal is None or evidence.reference is None
            else f"It was {percent(normal)} {evidence.reference[1]}.",
            means=f"There its slope is below {percent(FLAT_SLOPE)} of its steepest, and hardly any "
            "gradient passes. "
            + (
                "It is a gate, and gates that are open or shut may be what was learned."
                if is_gate
                else "Inputs or weights that are too large do this; a unit that has learned to say "
                "yes or no looks the same."
            ),
            advice="Scale the input to a mean near 0 and a spread near 1; begin with smaller "
            "weights; put a normalization before it, or use a ReLU.",
            chart=FindingChart(
                "units", f"{layer.address}: share of values where {layer.activation} is flat",
                {"saturated": shares}, labels=list(range(len(shares))), value="share",
                marked=which.tolist(),
            ),
        )  # fmt: skip


def saturated(layer: Layer, tally: LayerTally) -> npt.NDArray[np.float64]:
    """Return which share of each unit's values lies at an end of its function."""
    low, high = ENDS[str(layer.activation)]
    first, last = limits(tally.values.first, tally.values.bins)
    # A bin that holds an end itself is one of it: the values of a clipped function are exactly it.
    at_end = (last <= low) | (first >= high) | ((first <= high) & (last > high))
    if low > -np.inf:
        at_end |= (first < low) & (last >= low) | ((first == 0) & (last == 0) & (low >= 0))
    counts = tally.values.counts
    with np.errstate(all="ignore"):
        shares = counts[:, at_end].sum(axis=1) / counts.sum(axis=1)
    return np.asarray(np.nan_to_num(shares), np.float64)


def _bounded(look: NetworkLook) -> list[tuple[Layer, LayerTally]]:
    """Return the hidden layers whose function has an end."""
    answer = None if look.answers is None else look.answers.layer
    heard = {name for layer in look.network for name in layer.inputs}
    return [
        (layer, tally)
        for layer, tally in look.layers()
        if layer.activation in ENDS and layer.address != answer and layer.address in heard
    ]


def _normal(evidence: Evidence, layer: Layer) -> float | None:
    if evidence.reference is None or layer.address not in evidence.reference[0].survey.tallies:
        return None
    return float(saturated(layer, evidence.reference[0].tally(layer.address)).mean())
