"""A recording in memory over its steps: images as they were while they were made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.recordings.visualization import Visualization
from layerscope.views.render.select_maps import Chosen, choose

_NAMED = 4  #: images whose objective is told below a frame


@dataclass(frozen=True)
class Iterations:
    """One sample over the steps of a recording in memory: the moments of a film."""

    held: Recording
    sample: int | None
    positions: tuple[int, ...]  #: of the steps among those held

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def span(self) -> str:
        """``12 steps``."""
        return f"{len(self)} step{'s' * (len(self) != 1)}"

    @property
    def beside(self) -> str:
        """Which sample, where one of several is meant."""
        several = any("sample" in self.held.named(address).axes for address in self.held)
        return f"sample {self.sample}" if several and self.sample is not None else ""

    def label(self, index: int) -> str:
        """``step 9``."""
        return f"step {self._number(index)}"

    def metrics(self, index: int) -> list[str]:
        """How strongly each of a few images fires at the step."""
        if not isinstance(self.held, Visualization) or len(self.held.images) > _NAMED:
            return []
        history, number = self.held.history.values, self._number(index)
        if number >= len(history):
            return []
        return [
            f"{shown_name(name)} {value:.3g}"
            for name, value in zip(self.held.images, history[number].tolist(), strict=True)
            if math.isfinite(value)
        ]

    def recording(self, index: int) -> tuple[Recording, int]:
        """The recording at the step."""
        return self.held.at(self._number(index)), self.sample or 0

    def chosen(
        self, address: str | None, reshape: tuple[int, ...] | None, *, colours: bool = True
    ) -> Iterator[Chosen]:
        """The maps of an address at each step."""
        for i in range(len(self)):
            moment = self.held.at(self._number(i))
            yield choose(moment, address, sample=self.sample, reshape=reshape, colours=colours)

    def _number(self, index: int) -> int:
        return int(self.held.steps[self.positions[index]])
