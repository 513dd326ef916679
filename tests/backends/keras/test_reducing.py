"""Reductions inside a pass give what the same reduction gives of the values, in NumPy."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerscope.backends import backend_for
from layerscope.backends.keras import engines
from layerscope.backends.reducing import NumpyOps, reduced
from layerscope.instruments.survey.reduction import Reduction

SAMPLES = 9  # as many as TensorFlow compiles at the first look


def network() -> Any:
    """Maps of 24 × 20, vectors and sequences; whole numbers, so that all sums are exact."""
    rng = np.random.default_rng(0)
    image = keras.Input((26, 22, 2), name="image")
    maps = keras.layers.Conv2D(3, 3, activation="relu", name="maps")(image)
    rows = keras.layers.Reshape((24, 60), name="rows")(maps)
    series = keras.layers.Conv1D(4, 2, name="series")(rows)
    vector = keras.layers.Dense(5, name="vector")(keras.layers.Flatten()(series))
    model = keras.Model(image, vector)
    model.set_weights([rng.integers(-2, 3, w.shape).astype("f4") for w in model.get_weights()])
    return model


@pytest.mark.combinations
@pytest.mark.parametrize("fused_from", [0, 10**9])
@pytest.mark.parametrize("masked", [False, True])
def test_what_is_reduced_in_a_pass_is_what_numpy_makes_of_the_values(
    masked: bool, fused_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_FUSED_FROM", fused_from)
    model = network()
    x = np.random.default_rng(1).integers(-3, 4, (SAMPLES, 26, 22, 2)).astype(np.float32)
    if masked:
        x[2, 3, 4, 0] = np.nan
        x[5] = np.inf
    backend = backend_for(model)
    selection = backend.select(["maps", "series", "vector"])
    offsets = np.arange(SAMPLES, dtype=np.int32) * 7
    reduction = Reduction(masked)
    run = backend.run(x, selection)
    for _ in range(2):  # eagerly where that is how a first look is made; and compiled
        got = reduced(backend, x, selection, reduction, offsets)
        assert list(got.values) == ["maps", "series", "vector"]
        for address, numbers in got.values.items():
            array = run.values[address]
            assert (got.axes[address], got.shapes[address]) == (array.axes, array.values.shape)
            wanted = reduction(NumpyOps, array.values, array.axes, offsets)
            assert wanted is not None
            there = wanted["count"] > 0
            for name, figures in wanted.items():
                mine = np.asarray(numbers[name])
                if name == "some":
                    np.testing.assert_array_equal(mine, figures, err_msg=name)
                else:
                    np.testing.assert_allclose(
                        mine[there], figures[there], rtol=1e-5, atol=1e-5, err_msg=name
                    )
