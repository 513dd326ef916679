"""Other rules than the chain rule for how a gradient goes through a nonlinear function.

Attribution methods differ in little else. Linear layers keep their gradients; where a function
bends, a rule says what comes out of it:

``guided``
    Guided backpropagation (Springenberg et al. 2015, arXiv:1412.6806): of a ReLU's gradient only
    what is positive.
``deeplift``
    DeepLIFT's rescale rule (Shrikumar et al. 2017, arXiv:1704.02685): the slope between the input
    and a baseline in place of that at the input. A batch holds the inputs and, behind them, as many
    baselines. Of max-pooling the difference goes to the places that the maxima come from.
``lrp``
    Layer-wise relevance propagation with ε (Bach et al. 2015), as a gradient: the slope from zero,
    ``f(z) / (z + ε·sign z)`` (Ancona et al. 2018, arXiv:1711.06104). Times the input it is the
    relevance.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

from layerscope.backends.turns import here

GradientRule = Literal["guided", "deeplift", "lrp"]
GRADIENT_RULES: tuple[GradientRule, ...] = ("guided", "deeplift", "lrp")

_LEAST = 1e-10  #: a smaller difference of what went in has no slope of its own
LRP_EPSILON = 1e-4

#: Given a cotangent, returns the ordinary gradient.
Ordinary = Callable[[Any], Any]

RELUS = frozenset({"relu", "relu6"})
#: Functions of each value by itself, in the names of Keras.
_ELEMENTWISE = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "softplus", "softsign",
    "sigmoid", "tanh", "hard_sigmoid", "hard_silu", "hard_tanh", "log_sigmoid", "squareplus",
)  # fmt: skip
_POOLS = ("max_pool", "adaptive_max_pool")


def ruled(
    ops: Any, rule: GradientRule, kind: str, x: Any, y: Any, slope: Any, ordinary: Ordinary
) -> Any:
    """Return the gradient of ``y = f(x)`` by a rule, given that of y.

    ``kind`` is ``elementwise``, ``softmax`` or ``pool``; ``ops`` are those of Keras, or what has
    the same names.
    """
    if rule == "guided":
        return ops.maximum(ordinary(slope), 0)
    if rule == "lrp":
        return slope * y / (x + LRP_EPSILON * ops.where(x >= 0, 1.0, -1.0))
    if kind == "pool":
        return _pooled(ops, x, y, slope, ordinary)
    return _by_difference(ops, x, y, slope, ordinary)


def _by_difference(ops: Any, x: Any, y: Any, slope: Any, ordinary: Ordinary) -> Any:
    inward, outward = _differences(ops, x), _differences(ops, y)
    small = ops.abs(inward) < _LEAST
    steepness = outward / ops.where(small, 1.0, inward)
    return ops.where(small, ordinary(slope), slope * steepness)


def _pooled(ops: Any, x: Any, y: Any, slope: Any, ordinary: Ordinary) -> Any:
    """Return the rescaled gradient of maxima.

    From the baseline's maximum up to the larger of both, the difference is the input's doing, at
    the place of its maximum; the rest, at that of the baseline's.
    """
    of_input, of_baseline = ops.split(y, 2, axis=0)
    larger = ops.maximum(of_input, of_baseline)
    shares = ops.concatenate([larger - of_baseline, of_input - larger], axis=0)
    placed = ops.split(ordinary(slope * shares), 2, axis=0)
    total = ops.concatenate([placed[0] + placed[1]] * 2, axis=0)
    inward = _differences(ops, x)
    small = ops.abs(inward) < _LEAST
    return ops.where(small, ordinary(slope), total / ops.where(small, 1.0, inward))


def _differences(ops: Any, value: Any) -> Any:
    """Return inputs minus baselines, once for each half of the batch."""
    of_input, of_baseline = ops.split(value, 2, axis=0)
    return ops.concatenate([of_input - of_baseline] * 2, axis=0)


def kinds_of(rule: GradientRule) -> dict[str, str]:
    """Return the functions of Keras that a rule is for, each with its kind."""
    if rule == "guided":
        return dict.fromkeys(sorted(RELUS), "elementwise")
    kinds = dict.fromkeys(_ELEMENTWISE, "elementwise")
    if rule == "deeplift":
        kinds |= {"softmax": "softmax"} | dict.fromkeys(_POOLS, "pool")
    return kinds


@contextmanager
def ruled_functions(rule: GradientRule | None) -> Iterator[None]:
    """Have the functions that Keras computes in this pass follow a rule, where there is one."""
    if rule is None:
        yield
        return
    # Imported here: Keras is there where a model of its own, or another's gradients, are looked at.
    from keras.src.backend import nn, numpy

    busy: list[str] = []
    with ExitStack() as stack:
        for name, kind in kinds_of(rule).items():
            for module in (nn, numpy):
                if hasattr(module, name):
                    stack.enter_context(_replaced(module, name, kind, rule, busy))
        yield


@contextmanager
def _replaced(
    module: Any, name: str, kind: str, rule: GradientRule, busy: list[str]
) -> Iterator[None]:
    original, owner = getattr(module, name), here()

    @functools.wraps(original)
    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        if busy or here() != owner:  # one that another is computed by has no rule of its own
            return original(x, *args, **kwargs)

        def compute(x: Any) -> Any:
            busy.append(name)
            try:
                return original(x, *args, **kwargs)
            finally:
                busy.pop()

        return _custom(compute, kind, rule)(x)

    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, original)


def _custom(compute: Callable[[Any], Any], kind: str, rule: GradientRule) -> Callable[[Any], Any]:
    from keras import ops

    from layerscope.backends.calculus import calculus

    def with_gradient(x: Any) -> tuple[Any, Callable[..., Any]]:
        y = compute(x)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            # PyTorch passes what was saved, and the gradient by its name; the others it alone.
            slope = args[0] if upstream is None else upstream

            def ordinary(cotangent: Any) -> Any:
                return calculus().gradient(lambda x, c: compute(x) * c)(x, cotangent)[1]

            return ruled(ops, rule, kind, x, y, slope, ordinary)

        return y, gradient

    function: Callable[[Any], Any] = ops.custom_gradient(with_gradient)
    return function
