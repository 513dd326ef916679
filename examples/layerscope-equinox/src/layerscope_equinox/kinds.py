"""What Equinox modules are, in the words of ``layerscope.core.layer_kinds``."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from layerscope.core.layer_kinds import Kind, known_activation

N = eqx.nn
#: The first row of which a module is an instance tells; somebody's own is what it derives from.
_KINDS: tuple[tuple[Kind, str | None, tuple[type, ...]], ...] = (
    ("conv_transpose", None, (N.ConvTranspose,)),
    ("conv", None, (N.Conv,)),
    ("dense", None, (N.Linear,)),
    ("embedding", None, (N.Embedding,)),
    ("recurrent", "tanh", (N.LSTMCell, N.GRUCell)),
    ("attention", None, (N.MultiheadAttention,)),
    ("batch_norm", None, (N.BatchNorm,)),
    ("group_norm", None, (N.GroupNorm,)),
    ("norm", None, (N.LayerNorm, N.RMSNorm)),
    ("activation", "prelu", (N.PReLU,)),
    ("pool", None, (N.Pool, N.AdaptivePool)),
    ("dropout", None, (N.Dropout,)),
    ("identity", None, (N.Identity,)),
    ("container", None, (N.Sequential, N.MLP)),
)
_FUNCTIONS: dict[Any, Kind] = {
    jnp.ravel: "reshape", jnp.reshape: "reshape", jnp.transpose: "rearrange", jnp.pad: "pad",
}  # fmt: skip


def kind_of(module: Any) -> tuple[Kind, str | None]:
    """Return what a module is, and the function that it applies."""
    if isinstance(module, N.Lambda):
        return _of_function(module.fn)
    if isinstance(module, N.Conv) and 1 < module.groups == module.in_channels:
        return "depthwise_conv", None
    for kind, activation, classes in _KINDS:
        if isinstance(module, classes):
            return kind, activation
    return "other", None


def _of_function(function: Any) -> tuple[Kind, str | None]:
    """Return what a function is: JAX's own are known by their names."""
    name = str(getattr(function, "__name__", ""))
    is_theirs = str(getattr(function, "__module__", "")).partition(".")[0] == "jax"
    activation = known_activation(name) if is_theirs else None
    if activation is not None:
        return "activation", activation
    return next((kind for known, kind in _FUNCTIONS.items() if known is function), "function"), None
