"""How far each unit moved from step to step of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from layerscope.recordings.comparison import Drifting, units_last
from layerscope.recordings.run import Run

Array = npt.NDArray[np.float64]


def drifting(run: Run, layers: Sequence[str]) -> list[Drifting]:
    """Return between which steps each unit moved most, the farthest first.

    How far is the root mean square of the change of its values, by that of all values of its layer
    at the later step.
    """
    names = names_of_steps(run)
    units: list[Drifting] = []
    for layer in layers:
        before, most, at = None, None, None
        for position in range(len(names)):
            values = units_last(run.part(layer, position)).astype(np.float64)
            if before is not None:
                change = _change(before, values)
                if most is None or at is None:
                    most, at = change, np.full(len(change), position)
                else:
                    at[change > most] = position
                    most = np.maximum(most, change)
            before = values
        if most is None or at is None:
            continue
        units += [
            Drifting(f"{layer}:{unit}", float(change), names[place - 1], names[place])
            for unit, (change, place) in enumerate(zip(most, at, strict=True))
        ]
    return sorted(units, key=lambda unit: -unit.change)


def _change(before: Array, values: Array) -> Array:
    """Return how far each unit moved, by the values of its layer."""
    size = math.sqrt(float(np.square(values).mean())) or 1.0
    moved: Array = np.sqrt(np.square(values - before).mean(axis=0)) / size
    return np.where(np.isnan(moved), math.inf, moved)


def names_of_steps(run: Run) -> list[str]:
    """Return what the steps are called: by their epochs where each has one of its own."""
    epochs = run.epochs
    whole = not np.isnan(epochs).any() and len({*epochs.tolist()}) == len(epochs)
    if whole and (epochs == np.rint(epochs)).all():
        return [f"epoch {int(epoch)}" for epoch in epochs]
    return [f"step {int(step)}" for step in run.steps]
