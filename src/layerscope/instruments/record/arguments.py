"""Arguments of a recorder, read; what is none of them is an InputError."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import InputError

#: Steps are stored as whole numbers of 64 bits.
LAST_STEP = 2**63 - 1


def read_url(url: Any) -> str:
    """Read where it is kept, as text."""
    if isinstance(url, str | os.PathLike) and str(url):
        return os.fspath(url)
    raise InputError(f"url={url!r}: pass the name of a folder to record into, or a URL.")


def read_steps(steps: Any) -> int | None:
    """Read how many steps there will be."""
    if steps is None or (isinstance(steps, int) and not isinstance(steps, bool) and steps > 0):
        return steps
    raise InputError(f"steps={steps!r}: pass how many steps will be recorded, at least 1.")


def read_step(step: Any, last: int | None) -> int:
    """Read the number of a step: the next one where it is None."""
    if step is None:
        step = 0 if last is None else last + 1
    if hasattr(step, "__index__") and not isinstance(step, bool) and step.__index__() >= 0:
        number = int(step.__index__())
        if number > LAST_STEP:
            raise InputError(f"snap({number}): steps are numbered up to {LAST_STEP}.")
        return number
    raise InputError(f"snap({step!r}): pass the number of the step or epoch, counted from 0.")


def read_number(name: str, value: Any) -> float:
    """Read a metric: a number, or an array or tensor of one."""
    if not isinstance(value, str | bytes):
        try:
            return float(value.detach() if hasattr(value, "detach") else value)
        # A tensor of many values, or of none: each framework raises an error of its own.
        except Exception:  # noqa: BLE001
            pass
    raise InputError(f"The metric {name}={value!r} is no number.")


@dataclass(frozen=True)
class Every:
    """``"epoch"``, each so many steps, or those of which a function of their number says so."""

    epochs: bool = True
    steps: int = 1
    wanted: Callable[[int], Any] | None = None

    def wants(self, step: int) -> bool:
        """Return whether to record this step."""
        if self.wanted is not None:
            return bool(self.wanted(step))
        return step % self.steps == 0

    def expected(self, epochs: int | None, steps_per_epoch: int | None) -> int | None:
        """Return how many steps a training of this length records; None where nobody can tell."""
        if epochs is None or self.wanted is not None:
            return None
        if self.epochs:
            return epochs + 1
        return None if steps_per_epoch is None else epochs * steps_per_epoch // self.steps + 1

    def __str__(self) -> str:
        if self.wanted is not None:
            return "chosen by a function"
        return "every epoch" if self.epochs else f"every {self.steps} steps"


def read_every(every: Any) -> Every:
    """Read ``every=``. Raises InputError when it is none of the three."""
    if isinstance(every, str) and every == "epoch":
        return Every()
    if isinstance(every, int) and not isinstance(every, bool) and every > 0:
        return Every(epochs=False, steps=every)
    if callable(every):
        return Every(epochs=False, wanted=every)
    raise InputError(
        f"every={every!r}: pass 'epoch', a number of steps above 0, or a function that is given "
        "the number of a step and says whether to record it."
    )
