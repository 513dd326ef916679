"""Intercepting the calls of Keras layers and operations."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from layerscope.backends.trace import Subject, Trace

#: One interception at a time: two threads that put the method back in another order than they
#: replaced it would leave the wrong one behind.
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def intercepted(trace: Trace, subject_of: Callable[[Any], Subject | None]) -> Iterator[None]:
    """Report to the trace every call of a layer or operation that this thread makes.

    Every layer, and every operator node of a functional model, is called through
    ``keras.Operation.__call__``, on every backend; so that one method is replaced for as long as
    the pass lasts. Other threads pass through it untouched.
    """
    original = keras.Operation.__call__
    owner = threading.get_ident()

    @functools.wraps(original)
    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        subject = subject_of(operation) if threading.get_ident() == owner else None
        if subject is None:
            return original(operation, *args, **kwargs)
        trace.enter(subject)
        try:
            result = original(operation, *args, **kwargs)
        except BaseException:
            trace.abandon()
            raise
        if any(isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten(result)):
            trace.abandon()  # a layer that builds itself tries its parts on symbols first
            return result
        return trace.leave([args, kwargs], result)

    with _ONE_AT_A_TIME:
        original = keras.Operation.__call__
        keras.Operation.__call__ = call
        try:
            yield
        finally:
            keras.Operation.__call__ = original
