"""Layers that did not learn: frozen, cut off, or far slower than the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.layer_kinds import NORMS
from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.initial import looks_fresh
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import (
    KERNEL_COSINE,
    SLOW_CHANGE,
    SLOW_FACTOR,
    STILL_CHANGE,
)
from layerscope.instruments.examination.wording import listed, number, percent, unit_names
from layerscope.recordings.examination import ExaminationFinding, FindingChart
from layerscope.recordings.run import Run

Figures = npt.NDArray[np.float64]

#: Arrays with fewer values have no direction to speak of: all of their change counts.
_SMALL = 4
#: What is left of a square of which as much was taken away, as a share of it.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Learned:
    """How far a layer's weights moved in each step, as a share of their norm, and altogether."""

    steps: Figures
    whole: float


def learned(run: Run, layer: Layer) -> Learned | None:
    """Return how far each step moved a layer's trainable weights, weight decay aside.

    Decay only shrinks them: it takes a step along the weights themselves. What is left of a step
    is by the law of cosines what its length and the two norms leave, ``change² - (norm -
    norm before)²``, where the norm fell.
    """
    weights = run.weights
    moved = size = None
    trained = [p for p in layer.parameters if p.key in weights.described and not _counts(p.key)]
    for parameter in trained:
        norm = weights.statistic(parameter.key, "norm")
        change = weights.statistic(parameter.key, "change")
        if norm is None or change is None or len(norm) < 2:
            continue
        squares = np.square(change.astype(np.float64))
        shrunk = np.minimum(np.diff(norm.astype(np.float64), prepend=np.nan), 0)
        if parameter.size >= _SMALL:
            squares = np.maximum(squares - np.square(np.nan_to_num(shrunk)), 0)
            # What is left of a step that only shrinks is the rounding of its numbers.
            rounding = _ROUNDING * np.square(np.nan_to_num(shrunk))
            squares = np.where(squares <= rounding, 0, squares)
        moved = squares if moved is None else moved + squares
        norms = np.square(norm.astype(np.float64))
        size = norms if size is None else size + norms
    if moved is None or size is None:
        return None
    with np.errstate(all="ignore"):
        steps = np.sqrt(moved[1:] / np.maximum(size[1:], 1e-30))
    known = steps[np.isfinite(steps)]
    return Learned(steps, float(known.sum())) if len(known) else None


def _counts(key: str) -> bool:
    """Return whether an array only counts what came by, and is not learned."""
    name = key.rpartition("/")[2].rpartition(".")[2]
    return name in ("moving_mean", "moving_variance", "running_mean", "running_var",
                    "num_batches_tracked")  # fmt: skip


def _no_training(evidence: Evidence) -> str | None:
    if evidence.run is None:
        return "it needs a recording of the training"
    if len(evidence.run.steps) < 2:
        return "the recording holds a single step"
    if not evidence.run.weights.described:
        return "the recording holds no weights"
    return None


def _by_layer(evidence: Evidence) -> Mapping[str, Learned]:
    assert evidence.run is not None
    known = {
        layer.address: learned(evidence.run, layer)
        for layer in evidence.network
        if layer.parameters
    }
    return {address: one for address, one in known.items() if one is not None}


def _has_kernel(layer: Layer) -> bool:
    return layer.kind not in NORMS and any(len(p.shape) >= 2 for p in layer.parameters)


@check("frozen", clean="Every layer with weights is trained.", needs=_no_training)
def frozen(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers whose weights never changed while others' did."""
    by_layer = _by_layer(evidence)
    still = [
        evidence.by_address[address]
        for address, one in by_layer.items()
        if one.whole <= 0
        and _has_kernel(evidence.by_address[address])
        and not _decayed(evidence, address)
    ]
    if not still or all(one.whole <= 0 for one in by_layer.values()):
        return  # where nothing moved, no layer is the one that did not
    asked = [layer for layer in still if layer.trainable is False]
    for layers, set_so in ((asked, True), ([one for one in still if one not in asked], False)):
        if not layers:
            continue
        fresh = [layer for layer in layers if looks_fresh(evidence, layer)]
        names = [layer.address for layer in layers]
        failing = not set_so or bool(fresh)
        its = "its" if len(layers) == 1 else "their"
        yield ExaminationFinding(
            "frozen",
            "found",
            f"{listed(names)}: {its} weights are exactly what they were at the start, over "
            f"{_steps(evidence)}"
            + (", as they are set not to be trained." if set_so else ", and others' are not."),
            layer=names[0],
            severity="failing" if failing else "notable",
            step=None,
            figures={"layers": names, "set so": set_so, "fresh": [one.address for one in fresh]},
            samples=evidence.now.samples,
            normal=_others(by_layer, names)
            + (
                f" The weights of {listed([one.address for one in fresh])} are distributed as an "
                "initializer draws them: they were never trained."
                if fresh
                else ""
            ),
            means="A layer that was trained before may well be frozen; one that begins at random "
            "stays a random filter."
            if set_so
            else "No gradient reaches it, or the optimizer was not given its weights.",
            advice="Set trainable = True (PyTorch: requires_grad), and compile anew."
            if set_so
            else "Check that its weights are among the optimizer's, and that nothing detaches what "
            "it returns.",
            chart=_chart(by_layer, names),
        )


@check("still", clean="No layer has stopped where the others learn.", needs=_no_training)
def still(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers whose weights moved, weight decay aside, next to nothing in all steps."""
    by_layer = _by_layer(evidence)
    moved = [one.whole for one in by_layer.values()]
    names = [
        address
        for address, one in by_layer.items()
        if (_has_kernel(evidence.by_address[address]) and 0 < one.whole <= STILL_CHANGE)
        or (one.whole <= 0 and _decayed(evidence, address))
    ]
    if not names or max(moved) <= STILL_CHANGE * 10:
        return
    yield ExaminationFinding(
        "still",
        "found",
        f"{listed(names)}: {'their' if len(names) > 1 else 'its'} weights moved by "
        f"{percent(max(by_layer[name].whole for name in names))} of their norm or less in all "
        f"{_steps(evidence)} together, weight decay aside.",
        layer=names[0],
        severity="failing",
        figures={name: by_layer[name].whole for name in names},
        samples=evidence.now.samples,
        normal=_others(by_layer, names),
        means="No gradient to speak of reaches it. Optimizers with weight decay go on shrinking "
        "such weights, which looks like change.",
        advice="Look for silent or saturated layers behind it, for a loss that is flat, and for "
        "a normalization of batches of one.",
        chart=_chart(by_layer, names),
    )


def _decayed(evidence: Evidence, address: str) -> bool:
    """Return whether a layer's weights changed, though only by being shrunk."""
    assert evidence.run is not None
    weights = evidence.run.weights
    for parameter in evidence.by_address[address].parameters:
        if parameter.key in weights.described:
            change = weights.statistic(parameter.key, "change")
            if change is not None and np.nansum(change) > 0 and not _counts(parameter.key):
                return True
    return False


@check("slow", clean="No layer learns far slower than the others.", needs=_no_training)
def slow(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers that move far less, relative to their size, than the others do."""
    by_layer = _by_layer(evidence)
    with_kernels = {
        address: one.whole
        for address, one in by_layer.items()
        if _has_kernel(evidence.by_address[address])
    }
    if len(with_kernels) < 2:
        return
    fastest = max(with_kernels.values())
    names = [
        address
        for address, whole in with_kernels.items()
        if STILL_CHANGE < whole < SLOW_CHANGE and whole * SLOW_FACTOR < fastest
    ]
    if not names:
        return
    slowest = min(names, key=lambda name: with_kernels[name])
    order = list(with_kernels)
    fades = order.index(names[-1]) < len(order) / 2 + 1
    yield ExaminationFinding(
        "slow",
        "found",
        f"{listed(names)}: learned far slower than the others; {slowest} moved by "
        f"{percent(with_kernels[slowest])} of its norm in {_steps(evidence)}, the fastest by "
        f"{percent(fastest)}.",
        layer=slowest,
        severity="failing",
        figures=dict(with_kernels),
        samples=evidence.now.samples,
        normal=_others(by_layer, names),
        means="Gradients fade on their way back to it: that is so behind functions that are flat, "
        "or in networks that are deep without normalization or shortcuts."
        if fades
        else "It has a learning rate of its own, or hardly any gradient reaches it.",
        advice="Record with gradients to see where they fade; use ReLUs, normalization or "
        "shortcuts, and scale the input.",
        chart=_chart(by_layer, names),
    )


@check("first-kernels", clean="The first layer's kernels have changed.", needs=_no_training)
def first_kernels(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the kernels of the first layer that still are as they were at the start."""
    layer = next((each for each in evidence.network if _has_kernel(each)), None)
    if layer is None or evidence.start is None or layer.trainable is False:
        return
    now, then = _kernels(evidence.weights, layer), _kernels(evidence.start.weights(), layer)
    if now is None or then is None or now.shape != then.shape:
        return
    with np.errstate(all="ignore"):
        cosines = (now * then).sum(axis=1) / np.linalg.norm(now, axis=1)
        cosines = cosines / np.linalg.norm(then, axis=1)
    same = np.flatnonzero(cosines >= KERNEL_COSINE)
    if not len(same):
        return
    whole = len(same) == len(cosines)
    yield ExaminationFinding(
        "first-kernels",
        "found",
        f"{layer.address}: {'all' if whole else 'the kernels of'} "
        f"{f'{len(cosines)} kernels' if whole else unit_names(same.tolist())} "
        f"point where they pointed at the start ({evidence.start.when}), after "
        f"{_steps(evidence)}.",
        layer=layer.address,
        units=tuple(same.tolist()),
        severity="notable",
        figures={"cosines": cosines},
        samples=evidence.now.samples,
        normal=f"The kernel that turned most has a cosine of {number(float(np.nanmin(cosines)))}.",
        means="A random filter was of no use to change, or no gradient came to it: of units that "
        "are silent none does.",
        advice="Look at the fate of these units, and at the layers behind.",
        chart=FindingChart(
            "units", f"{layer.address}: cosine of each kernel with itself at the start",
            {"cosine": cosines}, labels=list(range(len(cosines))), value="cosine",
            marked=same.tolist(),
        ),
    )  # fmt: skip


def _kernels(weights: Mapping[str, NamedArray], layer: Layer) -> Figures | None:
    kernels = [weights[p.key] for p in layer.parameters if p.key in weights and len(p.shape) >= 2]
    if not kernels:
        return None
    kernel = max(kernels, key=lambda array: array.values.size)
    at = kernel.axes.index("channel" if "channel" in kernel.axes else kernel.axes[-1])
    rows = np.moveaxis(kernel.values, at, 0)
    return rows.reshape(len(rows), -1).astype(np.float64)


def _steps(evidence: Evidence) -> str:
    assert evidence.run is not None
    return f"{len(evidence.run.steps) - 1} recorded steps"


def _others(by_layer: Mapping[str, Learned], names: list[str]) -> str:
    others = [one.whole for name, one in by_layer.items() if name not in names]
    if not others:
        return ""
    return f"Of the others the one that learned most moved by {percent(max(others))}."


def _chart(by_layer: Mapping[str, Learned], names: list[str]) -> FindingChart:
    return FindingChart(
        "layers",
        "how far each layer's weights moved in all steps together",
        {"moved": np.array([one.whole for one in by_layer.values()])},
        labels=list(by_layer),
        value="share of their norm",
        marked=names,
    )
