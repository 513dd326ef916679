"""What every backend leaves as it found it: the random state of Python, NumPy and PyTorch."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Whatever the forward pass draws, the next draw after it is the one it would have been."""
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    state = torch.get_rng_state() if torch else None
    devices = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch and state is not None:
            torch.set_rng_state(state)
        if torch and devices is not None:
            torch.cuda.set_rng_state_all(devices)
