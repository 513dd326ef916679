"""What a batch took of memory is kept for the next, where the C library is glibc.

glibc gives large arrays back to the system as soon as they are freed, and each page of those of the
next batch costs a fault: of a small network on JAX as much as the pass itself. And it has a heap
for each few threads, each of which comes to hold a batch of its own.
"""

from __future__ import annotations

import os
from contextlib import suppress

#: What ``malloc.h`` calls M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_MOST = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process keep what it frees, unless it was started with settings for that."""
    if "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ):
        return
    import ctypes

    with suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in (
            (_TRIM_THRESHOLD, _MOST),
            (_MMAP_THRESHOLD, _MOST),
            (_ARENA_MAX, 1),
        ):
            mallopt(parameter, value)
