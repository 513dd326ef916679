"""Fewer values for what is too much to be sent: means of maps, extremes of what goes along time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def means(maps: Array, times: int) -> Array:
    """Return maps ``(n, height, width, …)``, each value the mean of ``times`` by ``times``."""
    rows, columns = (max(1, n // min(times, n)) for n in maps.shape[1:3])
    high, wide = min(times, maps.shape[1]), min(times, maps.shape[2])
    cut = maps[:, : rows * high, : columns * wide]
    shape = (len(maps), rows, high, columns, wide, *maps.shape[3:])
    return np.asarray(cut.reshape(shape).mean(axis=(2, 4), dtype=np.float32))


def extremes(rows: Array, most: int) -> Array:
    """Return rows ``(n, length)`` made no longer than ``most``: least and largest take turns.

    A mean would hide what a sound is made of; a line through these looks as one through all.
    """
    length = rows.shape[1]
    if length <= most:
        return rows
    parts = max(1, most // 2)
    starts = np.arange(parts) * length // parts
    least = np.minimum.reduceat(rows, starts, axis=1)
    largest = np.maximum.reduceat(rows, starts, axis=1)
    return np.stack([least, largest], axis=2).reshape(len(rows), -1)
