"""The first value that is no number: in which layer, at which step, on which sample, and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.backends.base import Backend
from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer
from layerscope.core.selection import Selection
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.observed import NumberedBatch
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.wording import largest, number, samples_text
from layerscope.recordings.examination import ExaminationFinding, FindingChart
from layerscope.recordings.finding import moment_text
from layerscope.recordings.run import Run

_ADVICE = (
    "Look at the layer's weights and at the largest value that comes into it; a smaller learning "
    "rate, clipped gradients, and a small number added before a logarithm, a root or a division "
    "help where it comes from the training."
)


@check("nan", clean="All values are finite.")
def nan(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the first layer whose values are not all finite, though those before it are."""
    some = [layer.address for layer, tally in evidence.now.layers() if tally.nonfinite.any()]
    inputs = [name for name, one in evidence.now.inputs.items() if one.nonfinite]
    if inputs:
        count = sum(evidence.now.inputs[name].nonfinite for name in inputs)
        yield ExaminationFinding(
            "nan", "found", f"The input holds {count:,} values that are NaN or infinite.",
            severity="failing", figures={"not finite": count}, samples=evidence.now.samples,
            means="Whatever the network makes of them says nothing of the network.",
            advice="Mend the data first.",
        )  # fmt: skip
        return
    if not some:
        return
    layer = _first(evidence, some)
    tally = evidence.now.tally(layer.address)
    ends = [each.address for each, _ in evidence.now.layers()][-1:]
    grave = bool(set(ends) & set(some))
    step, since_words = _since(evidence, layer)
    sample, before = _where(evidence, layer)
    units = np.flatnonzero(tally.nonfinite)
    weights = _weights(evidence, layer)
    yield ExaminationFinding(
        "nan",
        "found",
        f"{layer.address} is the first layer whose values are not all finite: "
        f"{int(tally.nonfinite.sum()):,} of them are NaN or infinite, in {len(units)} of "
        f"{tally.units} units, on {samples_text(evidence.now.samples)}{since_words}"
        + ("." if sample is None else f"; sample {sample} is the first."),
        layer=layer.address,
        units=tuple(units.tolist()),
        severity="failing" if grave else "notable",
        step=step,
        figures={
            "not finite": int(tally.nonfinite.sum()), "sample": sample, "before": before,
            "weights": weights,
        },
        samples=evidence.now.samples,
        normal=_before_words(evidence, before) + weights,
        means="All that is computed from such a value is NaN, too."
        if grave
        else "The layers behind it are finite: it may be a mask.",
        advice=_ADVICE,
        chart=_chart(evidence, layer),
    )  # fmt: skip


def _first(evidence: Evidence, wrong: list[str]) -> Layer:
    """Return the first of these layers that receives from none of them."""
    for address in wrong:
        if not set(evidence.before(evidence.by_address[address])) & set(wrong):
            return evidence.by_address[address]
    return evidence.by_address[wrong[0]]


def _since(evidence: Evidence, layer: Layer) -> tuple[int | None, str]:
    """Return the step from which on a layer's values are not finite, and that in words."""
    if evidence.run is None:
        return None, ""
    mean = evidence.run.statistic(layer.address, "mean")
    if mean is None:
        return None, ""
    position = int(np.argmax(~np.isfinite(mean).all(axis=1)))
    before = _largest_at(evidence.run, layer.address, position - 1)
    words = f", since {moment_text(evidence.run, position)}"
    if before is not None:
        words += f" (before, its largest was {number(before)})"
    return int(evidence.run.steps[position]), words


def _largest_at(run: Run, address: str, position: int) -> float | None:
    low, high = run.statistic(address, "min"), run.statistic(address, "max")
    if position < 0 or low is None or high is None:
        return None
    return largest(np.stack([low[position], high[position]]))


def _where(evidence: Evidence, layer: Layer) -> tuple[int | None, float | None]:
    """Return the first sample with such a value, and the largest value that came in there."""
    model = evidence.model
    if model is not None and model.nonfinite is not None:
        return _sought(model.backend, model.nonfinite, layer)
    return None, None


def _sought(
    backend: Backend, batch: NumberedBatch, layer: Layer
) -> tuple[int | None, float | None]:
    names = [layer.address, *layer.inputs]
    run = backend.run(batch.value, Selection(everything=True))
    array = run.values.get(layer.address)
    if array is None or "sample" not in array.axes:
        return None, None
    rows = _by_sample(array)
    bad = ~np.isfinite(rows).all(axis=1)
    if not bad.any():
        return None, None
    sample = int(bad.argmax())
    received = [run.values[name] for name in names[1:] if name in run.values] or [
        array for array in run.inputs.values() if array.values.dtype.kind in "fiub"
    ]
    sampled = [_by_sample(one)[sample] for one in received if "sample" in one.axes]
    before = max((largest(row) for row in sampled), default=None)
    return batch.first + sample, before


def _by_sample(array: NamedArray) -> np.ndarray:
    values = np.moveaxis(array.values, array.axes.index("sample"), 0)
    return values.reshape(len(values), -1)


def _weights(evidence: Evidence, layer: Layer) -> str:
    """Return what is to be said of the layer's weights."""
    if not layer.parameters:
        return ""
    bad = [
        p.key for p in layer.parameters
        if p.key in evidence.weights and not np.isfinite(evidence.weights[p.key].values).all()
    ]  # fmt: skip
    known = [p.key for p in layer.parameters if p.key in evidence.weights]
    if bad:
        return f" Its weights {', '.join(bad)} hold NaN or infinity themselves."
    return " Its weights are finite." if known else ""


def _before_words(evidence: Evidence, before: float | None) -> str:
    return (
        "" if before is None else f"The largest value that comes into it there is {number(before)}."
    )


def _chart(evidence: Evidence, layer: Layer) -> FindingChart:
    names = [each.address for each, _ in evidence.now.layers()]
    shares = [
        float(tally.nonfinite.sum() / max((tally.nonfinite + tally.counted).sum(), 1))
        for _, tally in evidence.now.layers()
    ]
    return FindingChart(
        "layers", "share of values that are not finite", {"share": np.array(shares)},
        labels=names, value="share", marked=[layer.address],
    )  # fmt: skip
