"""The figures of maps in memory are those of float64, however the maps lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerscope.instruments.survey import array_figures as module
from layerscope.instruments.survey.array_figures import array_figures

Array = np.ndarray[Any, Any]

#: (sample, unit, place): wide, long, in one stretch and in several, of a prime, of one value.
SHAPES = ((2, 3, 9000), (3, 40, 144), (2, 600, 49), (2, 2, 997), (4, 7, 1), (1, 1, 2))


def maps(kind: str, shape: tuple[int, ...]) -> Array:
    values = np.random.default_rng(0).standard_normal(shape, np.float32)
    made = {
        "spread": values,
        "rectified": np.maximum(values, 0),
        "far from zero": values * np.float32(1e-2) + 5,
        "saturated": np.clip(values * 2, -1, 1),
        "silent": values * 0,
        "one silent unit": np.where(np.arange(shape[1])[:, None] == 0, 0, values + 3),
    }[kind]
    return np.asarray(made, np.float32)


def expected(values: Array) -> dict[str, Array]:
    wide = values.astype(np.float64)
    return {
        "peak": values.max(axis=2),
        "place": values.argmax(axis=2),
        "low": values.min(axis=2),
        "mean": wide.mean(axis=2),
        "squares": wide.var(axis=2) * values.shape[2],
        "zeros": (values == 0).sum(axis=2),
        "count": np.full(values.shape[:2], values.shape[2]),
    }


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "kind", ["spread", "rectified", "far from zero", "saturated", "silent", "one silent unit"]
)
def test_figures_are_those_of_float64(kind: str, shape: tuple[int, ...]) -> None:
    values = maps(kind, shape)
    wanted = expected(values)
    turned = np.ascontiguousarray(values.transpose(0, 2, 1))
    in_memory = {
        "places last": (values, 2),
        "units last": (turned, 1),
        "a view": (turned.transpose(0, 2, 1), 2),
        "every other": (np.repeat(values, 2, axis=2)[:, :, ::2], 2),
    }
    for masked in (False, True):
        for name, (given, axis) in in_memory.items():
            got = array_figures(given, axis, masked=masked)
            for figure in ("peak", "place", "low", "zeros", "count"):
                np.testing.assert_array_equal(got[figure], wanted[figure], f"{name}: {figure}")
            scale = np.abs(values).mean(axis=2) + 1e-30
            assert (np.abs(got["mean"] - wanted["mean"]) / scale).max() < 1e-6, name
            apart = np.abs(got["squares"] - wanted["squares"])
            assert (apart <= 2e-6 * wanted["squares"] + 1e-12).all(), name


def test_threads_and_pieces_make_no_difference_to_places(monkeypatch: pytest.MonkeyPatch) -> None:
    values = maps("saturated", (5, 6, 144))
    turned = np.ascontiguousarray(values.transpose(0, 2, 1))
    wanted = expected(values)
    monkeypatch.setattr(module, "_SMALL", 1)
    monkeypatch.setattr(module, "_PIECE", 100)
    for given, axis in ((values, 2), (turned, 1)):
        got = array_figures(given, axis, masked=False)
        for figure in ("peak", "place", "low", "zeros", "count"):
            np.testing.assert_array_equal(got[figure], wanted[figure], figure)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [1, 144])
def test_what_is_not_finite_shows_in_the_squares(value: float, count: int) -> None:
    values = maps("rectified", (2, 8, count))
    values[1, 3, -1] = value
    for given, axis in ((values, 2), (np.ascontiguousarray(values.transpose(0, 2, 1)), 1)):
        finite = np.isfinite(array_figures(given, axis, masked=False)["squares"])
        assert not finite[1, 3]
        assert finite.sum() == finite.size - 1
        got = array_figures(given, axis, masked=True)
        assert got["count"][1, 3] == count - 1
        assert got["count"].sum() == values.size - 1
