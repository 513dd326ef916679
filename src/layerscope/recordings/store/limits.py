"""How much a store may make us take: what it says is compared with what its files hold."""

from __future__ import annotations

import threading

from layerscope.core.errors import InputError
from layerscope.core.table import size_text

#: Bytes of a ``zarr.json``; that of ten thousand layers has some 20 MB. Read, it may take thirty
#: times as much memory.
MOST_DOCUMENT = 64_000_000
#: Up to here a read may be made of anything, such as steps that were left out. What is more must
#: come out of files of a thousandth of it: zeros shrink to less, and nothing else does.
UNQUESTIONED = 1_000_000_000
MOST_SHRUNK = 1000


def most_compressed(nbytes: int) -> int:
    """Return how many bytes zstd makes of these at most."""
    return nbytes + nbytes // 128 + 1024


class Ledger:
    """What came out of a store's files in one read, beside what they hold."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._read = self._made = 0
        self._lock = threading.Lock()

    def enter(self, read: int, made: int) -> None:
        """Count that ``read`` bytes of files become ``made`` bytes of memory, before they do.

        Raises
        ------
        InputError
            When that is more than files of this size hold of anything but zeros.
        """
        with self._lock:
            self._read += read
            self._made += made
            if self._made > UNQUESTIONED and self._made > MOST_SHRUNK * self._read:
                raise InputError(
                    f"{self._name}: {size_text(self._read)} of its files become more than "
                    f"{size_text(self._made)}: read a part of it, such as one step."
                )
