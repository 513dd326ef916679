"""Looks take turns: whatever threads they come from, one at a time looks into any model.

A look switches modes, puts hooks on modules, replaces methods of Keras and puts random states back
afterwards. All of that belongs to the process, and models share modules: so there is one lock for
all models. It is re-entrant, since a model's own code may look at a part of it.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import FrameType
from typing import Any, TypeVar

from layerscope.core.errors import ModelError

_Method = TypeVar("_Method", bound=Callable[..., Any])

#: Seconds after which a thread that waits asks whether it is itself being waited for.
_PATIENCE = 0.5
#: Seconds that a look may wait for other threads, at one place, while others wait for their turn.
_LONGEST_WAIT = 30.0
#: Modules in whose functions a thread waits, and methods that wait for one thread or result.
_WAITING_MODULES = ("threading", "queue", "selectors", "concurrent.futures._base")
_WAITS = ("join", "_wait_for_tstate_lock", "result", "exception")


class _Turn:
    """The lock, which thread holds it, and how many looks of its are around each other."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.holder: int | None = None
        self.depth = 0


_turn = _Turn()


def _begin_anew() -> None:
    """Forget, in a forked child, the turns of threads that it does not have.

    A look of the thread that forked holds the lock that was, and gives that one back.
    """
    global _turn
    _turn = _Turn()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def in_turn(method: _Method) -> _Method:
    """Have a method wait until no other thread looks, and others wait for as long as it runs.

    It raises ModelError where that would be for ever: the look that is being waited for waits for
    this thread.
    """

    @functools.wraps(method)
    def waiting(*args: Any, **kwargs: Any) -> Any:
        turn, me = _turn, threading.get_ident()
        if turn.holder not in (None, me):
            _await(turn)
        with turn.lock:  # given back whatever comes, an interrupt too
            before, turn.holder = turn.holder, me
            turn.depth += 1
            try:
                return method(*args, **kwargs)
            finally:
                turn.depth -= 1
                turn.holder = before

    return waiting  # type: ignore[return-value]


def here() -> tuple[int, int]:
    """Return what is the same for all calls of one pass, and no others.

    Another thread that uses the model is elsewhere, and so is a look that the model itself takes.
    """
    return threading.get_ident(), _turn.depth


def _await(turn: _Turn) -> None:
    asked, place = 0, None
    while not turn.lock.acquire(timeout=_PATIENCE):
        holder = turn.holder
        now = _waiting_place(holder)
        asked, place = (asked + 1, now) if now is not None and now == place else (0, now)
        if _waits_for_us(holder) or asked * _PATIENCE >= _LONGEST_WAIT:
            if turn.holder != holder:
                continue
            raise ModelError(
                "The code of a model that is being looked at waits for a thread, and this thread "
                "looks, too: looks take turns, so neither would ever end. Look in the thread that "
                "runs the model, or call the modules without looking."
            )
    turn.lock.release()


def _waiting_place(holder: int | None) -> tuple[int, int] | None:
    """Return where a thread waits for another one, in any way; None where it does not."""
    frame = sys._current_frames().get(holder or 0)
    if frame is None or frame.f_globals.get("__name__") not in _WAITING_MODULES:
        return None
    return id(frame), frame.f_lasti


def _waits_for_us(holder: int | None) -> bool:
    """Return whether a thread waits for the end of this one, or for a result of it."""
    frame = sys._current_frames().get(holder or 0)
    awaited = {
        id(value)
        for value, method in _owners(frame)
        if isinstance(value, threading.Thread | Future) and method in _WAITS
    }
    mine = {id(threading.current_thread())}
    # What a pool runs holds the future that it is to fulfil.
    mine |= {id(getattr(value, "future", None)) for value, _ in _owners(sys._getframe())}
    return not awaited.isdisjoint(mine)


def _owners(frame: FrameType | None) -> Iterator[tuple[Any, str]]:
    """Yield the objects whose methods a thread is in, from the innermost out, and the methods."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if owner is not None:
            yield owner, frame.f_code.co_name
        frame = frame.f_back
