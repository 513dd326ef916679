"""Following tensors through the conversions that Keras makes before a layer's own code runs.

A model of layers casts what it gets to what its inputs declare, and adds or drops an axis of length
one; any other layer casts to what its dtype policy computes in. What comes out is another tensor,
which no layer returned. It is taken for what went in, so that the edges are those of the model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.models.functional import Functional

from layerscope.backends.trace import Trace
from layerscope.backends.turns import here
from layerscope.core.reads import Move


@contextmanager
def inputs_followed(trace: Trace) -> Iterator[None]:
    """Follow, in this thread, what models of layers make of their inputs."""
    with ExitStack() as stack:
        for name in ("_convert_inputs_to_tensors", "_adjust_input_rank"):
            stack.enter_context(_followed(trace, name))
        yield


def converted(trace: Trace, layer: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Return the arguments cast as Keras will cast them for a layer that holds layers.

    Keras then leaves them as they are. A layer that holds none has nothing in it that could read
    what was cast.
    """
    if not getattr(layer, "_layers", None) or not getattr(layer, "_convert_input_args", True):
        return args, kwargs

    def convert(leaf: Any) -> Any:
        new = layer.dtype_policy.convert_input(leaf, layer.autocast, layer.input_dtype)
        if new is not leaf:
            mask = get_keras_mask(leaf)
            if mask is not None:
                set_keras_mask(new, mask)
            _follow(trace, leaf, new)
        return new

    args, kwargs = keras.tree.map_structure(convert, (args, kwargs))
    return args, kwargs


@contextmanager
def _followed(trace: Trace, name: str) -> Iterator[None]:
    """Follow what a method makes of a list of tensors, one by one."""
    original: Callable[[Any, Any], Any] = getattr(Functional, name)
    owner = here()

    @functools.wraps(original)
    def method(model: Any, flat_inputs: Any) -> Any:
        outcome = original(model, flat_inputs)
        if here() == owner:
            for given, new in zip(flat_inputs, outcome, strict=False):
                if new is not given:
                    _follow(trace, given, new)
        return outcome

    setattr(Functional, name, method)
    try:
        yield
    finally:
        setattr(Functional, name, original)


def _follow(trace: Trace, given: Any, new: Any) -> None:
    """Take ``new`` for ``given``, or for something made of it, from now on."""
    if not hasattr(given, "shape"):
        return
    if len(given.shape) == len(new.shape):
        trace.lineage.identify(new, given)
    else:
        moves = None if new.shape[0] != given.shape[0] else (Move("shape", tuple(new.shape[1:])),)
        trace.lineage.carry([given], new, None, moves)
