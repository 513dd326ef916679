"""Input that is scaled otherwise than in training, or than networks are made for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.core.layer_kinds import NORMS
from layerscope.instruments.examination.checks.answers import uniform_loss
from layerscope.instruments.examination.checks.saturation import ENDS, saturated
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.look import InputFigures, NetworkLook
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import (
    INPUT_RATIO,
    INPUT_SHIFT,
    INPUT_SIZE,
    START_LOSS,
)
from layerscope.instruments.examination.wording import number, percent, samples_text, times
from layerscope.recordings.examination import ExaminationFinding, FindingChart

_SCALING = frozenset({"rescale", "standardize", "embedding", "encode", *NORMS})


def _no_input(evidence: Evidence) -> str | None:
    if not any(figures.count for figures in evidence.now.inputs.values()):
        return "the values of the input are not known"
    return None


@check("input-scale", clean="The input is scaled as it should be.", needs=_no_input)
def input_scale(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the inputs that are far too large, or scaled otherwise than where all was well."""
    reference = _trained_on(evidence)
    for name, figures in evidence.now.inputs.items():
        if not figures.count:
            continue
        then = None if reference is None else _same_input(reference[0], name)
        if then is not None and reference is not None and then.count:
            yield from _otherwise(evidence, name, figures, then, reference[1])
        else:
            yield from _too_large(evidence, name, figures)


def _trained_on(evidence: Evidence) -> tuple[NetworkLook, str] | None:
    """Return a look whose input was that of the training; None where that is not known."""
    if evidence.healthy is not None:
        return evidence.healthy, "in the healthy recording"
    if evidence.model is not None and evidence.start is not None:
        return evidence.start, "in the recording of its training"
    return None


def _same_input(look: NetworkLook, name: str) -> InputFigures | None:
    if len(look.inputs) == 1:
        return next(iter(look.inputs.values()))
    return look.inputs.get(name)


def _otherwise(
    evidence: Evidence, name: str, now: InputFigures, then: InputFigures, where: str
) -> Iterator[ExaminationFinding]:
    ratio = now.std / then.std if then.std > 0 else np.nan
    shift = abs(now.mean - then.mean) / max(then.std, 1e-12)
    far = np.isfinite(ratio) and not 1 / INPUT_RATIO < ratio < INPUT_RATIO
    if not far and shift < INPUT_SHIFT:
        return
    yield ExaminationFinding(
        "input-scale",
        "found",
        f"{_called(name)} has a spread of {number(now.std)} about {number(now.mean)} "
        f"({number(now.low)} to {number(now.high)}), on {samples_text(now.samples)}: "
        f"{times(ratio)} the spread it had {where}.",
        layer=_first_layer(evidence),
        severity="failing",
        figures={"spread": now.std, "mean": now.mean, "low": now.low, "high": now.high,
                 "ratio": ratio, "shift": shift},
        samples=now.samples,
        normal=f"{where[0].upper()}{where[1:]} it was {number(then.std)} about {number(then.mean)} "
        f"({number(then.low)} to {number(then.high)}).",
        means="What the network has learned holds for input of that scale.",
        advice=_how(now),
        chart=_chart(name, {"now": now, "then": then}),
    )  # fmt: skip


def _too_large(evidence: Evidence, name: str, now: InputFigures) -> Iterator[ExaminationFinding]:
    if now.size < INPUT_SIZE or _is_scaled(evidence):
        return
    harm = _harm(evidence)
    yield ExaminationFinding(
        "input-scale",
        "found",
        f"{_called(name)} reaches from {number(now.low)} to {number(now.high)}, {number(now.size)} "
        f"in the root mean square, on {samples_text(now.samples)}, and nothing in the network "
        "scales it.",
        layer=_first_layer(evidence),
        severity="failing" if harm else "notable",
        figures={"size": now.size, "low": now.low, "high": now.high, "mean": now.mean},
        samples=now.samples,
        normal=harm,
        means="Weights begin with a scale that is made for input near 1: larger input saturates "
        "functions, and makes steps too large. A network that was trained on such input may have "
        "learned to take it.",
        advice=_how(now),
        chart=_chart(name, {"now": now}),
    )


def _called(name: str) -> str:
    return f"The input {name!r}" if name else "The input"


def _how(now: InputFigures) -> str:
    if now.whole and now.low >= 0 and 100 < now.high <= 255:
        return "It looks like pixels from 0 to 255: divide by 255, or scale to -1 … 1."
    return "Scale it as in training; for a training of its own to a mean of 0 and a spread of 1."


def _first_layer(evidence: Evidence) -> str | None:
    """Return the first layer that has weights."""
    return next((layer.address for layer in evidence.network if layer.parameters), None)


def _is_scaled(evidence: Evidence) -> bool:
    """Return whether the network scales its input, before or just after its first weights."""
    for layer in evidence.network:
        if layer.kind in _SCALING:
            return True
        if layer.parameters:
            followers = evidence.followers(layer)
            return bool(followers) and all(each.kind in NORMS for each in followers)
    return False


def _harm(evidence: Evidence) -> str:
    """Return what a large input does to the network, where that shows; nothing otherwise."""
    first = evidence.start or evidence.now
    for layer, tally in first.layers()[:4]:
        if layer.activation in ENDS:
            share = float(saturated(layer, tally).mean())
            if share > 0.5:
                when = f" {first.when}" if first.when else ""
                return (
                    f"{layer.address} gives values where {layer.activation} is flat, "
                    f"{percent(share)} of them{' at' if when else ''}{when}."
                )
    if evidence.start is not None and evidence.start.answers is not None:
        answers = evidence.start.answers
        loss, classes = uniform_loss(answers), answers.values.shape[1]
        if classes > 1 and loss > START_LOSS * np.log(classes):
            return (
                f"At its start the network was certain of its answers, for no reason: a loss of "
                f"{number(loss)} where {number(float(np.log(classes)))} is that of guessing."
            )
    return ""


def _chart(name: str, of: dict[str, InputFigures]) -> FindingChart:
    labels = ("least", "mean - spread", "mean", "mean + spread", "largest")
    return FindingChart(
        "layers",
        f"{_called(name)[4:]}: where its values lie",
        {
            when: np.array([f.low, f.mean - f.std, f.mean, f.mean + f.std, f.high])
            for when, f in of.items()
        },
        labels=labels,
        value="value",
    )
