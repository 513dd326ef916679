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
    relevance. With a ``gamma``, linear layers do not keep their gradients: what speaks in the
    direction of their value counts for so much more (Montavon et al. 2019, Layer-Wise Relevance
    Propagation: An Overview; for values of both signs: Andéol et al. 2021, arXiv:2106.11105).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, NamedTuple

from layerscope.backends.turns import here


class GradientRule(NamedTuple):
    """A rule by its name, and what it is set to."""

    name: Literal["guided", "deeplift", "lrp"]
    gamma: float = 0.0  #: of ``lrp``


_LEAST = 1e-10  #: a smaller difference of what went in has no slope of its own
LRP_EPSILON = 1e-4

#: Given a cotangent, returns the ordinary gradient.
Ordinary = Callable[[Any], Any]
#: Given an input, a sign and whether there is a bias, returns a linear layer's value.
Linear = Callable[[Any, int, bool], Any]
#: Given a sign and a cotangent, returns the gradient through a linear layer.
Pulled = Callable[[int, Any], Any]

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
    if rule.name == "guided":
        return ops.maximum(ordinary(slope), 0)
    if rule.name == "lrp":
        return slope * y / (x + LRP_EPSILON * ops.where(x >= 0, 1.0, -1.0))
    if kind == "pool":
        return _pooled(ops, x, y, slope, ordinary)
    return _by_difference(ops, x, y, slope, ordinary)


def gamma_ruled(
    ops: Any, gamma: float, x: Any, z: Any, slope: Any, linear: Linear, pulled: Pulled
) -> Any:
    """Return the gradient of a linear layer ``z = L(x)`` by the γ rule, given that of z.

    To a positive value, products of weights and inputs that are positive count 1 + γ times; to a
    negative one, those that are negative. ``linear`` computes the layer with the weights, and the
    bias where it is to be, of one sign alone; ``pulled`` the gradient through such weights, or
    through all (0).
    """
    above = ops.maximum(x, 0)
    below = x - above
    upper = linear(above, 1, True) + linear(below, -1, False)
    lower = linear(above, -1, True) + linear(below, 1, False)
    whole = z + gamma * ops.where(z > 0, upper, lower)
    share = slope * z / ops.where(whole == 0, 1.0, whole)
    up, down = ops.where(z > 0, share, 0.0), ops.where(z > 0, 0.0, share)
    of_positive = pulled(1, up) + pulled(-1, down)
    of_negative = pulled(-1, up) + pulled(1, down)
    return pulled(0, share) + gamma * ops.where(x > 0, of_positive, of_negative)


def of_sign(ops: Any, value: Any, sign: int) -> Any:
    """Return what of a value has this sign, the rest 0; all of it where that is 0."""
    if not sign:
        return value
    above = ops.maximum(value, 0)
    return above if sign > 0 else value - above


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
    if rule.name == "guided":
        return dict.fromkeys(sorted(RELUS), "elementwise")
    kinds = dict.fromkeys(_ELEMENTWISE, "elementwise")
    if rule.name == "deeplift":
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


def gamma_layer(compute: Callable[[Any, Any, Any], Any], kernel: Any, bias: Any, gamma: float
                ) -> Callable[[Any], Any]:  # fmt: skip
    """Return a linear layer of Keras whose gradient follows the γ rule.

    ``compute`` takes the input, a kernel, and a bias or None; they are tensors.
    """
    from keras import ops

    from layerscope.backends.calculus import calculus

    def linear(x: Any, sign: int, biased: bool) -> Any:
        shift = None if bias is None else of_sign(ops, bias, sign) if biased else 0 * bias
        return compute(x, of_sign(ops, kernel, sign), shift)

    def with_gradient(x: Any) -> tuple[Any, Callable[..., Any]]:
        z = compute(x, kernel, bias)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            slope = args[0] if upstream is None else upstream

            def pulled(sign: int, cotangent: Any) -> Any:
                return calculus().gradient(lambda x, c: linear(x, sign, False) * c)(x, cotangent)[1]

            return gamma_ruled(ops, gamma, x, z, slope, linear, pulled)

        return z, gradient

    function: Callable[[Any], Any] = ops.custom_gradient(with_gradient)
    return function
