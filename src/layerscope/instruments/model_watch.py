"""``ModelWatch``: notices that a model was trained on since it was looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from layerscope.backends import backend_for

_PAUSE = 1.0  #: seconds between two looks at the parameters, at the least,
_SHARE = 20  #: and so many times as long as a look takes


class ModelWatch:
    """Tells when a model's parameters have come to rest at other values than before.

    While a training changes them all the time, nothing is told: whoever followed would only be in
    its way. A look reads all parameters, so a large model is looked at seldom.
    """

    def __init__(self, model: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend_for(model)
        self._clock = clock
        self._next = 0.0
        self._known = self._seen = self._look()

    def changed(self) -> bool:
        """Return whether the parameters are others since this was last asked, and rest."""
        if self._clock() < self._next:
            return False
        before, self._seen = self._seen, self._look()
        if self._seen == self._known or self._seen != before:
            return False
        self._known = self._seen
        return True

    def _look(self) -> str:
        started = self._clock()
        digest = self._backend.digest()
        ended = self._clock()
        self._next = ended + max(_PAUSE, _SHARE * (ended - started))
        return digest
