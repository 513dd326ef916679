"""Attention weights, and rollouts of them computed place by place."""

from __future__ import annotations

import numpy as np

AXES = ("sample", "head", "query", "key")


def weights(
    length: int, keys: int | None = None, *, heads: int = 3, seed: int = 0, causal: bool = False
) -> np.ndarray:
    """Rows that sum to 1; what is masked is -0.0."""
    scores = np.random.default_rng(seed).normal(size=(2, heads, length, keys or length))
    values = np.exp(2 * scores)
    closed = np.broadcast_to(~np.tri(*values.shape[2:], dtype=bool) & causal, values.shape)
    values[closed] = 0
    values /= values.sum(-1, keepdims=True)
    values[closed] = -0.0
    return values.astype(np.float32)


def by_hand(layers: list[np.ndarray], residual: float) -> np.ndarray:
    """The rollout of ``(sample, head, query, key)``, sample by sample, place by place."""
    result = []
    for sample in range(len(layers[0])):
        total = np.eye(layers[0].shape[-1])
        for layer in layers:
            mean = sum(layer[sample, head].astype(float) for head in range(layer.shape[1]))
            mixed = (1 - residual) * mean / layer.shape[1] + residual * np.eye(len(mean))
            total = (mixed / mixed.sum(1)[:, None]) @ total
        result.append(total)
    return np.stack(result)
