"""Weights in other layouts: the recurrent layers of CuDNN, against a slow loop of its equations.

They are rearranged with NumPy, whatever Keras computes with.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.backends.keras.files.kernels import flipped, from_cudnn, is_cudnn

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.one_backend

UNITS = st.integers(1, 4)


def drawn(inputs, units, gates, seed):
    numbers = np.random.default_rng(seed)
    shapes = [(inputs, units * gates), (units, units * gates), (2 * units * gates,)]
    return [numbers.normal(size=shape).astype("float32") for shape in shapes]


def of_gates(kernel, recurrent, bias):
    """For each gate: W and R of shape (unit, input), and both biases, as CuDNN's equations have
    them; the numbers lie in the file row by row."""
    units = recurrent.shape[0]
    gates = recurrent.shape[1] // units
    for gate in range(gates):
        columns = slice(gate * units, (gate + 1) * units)
        w = np.array(kernel[:, columns].ravel()).reshape(units, -1)
        r = np.array(recurrent[:, columns].ravel()).reshape(units, units)
        first = bias[gate * units : (gate + 1) * units]
        second = bias[(gates + gate) * units : (gates + gate + 1) * units]
        yield w, r, first, second


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow_lstm(x, weights):
    gates = list(of_gates(*weights))
    h = c = np.zeros(len(gates[0][2]))
    for step in x:
        i, f, g, o = (w @ step + r @ h + b + b2 for w, r, b, b2 in gates)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def slow_gru(x, weights):
    gates = list(of_gates(*weights))
    h = np.zeros(len(gates[0][2]))
    for step in x:
        z, r = (sigmoid(w @ step + u @ h + b + b2) for w, u, b, b2 in gates[:2])
        w, u, b, b2 = gates[2]
        h = (1 - z) * np.tanh(w @ step + b + r * (u @ h + b2)) + z * h
    return h


@pytest.mark.parametrize(("gates", "slow"), [(4, slow_lstm), (3, slow_gru)])
@pytest.mark.parametrize(("inputs", "units"), [(1, 1), (2, 3), (3, 2), (3, 3)])
def test_cudnn_s_equations_are_those_of_the_converted_layer(gates, slow, inputs, units):
    weights = drawn(inputs, units, gates, seed=inputs)
    layer = keras.layers.LSTM(units) if gates == 4 else keras.layers.GRU(units)
    layer.build((None, None, inputs))
    layer.set_weights(from_cudnn(*weights))
    x = np.random.default_rng(9).normal(size=(5, inputs)).astype("float32")
    got = keras.ops.convert_to_numpy(layer(x[None]))[0]
    np.testing.assert_allclose(got, slow(x, weights), atol=1e-5)


@given(UNITS, UNITS, st.sampled_from([3, 4]))
def test_layers_of_cudnn_are_told_by_their_shapes(inputs, units, gates):
    kernel, recurrent, bias = (w.shape for w in drawn(inputs, units, gates, 0))
    assert is_cudnn(kernel, recurrent, bias)
    assert not is_cudnn(kernel, recurrent, (bias[0] // 2,))
    assert not is_cudnn(kernel, recurrent, (2, bias[0] // 2))
    assert not is_cudnn((inputs, units * gates + 1), recurrent, bias)


def test_a_flipped_kernel_convolves():
    image = np.arange(25.0).reshape(5, 5)
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    turned = flipped(kernel)[..., 0, 0]
    for y in range(3):
        for x in range(3):
            convolved = sum(
                image[y + 2 - a, x + 2 - b] * kernel[a, b, 0, 0] for a in range(3) for b in range(3)
            )
            assert (image[y : y + 3, x : x + 3] * turned).sum() == convolved
