"""A layer where there is little room: averaged maps, and the strongest of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cases.recordings import MAPS, maps, named, recording
from layerscope.views.explorer.layer import layer_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.palette import LEVELS


def shown(panel) -> np.ndarray:
    """The values that a stack's bytes stand for."""
    shape = panel.header["shape"]
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(shape).astype(float)
    low, high = (np.frombuffer(panel.buffers[n], "<f4")[:, None, None] for n in ("low", "high"))
    return low + pixels / (LEVELS - 1) * (high - low)


# A single row is a line, of which as many values as there are pixels are kept: test_forms.py.
@given(st.integers(1, 9), st.integers(2, 30), st.integers(1, 30), st.integers(1, 40))
def test_maps_are_averaged_until_they_fit(channels, height, width, side):
    array = maps(channels, height, width)
    panel = layer_panel(Moment(recording({"conv": array}, image=array)), "conv", side=side)
    count, rows, columns = panel.header["shape"]
    times = panel.header["thinned"]
    assert times == -(-max(height, width) // side)
    assert max(rows, columns) <= side
    assert count == channels
    high, wide = min(times, height), min(times, width)
    cut = array.values[0, : rows * high, : columns * wide].astype(float)
    expected = cut.reshape(rows, high, columns, wide, channels).mean((1, 3)).transpose(2, 0, 1)
    reach = np.ptp(expected, axis=(1, 2), keepdims=True) / (LEVELS - 1)
    assert (abs(shown(panel) - expected) <= 0.51 * reach + 1e-5).all()


@given(st.integers(1, 20), st.integers(1, 25))
def test_the_strongest_maps_keep_their_numbers(channels, most):
    array = maps(channels)
    panel = layer_panel(Moment(recording({"conv": array}, image=array)), "conv", most=most)
    kept = min(channels, most)
    means = array.values[0].mean((0, 1))
    expected = sorted(np.argsort(-means, kind="stable")[:kept].tolist())
    assert panel.header["left_out"] == channels - kept
    labels = panel.header["labels"] or [str(i) for i in range(channels)]
    assert labels == [str(i) for i in expected]


def test_maps_without_a_mean_are_the_weakest():
    values = np.ones((1, 2, 2, 3), np.float32)
    values[0, 0, 0, 0] = np.nan
    values[0, 0, :, 1] = np.inf, -np.inf
    array = named(values, MAPS)
    panel = layer_panel(Moment(recording({"conv": array}, image=array)), "conv", most=1)
    assert panel.header["labels"] == ["2"]
