"""Causes that lie in what the layer receives: another range, normalization, or order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.text import quoted
from layerscope.instruments.comparison.reasons.chain import Chain, cropped, distance
from layerscope.instruments.comparison.reasons.linear import effective

Values = npt.NDArray[np.float64]

#: Kinds of layers that give their input another range, and do nothing else.
_SCALING = frozenset({"rescale", "standardize"})
_SAME = 1e-5  #: a distance that is none
_EXPLAINED = 1e-4  #: what a factor and a shift leave of a difference that they explain


def of_received(one: Chain, other: Chain) -> list[str]:
    """Return how what both cores receive is related, where it differs.

    Of layers that do nothing but scale it is what they return.
    """
    name = quoted(other.core.address)
    received = _related(_prepared(one), _prepared(other), f"what {name} receives", (one, other))
    if received or not {one.core.kind, other.core.kind} <= _SCALING:
        return received
    values = one.value(one.core), other.value(other.core)
    return _related(*values, f"what {name} returns", (one, other))


def _related(
    first: NamedArray | None, second: NamedArray | None, whose: str, chains: tuple[Chain, Chain]
) -> list[str]:
    """Return by which order, factors and shifts the one becomes the other."""
    one, other = chains
    if first is None or second is None or first.values.shape != second.values.shape:
        return []
    x, y = first.values, second.values
    if x.dtype.kind not in "fiub" or distance(x, y) <= _SAME:
        return []
    channels = x.shape[-1]
    if 1 < channels <= 4 and x.ndim > 2 and distance(x[..., ::-1], y) <= _SAME:
        return [f"the order of colours: {whose} has its channels in reverse order, BGR for RGB"]
    factors, shifts, left = _affine(x.reshape(-1, channels), y.reshape(-1, channels))
    if left > _EXPLAINED:
        if one.entry is None and other.entry is None and len(one.rows) == len(other.rows) == 1:
            return [f"the inputs are others: apart by {distance(x, y):.1e}"]
        return []
    skipped = _skipped(one, other)
    ranges = f"{_range(y)} in the place of {_range(x)}"
    if np.ptp(factors) <= _EXPLAINED * abs(factors).max() and (
        np.abs(shifts).max() <= _EXPLAINED * max(np.abs(y).max(), 1e-12)
    ):
        times = float(np.mean(factors))
        return [f"the range of the input: {whose} is {times:.4g} times as large, {ranges}{skipped}"]
    factor, shift = _listed(factors), _listed(shifts)
    return [f"the normalization of the input: {whose} is {factor} · x + {shift}, {ranges}{skipped}"]


def _prepared(chain: Chain) -> NamedArray | None:
    """Return what the core receives, without the padding; None where that is not known."""
    entry = chain.at_entry
    if entry is None:
        return None
    received = effective(chain)
    if received is None:
        return None
    if received.values.shape == entry.values.shape:
        return received
    return cropped(entry, received)


def _affine(x: Values, y: Values) -> tuple[Values, Values, float]:
    """Return the factor and the shift of each channel that make y of x, and what they leave."""
    middle, other = x.mean(axis=0), y.mean(axis=0)
    spread = np.square(x - middle).sum(axis=0)
    product = ((x - middle) * (y - other)).sum(axis=0)
    factors = np.divide(product, spread, out=np.ones_like(product), where=spread > 0)
    shifts = other - factors * middle
    return factors, shifts, distance(y, factors * x + shifts)


def _skipped(one: Chain, other: Chain) -> str:
    """Return which layers only one of both has before the core."""
    names = []
    for chain, opposite in ((one, other), (other, one)):
        kinds = {row.kind for row in opposite.rows}
        for row in chain.rows:
            if row.kind in _SCALING and row.kind not in kinds:
                names.append(f"{quoted(row.address)} of {chain.name} has no counterpart")
    return f"; {', '.join(names)}" if names else ""


def _range(values: Values) -> str:
    return f"{values.min():.3g} … {values.max():.3g}"


def _listed(values: Values) -> str:
    if np.ptp(values) <= 1e-4 * max(np.abs(values).max(), 1e-12):
        return f"{values.mean():.4g}"
    shown = ", ".join(f"{value:.4g}" for value in values[:4])
    return f"({shown}{', …' if len(values) > 4 else ''})"
