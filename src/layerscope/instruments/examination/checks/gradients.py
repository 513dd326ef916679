"""Gradients that fade, or explode, from layer to layer, of a recording that has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from layerscope.core.layer_kinds import NORMS
from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import GRADIENT_FACTOR, GRADIENT_SIZE
from layerscope.instruments.examination.wording import listed, number, times
from layerscope.recordings.examination import ExaminationFinding, FindingChart
from layerscope.recordings.finding import moment_text
from layerscope.recordings.run import Run

_ADVICE = (
    "Functions that are not flat (ReLU, GELU), weights that begin with a spread of 1/√(inputs), "
    "normalization and shortcuts let gradients through; clipping holds those that explode."
)


def _no_gradients(evidence: Evidence) -> str | None:
    if evidence.run is None:
        return "it needs a recording of the training, with gradients"
    if not _relative(evidence):
        return "the recording holds no gradients: make it with Recorder(…, gradients=…)"
    return None


@check("gradients", clean="Gradients reach all layers alike.", needs=_no_gradients)
def gradients(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers that gradients hardly reach, or are far too large for."""
    run = evidence.run
    assert run is not None
    series = _relative(evidence)
    middle = {name: float(np.nanmedian(values)) for name, values in series.items()}
    largest = max(middle.values())
    if largest == 0:
        yield _no_gradient_at_all(evidence, list(middle))
        return
    faded = [name for name, value in middle.items() if value * GRADIENT_FACTOR <= largest]
    if faded:
        least = min(faded, key=lambda name: middle[name])
        strongest = max(middle, key=lambda name: middle[name])
        ratio = "" if middle[least] == 0 else f", {times(largest / middle[least])} less than in"
        yield ExaminationFinding(
            "gradients",
            "found",
            f"{listed(faded)}: hardly any gradient comes there; in {least} it is "
            f"{number(middle[least])} of the weights' norm{ratio or '; in'} {strongest}, where it "
            f"is {number(largest)}.",
            layer=least,
            severity="failing",
            figures=middle,
            samples=run.probed,
            normal=_at_start(run, series, least),
            means="With one learning rate for all, these layers learn as much slower; optimizers "
            "that scale each weight's step (Adam) hide it, and follow noise.",
            advice=_ADVICE,
            chart=_chart(middle, faded),
        )
    for name, values in series.items():
        far = np.flatnonzero(~(values < GRADIENT_SIZE) & ~np.isnan(values))
        if len(far):
            at = int(far[0])
            yield ExaminationFinding(
                "gradients",
                "found",
                f"{name}: at {moment_text(run, at)} the gradient is {number(float(values[at]))} "
                "times as large as the weights.",
                layer=name,
                severity="failing",
                step=int(run.steps[at]),
                figures=middle,
                samples=run.probed,
                normal=_at_start(run, series, name),
                means="A step along such a gradient throws away what was learned.",
                advice=_ADVICE,
                chart=_chart(middle, [name]),
            )
            return


def _no_gradient_at_all(evidence: Evidence, names: list[str]) -> ExaminationFinding:
    return ExaminationFinding(
        "gradients",
        "found",
        f"{listed(names)}: no gradient comes to any layer, it is 0 at most steps.",
        layer=names[-1],
        severity="failing",
        figures=dict.fromkeys(names, 0.0),
        samples=evidence.now.samples,
        means="The loss is flat where the network is: a softmax or sigmoid that is certain rounds "
        "to 0 and 1, and a layer that is silent passes nothing.",
        advice=_ADVICE,
    )


def _relative(evidence: Evidence) -> Mapping[str, npt.NDArray[np.float64]]:
    """Return each layer's gradient as a share of its weights' norm, at each step."""
    assert evidence.run is not None
    weights = evidence.run.weights
    series = {}
    for layer in evidence.network:
        squares = [
            pair
            for parameter in layer.parameters
            if len(parameter.shape) >= 2 and parameter.key in weights.described
            and (pair := _pair(weights, parameter.key)) is not None
        ]  # fmt: skip
        if squares and _learns(layer):
            gradient, norm = (np.sqrt(sum(each)) for each in zip(*squares, strict=True))
            with np.errstate(all="ignore"):
                values = np.asarray(gradient / norm, np.float64)
            if not np.isnan(values).all():
                series[layer.address] = values
    return series


def _learns(layer: Layer) -> bool:
    return layer.kind not in NORMS and layer.trainable is True


def _pair(weights: Run, key: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    gradient, norm = weights.statistic(key, "gradient"), weights.statistic(key, "norm")
    if gradient is None or norm is None:
        return None
    return np.square(gradient, dtype=np.float64), np.square(norm, dtype=np.float64)


def _at_start(run: Run, series: Mapping[str, npt.NDArray[np.float64]], name: str) -> str:
    values = series[name]
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return ""
    at = int(known[0])
    return f"At {moment_text(run, at)} it was {number(float(values[at]))}."


def _chart(middle: Mapping[str, float], marked: list[str]) -> FindingChart:
    return FindingChart(
        "layers",
        "gradient of each layer, as a share of its weights' norm (median of all steps)",
        {"gradient": np.array(list(middle.values()))},
        labels=list(middle),
        value="share",
        logarithmic=True,
        marked=marked,
    )
