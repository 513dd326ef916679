"""What is looked at: one sample at one step, with all that is known beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run


@dataclass(frozen=True)
class Moment:
    """One sample at one step: what the panels of the page are made of.

    ``over`` is the recording over the steps of a training, where there is one, and
    ``load_weights`` reads the parameters at this step. ``features`` returns images made for a unit
    by its address, where they were made. ``ranges`` returns the range of a layer over all steps,
    where there are steps.
    ``code`` are lines of Python that make ``acts``, and ``weights`` where it is needed.
    """

    activations: Recording
    sample: int = 0
    step: int | None = None
    over: Run | None = None
    load_weights: Callable[[], Recording | None] = lambda: None
    features: Callable[[str], Recording | None] = lambda address: None
    classes: Sequence[str] = ()
    code: Mapping[str, str] = field(default_factory=dict)
    ranges: Callable[[str], tuple[float, float] | None] = lambda address: None

    @cached_property
    def weights(self) -> Recording | None:
        """The parameters at this step; read when a panel needs them."""
        return self.load_weights()

    def line(self, call: str) -> str:
        """Return the lines of Python that draw the same: ``{acts}`` stands for the activations."""
        needed = [line for name, line in self.code.items() if f"{name}" in call]
        return "\n".join([*needed, call])
