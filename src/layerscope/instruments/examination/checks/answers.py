"""What the network answers: always the same class, certain for no reason, worse than a guess."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.initial import is_untrained
from layerscope.instruments.examination.look import NetworkAnswers
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import (
    FEW_SAMPLES,
    GUESSING_LOSS,
    SAME_CLASS_SAMPLES,
    START_LOSS,
)
from layerscope.instruments.examination.wording import number, percent, samples_text
from layerscope.recordings.examination import ExaminationFinding, FindingChart

_FUNCTIONS = frozenset({None, "softmax", "log_softmax"})


def uniform_loss(answers: NetworkAnswers) -> float:
    """Return the cross entropy of answers with labels that are spread evenly over the classes.

    Of a network that knows nothing it is ln C where it says so, and more where it is certain.
    """
    logs = answers.log_probabilities()
    finite = logs[np.isfinite(logs).all(axis=1)]
    return float(-finite.mean()) if len(finite) else float("nan")


def labelled_loss(answers: NetworkAnswers) -> float | None:
    """Return the cross entropy of answers with their labels; None where these are not known."""
    logs = answers.log_probabilities()
    known = _known(answers) & np.isfinite(logs).all(axis=1)
    if not known.any():
        return None
    return float(-logs[known, answers.labels[known]].mean())


def accuracy(answers: NetworkAnswers) -> float:
    """Return the share of samples with a label that get it."""
    known = _known(answers)
    return float((answers.values[known].argmax(axis=1) == answers.labels[known]).mean())


def _known(answers: NetworkAnswers) -> np.ndarray:
    return np.asarray((answers.labels >= 0) & (answers.labels < answers.values.shape[1]))


def _no_classes(evidence: Evidence) -> str | None:
    answers = evidence.now.answers
    if answers is None:
        return "the network does not answer with one vector"
    if answers.values.shape[1] < 2:
        return "the network answers with a single number"
    if answers.activation not in _FUNCTIONS:
        return f"it answers by {answers.activation}, and not with one of several classes"
    if len(answers.values) < FEW_SAMPLES:
        return f"it needs {FEW_SAMPLES} samples or more"
    return None


@check("same-class", clean="Different samples get different classes.", needs=_no_classes)
def same_class(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield that all samples get one class, though their labels differ."""
    answers = evidence.now.answers
    assert answers is not None
    finite = answers.values[np.isfinite(answers.values).all(axis=1)]
    if not len(finite):
        return
    classes = finite.argmax(axis=1)
    if (classes != classes[0]).any():
        return
    labels = answers.labels[answers.labels >= 0]
    if len(labels) and (labels == labels[0]).all():
        return  # as it should be
    spread = float(np.ptp(finite, axis=0).max())
    certain = len(labels) >= SAME_CLASS_SAMPLES and not is_untrained(evidence)
    learned_nothing = _not_learning(evidence)
    failing = (certain or learned_nothing) and len(finite) >= FEW_SAMPLES
    known = f", of which {len(np.unique(labels))} classes are labels" if len(labels) else ""
    counts = np.bincount(classes, minlength=answers.values.shape[1])
    yield ExaminationFinding(
        "same-class",
        "found",
        f"{answers.layer} gives class {classes[0]} to all {samples_text(len(finite))}{known}.",
        layer=answers.layer,
        units=(int(classes[0]),),
        severity="failing" if failing else "notable",
        figures={"class": int(classes[0]), "spread": spread},
        samples=len(finite),
        normal=_at_start(evidence),
        means="It has learned how often each class comes, and nothing of the samples: nothing of "
        "them reaches the answer, or one class is nearly all of the training data."
        if certain or learned_nothing
        else "It looks as if it was never trained: its weights are as initializers draw them."
        if is_untrained(evidence)
        else "Whether that is right can't be told without labels: samples may be of one class.",
        advice="Look at the layers named above; check labels, learning rate, and whether the "
        "classes come equally often."
        if certain or learned_nothing
        else "Pass labels, samples that differ, and the recording of its training.",
        chart=FindingChart(
            "layers", f"{answers.layer}: samples that get each class", {"samples": counts},
            labels=[f"class {i}" for i in range(len(counts))], value="samples",
            marked=[f"class {classes[0]}"],
        ),
    )  # fmt: skip


def _not_learning(evidence: Evidence) -> bool:
    """Return whether the training's loss has not fallen: then answers that are alike are none."""
    if evidence.run is None or len(evidence.run.steps) < 3:
        return False
    loss = evidence.run.metrics.get("loss")
    answers = evidence.now.answers
    if loss is None or answers is None:
        return False
    finite = loss[np.isfinite(loss)]
    guess = np.log(answers.values.shape[1])
    return bool(len(finite) >= 2 and finite[-1] > 0.8 * guess)


def _at_start(evidence: Evidence) -> str:
    if evidence.start is None or evidence.start.answers is None:
        return ""
    classes = np.unique(np.nan_to_num(evidence.start.answers.values).argmax(axis=1))
    return f"At its start ({evidence.start.when}) {len(classes)} classes were given."


def _no_start(evidence: Evidence) -> str | None:
    if evidence.start is None or evidence.start.answers is None:
        return "it needs a recording that begins before the training"
    return _no_classes(evidence)


@check(
    "start-loss", clean="The training began without a prejudice, at about ln C.", needs=_no_start
)
def start_loss(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield that the network was certain of its answers before it had learned anything."""
    start = evidence.start
    assert start is not None
    assert start.answers is not None
    assert evidence.run is not None
    if not evidence.run.counts_from_before or int(evidence.run.steps[0]) != 0:
        return
    loss, classes = uniform_loss(start.answers), start.answers.values.shape[1]
    guess = float(np.log(classes))
    if not loss > START_LOSS * guess:
        return
    means = np.exp(start.answers.log_probabilities()).mean(axis=0)
    yield ExaminationFinding(
        "start-loss",
        "found",
        f"{start.answers.layer}: before the training its loss is {number(loss)} on average over all"
        f" classes, where ln {classes} = {number(guess)} is that of a network that does not know.",
        layer=start.answers.layer,
        severity="failing",
        step=int(evidence.run.steps[0]),
        figures={"loss": loss, "ln C": guess},
        samples=start.samples,
        normal="A network that begins from scratch is at about ln C; one that was trained before "
        "may be anywhere.",
        means="Its answers are certain for no reason, so the first steps are large and only undo "
        "that: the input, or the weights it begins with, are too large.",
        advice="Scale the input; begin the last layer with smaller weights.",
        chart=FindingChart(
            "layers", "mean probability of each class before the training", {"probability": means},
            labels=[f"class {i}" for i in range(classes)], value="probability",
        ),
    )  # fmt: skip


def _no_labels(evidence: Evidence) -> str | None:
    reason = _no_classes(evidence)
    if reason is None and evidence.now.answers is not None and not (
        evidence.now.answers.labels >= 0
    ).any():  # fmt: skip
        return "it needs the labels of the data, as numbers or as many names as there are classes"
    return reason


@check("guessing", clean="The answers are better than a guess.", needs=_no_labels)
def guessing(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield that the answers are worse than a guess, or that labels are no class of the network."""
    answers = evidence.now.answers
    assert answers is not None
    classes = answers.values.shape[1]
    labels = answers.labels[answers.labels >= 0]
    if (labels >= classes).any():
        yield ExaminationFinding(
            "guessing", "found",
            f"{answers.layer} has {classes} classes, 0 to {classes - 1}, and labels reach "
            f"{int(labels.max())}.",
            layer=answers.layer, severity="failing", figures={"largest label": int(labels.max())},
            samples=len(labels),
            means="Labels that no class stands for can't be learned, and frameworks differ in what "
            "they make of them.",
            advice="Count labels from 0, or give the network more classes.",
        )  # fmt: skip
        return
    loss, guess = labelled_loss(answers), float(np.log(classes))
    right = accuracy(answers)
    if loss is None or not loss > GUESSING_LOSS * guess or right > 1.5 / classes:
        return
    by_class = [
        float((answers.values[answers.labels == c].argmax(axis=1) == c).mean())
        if (answers.labels == c).any()
        else 0.0
        for c in range(classes)
    ]
    yield ExaminationFinding(
        "guessing",
        "found",
        f"{answers.layer}: {percent(right)} of {samples_text(len(labels))} get their label, with a "
        f"loss of {number(loss)}: guessing is right for {percent(1 / classes)}, with "
        f"ln {classes} = {number(guess)}.",
        layer=answers.layer,
        severity="failing",
        figures={"loss": loss, "accuracy": right, "ln C": guess},
        samples=len(labels),
        means="It is certain, and wrong. Labels in another order than in training, an input that "
        "is scaled otherwise, and statistics of batch normalization that are not the data's do "
        "this.",
        advice="Check the order of the classes, the scale of the input, and the findings above.",
        chart=FindingChart(
            "layers", "share of each label's samples that get it", {"right": np.array(by_class)},
            labels=[f"class {c}" for c in range(classes)], value="share",
        ),
    )  # fmt: skip
