"""Numbers in a panel's buffer, one array after the other, and entries that say where each is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass
class Numbers:
    """What becomes the buffer ``numbers`` of a panel; ``Panel.numbers`` reads it."""

    _bytes: bytearray = field(default_factory=bytearray)

    def add(self, values: npt.ArrayLike) -> dict[str, int]:
        """Append an array as float64; return the entry of a header that refers to it."""
        array = np.asarray(values, "<f8")
        entry = {"offset": len(self._bytes), "count": array.size}
        self._bytes += array.tobytes()
        return entry

    def buffer(self) -> bytes:
        """Return all that was added."""
        return bytes(self._bytes)
