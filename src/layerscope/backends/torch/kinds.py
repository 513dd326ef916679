"""What a PyTorch module or function is, and which function it applies.

Modules by their class and those that it is derived from, also where they were exported, sharded or
quantized; functions by their names, which are those of operators in exported programs, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn.modules import activation, batchnorm, conv, dropout, instancenorm, padding, pooling

from layerscope.backends.torch import exported
from layerscope.backends.torch.quantized import is_quantized
from layerscope.core.layer_kinds import GATED, Kind, known_activation
from layerscope.core.type_names import by_name_of_own_class, by_type_name

#: The first that a module's class is derived from.
_KINDS: tuple[tuple[Kind, tuple[type, ...]], ...] = (
    ("recurrent", (nn.RNNBase, nn.RNNCellBase)),
    ("attention", (nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoder,
                   nn.TransformerDecoder, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)),
    ("conv_transpose", (conv._ConvTransposeNd,)),
    ("conv", (conv._ConvNd,)),
    ("dense", (nn.Linear,)),
    ("matmul", (nn.Bilinear,)),
    ("embedding", (nn.Embedding, nn.EmbeddingBag)),
    ("group_norm", (instancenorm._InstanceNorm, nn.GroupNorm)),
    ("batch_norm", (batchnorm._BatchNorm,)),
    ("norm", (nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm, nn.CrossMapLRN2d)),
    ("reduce", (pooling._LPPoolNd,)),
    ("pool", (pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._AdaptiveMaxPoolNd,
              pooling._AdaptiveAvgPoolNd, pooling._MaxUnpoolNd, nn.FractionalMaxPool2d,
              nn.FractionalMaxPool3d)),
    ("dropout", (dropout._DropoutNd,)),
    ("pad", (padding._ConstantPadNd, padding._ReflectionPadNd, padding._ReplicationPadNd,
             padding._CircularPadNd)),
    ("resize", (nn.Upsample,)),
    ("reshape", (nn.Flatten, nn.Unflatten)),
    ("rearrange", (nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, nn.Unfold)),
    ("identity", (nn.Identity,)),
    ("container", (nn.Sequential, nn.ModuleList, nn.ModuleDict)),
)  # fmt: skip
#: Functions whose name means something else than elsewhere, or nothing elsewhere.
_FUNCTIONS: dict[str, Kind] = {
    **dict.fromkeys(("sum", "mean", "amax", "amin", "max", "min", "lp_pool1d", "lp_pool2d",
                     "lp_pool3d", "nansum", "nanmean"), "reduce"),
    **dict.fromkeys(("dot", "inner", "outer", "mv", "chain_matmul", "multi_dot", "kron"), "matmul"),
    **dict.fromkeys(("column_stack", "row_stack"), "concat"),
    **dict.fromkeys(("pow", "reciprocal", "rsqrt", "log", "log1p", "expm1", "sin", "cos", "sign",
                     "lerp"), "elementwise"),
    **dict.fromkeys(("index_select", "take", "take_along_dim", "masked_select", "rot90",
                     "broadcast_to", "unfold", "im2col", "native_channel_shuffle"), "rearrange"),
    "fold": "other", "normalize": "norm", "addcmul": "merge", "embedding_bag": "embedding",
    "scaled_dot_product_attention": "attention",
}  # fmt: skip
#: What resizing keeps within the range of what it receives.
_STEADY = ("nearest", "nearest-exact", "linear", "bilinear", "trilinear", "area")
#: The function in the name of a module that was quantized together with another.
_FUSED = re.compile(r"(?P<function>LeakyReLU|ReLU6|ReLU|Tanh)\d?d?$")


def kind_of(module: nn.Module) -> tuple[Kind, str | None]:
    """Return what a module is, and the function that it applies, or None."""
    of_module, name = exported.kind(module), exported.type_name(module)
    for base in of_module.__mro__:
        if base.__module__ == activation.__name__ and base is not nn.MultiheadAttention:
            function = known_activation(base.__name__)
            return ("other" if function in GATED else "activation"), function
    kind = next((kind for kind, bases in _KINDS if issubclass(of_module, bases)), None)
    if kind is None:
        known = of_module.__module__.startswith("torch.") and not exported.is_exported(module)
        return by_type_name(name) if known else by_name_of_own_class(name)
    if kind == "recurrent":
        return kind, _of_states(of_module, module)
    fused = _FUSED.search(name) if is_quantized(module) else None
    return _kind_as_set(kind, module), known_activation(fused["function"]) if fused else None


def _of_states(of_module: type[nn.Module], module: Any) -> str | None:
    """Return the function that a recurrent layer applies to its states."""
    if getattr(module, "proj_size", 0):
        return None  # what it returns is a product of them
    if issubclass(of_module, nn.RNN | nn.RNNCell):
        return getattr(module, "nonlinearity", None)
    return "tanh"


def kind_of_function(
    name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
) -> tuple[Kind, str | None]:
    """Return what a function is, called with these arguments, and which function it applies."""
    kwargs = kwargs or {}
    kind, function = by_type_name(name)
    kind = _FUNCTIONS.get(name, kind)
    if kind == "resize" and str(kwargs.get("mode", (*args, *(None,) * 4)[3])) == "bicubic":
        kind = "other"
    if kind == "pad" and kwargs.get("value", (*args, *(None,) * 4)[3]) not in (None, 0):
        kind = "other"
    if name == "hardtanh" and tuple(args[1:3]) == (0, 6):
        function = "relu6"  # as an exported program has it
    return kind, function


def _kind_as_set(kind: Kind, module: Any) -> Kind:
    """Return the kind of a module whose settings may make it another's."""
    known = exported.arguments(module) if exported.is_exported(module) else None
    setting = (lambda name: getattr(module, name, None)) if known is None else known.get
    if kind == "container" and not module._modules:
        return "identity"
    if kind == "resize" and setting("mode") not in (None, *_STEADY):
        return "other"
    if kind == "pad" and setting("value"):
        return "other"
    if kind == "pool" and setting("divisor_override"):
        return "reduce"
    return kind
