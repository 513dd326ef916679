"""Looks from several threads take turns, whatever becomes of one."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from layerscope.backends import turns
from layerscope.core.errors import ModelError
from layerscope.testing.threads import at_once

pytestmark = pytest.mark.one_backend


@turns.in_turn
def look(code: Callable[[], Any] = lambda: None) -> Any:
    """What stands for a look: it runs the code of a model."""
    return code()


def is_free() -> bool:
    """Whether another thread may look now."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        looked = pool.submit(look)
        return not concurrent.futures.wait([looked], timeout=10).not_done


def test_one_looks_at_a_time() -> None:
    inside: list[int] = []

    def code() -> None:
        inside.append(1)
        assert len(inside) == 1
        inside.pop()

    at_once([lambda: [look(code) for _ in range(200)]] * 8)


def test_a_look_may_look() -> None:
    assert look(lambda: look(lambda: look(lambda: 3))) == 3
    assert is_free()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_look_that_raises_ends_its_turn(error: type[BaseException]) -> None:
    def code() -> None:
        raise error

    for _ in range(2):
        with pytest.raises(error):
            look(lambda: look(code))
    assert is_free()


def in_thread() -> None:
    thread = threading.Thread(target=keeping(errors := []))
    thread.start()
    thread.join()
    raise errors[0]


def keeping(errors: list[BaseException]) -> Callable[[], None]:
    def run() -> None:
        try:
            look()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    return run


def in_pool() -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: look(), range(4)))


@pytest.mark.parametrize("code", [in_thread, in_pool])
def test_a_model_that_waits_for_looks_in_other_threads_is_refused(code: Any) -> None:
    with pytest.raises(ModelError, match="looks take turns, so neither would ever end"):
        look(code)
    assert is_free()


@pytest.mark.slow
def test_a_long_look_is_waited_for() -> None:
    begun, go_on, order = threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        go_on.wait(60)
        order.append("slow")

    thread = threading.Thread(target=lambda: look(slow))
    thread.start()
    assert begun.wait(60)
    waiting = threading.Thread(target=lambda: look(lambda: order.append("waiting")))
    waiting.start()
    waiting.join(3 * turns._PATIENCE)
    assert waiting.is_alive()
    go_on.set()
    thread.join()
    waiting.join()
    assert order == ["slow", "waiting"]


def forked(code: Callable[[], bool]) -> bool:
    """What code returns in a child process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks where there are threads, which is what is tested
        child = os.fork()
    if not child:
        passed = False
        try:
            passed = code()
        finally:
            os._exit(0 if passed else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_child_waits_for_no_thread_that_it_does_not_have() -> None:
    begun, go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: look(lambda: begun.set() or go_on.wait(60)))
    thread.start()
    assert begun.wait(60)
    try:
        assert forked(lambda: look(lambda: True) and is_free())
    finally:
        go_on.set()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_look_that_forks_goes_on_in_both() -> None:
    def code() -> bool:
        return forked(lambda: look(lambda: True) and is_free())

    assert look(code)
    parent = os.getpid()
    pids = []

    def fork() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pids.append(os.fork())

    passed = False
    try:
        look(fork)
        passed = is_free()
    finally:
        if os.getpid() != parent:
            os._exit(0 if passed else 1)
    assert passed
    assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
