"""What is reported of an ascent while it goes on, to whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True)
class StepReport:
    """How far the images of a batch have come.

    ``step`` of ``steps`` are made, those of all batches; ``attempt`` is 2 where images that did not
    rise are tried once more.
    """

    step: int
    steps: int
    attempt: int
    value: float  #: what the objective was before this step, the mean over the batch
    input_range: tuple[float, float]  #: what the images are to be drawn on
    images: Callable[[], npt.NDArray[Any]]  #: as the network receives them, ``(image, …)``


#: Called after each step. The optimization ends with what there is when it returns True.
Watch = Callable[[StepReport], bool | None]
