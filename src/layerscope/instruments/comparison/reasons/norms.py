"""Causes that lie in a norm: another epsilon."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from layerscope.core.layer_kinds import NORMS
from layerscope.core.text import quoted
from layerscope.instruments.comparison.families import family
from layerscope.instruments.comparison.reasons.chain import Chain
from layerscope.instruments.comparison.reasons.roles import roles

Values = npt.NDArray[np.float64]

_APART = 0.2  #: two epsilons that differ by less of themselves are not told apart
_FEW = 16  #: channels, or places, by which an epsilon is told


def of_norms(one: Chain, other: Chain) -> list[str]:
    """Return the epsilons of both norms, told by their values, where they differ."""
    if family(one.core.kind) != family(other.core.kind) or one.core.kind not in NORMS:
        return []
    first, second = _epsilon(one), _epsilon(other)
    if first is None or second is None or max(first, second) <= 0:
        return []
    if abs(first - second) <= _APART * max(first, second):
        return []
    name = quoted(other.core.address)
    return [f"the epsilon: {_plain(second)} in {name}, {_plain(first)} in the one"]


def _epsilon(chain: Chain) -> float | None:
    received, value = chain.received(chain.core), chain.value(chain.core)
    if received is None or value is None or received.values.shape != value.values.shape:
        return None
    if chain.core.activation is not None:
        return None
    weights = {role: array.values for role, array in roles(chain.core, chain.parameters).items()}
    units = value.values.shape[-1]
    x, y = received.values.reshape(-1, units), value.values.reshape(-1, units)
    if chain.core.kind == "batch_norm":
        return _of_batch(x, y, weights)
    if chain.core.kind == "group_norm":
        return _of_groups(x.reshape(len(value.values), -1, units), y, weights)
    return _of_layer(x, y, weights)


def _of_batch(x: Values, y: Values, weights: dict[str, Values]) -> float | None:
    """Return epsilon by the factor of each channel: scale / sqrt(variance + epsilon)."""
    variance = weights.get("variance")
    if variance is None or len(variance) != x.shape[1]:
        return None
    scale = weights.get("scale", np.ones(len(variance)))
    middle, other = x.mean(axis=0), y.mean(axis=0)
    spread = np.square(x - middle).sum(axis=0)
    factor = ((x - middle) * (y - other)).sum(axis=0)
    usable = (spread > 0) & (np.abs(scale) > 1e-3) & (factor != 0)
    if not usable.any():
        return None
    factor = factor[usable] / spread[usable]
    estimates = np.square(scale[usable] / factor) - variance[usable]
    smallest = np.argsort(variance[usable])[:_FEW]  # where epsilon is the largest part
    return float(np.median(estimates[smallest]))


def _of_layer(x: Values, y: Values, weights: dict[str, Values]) -> float | None:
    """Return epsilon by what is missing to a variance of 1 behind the norm."""
    scale = weights.get("scale", np.ones(x.shape[1]))
    shift = weights.get("shift", np.zeros(x.shape[1]))
    if len(scale) != x.shape[1] or (np.abs(scale) < 1e-3).any():
        return None
    plain = (y - shift) / scale
    plain -= plain.mean(axis=1, keepdims=True)  # a shift that is not known
    variance, after = x.var(axis=1), np.square(plain).mean(axis=1)
    usable = (variance > 0) & (after > 0)
    if not usable.any():
        return None
    estimates = variance[usable] * (1 / after[usable] - 1)
    smallest = np.argsort(variance[usable])[:_FEW]
    return float(np.median(estimates[smallest]))


def _of_groups(x: Values, y: Values, weights: dict[str, Values]) -> float | None:
    """Return the same of groups of channels: of as many as make the estimates agree."""
    units = x.shape[-1]
    scale, shift = weights.get("scale", np.ones(units)), weights.get("shift", np.zeros(units))
    if len(scale) != units or (np.abs(scale) < 1e-3).any():
        return None
    plain = ((y - shift) / scale).reshape(x.shape)
    best: tuple[float, float] | None = None
    for groups in (n for n in range(1, units + 1) if units % n == 0):
        parts = [v.reshape(len(x), -1, groups, units // groups) for v in (x, plain)]
        variance, after = (part.var(axis=(1, 3)) for part in parts)
        if not ((variance > 0) & (after > 0)).all():
            continue
        estimates = variance * (1 / after - 1)
        middle = float(np.median(estimates))
        spread = float(np.abs(estimates - middle).max())
        if middle > 0 and (best is None or spread < best[0]):
            best = spread, middle
    return None if best is None else best[1]


def _plain(epsilon: float) -> str:
    """Return an epsilon as somebody would write it, where it is near to that."""
    if epsilon <= 0:
        return "0"
    digits = 10.0 ** math.floor(math.log10(epsilon))
    first = round(epsilon / digits)
    near = abs(epsilon - first * digits) <= 0.1 * epsilon
    return f"{first * digits:.0e}" if near else f"{epsilon:.1e}"
