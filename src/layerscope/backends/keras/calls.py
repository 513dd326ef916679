"""Intercepting the calls of Keras layers and operations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import keras

from layerscope.backends.keras import loops
from layerscope.backends.keras.attention import AttentionWatch
from layerscope.backends.keras.conversions import converted, inputs_followed
from layerscope.backends.keras.messages import Complaints, plain_messages
from layerscope.backends.trace import Subject, Trace
from layerscope.backends.turns import here

#: Makes a call: given the method replaced, the operation and its arguments.
Perform = Callable[[Any, Any, Any, Any], Any]


def as_it_is(original: Any, operation: Any, args: Any, kwargs: Any) -> Any:
    """Make the call as it would have been."""
    return original(operation, *args, **kwargs)


def by_batch(original: Any, operation: Any, args: Any, kwargs: Any) -> Any:
    """Make the call, of batch normalization as in training."""
    if isinstance(operation, keras.layers.BatchNormalization) and kwargs.get("training") is None:
        kwargs = {**kwargs, "training": True}
    return original(operation, *args, **kwargs)


@contextmanager
def intercepted(
    trace: Trace,
    subject_of: Callable[[Any], Subject | None],
    *,
    perform: Perform = as_it_is,
    on_symbols: bool = False,
    attention: AttentionWatch | None = None,
) -> Iterator[None]:
    """Report to the trace every call of a layer or operation that this thread makes.

    On every backend, layers are called through ``Layer.__call__``, and the operator nodes of
    functional models through ``Operation.__call__``; so these two methods are replaced for as long
    as the pass lasts. Other threads pass through them untouched; those that look wait for their
    turn (``turns.py``), so that methods are put back in the order in which they were replaced.
    ``perform`` is given the method replaced, the operation and its arguments, and makes the call;
    ``on_symbols`` is for a pass whose values are symbols. ``attention`` notes the weights of layers
    that attend.
    """
    seen = _Interception(trace, subject_of, perform, on_symbols, attention)
    with ExitStack() as stack:
        stack.enter_context(plain_messages())
        stack.enter_context(_watched(keras.Layer, seen))
        stack.enter_context(_watched(keras.Operation, seen))
        stack.enter_context(inputs_followed(trace))
        if attention is not None:
            stack.enter_context(attention.watching())
        yield


@dataclass(frozen=True)
class _Interception:
    """What is done with the calls of one pass."""

    trace: Trace
    subject_of: Callable[[Any], Subject | None]
    perform: Perform
    on_symbols: bool
    attention: AttentionWatch | None
    complaints: Complaints = field(default_factory=Complaints)


@contextmanager
def _watched(kind: Any, seen: _Interception) -> Iterator[None]:
    trace = seen.trace
    attention = seen.attention
    original = kind.__call__
    owner = here()

    @functools.wraps(original)
    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        # A layer's call goes on to be an operation's, by then with its inputs cast: once is enough.
        mine = here() == owner and (kind is keras.Layer or not isinstance(operation, keras.Layer))
        subject = seen.subject_of(operation) if mine else None
        if subject is None:
            return original(operation, *args, **kwargs)
        args, kwargs = converted(trace, operation, args, kwargs)
        states = loops.begun(operation)
        trace.enter(subject, [args, kwargs])
        if _is_over_batch(operation, args, kwargs):
            trace.note_over_batch()
        try:
            with nullcontext() if attention is None else attention.running(operation, args, kwargs):
                result = seen.perform(original, operation, args, kwargs)
        except Exception as error:
            trace.abandon()
            raised = seen.complaints.of(operation, subject, error)
            if raised is error:
                raise
            raise raised from error
        except BaseException:
            trace.abandon()
            raise
        symbolic = any(isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten(result))
        if symbolic and not seen.on_symbols:
            trace.abandon()  # a layer that builds itself tries its parts on symbols first
            return result
        if attention is not None:
            weights = attention.taken(operation, args, kwargs, result)
            if weights is not None:
                return weights
        result = trace.leave([args, kwargs], result)
        if attention is not None:
            attention.note(operation, result)
        if subject.opaque:
            loops.note(trace, operation, args, kwargs, result, states)
        return result

    kind.__call__ = call
    try:
        yield
    finally:
        kind.__call__ = original


def _is_over_batch(operation: Any, args: Any, kwargs: Any) -> bool:
    """Return whether a batch norm is told to take the statistics of the batch."""
    if not isinstance(operation, keras.layers.BatchNormalization) or not operation.trainable:
        return False
    return kwargs.get("training", args[1] if len(args) > 1 else None) is True
