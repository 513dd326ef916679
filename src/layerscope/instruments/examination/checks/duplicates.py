"""Units that say the same: copies of each other, and layers that take a single direction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.look import NetworkLook
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import (
    COLLAPSED_RANK,
    CONSTANT,
    DISTINCT_SHARE,
    ENOUGH_SAMPLES,
    RANK_BEFORE,
    SAME_CORRELATION,
    SAME_WEIGHTS,
)
from layerscope.instruments.examination.wording import samples_text, unit_names
from layerscope.recordings.examination import ExaminationFinding, FindingChart
from layerscope.recordings.survey.layer_tally import LayerTally

Array = npt.NDArray[np.float64]


def _no_comoments(evidence: Evidence) -> str | None:
    if evidence.now.samples < ENOUGH_SAMPLES:
        return f"it needs {ENOUGH_SAMPLES} samples or more"
    if all(tally.comoments is None for _, tally in evidence.now.layers()):
        return "the survey was made without co-moments"
    return None


@check("duplicates", clean="No units are copies of each other.", needs=_no_comoments)
def duplicates(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers with units that vary as one, and are fed or read alike."""
    for layer, tally in evidence.now.layers():
        if not layer.parameters or not _is_whole(tally) or tally.units < 2:
            continue
        groups = copies(evidence, layer, tally)
        if not groups:
            continue
        varying = int(_varies(tally).sum())
        distinct = varying - sum(len(group) - 1 for group in groups)
        which = sorted(unit for group in groups for unit in group)
        failing = varying >= 4 and distinct <= max(1.0, DISTINCT_SHARE * varying)
        largest = max(groups, key=len)
        assert tally.comoments is not None
        correlation = np.nan_to_num(tally.comoments.correlation())
        np.fill_diagonal(correlation, 0)
        yield ExaminationFinding(
            "duplicates",
            "found",
            f"{layer.address}: {len(which)} of {tally.units} units are copies of others: "
            f"{unit_names(largest)} vary as one on {samples_text(evidence.now.samples)}"
            + (f", and {len(groups) - 1} more groups do." if len(groups) > 1 else "."),
            layer=layer.address,
            units=tuple(which),
            severity="failing" if failing else "notable",
            figures={"groups": [len(group) for group in groups], "distinct": distinct},
            samples=evidence.now.samples,
            normal=_copies_before(evidence, layer),
            means="Units that begin with the same weights get the same gradients, and stay the "
            "same: weights that begin with one value do this."
            if failing
            else "They are fed, or read, alike, too: one of each would do. It costs computation and"
            " is no fault of the training.",
            advice="Begin with random weights." if failing else "Such units can be pruned.",
            chart=FindingChart(
                "units", f"{layer.address}: correlation with the unit most like it",
                {"correlation": np.abs(correlation).max(axis=1)},
                labels=list(range(tally.units)), value="correlation", marked=which,
            ),
        )  # fmt: skip


@check("rank", clean="No layer has collapsed to one direction.", needs=_no_comoments)
def rank(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layers whose units all take one direction, though those before take several."""
    now = evidence.now
    ranks = {
        layer.address: tally.comoments.effective_rank()
        for layer, tally in now.layers()
        if tally.comoments is not None and tally.units >= 4 and tally.comoments.count
    }
    for layer, tally in now.layers():
        value = ranks.get(layer.address, np.nan)
        if not layer.parameters or not 0 < value <= COLLAPSED_RANK:
            continue
        before = [ranks[name] for name in evidence.before(layer) if name in ranks]
        if before and max(before) < RANK_BEFORE:
            continue
        normal = _rank_before(evidence, layer)
        if (
            evidence.healthy is not None
            and normal is not None
            and normal[0] <= COLLAPSED_RANK * 1.5
        ):
            continue
        is_answer = now.answers is not None and now.answers.layer == layer.address
        order = [each.address for each, _ in now.layers() if each.address in ranks]
        yield ExaminationFinding(
            "rank",
            "found",
            f"{layer.address}: its {tally.units} units take a single direction, an effective rank "
            f"of {value:.2f} on {samples_text(now.samples)}.",
            layer=layer.address,
            severity="notable" if is_answer else "failing",
            figures={"effective rank": value, "before": max(before, default=float("nan"))},
            samples=now.samples,
            normal=(f"The layer before it takes {max(before):.1f}. " if before else "")
            + ("" if normal is None else normal[1]),
            means="All that the layers behind it learn of a sample is one number.",
            advice="Look for weights that are multiples of each other, or one that is far larger "
            "than the rest; a smaller learning rate, and normalization, keep directions apart.",
            chart=FindingChart(
                "layers", "effective rank of each layer",
                {"effective rank": np.array([ranks[name] for name in order])},
                labels=order, value="effective rank", marked=[layer.address],
            ),
        )  # fmt: skip


def copies(evidence: Evidence, layer: Layer, tally: LayerTally) -> list[list[int]]:
    """Return groups of units that vary as one and have the same weights, incoming or outgoing."""
    assert tally.comoments is not None
    varies = _varies(tally)
    correlation = np.nan_to_num(tally.comoments.correlation())
    alike = (np.abs(correlation) >= SAME_CORRELATION) & varies[:, None] & varies[None, :]
    np.fill_diagonal(alike, False)
    if not alike.any():
        return []
    weights = _incoming(evidence.kernel(layer), tally.units)
    reads = [
        used
        for follower in evidence.followers(layer)
        if (used := _outgoing(evidence.kernel(follower), tally.units)) is not None
    ]
    confirmed = np.zeros_like(alike)
    if weights is not None:
        confirmed |= np.abs(_cosines(weights)) >= SAME_WEIGHTS
    for used in reads:
        confirmed |= np.abs(_cosines(used)) >= SAME_WEIGHTS
    return _groups(alike & confirmed)


def _varies(tally: LayerTally) -> npt.NDArray[np.bool_]:
    assert tally.comoments is not None
    spread = np.sqrt(np.clip(np.diag(tally.comoments.products), 0, None))
    return np.asarray(spread > CONSTANT * max(float(spread.max(initial=0)), 1e-30))


def _is_whole(tally: LayerTally) -> bool:
    comoments = tally.comoments
    return comoments is not None and len(comoments.products) == tally.units and (
        comoments.count >= ENOUGH_SAMPLES
    )  # fmt: skip


def _incoming(kernel: NamedArray | None, units: int) -> Array | None:
    """Return what each unit is fed with, (unit, weight)."""
    return _rows(kernel, ("channel", "unit"), units)


def _outgoing(kernel: NamedArray | None, units: int) -> Array | None:
    """Return how each unit is read by another layer, (unit, weight)."""
    return _rows(kernel, ("input",), units)


def _rows(kernel: NamedArray | None, axes: tuple[str, ...], units: int) -> Array | None:
    if kernel is None:
        return None
    for axis in axes:
        if axis in kernel.axes:
            at = kernel.axes.index(axis)
            if kernel.values.shape[at] == units:
                rows = np.moveaxis(kernel.values, at, 0).reshape(units, -1)
                return rows.astype(np.float64)
    return None


def _cosines(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        unit = np.nan_to_num(rows / lengths)
    return np.asarray(unit @ unit.T)


def _groups(alike: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Return the groups of units that are alike, by way of others, too."""
    groups, left = [], set(np.flatnonzero(alike.any(axis=1)).tolist())
    while left:
        group = [min(left)]
        left.discard(group[0])
        for unit in group:  # grows
            near = sorted(left & set(np.flatnonzero(alike[unit]).tolist()))
            left.difference_update(near)
            group += near
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


def _reference_tally(
    evidence: Evidence, layer: Layer
) -> tuple[NetworkLook, LayerTally, str] | None:
    if evidence.reference is None or layer.address not in evidence.reference[0].survey.tallies:
        return None
    look, where = evidence.reference
    return look, look.tally(layer.address), f"{where[0].upper()}{where[1:]}"


def _copies_before(evidence: Evidence, layer: Layer) -> str:
    known = _reference_tally(evidence, layer)
    if known is None or not _is_whole(known[1]):
        return ""
    look, tally, where = known
    then = Evidence(look)
    layer_then = next((each for each in look.network if each.address == layer.address), None)
    count = 0 if layer_then is None else sum(map(len, copies(then, layer_then, tally)))
    return f"{where} {count} of {tally.units} were."


def _rank_before(evidence: Evidence, layer: Layer) -> tuple[float, str] | None:
    known = _reference_tally(evidence, layer)
    if known is None or known[1].comoments is None:
        return None
    value = known[1].comoments.effective_rank()
    return value, f"{known[2]} it was {value:.2f}."
