"""A recording that may still be written: read again when somebody asks, at most once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from layerscope.core.errors import LayerscopeError
from layerscope.core.text import message
from layerscope.recordings.run import Run

PAUSE = 1.0  #: seconds between two looks at what was written


class GrowingRun:
    """A run, how often it has changed, and what became of it.

    ``generation`` counts the changes seen; ``missing`` is a sentence where the recording can no
    longer be read, else empty. What was read before stays.
    """

    def __init__(self, run: Run, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self.generation = 0
        self.missing = ""
        self._clock = clock
        self._looked = clock()
        self._replaced = False  # for good: what is read now belongs to another recording

    def refresh(self) -> bool:
        """Look at what was written, if the last look is long enough ago; whether it changed."""
        if self._clock() - self._looked < PAUSE:
            return False
        before = (self.generation, self.missing)
        self._look()
        self._looked = self._clock()  # after it: a look at a store far away takes its time
        return (self.generation, self.missing) != before

    def _look(self) -> None:
        if self._replaced:
            return
        steps = self.run.steps.tolist()
        try:
            grown = self.run.refresh()
        except LayerscopeError as error:
            self.missing = message(str(error))
            return
        now = self.run.steps.tolist()
        self.missing = ""
        if now[: len(steps)] != steps:
            self._replaced = True
            self.missing = "The recording was replaced by another one: open it again."
        self.generation += grown
