"""The redirected gradient of ReLU, by which an image can wake a unit that is off.

Where a unit is off, its gradient is 0, and ascent has nowhere to go. Of a sample that nothing gets
through to, the redirected gradient is the one behind the ReLU, except where it would push further
down what is off already. It is the rule of lucid's ``redirected_relu_grad``
(https://github.com/tensorflow/lucid/blob/master/lucid/misc/redirected_relu_grad.py), which has it
in the first 16 steps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from layerscope.backends.turns import here

#: The largest value that a function returns: Keras computes all of its ReLUs by these two.
_CEILINGS = {"relu": math.inf, "relu6": 6.0}


def redirected(ops: Any, x: Any, slope: Any, ceiling: float) -> Any:
    """Return the redirected gradient of a ReLU that got ``x``, given that of what it returned.

    Samples are along the first axis. ``ops`` are those of Keras or of PyTorch.
    """
    off, full = x <= 0, x >= ceiling
    through = ops.where(off | full, 0.0, slope)
    axes = tuple(range(1, len(x.shape)))
    blocked = ops.all(through == 0, axis=axes, keepdims=True) if axes else through == 0
    useless = (off & (slope < 0)) | (full & (slope > 0))
    return ops.where(blocked & ~useless, slope, through)


@contextmanager
def redirected_relus(wanted: bool) -> Iterator[None]:
    """Have the ReLUs that Keras computes in this pass redirect their gradients, where wanted."""
    with ExitStack() as stack:
        for name, ceiling in _CEILINGS.items() if wanted else ():
            stack.enter_context(_replaced(name, ceiling))
        yield


@contextmanager
def _replaced(name: str, ceiling: float) -> Iterator[None]:
    # Imported here: Keras is there where a model of its own, or another's gradients, are looked at.
    from keras import ops
    from keras.src.backend import nn as backend_nn

    original, owner = getattr(backend_nn, name), here()

    @functools.wraps(original)
    def relu(x: Any) -> Any:
        return _custom(ops, original, ceiling)(x) if here() == owner else original(x)

    setattr(backend_nn, name, relu)
    try:
        yield
    finally:
        setattr(backend_nn, name, original)


def _custom(ops: Any, relu: Callable[[Any], Any], ceiling: float) -> Callable[[Any], Any]:
    def with_gradient(x: Any) -> tuple[Any, Callable[..., Any]]:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            # PyTorch passes what was saved, and the gradient by its name; the others it alone.
            return redirected(ops, x, args[0] if upstream is None else upstream, ceiling)

        return relu(x), gradient

    function: Callable[[Any], Any] = ops.custom_gradient(with_gradient)
    return function
