"""What a recording may take, and which samples it is to store: what the user says, read."""

from __future__ import annotations

import math
import re
import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.core.errors import InputError
from layerscope.core.table import size_text
from layerscope.instruments.record.plan import RecordingPlan, counted, ordinal

#: How much of a disk a recording may fill.
SHARE_OF_DISK = 0.9

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(i?)[bB]?\s*")


class Spending:
    """Keeps a recording within its limit while it is made, however many steps come.

    Where the number of steps is not known, each time half of what was left is spent, only every
    fourth of the steps recorded so far goes on being recorded. What no longer fits at all is left
    out. One thread asks, another one reports what was written.
    """

    def __init__(self, plan: RecordingPlan) -> None:
        self._limit = plan.limit
        self._open_ended = plan.steps is None
        self._step = plan.step_bytes
        self._stride = plan.stride
        self._spent = 0.0
        self._mark = math.inf if plan.limit is None else plan.limit / 2
        self._counted = 0.0  #: of the step that was allowed last
        self._asked = 0
        self._over = False
        self._written: deque[float] = deque()  #: no lock: a signal may come at any moment
        self.notes: list[str] = []

    def allows(self) -> bool:
        """Return whether to record the step that comes now; if so, count it as spent."""
        asked, self._asked = self._asked, self._asked + 1
        while self._written:
            self._spent += self._written.popleft()
        spent = self._spent
        self._thin(spent)
        if asked % self._stride or self._over:
            return False
        if self._limit is not None and spent + self._step > self._limit:
            self._over = True
            self.notes.append(
                f"the budget of {size_text(self._limit)} was spent after {counted(asked, 'step')}: "
                "later ones are not recorded"
            )
            return False
        self._counted = self._step
        self._spent += self._counted
        return True

    def give_back(self) -> None:
        """Take back that the last step which was allowed counts as spent, and as asked for."""
        self._asked -= 1
        self._spent -= self._counted

    def grows(self, nbytes: int) -> None:
        """Note that each step takes so many bytes more from now on."""
        self._step += nbytes

    def spent(self, nbytes: int) -> None:
        """Note what a step took when it was written."""
        self._written.append(nbytes - self._step)

    def _thin(self, spent: float) -> None:
        if not self._open_ended or self._limit is None:
            return
        while spent >= self._mark and self._limit - self._mark >= self._step:
            self._stride *= 4
            self._mark += (self._limit - self._mark) / 2
            self.notes.append(
                f"after {counted(self._asked - 1, 'step')} only every {ordinal(self._stride)} is "
                f"recorded, to stay within {size_text(self._limit)}"
            )


def read_budget(budget: Any) -> float | None:
    """Read bytes, of a number or of a text such as ``"2 GB"``; None for no limit.

    Raises InputError when it is none of these.
    """
    if budget is None:
        return None
    if isinstance(budget, int | float) and not isinstance(budget, bool) and budget > 0:
        return float(budget)
    match = _SIZE.fullmatch(budget) if isinstance(budget, str) else None
    if match is None or float(match[1]) == 0:
        raise InputError(
            f"budget={budget!r}: pass a number of bytes, a size such as '2 GB', or None."
        )
    power = " kmgt".index(match[2].lower() or " ")
    scale: int = (1024 if match[3] else 1000) ** power
    return float(match[1]) * scale


def free_on_disk(url: str) -> float | None:
    """Return what may be filled of the disk of a local path; None for what is no local path."""
    local = url.removeprefix("file://")
    if "://" in local or "::" in local:
        return None
    path = Path(local).expanduser().absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free * SHARE_OF_DISK


def chosen_samples(samples: Any, count: int, names: Sequence[str]) -> tuple[int, ...]:
    """Read ``samples=``: how many from the first on, or which, by number or by name.

    Raises InputError when the probe has no such sample, or one is named twice.
    """
    if samples is None:
        return tuple(range(count))
    if isinstance(samples, int) and not isinstance(samples, bool):
        if samples < 1:
            raise InputError(f"samples={samples}: pass how many to store, at least 1.")
        if samples > count:
            raise InputError(f"samples={samples}: the probe has {counted(count, 'sample')}.")
        return tuple(range(samples))
    listed = [samples] if isinstance(samples, str) else samples
    if isinstance(listed, range | list | tuple | np.ndarray):
        numbers = tuple(_sample(item, count, names) for item in listed)
        if len(set(numbers)) < len(numbers):
            raise InputError(f"samples={samples!r} names a sample twice.")
        if numbers:
            return numbers
    raise InputError(
        f"samples={samples!r}: pass how many samples of the probe to store, or a list of which."
    )


def _sample(item: Any, count: int, names: Sequence[str]) -> int:
    if isinstance(item, str) and item in names:
        return list(names).index(item)
    is_number = isinstance(item, int | np.integer) and not isinstance(item, bool)
    if is_number and -count <= item < count:
        return int(item) % count
    have = (
        f": they are {', '.join(map(repr, names[:5]))}" if isinstance(item, str) and names else ""
    )
    raise InputError(
        f"samples= names {item!r}, and the probe has {counted(count, 'sample')}, counted from 0"
        f"{have}."
    )
