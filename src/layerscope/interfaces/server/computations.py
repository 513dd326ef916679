"""What answers take to be computed: one at a time, each once for all who wait, so much at most."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

from starlette.types import Receive

from layerscope.core.errors import InputError, LayerscopeError

Value = TypeVar("Value")

_MOST_WAITING = 64  #: different answers
_LONGEST_END = 5.0  #: seconds that the end of a server waits for what is being computed


class BusyError(LayerscopeError):
    """More is asked for than can be computed in good time."""

    status = 503


class GoneError(Exception):
    """Nobody waits for the answer any more."""


@dataclass
class Computed:
    """What a computation returned, or raised."""

    value: Any = None
    error: Exception | None = None


@dataclass
class _Waiting:
    """A computation, and how many clients wait for it."""

    make: Callable[[], Any]
    outcome: asyncio.Future[Computed]
    clients: int = 0
    dropped: bool = False


class Computations:
    """A thread in which answers are computed; those that nobody waits for any more are left out.

    ``most`` is how many different answers may wait. All but the computing itself happens in the
    event loop of those who ask.
    """

    def __init__(self, most: int = _MOST_WAITING) -> None:
        self._most = most
        self._waiting: dict[Hashable, _Waiting] = {}
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="layerscope answers", daemon=True)
        self._thread.start()

    async def result(self, key: Hashable, make: Callable[[], Value], receive: Receive) -> Value:
        """Return what ``make`` returns, computed once for all who ask for the key meanwhile.

        Raises
        ------
        BusyError
            When too much waits already, or the server ends.
        GoneError
            When the client, of whom ``receive`` tells, has gone.
        """
        waiting = self._waiting.get(key) or self._begun(key, make)
        waiting.clients += 1
        gone = asyncio.ensure_future(_gone(receive))
        either: set[asyncio.Future[Any]] = {waiting.outcome, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            waiting.clients -= 1
            if not waiting.clients:
                waiting.dropped = True
                self._forget(waiting)
        if not waiting.outcome.done():
            raise GoneError
        outcome = waiting.outcome.result()
        if outcome.error is not None:
            raise outcome.error
        value: Value = outcome.value
        return value

    def end(self) -> None:
        """Tell those who wait that nothing will come, and end the thread; from any thread."""
        self._ended = True
        for waiting in list(self._waiting.values()):
            self._settle(waiting, Computed(error=BusyError("The page is being closed.")))
        self._queue.put(None)

    def wait(self) -> None:
        """Return when the thread has ended; sooner where what it computes takes long."""
        self._thread.join(_LONGEST_END)

    def _begun(self, key: Hashable, make: Callable[[], Any]) -> _Waiting:
        if self._ended:
            raise BusyError("The page is being closed.")
        if len(self._waiting) >= self._most:
            raise BusyError("Too much is being computed for this page: try again in a moment.")
        waiting = _Waiting(make, asyncio.get_running_loop().create_future())
        self._waiting[key] = waiting
        self._queue.put(waiting)
        return waiting

    def _work(self) -> None:
        while (waiting := self._queue.get()) is not None:
            if not waiting.dropped and not self._ended:
                self._settle(waiting, _outcome_of(waiting.make))

    def _settle(self, waiting: _Waiting, outcome: Computed) -> None:
        def settle() -> None:
            self._forget(waiting)
            if not waiting.outcome.done():
                waiting.outcome.set_result(outcome)

        with suppress(RuntimeError):  # the event loop of those who waited is closed
            waiting.outcome.get_loop().call_soon_threadsafe(settle)

    def _forget(self, waiting: _Waiting) -> None:
        for key in [key for key, known in self._waiting.items() if known is waiting]:
            del self._waiting[key]


def _outcome_of(make: Callable[[], Any]) -> Computed:
    try:
        return Computed(make())
    # It is raised where somebody waits for it; here it would end the thread, and all would wait.
    except BaseException as error:  # noqa: BLE001
        if isinstance(error, Exception):
            return Computed(error=error)
        # A model's own code, such as one that ends its program.
        return Computed(error=InputError(f"The model ends what runs it: {type(error).__name__}."))


async def _gone(receive: Receive) -> None:
    """Wait until a client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
