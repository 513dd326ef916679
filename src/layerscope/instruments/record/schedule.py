"""Which steps are recorded: what ``every=`` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import InputError


@dataclass(frozen=True)
class Every:
    """``"epoch"``, each so many steps, or those of which a function of their number says so."""

    epochs: bool = True
    steps: int = 1
    wanted: Callable[[int], Any] | None = None

    def wants(self, step: int) -> bool:
        """Whether to record this step."""
        if self.wanted is not None:
            return bool(self.wanted(step))
        return step % self.steps == 0

    def expected(self, epochs: int | None, steps_per_epoch: int | None) -> int | None:
        """How many steps a training of this length records; None where nobody can tell."""
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
