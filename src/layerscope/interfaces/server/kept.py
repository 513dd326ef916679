"""``Answers``: what was sent, kept for the next who asks, within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict

_KEPT_BYTES = 128_000_000


class Answers:
    """What was sent for each address, packed and compressed; those not asked for longest go.

    All of them are of one generation of the page's subject: none is returned for a later one.
    """

    def __init__(self, most: int = _KEPT_BYTES) -> None:
        self._most = most
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._generation = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return self._bytes

    def get(self, address: str, generation: int) -> bytes | None:
        """Return what was sent; None where it is not kept."""
        with self._lock:
            if generation != self._generation or address not in self._kept:
                return None
            self._kept.move_to_end(address)
            return self._kept[address]

    def put(self, address: str, generation: int, data: bytes) -> None:
        """Keep what is sent, unless it alone would take too much."""
        with self._lock:
            if generation > self._generation:
                self._kept.clear()
                self._bytes, self._generation = 0, generation
            if generation < self._generation:
                return
            self._drop(address)
            if _size(address, data) > self._most // 4:
                return
            self._kept[address] = data
            self._bytes += _size(address, data)
            while self._bytes > self._most:
                self._drop(next(iter(self._kept)))

    def _drop(self, address: str) -> None:
        if address in self._kept:
            self._bytes -= _size(address, self._kept.pop(address))


def _size(address: str, data: bytes) -> int:
    return 2 * len(address) + len(data) + 200  # 200: what Python itself takes for both
