"""Batch normalization: training against evaluation mode, and what it has learned of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Normalizing
from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence, ExaminedModel
from layerscope.instruments.examination.normalizers import (
    has_seen_no_batch,
    learned_statistics,
    normalizers,
)
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import (
    BATCH_ANSWERS,
    BATCH_DIFFERENCE,
    FEW_SAMPLES,
    STATISTICS_RATIO,
    STATISTICS_SHIFT,
)
from layerscope.instruments.examination.wording import number, percent, samples_text
from layerscope.recordings.examination import ExaminationFinding, FindingChart

_ADVICE = (
    "Use batches of 16 or more, or group or layer normalization; check that the data are scaled as "
    "in training, and the momentum: of short trainings 0.9 learns what 0.99 does not."
)
_CHANNELS = 8  #: that a picture shows

Array = npt.NDArray[Any]


def _no_two_modes(evidence: Evidence) -> str | None:
    if not normalizers(evidence):
        return "there is no batch normalization"
    if evidence.model is None or evidence.model.batch is None:
        return "it needs the model and data"
    if not isinstance(evidence.model.backend, Normalizing):
        return "models of this framework have one mode"
    if evidence.model.batch.count < FEW_SAMPLES:
        return f"it needs {FEW_SAMPLES} samples or more"
    return None


@check(
    "batch-norm",
    clean="Training and evaluation mode give nearly the same on one batch.",
    needs=_no_two_modes,
)
def batch_norm(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the first layer that gives something else in training than in evaluation mode."""
    model = evidence.model
    assert model is not None
    evaluated, trained = both_modes(evidence, model)
    differences = {
        name: relative_difference(evaluated[name], trained[name])
        for name in evaluated
        if name in trained and evaluated[name].values.shape == trained[name].values.shape
    }
    changed, better = _other_answers(evidence, evaluated, trained)
    far = [name for name, value in differences.items() if value >= BATCH_DIFFERENCE]
    if not far:
        return
    first = far[0]
    count = model.batch.count if model.batch is not None else 0
    # What only a batch of few kinds does, too, is told from a fault by labels or by the statistics.
    off = better >= BATCH_ANSWERS if better is not None else _is_off(evidence)
    failing = (
        off and (changed is None or changed >= BATCH_ANSWERS) and not has_seen_no_batch(evidence)
    )
    last = list(differences)[-1]
    yield ExaminationFinding(
        "batch-norm",
        "found",
        f"{first}: in training mode its values are off by {percent(differences[first])} of their "
        f"spread from those in evaluation mode, on the same {samples_text(count)}"
        + ("." if changed is None else f"; {percent(changed)} of them get another class."),
        layer=first,
        severity="failing" if failing else "notable",
        figures={"differences": dict(differences), "other class": changed, "more right": better},
        samples=count,
        normal=f"It is the first of {len(far)} such layers; {last} is off by "
        f"{percent(differences[last])}."
        + (
            ""
            if better is None
            else f" In training mode {percent(max(better, 0))} more of them are right."
        ),
        means="In training each batch is normalized by itself, in evaluation by running statistics:"
        " these are not those of such data. Then a network does well in training, and fails when "
        "it is used. A batch of samples of one kind, or of very few, does the same without fault.",
        advice=_ADVICE,
        chart=_chart(first, evaluated[first], trained[first]),
    )  # fmt: skip


def _other_answers(
    evidence: Evidence, evaluated: Mapping[str, NamedArray], trained: Mapping[str, NamedArray]
) -> tuple[float | None, float | None]:
    """Return the share of samples with another class in training mode, and how many more are right.

    None where there are no classes, or no labels.
    """
    answers = evidence.now.answers
    if answers is None or answers.layer not in evaluated or answers.values.shape[1] < 2:
        return None, None
    one, two = (_classes(of[answers.layer]) for of in (evaluated, trained))
    labels = answers.labels[: len(one)]
    known = labels >= 0
    better = None
    if known.any():
        better = float((two == labels)[known].mean() - (one == labels)[known].mean())
    return float((one != two).mean()), better


def _is_off(evidence: Evidence) -> bool:
    """Return whether the running statistics of a layer are far from the data's."""
    return _no_statistics(evidence) is None and any(True for _ in _far_statistics(evidence))


def both_modes(
    evidence: Evidence, model: ExaminedModel
) -> tuple[Mapping[str, NamedArray], Mapping[str, NamedArray]]:
    """Return the values of normalizations and of the answer, in evaluation and in training mode."""
    backend = model.backend
    assert model.batch is not None
    assert isinstance(backend, Normalizing)
    names = [layer.address for layer in normalizers(evidence)]
    if evidence.now.answers is not None:
        names.append(evidence.now.answers.layer)
    selection = model.backend.select(list(dict.fromkeys(names)))
    evaluated = model.backend.run(model.batch.value, selection).values
    trained = backend.normalized_by_batch(model.batch.value, selection).values
    ordered = [name for name in names if name in evaluated and name in trained]
    one, two = ({name: of[name].presented() for name in ordered} for of in (evaluated, trained))
    return one, two


def relative_difference(one: NamedArray, two: NamedArray) -> float:
    """Return the root mean square of a difference, as a share of the larger spread of the two."""
    a, b = one.values.astype(np.float64), two.values.astype(np.float64)
    with np.errstate(all="ignore"):
        spread = max(float(np.std(a)), float(np.std(b)), 1e-12)
        return float(np.sqrt(np.mean(np.square(a - b))) / spread)


def _classes(array: NamedArray) -> Array:
    values = np.moveaxis(array.values, array.axes.index("sample"), 0)
    return np.asarray(values.reshape(len(values), -1).argmax(axis=1))


def _chart(name: str, evaluated: NamedArray, trained: NamedArray) -> FindingChart:
    """Return the maps of the first sample in both modes, and their difference."""
    one, two = _maps(evaluated), _maps(trained)
    return FindingChart(
        "maps",
        f"{name}, on the first sample",
        {"evaluation": one, "training": two, "difference": two - one},
        labels=list(range(one.shape[-1])),
    )


def _maps(array: NamedArray) -> Array:
    """Return the first sample's values as (y, x, channel), of vectors as one row of all units."""
    values = array.values[0] if array.axes[0] == "sample" else array.values
    if values.ndim <= 1:
        return values.reshape(1, -1, 1).astype(np.float64)
    if values.ndim == 2:
        return values.T[:, :, None].astype(np.float64)
    while values.ndim > 3:
        values = values[0]
    return values[..., :_CHANNELS].astype(np.float64)


def _no_statistics(evidence: Evidence) -> str | None:
    if not normalizers(evidence):
        return "there is no batch normalization"
    if not any(learned_statistics(evidence, layer) for layer in normalizers(evidence)):
        return "the running statistics are not known"
    if evidence.now.samples < FEW_SAMPLES:
        return f"it needs {FEW_SAMPLES} samples or more"
    return None


@check(
    "running-statistics",
    clean="The running statistics are those of such data.",
    needs=_no_statistics,
)
def running_statistics(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the normalizations whose running mean and variance are far from the data's."""
    for layer, compared in _far_statistics(evidence):
        data, variance, ratio = compared.data, compared.variance, compared.ratio
        middle, apart, living = compared.middle, compared.apart, compared.living
        never = bool((compared.mean == 0).all() and (variance == 1).all())
        new = never and evidence.run is None
        cause = (
            "They are what they begin with, 0 and 1: it was never run in training mode, or a layer "
            "that is frozen never updates them."
            if never
            else "A variance near 0 is what batches of one leave behind: of one sample the spread "
            "is 0."
            if middle >= STATISTICS_RATIO and float(np.median(variance)) < 1e-2
            else "The data are scaled otherwise than in training, or the running statistics had "
            "too few steps to follow."
        )
        yield ExaminationFinding(
            "running-statistics",
            "found",
            f"{layer.address}: the data's variance is {number(middle)} times the running variance, "
            f"and their mean {number(apart)} spreads from the running mean (medians over "
            f"{int(living.sum())} units, on {samples_text(evidence.now.samples)}).",
            layer=layer.address,
            severity="notable" if new else "failing",
            figures={"variance ratio": middle, "shift": apart, "never updated": never},
            samples=evidence.now.samples,
            normal="In evaluation mode it divides by the running spread, so its values are "
            f"{number(float(np.sqrt(middle)))} times as large as in training.",
            means=cause,
            advice=_ADVICE,
            chart=FindingChart(
                "units", f"{layer.address}: variance of the data and running variance",
                {"data": data, "running": variance}, labels=list(range(len(data))),
                value="variance", logarithmic=True,
                marked=np.flatnonzero((ratio > STATISTICS_RATIO) | (ratio < 1 / STATISTICS_RATIO))
                .tolist(),
            ),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _ComparedStatistics:
    """What a normalization has learned, unit by unit, and what the data are."""

    mean: Array
    variance: Array
    data: Array  #: the data's variance
    ratio: Array  #: of the data's variance and the running one
    living: Array  #: which units vary
    middle: float  #: the median ratio
    apart: float  #: the median distance of the means, in spreads


def _far_statistics(evidence: Evidence) -> Iterator[tuple[Layer, _ComparedStatistics]]:
    """Yield the normalizations whose running statistics are far from the data's."""
    for layer in normalizers(evidence):
        compared = _compared(evidence, layer)
        if compared is None:
            continue
        off = not 1 / STATISTICS_RATIO < compared.middle < STATISTICS_RATIO
        if off or compared.apart >= STATISTICS_SHIFT:
            yield layer, compared


def _compared(evidence: Evidence, layer: Layer) -> _ComparedStatistics | None:
    learned = learned_statistics(evidence, layer)
    came = [name for name in layer.inputs if name in evidence.now.survey.tallies]
    if learned is None or len(came) != 1:
        return None
    tally = evidence.now.tally(came[0])
    mean, variance = learned
    if len(mean) != tally.units:
        return None
    with np.errstate(all="ignore"):
        data = tally.squares / tally.counted
        shift = np.abs(tally.mean - mean) / np.sqrt(np.maximum(variance, data) + 1e-12)
        ratio = (data + 1e-12) / (variance + 1e-12)
    living = (data > 1e-10) & np.isfinite(shift) & np.isfinite(ratio)
    if not living.any():
        return None
    middle, apart = float(np.median(ratio[living])), float(np.median(shift[living]))
    return _ComparedStatistics(mean, variance, data, ratio, living, middle, apart)
