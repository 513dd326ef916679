"""A loss that does not fit what the network answers with: a softmax taken twice, and the like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.look import NetworkAnswers
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.wording import number
from layerscope.recordings.examination import ExaminationFinding, FindingChart

_SOFT = frozenset({"softmax", "log_softmax"})


@check("softmax-twice", clean="No softmax is taken of a softmax.")
def softmax_twice(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield a softmax of a softmax: in the network, by its loss, or as the training tells."""
    for layer in evidence.network:
        if layer.activation not in _SOFT or layer.kind == "attention":
            continue
        again = [before for before in evidence.fed_by(layer) if before.activation in _SOFT]
        if again and layer.kind == "activation":
            yield _twice(evidence, layer.address, f"{layer.address} is a {layer.activation} of what"
                         f" {again[0].address} has made a {again[0].activation} of already.",
                         "Take one of them out.")  # fmt: skip
            return
    answers = evidence.now.answers
    if answers is None or answers.values.shape[1] < 2:
        return
    loss = evidence.loss
    probabilities = answers.activation == "softmax" or (
        answers.activation is None and answers.are_probabilities
    )
    if loss is not None and loss.family == "categorical":
        if probabilities and loss.takes == "logits":
            yield _twice(
                evidence, answers.layer,
                f"{answers.layer} answers with probabilities, and the loss {loss.name} takes them "
                "for logits: it takes a softmax of a softmax.",
                "Leave the softmax out of the network, or tell the loss (from_logits=False; in "
                "PyTorch NLLLoss with a log_softmax).",
            )  # fmt: skip
        return
    if probabilities and loss is None:
        yield from _by_its_floor(evidence, answers)


def _twice(evidence: Evidence, layer: str, headline: str, advice: str) -> ExaminationFinding:
    answers = evidence.now.answers
    floor = _floor(answers) if answers is not None and answers.values.shape[1] > 1 else None
    return ExaminationFinding(
        "softmax-twice",
        "found",
        headline,
        layer=layer,
        severity="failing",
        figures={} if floor is None else {"least loss": floor},
        samples=evidence.now.samples,
        normal=""
        if floor is None or answers is None
        else f"Of {answers.values.shape[1]} classes such a loss can't fall below {number(floor)}, "
        "however right the answers are.",
        means="Probabilities lie between 0 and 1, so the second softmax makes nearly equal ones of "
        "them; gradients are small, and training is slow and stops early.",
        advice=advice,
        chart=_chart(evidence),
    )


def _floor(answers: NetworkAnswers) -> float:
    """Return the cross entropy of a softmax of a certain and right answer."""
    classes = answers.values.shape[1]
    return float(np.log(np.e + classes - 1) - 1)


def _by_its_floor(evidence: Evidence, answers: NetworkAnswers) -> Iterator[ExaminationFinding]:
    """Yield that a training's loss has come down to where a softmax of a softmax can't go below."""
    if evidence.run is None:
        return
    loss = evidence.run.metrics.get("loss")
    if loss is None:
        return
    finite, floor = loss[np.isfinite(loss)], _floor(answers)
    guess = float(np.log(answers.values.shape[1]))
    certain = float(np.exp(answers.log_probabilities()).max(axis=1).mean())
    near = len(finite) >= 2 and floor * 0.999 <= finite.min() <= floor + 0.35 * (guess - floor)
    if not near or certain < 0.85:
        return
    yield _twice(
        evidence, answers.layer,
        f"{answers.layer} is certain of its answers ({certain:.0%} on average), and the loss is "
        f"{number(float(finite.min()))} at best: as that of a loss that takes a softmax of these "
        "probabilities again.".replace("%", " %"),
        "Leave the softmax out of the network: CrossEntropyLoss takes logits.",
    )  # fmt: skip


def _chart(evidence: Evidence) -> FindingChart | None:
    if evidence.run is None or evidence.now.answers is None:
        return None
    loss = evidence.run.metrics.get("loss")
    if loss is None or evidence.now.answers.values.shape[1] < 2:
        return None
    floor = np.full(len(loss), _floor(evidence.now.answers))
    return FindingChart(
        "steps", "the training's loss", {"loss": loss, "least that is possible": floor},
        labels=evidence.run.steps.tolist(), value="loss",
    )  # fmt: skip


def _no_loss(evidence: Evidence) -> str | None:
    if evidence.loss is None:
        return "the loss is not known: compile the model, or pass loss="
    if evidence.loss.family == "other":
        return f"{evidence.loss.name} is no cross entropy"
    if evidence.now.answers is None:
        return "the network does not answer with one vector"
    return None


@check("loss-mismatch", clean="The loss fits what the network answers with.", needs=_no_loss)
def loss_mismatch(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield that the loss expects other answers than the network gives."""
    answers, loss = evidence.now.answers, evidence.loss
    assert answers is not None
    assert loss is not None
    function, units = answers.activation, answers.values.shape[1]
    what = advice = ""
    if loss.family == "categorical":
        if function == "sigmoid" and units > 1:
            what = (
                f"{answers.layer} answers with a sigmoid for each of {units} classes, and the loss "
                f"{loss.name} takes them for one distribution over all"
            )
            advice = "Use a softmax for one class out of several; binary cross entropy for each."
        elif units == 1:
            what = f"{answers.layer} has one unit, and the loss {loss.name} is for several classes"
            advice = "Use binary cross entropy with a sigmoid, or a unit for each class."
        elif function is None and loss.takes == "probabilities" and not answers.are_probabilities:
            what = (
                f"{answers.layer} answers with logits, and the loss {loss.name} takes them for "
                "probabilities"
            )
            advice = "Add a softmax, or pass from_logits=True."
        elif loss.takes == "log_probabilities" and function != "log_softmax" and _has_positive(
            answers
        ):  # fmt: skip
            what = f"{answers.layer} gives no log-probabilities, which the loss {loss.name} takes"
            advice = "Add a log_softmax, or use CrossEntropyLoss."
        elif function in ("relu", "relu6", "tanh"):
            what = f"{answers.layer} answers with a {function}, and the loss {loss.name} needs more"
            advice = "Leave the function out: logits are of both signs and of any size."
    elif function == "softmax" and units > 1 and loss.family == "binary":
        what = (
            f"{answers.layer} answers with a softmax over {units} classes, and the loss "
            f"{loss.name} takes each of them by itself"
        )
        advice = "Use categorical cross entropy with it."
    elif function == "sigmoid" and loss.takes == "logits":
        what = (
            f"{answers.layer} answers with a sigmoid, and the loss {loss.name} takes a sigmoid of "
            "it again"
        )
        advice = (
            "Leave the sigmoid out of the network, or tell the loss that they are probabilities."
        )
    elif function is None and loss.takes == "probabilities" and _outside(answers):
        what = f"{answers.layer} answers with logits, and the loss {loss.name} takes probabilities"
        advice = "Add a sigmoid, or pass from_logits=True (PyTorch: BCEWithLogitsLoss)."
    if not what:
        return
    yield ExaminationFinding(
        "loss-mismatch",
        "found",
        f"{what}.",
        layer=answers.layer,
        severity="failing",
        figures={"loss": loss.name, "function": function or "none", "units": units},
        samples=evidence.now.samples,
        means="Such a training may go down all the same, and learns something else than was meant.",
        advice=advice,
    )


def _has_positive(answers: NetworkAnswers) -> bool:
    return bool((answers.values > 1e-6).any())


def _outside(answers: NetworkAnswers) -> bool:
    return bool(((answers.values < 0) | (answers.values > 1)).any())
