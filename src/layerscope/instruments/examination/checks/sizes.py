"""Activations that grow, or fade, from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from layerscope.core.layer_kinds import NORMS
from layerscope.core.network import Layer
from layerscope.instruments.examination.evidence import Evidence
from layerscope.instruments.examination.look import NetworkLook, size_of, spreads
from layerscope.instruments.examination.normalizers import NOT_YET, has_seen_no_batch
from layerscope.instruments.examination.registry import check
from layerscope.instruments.examination.thresholds import EXPLODED, LAYER_FACTOR, VANISHED
from layerscope.instruments.examination.wording import number, samples_text, times
from layerscope.recordings.examination import ExaminationFinding, FindingChart

#: Kinds of layers that bring the input to another range.
_SCALING = frozenset({"rescale", "standardize"})
_ADVICE = (
    "Begin with weights whose spread is 1/√(inputs), or √(2/inputs) before a ReLU; put a "
    "normalization between the layers; and look at the scale of the input."
)


def _no_input(evidence: Evidence) -> str | None:
    if not evidence.now.inputs and evidence.start is None:
        return "the size of the input is not known"
    if len(_weighted(evidence.now)) < 2:
        return "there are fewer than two layers with weights"
    return None


@check("exploding", clean="No layer's values have grown out of proportion.", needs=_no_input)
def exploding(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layer at which values became far larger than the input, and than they were."""
    base = _input_size(evidence)
    sizes = {layer.address: size for layer, size, _ in _weighted(evidence.now)}
    for layer, size, _ in _weighted(evidence.now):
        whole = size / base
        factor = size / _before(evidence, layer, sizes, base)
        if _is_normalized(evidence, layer) or not np.isfinite(size):
            continue
        if whole < EXPLODED and (factor < LAYER_FACTOR or size < LAYER_FACTOR):
            continue
        normal = _size_before(evidence, layer)
        if normal is not None and size < normal[0] * 100 and evidence.healthy is not None:
            continue
        yield _finding(evidence, "exploding", layer, sizes, whole, factor, size, normal)
        return  # what comes after it has grown with it


@check("vanishing", clean="Differences between samples reach every layer.", needs=_no_input)
def vanishing(evidence: Evidence) -> Iterator[ExaminationFinding]:
    """Yield the layer at which the differences between values have all but gone."""
    base = _input_size(evidence)
    spread = {layer.address: value for layer, _, value in _weighted(evidence.now)}
    for layer, size, value in _weighted(evidence.now):
        answers = evidence.now.answers
        if answers is not None and answers.layer == layer.address:
            continue
        if _is_normalized(evidence, layer) or not 0 < value < np.inf:
            continue
        whole = value / base
        factor = value / _before(evidence, layer, spread, base)
        if whole > VANISHED and (factor > 1 / LAYER_FACTOR or value > 1 / LAYER_FACTOR):
            continue
        normal = _size_before(evidence, layer)
        if normal is not None and value > normal[1] / 100 and evidence.healthy is not None:
            continue
        yield _finding(evidence, "vanishing", layer, spread, whole, factor, size, normal)
        return


def _finding(
    evidence: Evidence,
    kind: str,
    layer: Layer,
    values: Mapping[str, float],
    whole: float,
    factor: float,
    size: float,
    normal: tuple[float, float] | None,
) -> ExaminationFinding:
    grows = kind == "exploding"
    alone = factor >= LAYER_FACTOR if grows else factor <= 1 / LAYER_FACTOR
    names = list(values)
    depth = names.index(layer.address) + 1
    each = whole ** (1 / depth)
    if grows:
        what = f"its values are {times(whole)} as large as the input ({number(size)})"
    else:
        what = (
            f"its values differ between samples and places by {number(values[layer.address])}, "
            f"{number(whole)} of what the input does"
        )
    by = times(factor) if grows else f"1/{1 / factor:.3g} of it"
    how = (
        f"This layer alone makes it {by}."
        if alone
        else f"Over {depth} layers with weights that is {number(each)} times in each."
    )
    where = "" if evidence.reference is None else evidence.reference[1]
    was = ""
    if normal is not None:
        was = f"{where[0].upper()}{where[1:]} it was {number(normal[0 if grows else 1])}."
    return ExaminationFinding(
        kind,
        "found",
        f"{layer.address}: {what}, on {samples_text(evidence.now.samples)}.",
        layer=layer.address,
        severity="notable" if has_seen_no_batch(evidence) else "failing",
        figures={"of the input": whole, "this layer": factor, "size": size},
        samples=evidence.now.samples,
        normal=f"{how} {was}".strip(),
        means=NOT_YET
        if has_seen_no_batch(evidence)
        else "Gradients that come back through it grow as much: steps are too large, and then "
        "there are infinities."
        if grows
        else "Gradients that come back through it fade as much: the layers before it hardly learn.",
        advice=_ADVICE,
        chart=FindingChart(
            "layers",
            "size of each layer's values" if grows else "spread of each layer's values",
            {"size" if grows else "spread": np.array(list(values.values()))},
            labels=names,
            value="root mean square" if grows else "standard deviation",
            logarithmic=True,
            marked=[layer.address],
        ),
    )


def _weighted(look: NetworkLook) -> list[tuple[Layer, float, float]]:
    """Return the layers with weights, how large their values are, and how far they differ."""
    return [
        (layer, size_of(tally), float(np.sqrt(np.nanmean(np.square(spreads(tally))))))
        for layer, tally in look.layers()
        if layer.parameters and layer.kind not in NORMS and tally.counted.any()
    ]


def _input_size(evidence: Evidence) -> float:
    """Return how large the input is, where layers bring it to another range behind those.

    1 where words come in by number.
    """
    if any(layer.kind == "embedding" for layer in evidence.network):
        return 1.0
    size = evidence.input_size
    scaled: dict[str, float] = {}
    for layer, tally in evidence.now.layers():
        before = [name for name in layer.inputs if name in evidence.now.survey.tallies]
        if layer.kind in _SCALING and all(name in scaled for name in before):
            scaled[layer.address] = size_of(tally)
    known = [each for each in scaled.values() if np.isfinite(each) and each > 0]
    size = known[-1] if known else size
    return 1.0 if not np.isfinite(size) or size == 0 else size


def _before(evidence: Evidence, layer: Layer, values: Mapping[str, float], base: float) -> float:
    """Return the figure of what comes in: of the nearest layers before, the largest."""
    tallies = evidence.now.survey.tallies
    sizes = []
    for name in evidence.before(layer):
        tally = tallies[name]
        use_size = values.get(name)
        sizes.append(size_of(tally) if use_size is None else use_size)
    known = [size for size in sizes if np.isfinite(size) and size > 0]
    return max(known, default=base)


def _is_normalized(evidence: Evidence, layer: Layer) -> bool:
    """Return whether all that reads a layer normalizes it first: then its scale means nothing."""
    followers = evidence.followers(layer)
    return bool(followers) and all(follower.kind in NORMS for follower in followers)


def _size_before(evidence: Evidence, layer: Layer) -> tuple[float, float] | None:
    if evidence.reference is None or layer.address not in evidence.reference[0].survey.tallies:
        return None
    tally = evidence.reference[0].tally(layer.address)
    return size_of(tally), float(np.sqrt(np.nanmean(np.square(spreads(tally)))))
