"""Linear CKA, by its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerscope.instruments.comparison.comparable import comparables
from layerscope.instruments.comparison.similarity import cka, cka_matrix, linear_cka

from cases.recordings import maps, named, recording  # isort: skip

pytestmark = pytest.mark.one_backend

Array = np.ndarray[Any, Any]


def by_definition(x: Array, y: Array) -> float:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    norm = np.linalg.norm
    return float(norm(y.T @ x) ** 2 / (norm(x.T @ x) * norm(y.T @ y)))


@pytest.mark.parametrize("shape", [(40, 3, 5), (6, 20, 30), (8, 20, 3)])
def test_it_is_as_defined(shape: tuple[int, int, int]) -> None:
    places, one, other = shape
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(places, one)), rng.normal(size=(places, other))
    assert linear_cka(x, y) == pytest.approx(by_definition(x, y))
    turned = np.linalg.qr(rng.normal(size=(one, one)))[0]
    assert linear_cka(x, 3 * x @ turned + 1) == pytest.approx(1)
    assert linear_cka(x, np.ones_like(y)) == 0


def test_the_matrix_is_of_all_pairs() -> None:
    vector = named(np.random.default_rng(1).normal(size=(2, 6)), ("sample", "unit"))
    rows = comparables(recording({"a": maps(3), "b": maps(4), "c": vector}))
    table = cka_matrix(rows, rows)
    assert np.allclose(np.diag(table), 1)
    expected = [[cka(one, other) for other in rows] for one in rows]
    assert np.allclose(table, expected)
