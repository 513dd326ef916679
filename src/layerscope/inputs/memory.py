"""How much memory there is: what is read or kept is refused before it would not fit."""

from __future__ import annotations

import os
from pathlib import Path

_SYSTEM = Path("/proc/meminfo")
#: Where a container's limit stands, and what counts against it (control groups, version 2).
_CONTAINER = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Return the bytes that this process can still have; None where the system does not say."""
    known = [count for count in (_in_system(), _in_container()) if count is not None]
    return min(known, default=None)


def _in_system() -> int | None:
    try:
        for line in _SYSTEM.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        # Where only the whole is known, as on macOS, what is free is not.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _in_container() -> int | None:
    try:
        limit = int((_CONTAINER / "memory.max").read_text())
        used = int((_CONTAINER / "memory.current").read_text())
        # Files that were read and can be dropped count as used there.
        for line in (_CONTAINER / "memory.stat").read_text().splitlines():
            if line.startswith("inactive_file "):
                used -= int(line.split()[1])
    except (OSError, ValueError, IndexError):  # no container, or "max"
        return None
    return max(limit - used, 0)
