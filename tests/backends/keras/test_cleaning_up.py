"""What a model does to clean up after itself is done, where a look ends its pass early."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import layerscope as ls

FLAGS: list[str] = []  #: of the process, not of a model


class Cleaning(keras.layers.Layer):
    """Takes a flag back after its layers have run, with the help of one of them."""

    def __init__(self) -> None:
        super().__init__(name="cleaning")
        self.a, self.b = keras.layers.Dense(4, name="a"), keras.layers.Dense(4, name="b")
        self.c = keras.layers.Activation("tanh", name="c")

    def call(self, x: Any) -> Any:
        FLAGS.append("set")
        try:
            return self.b(self.c(self.a(x)))
        finally:
            self.c(x)
            FLAGS.pop()


def test_a_look_ends_a_pass_and_the_model_cleans_up() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), Cleaning()])
    x = np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)
    FLAGS.clear()
    right = ls.activations(model, x)
    for address in ("cleaning/a", "cleaning/c", "cleaning/b") * 2:
        seen = ls.activations(model, x, layers=address)
        np.testing.assert_allclose(seen[address], right[address], rtol=1e-5)
        assert not FLAGS
