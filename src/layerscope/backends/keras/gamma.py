"""Keras layers whose gradients follow the γ rule of layer-wise relevance propagation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops
from keras.src.backend import get_keras_mask, set_keras_mask

from layerscope.backends.gradient_rules import gamma_layer
from layerscope.backends.keras.calls import Perform
from layerscope.backends.keras.kinds import kind_of
from layerscope.core.layer_kinds import CONVOLUTIONS, Kind

_KINDS: frozenset[Kind] = CONVOLUTIONS | {"dense"}


def spread(
    gamma: float, perform: Perform, original: Any, operation: Any, args: Any, kwargs: Any
) -> Any:
    """Make a call as ``perform`` does; of a linear layer so that its gradient follows the rule."""
    kernel = getattr(operation, "kernel", None)
    if not isinstance(kernel, keras.Variable) or kind_of(operation)[0] not in _KINDS:
        return perform(original, operation, args, kwargs)
    bias = getattr(operation, "bias", None)
    activation = getattr(operation, "activation", None)

    def compute(x: Any, weight: Any, shift: Any) -> Any:
        values = [(kernel, weight), *([] if bias is None else [(bias, shift)])]
        with keras.StatelessScope(state_mapping=values), _without_activation(operation):
            return perform(original, operation, (x, *args[1:]), kwargs)

    x, *_ = args
    # Copies: TensorFlow would take a variable for what a gradient is asked of, too.
    tensors = [ops.copy(one) for one in (kernel, bias) if one is not None]
    weight, shift = (*tensors, None)[:2]
    value = gamma_layer(compute, weight, shift, gamma)(x)
    value = value if activation is None else activation(value)
    mask = get_keras_mask(x)
    if mask is not None and operation.supports_masking:
        set_keras_mask(value, mask)
    return value


@contextmanager
def _without_activation(layer: Any) -> Iterator[None]:
    attributes = vars(layer)
    if "activation" not in attributes:
        yield
        return
    activation = attributes["activation"]
    attributes["activation"] = None
    try:
        yield
    finally:
        attributes["activation"] = activation
