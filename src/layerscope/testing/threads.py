"""Several threads at once, for tests of what they may do to each other."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

#: Seconds after which a thread that still runs is taken to wait for ever.
_PATIENCE = 120


@contextmanager
def frequent_switches() -> Iterator[None]:
    """Have the interpreter go from one thread to another as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def at_once(works: Sequence[Callable[[], Any]]) -> None:
    """Run each of these in a thread of its own, all at once; raise what the first of them raised.

    AssertionError where one has not ended after two minutes.
    """
    start, errors = threading.Barrier(len(works)), []

    def run(work: Callable[[], Any]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)  # raised in the thread that tests, whatever it is

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    with frequent_switches():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "threads wait for each other"
