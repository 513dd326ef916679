"""A finding: a sentence about a layer or a training, and what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from layerscope.core.text import message

if TYPE_CHECKING:
    from layerscope.recordings.run import Run

Kind = Literal["not finite", "dead", "same class", "still", "never", "silent", "woke", "best"]


@dataclass(frozen=True)
class Finding:
    """A sentence about a layer, or about the training, and what it is about."""

    address: str  #: of a layer, the first of several, a unit, or the name of a metric
    kind: Kind
    step: int | None  #: the number of the step at which it came about
    text: str

    def __str__(self) -> str:
        return message(self.text)


def moment_text(run: Run, position: int) -> str:
    """Return ``epoch 3``, or ``step 300`` where the step is no epoch."""
    return step_text(int(run.steps[position]), float(run.epochs[position]))


def step_text(step: int, epoch: float) -> str:
    """Return ``epoch 3``, or ``step 300`` where the step is no epoch."""
    return f"epoch {step}" if epoch == step else f"step {step}"


def ends_text(first: tuple[int, float], last: tuple[int, float]) -> tuple[str, str]:
    """Return what two steps are called, each a number and an epoch: both epochs, or both steps."""
    texts = step_text(*first), step_text(*last)
    if all(text.startswith("epoch") for text in texts):
        return texts
    return f"step {first[0]}", f"step {last[0]}"


def since(true: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return, for each column, from which row on it is true to the end; else the number of rows."""
    backwards = np.logical_and.accumulate(true[::-1], axis=0)
    return np.asarray(len(true) - backwards.sum(axis=0), np.int64)


def change_title(run: Run) -> str:
    """Return what changes of weights are called: of an epoch where steps are unevenly apart."""
    return "change of weights" + (" per epoch" if moved_per(run) == "epoch" else "")


def moved_per(run: Run) -> str:
    """Return what changes of weights are counted by: ``step``, the one before the other.

    Where steps are some more epochs apart than others, as checkpoints are that were kept when they
    were better, it is ``epoch``.
    """
    return "step" if epoch_gaps(run) is None else "epoch"


def epoch_gaps(run: Run) -> npt.NDArray[np.float64] | None:
    """Return how many epochs each step is after the one before; None where they are all alike."""
    epochs = np.asarray(run.epochs, np.float64)
    if len(epochs) < 3 or not np.isfinite(epochs).all():
        return None
    gaps = np.diff(epochs, prepend=np.nan)
    later = gaps[1:]
    if (later <= 0).any():
        return None
    return None if np.allclose(later, later[0], rtol=0.01) else gaps
