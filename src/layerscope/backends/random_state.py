"""What every backend leaves as it found it: the random state of Python, NumPy and PyTorch."""

from __future__ import annotations

import ctypes
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Have the next draw be what it would have been, whatever the forward pass draws."""
    python, numpy, memory = random.getstate(), np.random.get_state(legacy=False), _numpy_memory()
    torch = sys.modules.get("torch")
    state = torch.get_rng_state() if torch else None
    devices = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        drawn_whole = memory is not None and not numpy["has_gauss"]  # no half of a pair is left
        # Asking is quicker than putting it back, and comparing memory quicker than asking.
        if not (drawn_whole and memory == _numpy_memory()) and not _is_numpy_at(numpy):
            np.random.set_state(numpy)
        if torch and state is not None:
            torch.set_rng_state(state)
        if torch and devices is not None:
            torch.cuda.set_rng_state_all(devices)


def _numpy_memory() -> bytes | None:
    """Return what NumPy's own generator has in memory: all of it but the half of a normal pair.

    None where it is none of the kind that NumPy comes with, 624 words and a place among them.
    """
    generator = np.random.mtrand.get_bit_generator()
    if type(generator) is not np.random.MT19937:
        return None
    return ctypes.string_at(generator.ctypes.state_address, 4 * 625)


def _is_numpy_at(before: dict[str, Any]) -> bool:
    """Return whether NumPy's own generator has drawn nothing since."""
    now = np.random.get_state(legacy=False)
    if before["bit_generator"] != "MT19937" or now["bit_generator"] != "MT19937":
        return False
    names = ("has_gauss", "gauss")
    state, was = now["state"], before["state"]
    return (
        all(now[name] == before[name] for name in names)
        and state["pos"] == was["pos"]
        and np.array_equal(state["key"], was["key"])
    )
