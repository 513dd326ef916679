"""How well two layers go together by what they are: kind, stage, shape, weights and address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.instruments.comparison.comparable import LayerValues
from layerscope.instruments.comparison.families import family
from layerscope.instruments.comparison.likeness import ALIKE

#: What it counts that two layers are the same kind of thing, are at the same stage (before or
#: behind an activation), have as many weights, and are called alike.
_KIND, _STAGE, _WEIGHTS, _NAME = 0.6, 0.4, 0.3, 1.0
_LEAST = 0.6  #: pairs that count less are none
_OTHER_SHAPE = 0.7  #: of what the same kind of thing counts where the shapes differ
#: What makes values of the sums of whole numbers.
_COMPLETING = frozenset({"add", "rescale"})
#: What is folded into what.
_FOLDS = frozenset({("batch_norm", "conv"), ("activation", "conv"), ("activation", "dense")})


@dataclass(frozen=True, slots=True)
class Traits:
    """What of a layer tells whether it goes with another."""

    key: tuple[bool, tuple[int, ...]]  #: of its shape
    kind: str  #: the one that stands for its family
    activation: str | None
    weights: int
    name: str
    accumulates: bool  #: these are sums of products of whole numbers, not yet scaled
    is_folded: bool  #: the other network folds what comes behind it into it


def traits_of(values: Sequence[LayerValues], other: Sequence[LayerValues]) -> list[Traits]:
    """Return what of each layer tells whether it goes with one of the other network."""
    folds = folded(values, other)
    return [
        Traits(
            each.key,
            family(each.layer.kind),
            each.layer.activation,
            each.layer.weights,
            re.sub(r"[./]", "/", each.address).lower(),
            each.recording.named(each.address).values.dtype in (np.int32, np.int64),
            each.address in folds,
        )
        for each in values
    ]


def together(one: Traits, other: Traits, likeness: float, few_bits: bool) -> float:
    """Return how well two layers go together; 0 for not at all.

    ``likeness`` is what their values count; ``few_bits`` says that one of both networks computes
    with whole numbers.
    """
    same = one.key == other.key
    if not same and not (one.kind == other.kind and one.weights == other.weights > 0):
        return 0.0
    structure = _structure(one, other, same, few_bits)
    # What is something else, and only returns alike values, is a pair where they are equal.
    if structure <= 0 and likeness < ALIKE + 1:
        return 0.0
    score = structure + likeness
    return score if score >= _LEAST else 0.0


def _structure(one: Traits, other: Traits, same: bool, few_bits: bool) -> float:
    """Return what it counts what two layers are."""
    name = _NAME * (one.name == other.name)
    if one.accumulates != other.accumulates:  # what leaves a layer of few bits comes later
        return name / 4
    alike = one.kind == other.kind
    if not alike:
        for layer, kind in ((one, other.kind), (other, one.kind)):
            if kind == "quantize" or (few_bits and kind in _COMPLETING):
                return _STAGE * bool(layer.activation is not None or layer.weights)
    if one.is_folded or other.is_folded:
        return name / 4
    if one.activation is not None and other.activation is not None:
        agree = one.activation == other.activation  # fused into the layer, or one of its own
        return name + _STAGE + (_KIND if agree else _KIND / 2) if same else 0.0
    if not alike:
        folds = {(one.kind, other.kind), (other.kind, one.kind)} & _FOLDS
        return name + (_KIND if folds else 0.0)
    if (one.activation is None) != (other.activation is None):
        return name / 4 + _KIND if same else (name / 4 + _KIND + _WEIGHTS) * _OTHER_SHAPE
    weights = _WEIGHTS * (one.weights == other.weights)
    return (name + _KIND + _STAGE + weights) * (1.0 if same else _OTHER_SHAPE)


def folded(one: Sequence[LayerValues], other: Sequence[LayerValues]) -> set[str]:
    """Return the layers right before a norm or a function that the other network has folded.

    Behind it, and not before it, both may return the same.
    """
    norms = any(values.layer.kind == "batch_norm" for values in other)
    functions = {values.layer.activation for values in other}
    folding = [
        values.layer
        for values in one
        if (values.layer.kind == "batch_norm" and not norms)
        or (values.layer.kind == "activation" and values.layer.activation not in functions)
    ]
    before = {address for layer in folding for address in layer.inputs}
    return before - {layer.address for layer in folding}
