"""Attention weights by themselves: the mean over heads, and what layers make of one another.

A place that a mask has closed holds -0.0, and stays so: it is 0 in every computation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError

Array = npt.NDArray[Any]


def is_attention(axes: tuple[str, ...]) -> bool:
    """Return whether an array with these axes holds the weights of queries for keys."""
    return {"query", "key"} <= set(axes)


def masked(weights: Array) -> npt.NDArray[np.bool_]:
    """Return which places a mask has closed."""
    if weights.dtype.kind != "f":
        return np.zeros(weights.shape, bool)
    return np.asarray(np.signbit(weights) & (weights == 0))


def mean_over_heads(weights: Array, axes: tuple[str, ...]) -> tuple[Array, tuple[str, ...]]:
    """Return the mean over heads, and its axes; masked where every head is."""
    if "head" not in axes:
        return weights, axes
    where = axes.index("head")
    mean = weights.mean(axis=where, dtype=np.result_type(weights.dtype, np.float32))
    mean[masked(weights).all(axis=where)] = -0.0
    return mean, (*axes[:where], *axes[where + 1 :])


def rollout(layers: Sequence[Array], residual: float = 0.5) -> list[Array]:
    """Return how much of each input reaches each place of each layer, ``(…, query, key)`` for each.

    ``layers`` are the weights ``(…, query, key)`` of layers that follow one another, their heads
    averaged. Of what a layer returns, the share ``residual`` is taken to come past the attention;
    each row is brought to the sum 1, and the layers are multiplied: Abnar & Zuidema, *Quantifying
    Attention Flow in Transformers*, 2020. Places that nothing can reach are masked.
    """
    results: list[Array] = []
    total: Array | None = None
    reach: Array | None = None
    for weights in layers:
        itself = np.eye(weights.shape[-1])
        mixed = (1 - residual) * weights.astype(np.float64) + residual * itself
        sums = mixed.sum(axis=-1, keepdims=True)
        mixed /= np.where(sums > 0, sums, 1)
        paths = ~masked(weights) | (itself.astype(bool) & (residual > 0))
        total = mixed if total is None else mixed @ total
        reach = paths if reach is None else np.matmul(paths, reach)
        results.append(np.where(reach, total, -0.0).astype(np.float32))
    return results


def gradient_relevance(
    layers: Sequence[tuple[Array, Array]],
) -> npt.NDArray[np.float64]:
    """Return how much of each place reaches each place that the answer is read from.

    ``layers`` are the weights ``(sample, head, query, key)`` of layers that follow one another, and
    the gradients of the answer at them. Of each layer the mean over heads of weights times
    gradients, where that is positive, is multiplied to what came before, and added to it: Chefer,
    Gur & Wolf, *Generic Attention-model Explainability*, 2021, arXiv:2103.15679. Rows are read
    where the last layer's weights have a gradient, and their mean is returned, ``(sample, key)``,
    less what reaches a place past the attention from itself.
    """
    shape = layers[-1][0].shape
    itself = np.eye(shape[-1])
    total = np.broadcast_to(itself, (shape[0], *itself.shape))
    for weights, gradient in layers:
        product = weights.astype(np.float64) * gradient.astype(np.float64)
        total = total + np.maximum(product, 0).mean(axis=1) @ total
    read = np.abs(layers[-1][1]).sum(axis=(1, 3), dtype=np.float64) > 0
    counted = np.maximum(read.sum(axis=1, keepdims=True), 1)
    rows = ((total - itself) * read[..., None]).sum(axis=1) / counted
    return np.asarray(rows, np.float64)


def rolled_out(
    arrays: Mapping[str, NamedArray], residual: float, *, strict: bool
) -> dict[str, NamedArray]:
    """Return the rollout up to each layer, by address, heads averaged; its attributes tell how.

    Arrays that are no attention of as many queries as keys, or not as long as the last, are left
    out, or, where it is ``strict``, an error.

    Raises
    ------
    AddressError
        When an array can't take part, or none does.
    """
    if not 0 <= residual <= 1:
        raise ValueError(f"residual={residual!r}: pass a share from 0 to 1.")
    square = {name: array for name, array in arrays.items() if _is_square(array)}
    for name in arrays if strict else ():
        if name not in square:
            raise AddressError(
                f"{name!r} has the axes {', '.join(arrays[name].axes)}: a rollout goes through "
                "attention weights (sample, head, query, key) of as many queries as keys."
            )
    if not square:
        raise AddressError("There are no attention weights of as many queries as keys here.")
    last = _length(list(square.values())[-1])
    for name, array in square.items() if strict else ():
        if _length(array) != last:
            raise AddressError(
                f"{name!r} has {_length(array)} queries, the last {last}: a rollout goes through "
                "layers of one length."
            )
    names = tuple(name for name, array in square.items() if _length(array) == last)
    maps = [mean_over_heads(square[name].values, square[name].axes) for name in names]
    rolled = rollout([values for values, _ in maps], residual)
    return {
        name: NamedArray(values, axes, {"rollout": names[: i + 1], "residual": residual})
        for i, (name, values, (_, axes)) in enumerate(zip(names, rolled, maps, strict=True))
    }


def _is_square(array: NamedArray) -> bool:
    """Return whether these are weights of as many queries as keys, and of one sequence a sample."""
    sizes = dict(zip(array.axes, array.values.shape, strict=True))
    known = {"query", "key"} <= set(sizes) <= {"sample", "head", "query", "key"}
    return known and sizes["query"] == sizes["key"]


def _length(array: NamedArray) -> int:
    return int(array.values.shape[array.axes.index("query")])
