"""The attention weights of Keras layers, also where Keras fuses what would compute them.

Keras attends in three places: ``dot_product_attention``, which never has the weights as an array;
the softmax inside ``MultiHeadAttention`` and ``GroupQueryAttention``, where they drop out, return
scores, or attend along several axes; and ``Attention`` with its relative ``AdditiveAttention``.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend import nn as backend_nn
from keras.src.ops.nn import DotProductAttention

from layerscope.backends.trace import Trace
from layerscope.backends.turns import here

#: Layers that project a query and a key for each head.
MULTI_HEADED = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
#: Operations in which weights are found that no graph of layers knows.
ATTENDING = (*MULTI_HEADED, keras.layers.Attention, DotProductAttention)

_SPACE = {0: (), 1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}


def insides(layer: Any) -> list[Any]:
    """Return the layers that make a multi-headed layer's weights: its softmax, its dropout."""
    if not isinstance(layer, MULTI_HEADED):
        return []
    named = (getattr(layer, name, None) for name in ("_softmax", "_dropout_layer"))
    return [child for child in named if child is not None]


@dataclass(slots=True)
class _Running:
    operation: Any
    received: list[Any]
    returned: dict[int, Any] = field(default_factory=dict)  #: by the layer in it
    weights: str | None = None  #: the address of the weights that were noted last


class AttentionWatch:
    """Notes the attention weights of one pass, from the query and the key that were passed.

    Parameters
    ----------
    trace
        Where to note them.
    is_value
        Whether something is a tensor of this pass.
    shifts
        What is added to weights, by their addresses, ``(sample, head, query, key)``: the pass goes
        on as if they were so much larger.
    """

    def __init__(
        self,
        trace: Trace,
        is_value: Callable[[Any], bool],
        shifts: Mapping[str, Any] | None = None,
    ) -> None:
        self._trace = trace
        self._shifts = shifts or {}
        self._is_value = is_value
        self._stack: list[_Running] = []
        self._owner = here()

    @contextmanager
    def running(self, operation: Any, args: Any, kwargs: Any) -> Iterator[None]:
        """Note an operation for as long as it is being called."""
        self._stack.append(_Running(operation, [args, kwargs]))
        try:
            yield
        finally:
            self._stack.pop()

    def taken(self, operation: Any, args: Any, kwargs: Any, result: Any) -> Any | None:
        """Return the weights where an operation returned them, and no value beside them.

        Then they are noted, and the trace has left the operation. None for any other value.
        """
        outer = self._stack[-1] if self._stack else None
        if outer is None or not isinstance(outer.operation, MULTI_HEADED):
            return None
        if not self._is_value(result):
            return None
        subject = self._trace.inside()
        if operation is getattr(outer.operation, "_softmax", None):
            self._trace.abandon()
            mask = kwargs.get("mask", args[1] if len(args) > 1 else None)
            outer.weights = self._after_softmax(outer, mask, result)
            if outer.weights is not None and outer.weights in self._shifts:
                shift = ops.reshape(self._shifts[outer.weights], ops.shape(result))
                result = result + ops.cast(shift, result.dtype)
        elif operation is outer.operation._dropout_layer and result is args[0] and outer.weights:
            self._trace.abandon()
        else:
            return None  # dropout that does drop makes a value of its own
        if outer.weights is not None and subject is not None:
            self._trace.alias(subject.address, outer.weights, result)
        return result

    def note(self, operation: Any, result: Any) -> None:
        """Remember what an operation in a multi-headed layer has returned."""
        outer = self._stack[-1] if self._stack else None
        if outer is not None and isinstance(outer.operation, MULTI_HEADED):
            outer.returned[id(operation)] = result

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note also what this thread computes without a layer, for the length of the pass."""
        with (
            _replaced(backend_nn, "dot_product_attention", self._around_dot_product),
            _replaced(keras.layers.Attention, "_apply_scores", self._around_scores),
        ):
            yield

    def _after_softmax(self, outer: _Running, mask: Any, weights: Any) -> str | None:
        """Note the weights of a multi-headed layer, several axes of them made one."""
        layer = outer.operation
        count = len(getattr(layer, "_attention_axes", (1,)))
        shape = list(weights.shape)
        ahead, queries, keys = shape[: -2 * count], shape[-2 * count : -count], shape[-count:]
        merged = [*ahead, math.prod(queries), math.prod(keys)]
        reshaped = [-1 if length is None else length for length in merged]

        def compute() -> Any:
            marked = _marked(weights, mask)
            return marked if count == 1 else ops.reshape(marked, reshaped)

        return self._trace.attend(
            merged,
            self._query_and_key(outer),
            compute,
            axes=_axes(len(ahead) - 2, "head"),
            value=weights if count == 1 else None,
        )

    def _around_dot_product(self, original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def attend(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if here() == self._owner and self._is_value(result):
                bound = signature.bind(*args, **kwargs)
                bound.apply_defaults()
                passed = bound.arguments
                query, key = passed["query"], passed["key"]
                shape = (query.shape[0], query.shape[2], query.shape[1], key.shape[1])
                outer = self._stack[-1] if self._stack else None
                sources = [query, key]
                if outer is not None and isinstance(outer.operation, MULTI_HEADED):
                    sources = self._query_and_key(outer)
                compute = functools.partial(_dot_product, **passed)
                address = self._trace.attend(shape, sources, compute)
                if (
                    address is not None and address in self._shifts
                ):  # what they are applied to, they are multiplied with
                    added = _applied(self._shifts[address], passed["value"])
                    result = result + ops.cast(added, result.dtype)
            return result

        return attend

    def _around_scores(self, original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def apply(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            weights = result[1]
            outer = self._stack[-1] if self._stack else None
            if outer is None or outer.operation is not args[0]:
                return result
            if here() == self._owner and self._is_value(weights):
                mask = signature.bind(*args, **kwargs).arguments.get("scores_mask")
                if mask is not None and len(mask.shape) == 2:
                    mask = ops.expand_dims(mask, -2)
                inputs = keras.tree.flatten(outer.received)
                address = self._trace.attend(
                    tuple(weights.shape),
                    [inputs[0], inputs[2 if len(inputs) > 2 else 1]],
                    functools.partial(_masked_zeros, weights, mask),
                    axes=_axes(len(weights.shape) - 3),
                    value=weights,
                )
                if address is not None and address in self._shifts:
                    value = signature.bind(*args, **kwargs).arguments["value"]
                    added = ops.matmul(self._shifts[address], ops.cast(value, "float32"))
                    result = result[0] + ops.cast(added, result[0].dtype), weights
            return result

        return apply

    def _query_and_key(self, outer: _Running) -> list[Any]:
        """Return what a multi-headed layer's projections returned, as far as they were called."""
        projections = (getattr(outer.operation, n, None) for n in ("_query_dense", "_key_dense"))
        return [outer.returned[id(one)] for one in projections if id(one) in outer.returned]


@contextmanager
def _replaced(
    holder: Any, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    original = getattr(holder, name)
    setattr(holder, name, around(original))
    try:
        yield
    finally:
        setattr(holder, name, original)


def _axes(further: int, *heads: str) -> tuple[str, ...]:
    """Return the axes of weights, with so many between the samples and the heads or queries."""
    return ("sample", *_SPACE.get(further, ("position",) * further), *heads, "query", "key")


def _dot_product(
    query: Any,
    key: Any,
    *,
    bias: Any,
    mask: Any,
    scale: float | None,
    is_causal: bool,
    attn_logits_soft_cap: float | None = None,
    **_: Any,
) -> Any:
    """Return the weights that ``keras.ops.dot_product_attention`` applies, in float32."""
    query, key = (ops.cast(ops.convert_to_tensor(part), "float32") for part in (query, key))
    repeats = query.shape[2] // key.shape[2]
    if repeats > 1:  # several heads share a key
        key = ops.repeat(key, repeats, axis=2)
    scale = 1 / math.sqrt(query.shape[3]) if scale is None else scale
    scores = ops.einsum("bqhd,bkhd->bhqk", query, key) * scale
    if bias is not None:
        scores = scores + ops.cast(bias, "float32")
    if attn_logits_soft_cap is not None:
        scores = scores / (1 + ops.abs(scores) / attn_logits_soft_cap)
    allowed = None if mask is None else ops.cast(mask, "bool")
    if is_causal:
        lower = ops.tri(query.shape[1], key.shape[1], dtype="bool")
        allowed = lower if allowed is None else ops.logical_and(allowed, lower)
    if allowed is not None:
        scores = ops.where(allowed, scores, _LEAST)
    weights = ops.softmax(scores)
    if bias is not None:  # a bias of minus infinity is a mask, too
        reached = ops.broadcast_to(ops.cast(bias, "float32") > -math.inf, ops.shape(weights))
        allowed = reached if allowed is None else ops.logical_and(allowed, reached)
    return _marked(weights, allowed)


def _applied(weights: Any, value: Any) -> Any:
    """Return what weights make of the values, ``(sample, query, head, …)``, in float32."""
    value = ops.cast(value, "float32")
    repeats = weights.shape[1] // value.shape[2]
    value = ops.repeat(value, repeats, axis=2) if repeats > 1 else value
    return ops.einsum("bhqk,bkhd->bqhd", weights, value)


#: What stands in a score's place where it is masked: far below any, and still a number.
_LEAST = -1e30


def _marked(weights: Any, mask: Any) -> Any:
    """Return the weights with -0.0 where they are masked.

    Also for a query all of whose keys are masked, such as padding: Keras' own scores are 0 there.
    """
    if mask is None:
        return weights
    boolean = keras.backend.standardize_dtype(mask.dtype) == "bool"
    # Not from Python's -0.0: TensorFlow keeps the numbers that it has converted, and would hand out
    # the 0.0 that somebody converted before, which equals it.
    zero = ops.cast(ops.convert_to_tensor(np.array(-0.0, np.float32)), weights.dtype)
    return ops.where(mask if boolean else ops.greater(mask, 0.5), weights, zero)


def _masked_zeros(weights: Any, mask: Any) -> Any:
    """Return the weights with -0.0 where a mask has made them zero.

    ``Attention`` only lowers what is masked: a query all of whose keys are masked does attend.
    """
    return weights if mask is None else _marked(weights, ops.logical_or(mask, weights > 0))
