"""What a layer is, and which function it applies: the words that backends say and others read.

Only a backend knows its framework's types. It says of each layer a ``Kind`` and, where the layer
applies a function to each value or is one, that function's name.

=================  ================================================================================
kind               what such a layer does
=================  ================================================================================
input              holds what the network receives
conv               convolves with one kernel, each output channel with weights of its own
depthwise_conv     convolves each channel by itself
separable_conv     convolves depthwise, then pointwise: two kernels
conv_transpose     convolves the other way, to more positions
dense              multiplies with a kernel ``(input, unit)``
matmul             multiplies values with one another, or with weights of another form
embedding          looks up a vector for each index
recurrent          goes through a sequence, with a state
attention          attends, or holds attention weights
batch_norm         normalizes each channel by numbers learned: in inference a factor and a shift
group_norm         normalizes groups of channels over their positions, or single ones (instance)
norm               normalizes by what it receives: layer, RMS, local response, unit length
rescale            multiplies and shifts by numbers that somebody wrote: 1/255
standardize        subtracts a mean of data and divides by its spread
activation         applies a function to each value, or to all of a vector (softmax)
elementwise        does other mathematics with each value by itself
pool               takes the mean or the largest value of some positions, channel by channel
reduce             takes sums, means or extremes along other axes, or of another form
add                adds what it receives, or takes the mean
concat             puts what it receives side by side
merge              brings values together otherwise: product, difference, maximum
reshape            keeps all values in their order, in another shape
rearrange          hands on values, some of them or several times, at other places
pad                puts zeros, or values received, around
crop               cuts the border off
resize             makes more or fewer positions; every value lies between values received
dropout            acts in training only: drops, adds noise, counts a loss
augment            changes images in training, as an augmentation
identity           hands on what it receives
quantize           brings values into another type, or back
encode             makes numbers of words, categories or ranges
function           is somebody's own function in a layer
container          only calls the layers in it
other              anything that nobody knows; also what leaves the range that its kind keeps, such
                   as bicubic resizing, or padding with ones
=================  ================================================================================
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Kind = Literal[
    "input", "conv", "depthwise_conv", "separable_conv", "conv_transpose", "dense", "matmul",
    "embedding", "recurrent", "attention", "batch_norm", "group_norm", "norm", "rescale",
    "standardize", "activation", "elementwise", "pool", "reduce", "add", "concat", "merge",
    "reshape", "rearrange", "pad", "crop", "resize", "dropout", "augment", "identity", "quantize",
    "encode", "function", "container", "other",
]  # fmt: skip
KINDS: frozenset[str] = frozenset(get_args(Kind))

CONVOLUTIONS: frozenset[Kind] = frozenset(
    {"conv", "depthwise_conv", "separable_conv", "conv_transpose"}
)
NORMS: frozenset[Kind] = frozenset({"batch_norm", "group_norm", "norm"})
#: What brings several values together.
MERGES: frozenset[Kind] = frozenset({"add", "concat", "merge"})
#: What weighs the values it receives, or changes their range: a zero of it is a value like others.
WEIGHING: frozenset[Kind] = frozenset(
    {"input", "dense", "matmul", "embedding", "recurrent", "attention", "rescale", "standardize",
     "encode", *CONVOLUTIONS, *NORMS}
)  # fmt: skip
#: What returns values that it received, or sums of them: a zero of it is one of theirs.
HANDING_ON: frozenset[Kind] = frozenset(
    {"pool", "reduce", "add", "concat", "reshape", "rearrange", "pad", "crop", "resize", "dropout",
     "identity", "quantize"}
)  # fmt: skip
#: What returns a value for each that it receives, in the same place.
IN_PLACE: frozenset[Kind] = frozenset(
    {"activation", "elementwise", "dropout", "identity", "quantize", "rescale", "standardize",
     *NORMS}
)  # fmt: skip
#: What keeps each channel a channel, and its values in the range of those received, 0 included.
WITHIN_CHANNELS: frozenset[Kind] = frozenset(
    {"pool", "dropout", "pad", "crop", "resize", "identity"}
)
#: What keeps values in the range of those received, but makes other channels of them.
WITHIN_RANGE: frozenset[Kind] = frozenset({"reshape", "rearrange"})

#: Functions that are 0 for all that does not excite a unit.
RECTIFYING = frozenset({"relu", "relu6", "thresholded_relu", "squared_relu"})
#: Others. Where exp or a product underflows, some of them are exactly 0, too.
NOT_RECTIFYING = frozenset({
    "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "quick_gelu", "silu",
    "hard_silu", "log_silu", "mish", "glu", "swiglu", "geglu", "tanh", "hard_tanh", "log_tanh",
    "sigmoid", "hard_sigmoid", "log_sigmoid", "sparse_sigmoid", "softmax", "log_softmax",
    "softmin", "sparsemax", "softplus", "sparse_plus", "squareplus", "softsign", "hard_shrink",
    "soft_shrink", "tanh_shrink", "exponential", "erf", "sqrt", "abs", "square",
})  # fmt: skip
#: Functions of which the values do not tell whether their zeros are silence.
_FURTHER = frozenset({"clip", "threshold"})
#: Functions that are mathematics rather than an activation.
MATHEMATICS = frozenset({"exponential", "erf", "sqrt", "abs", "square"})
#: Functions that return fewer channels than they get.
GATED = frozenset({"glu", "swiglu", "geglu"})
ACTIVATIONS = RECTIFYING | NOT_RECTIFYING | _FURTHER

_SYNONYMS = {
    "swish": "silu", "hardswish": "hard_silu", "logistic": "sigmoid", "expit": "sigmoid",
    "exp": "exponential", "absolute": "abs", "relusquared": "squared_relu", "softmax2d": "softmax",
    "clamp": "clip", "gelunew": "gelu", "gelufast": "gelu", "newgelu": "gelu", "fastgelu": "gelu",
    "gelutanh": "gelu", "gelupytorchtanh": "gelu", "pytorchgelutanh": "gelu",
    "identity": "linear", "linear": "linear",
}  # fmt: skip
_BY_LETTERS = {name.replace("_", ""): name for name in ACTIVATIONS} | _SYNONYMS


def known_activation(name: str) -> str | None:
    """Return the function that a name means, however it is spelled; None for no known one.

    ``LeakyReLU``, ``leaky_relu_`` and ``leakyrelu`` are all ``leaky_relu``.
    """
    return _BY_LETTERS.get(re.sub(r"[^a-z0-9]", "", name.lower()))


def activation_name(name: str) -> str | None:
    """Return the name of a function in this module's spelling; None for one that does nothing.

    One that is not known keeps its own name, in lower case.
    """
    known = known_activation(name) or name.lower()
    return None if known == "linear" else known
