"""Reading beside computing: a thread makes the next items while the last ones are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

_NOTICED = 0.1  #: seconds until a thread that waits for room sees that nobody wants more


def made_ahead(
    items: Sequence[Item], make: Callable[[Item], Made], most: int
) -> Generator[Made | BaseException, None, None]:
    """Yield what ``make`` makes of each item, in order; at most ``most`` wait to be taken.

    What it raises is yielded in its place. The thread ends with the iterator, wherever it is left.
    """
    made: queue.Queue[Made | BaseException] = queue.Queue(max(1, most))
    over = threading.Event()

    def put(one: Made | BaseException) -> None:
        while not over.is_set():
            try:
                made.put(one, timeout=_NOTICED)
            except queue.Full:
                continue
            return

    def work() -> None:
        for item in items:
            if over.is_set():
                return
            try:
                one: Made | BaseException = make(item)
            # Raised again where the item is wanted, whatever it is.
            except BaseException as error:  # noqa: BLE001
                one = error
            put(one)

    # A daemon, lest a process that leaves the iterator open waits for it.
    thread = threading.Thread(target=work, name="layerscope-inputs", daemon=True)
    thread.start()
    try:
        for _ in items:
            yield made.get()
    finally:
        over.set()
        thread.join()
