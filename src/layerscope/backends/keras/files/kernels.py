"""Weights as other implementations laid them out, in the layout of today's Keras."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


def is_cudnn(kernel: tuple[int, ...], recurrent: tuple[int, ...], bias: tuple[int, ...]) -> bool:
    """Return whether arrays of these shapes are those of a CuDNNLSTM or a CuDNNGRU.

    CuDNN has two biases for each gate, one after the other; Keras' LSTM has their sum, and its
    GRU has them in two rows.
    """
    if len(kernel) != 2 or len(recurrent) != 2 or len(bias) != 1:
        return False
    units, columns = recurrent
    return columns in (3 * units, 4 * units) and kernel[1] == columns and bias == (2 * columns,)


def from_cudnn(kernel: Array, recurrent: Array, bias: Array) -> tuple[Array, Array, Array]:
    """Return kernel, recurrent kernel and bias of a CuDNNLSTM or CuDNNGRU as LSTM and GRU have.

    The gates come in the same order. CuDNN multiplies by matrices of (unit, input), and Keras
    stored those numbers, gate by gate, under the shape (input, unit): each gate is reshaped back
    and transposed. The two biases are added up for an LSTM; a GRU with ``reset_after`` keeps both.
    """
    units = recurrent.shape[0]
    gates = recurrent.shape[1] // units
    kernels = [
        gate.reshape(units, -1).T for gate in np.split(np.ascontiguousarray(kernel), gates, axis=1)
    ]
    recurrents = [gate.T for gate in np.split(recurrent, gates, axis=1)]
    of_input, of_state = np.split(bias, 2)
    biases = of_input + of_state if gates == 4 else np.stack([of_input, of_state])  # type: ignore[operator]  # arrays of numbers
    return np.concatenate(kernels, axis=1), np.concatenate(recurrents, axis=1), biases


def flipped(kernel: Array) -> Array:
    """Return a convolution's kernel turned around: Theano convolved where the others correlate."""
    return np.flip(kernel, axis=tuple(range(kernel.ndim - 2)))
