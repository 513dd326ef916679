"""A small network computed in plain loops: what every backend must agree with exactly.

All numbers are small multiples of a power of two, so every framework gets them without rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Two samples of three features.
MLP_INPUT = np.array([[1.0, 2.0, -1.0], [0.0, -2.0, 4.0]], np.float32)
MLP_KERNELS = (
    np.array([[1.0, -1.0], [0.5, 0.0], [2.0, 1.0]], np.float32),
    np.array([[1.0], [-2.0]], np.float32),
)
MLP_BIASES = (np.array([0.5, -1.0], np.float32), np.array([0.25], np.float32))
#: Worked out by hand: relu(x · W0 + b0), then (·) · W1 + b1.
#: 1·1 + 2·0.5 − 1·2 + 0.5 = 0.5;  −1 + 0 − 1 − 1 = −3 → 0
#: 0 − 1 + 8 + 0.5 = 7.5;  0 + 0 + 4 − 1 = 3
MLP_ACTIVATIONS = (
    np.array([[0.5, 0.0], [7.5, 3.0]], np.float32),
    np.array([[0.75], [1.75]], np.float32),
)


def cnn_weights() -> dict[str, Array]:
    """Return the reference CNN: a 3×3 convolution to 2 channels, a dense layer to 3 units."""
    step = np.arange(2 * 3 * 3, dtype=np.float32).reshape(3, 3, 1, 2)
    dense = np.arange(2 * 3 * 2 * 3, dtype=np.float32).reshape(12, 3)
    return {
        "conv/kernel": (step % 5 - 2) / 4,
        "conv/bias": np.array([0.5, -0.25], np.float32),
        "dense/kernel": (dense % 7 - 3) / 8,
        "dense/bias": np.array([0.0, 1.0, -1.0], np.float32),
    }


def cnn_input() -> Array:
    """Return two samples of 6 × 8 pixels, one channel: height and width differ on purpose."""
    return (np.arange(2 * 6 * 8, dtype=np.float32).reshape(2, 6, 8, 1) % 11 - 5) / 2


def cnn_activations() -> list[tuple[str, Array]]:
    """Compute what conv, relu, pool, flatten and dense return: (sample, y, x, channel)."""
    weights, x = cnn_weights(), cnn_input()
    convolved = convolve(x, weights["conv/kernel"], weights["conv/bias"])
    rectified = np.where(convolved > 0, convolved, 0)
    pooled = max_pool(rectified)
    flat = pooled.reshape(len(pooled), -1)
    dense = flat @ weights["dense/kernel"] + weights["dense/bias"]
    return [
        ("conv", convolved), ("relu", rectified), ("pool", pooled), ("flat", flat), ("dense", dense)
    ]  # fmt: skip


def convolve(x: Array, kernel: Array, bias: Array) -> Array:
    """Convolve ``(sample, y, x, channel)`` with ``(y, x, input, channel)``, without padding."""
    n, height, width, _ = x.shape
    kh, kw, _, channels = kernel.shape
    out = np.zeros((n, height - kh + 1, width - kw + 1, channels), np.float32)
    for y in range(out.shape[1]):
        for z in range(out.shape[2]):
            patch = x[:, y : y + kh, z : z + kw, :]
            for c in range(channels):
                out[:, y, z, c] = (patch * kernel[:, :, :, c]).sum(axis=(1, 2, 3)) + bias[c]
    return out


def max_pool(x: Array) -> Array:
    """Compute the maxima of 2 × 2 blocks; what is left over at the edges is dropped."""
    n, height, width, channels = x.shape
    out = np.zeros((n, height // 2, width // 2, channels), x.dtype)
    for y in range(out.shape[1]):
        for z in range(out.shape[2]):
            out[:, y, z] = x[:, 2 * y : 2 * y + 2, 2 * z : 2 * z + 2].max(axis=(1, 2))
    return out
