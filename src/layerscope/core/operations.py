"""A network written down as operations: what each layer computes, in no framework's words.

One layout holds for all of them. A value is that of one sample, its channels last: ``(y, x,
channel)``, ``(position, channel)`` or ``(unit,)``; arrays are float32. Axes are counted without the
samples. An operation is computed from the values of those before it.

====================  =======================================  ===================================
operation             settings                                 arrays
====================  =======================================  ===================================
conv2d                strides, padding, dilation, groups       kernel (y, x, input, channel), bias
depthwise_conv2d      strides, padding, dilation               kernel (y, x, channel, multiplier),
                                                               bias
dense                                                          kernel (input, unit), bias
rescale                                                        scale, shift: one number, or one for
                                                               each channel
max_pool              size, strides, padding
average_pool          size, strides, padding, counts_padding
global_average_pool   axes
global_max_pool       axes
activation            function, and its parameters             slope, of ``prelu``
add, subtract,        of two values or more, broadcast
multiply, divide,
average, maximum,
minimum
concat                axis
pad                   padding, value (None: what stands at
                      the edge)
crop                  cropping
upsample              factors
transpose             order: which axis of the input each is
reshape               (the operation's shape)
constant                                                       value
identity
====================  =======================================  ===================================

``padding`` and ``cropping`` have ``[before, after]`` for each axis of space, top and left first; of
``pad`` and ``crop`` for each axis. What is padded is 0, in a maximum nothing. A kernel of
``groups`` has as many inputs as a group. A mean ``counts_padding`` where it divides by the whole
window. ``bias`` may be absent.

The functions: ``relu`` (slope, threshold, limit: ``limit`` at most, ``slope`` times what lies below
the threshold), ``elu`` and ``celu`` (alpha), ``selu``, ``gelu`` (approximate), ``sigmoid``,
``tanh``, ``softmax``, ``log_softmax``, ``softplus`` (beta), ``softsign``, ``silu``, ``mish``,
``hard_sigmoid``, ``hard_silu``, ``log_sigmoid``, ``exponential``, ``clip`` (low, high), ``prelu``,
``abs``, ``square``, ``sqrt``. A softmax goes over the last axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

OperationKind = Literal[
    "conv2d", "depthwise_conv2d", "dense", "rescale", "max_pool", "average_pool",
    "global_average_pool", "global_max_pool", "activation", "add", "subtract", "multiply",
    "divide", "average", "maximum", "minimum", "concat", "pad", "crop", "upsample", "transpose",
    "reshape", "constant", "identity",
]  # fmt: skip
OPERATIONS: frozenset[str] = frozenset(get_args(OperationKind))

#: The functions that an ``activation`` may apply.
FUNCTIONS = frozenset({
    "relu", "elu", "celu", "selu", "gelu", "sigmoid", "tanh", "softmax", "log_softmax", "softplus",
    "softsign", "silu", "mish", "hard_sigmoid", "hard_silu", "log_sigmoid", "exponential", "clip",
    "prelu", "abs", "square", "sqrt",
})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One step of a network's computation; the module's table says what its settings mean."""

    address: str  #: the layer that returns its value, or a name that no layer has
    kind: OperationKind
    inputs: tuple[str, ...]  #: the addresses of what it is computed from; ``input``'s name first
    shape: tuple[int, ...]  #: of what it makes of one sample
    settings: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    is_layer: bool = True  #: whether its value is that of a layer


@dataclass(frozen=True, slots=True, eq=False)
class OperationGraph:
    """All that a network computes of one input, in an order in which it can be computed."""

    input: str  #: the address of what the network receives
    input_shape: tuple[int, ...]  #: of one sample, channels last
    output: str  #: the address of the network's answer
    operations: tuple[Operation, ...]
