"""What the name of a layer's type tells of it, where nobody says what it is.

So are recordings read that were made before layers said their kind; so are functions and operators,
which have no class; and so a backend may read a class of somebody's own, derived from none that it
knows. It is the only place outside the backends where names of frameworks' types may stand, and
nobody else may ask it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from layerscope.core.layer_kinds import (
    GATED,
    MATHEMATICS,
    Kind,
    activation_name,
    known_activation,
)

#: The first pattern that the letters of a name match, in lower case, tells the kind.
_KINDS: tuple[tuple[Kind, str], ...] = (
    ("input", r"^input(layer)?$"),
    ("recurrent", r"lstm|gru|rnn|bidirectional"),
    ("attention", r"attention|transformer"),
    ("depthwise_conv", r"depthwiseconv"),
    ("separable_conv", r"separableconv"),
    ("conv_transpose", r"conv.*transpose|transpose.*conv|deconv"),
    ("conv", r"conv"),
    ("pool", r"pool"),
    ("quantize", r"quantize|quantstub|(?<!broad)cast"),
    ("resize", r"upsampl|resiz|interpolate"),
    ("embedding", r"embedding"),
    ("matmul", r"einsum|matmul|bilinear|^(b|add|badd)?b?mm$|tensordot"),
    ("dense", r"dense|linear|gemm"),
    ("concat", r"^(concat|concatenate|cat|[hvd]?stack)$"),
    ("add", r"^i?add$"),
    ("merge", r"^(sub|subtract|i?mul|multiply|average|maximum|minimum|dot|sum|div|divide|"
              r"true_?div(ide)?)$"),
    ("batch_norm", r"batchnorm"),
    ("group_norm", r"groupnorm|instancenorm"),
    ("rescale", r"^rescaling$"),
    ("standardize", r"^normalization$|^normalize$|scaler$"),
    ("norm", r"norm"),
    ("dropout", r"dropout|droppath|stochasticdepth|noise|activityregularization"),
    ("rearrange", r"^permute|^transpose|repeat|slice|getitem|split|chunk|unbind|^expand$|gather|"
                  r"shuffle|unstack|broadcast|^tile$|swapaxes|moveaxis|^roll$|^flip"),
    ("reshape", r"flatten|reshape|squeeze|view|expanddims|^ravel$"),
    ("pad", r"pad"),
    ("crop", r"crop"),
    ("reduce", r"^reduce(mean|max|min|sum)$|^(mean|a?max|a?min)$"),
    ("elementwise", r"^layerscale$"),
    ("identity", r"^identity$"),
    ("encode", r"onehot|categor|hash|lookup|vectoriz|discreti"),
)  # fmt: skip
#: Kinds that a class of somebody's own is taken to have by its name. Others promise where values
#: stand, or between which they lie, which a name is too little for.
_OF_OWN_CLASSES: frozenset[Kind] = frozenset(
    {"activation", "elementwise", "attention", "recurrent", "embedding", "batch_norm", "group_norm",
     "norm", "standardize"}
)  # fmt: skip
#: What drops whole branches in training, and has no class in the frameworks.
_DROPS = re.compile(r"dropout|droppath|stochasticdepth")


def by_name_of_own_class(name: str) -> tuple[Kind, str | None]:
    """Return what the name of a class tells that is derived from none that is known.

    Libraries spell some layers as everybody does, as a ``FrozenBatchNorm2d``; of most it is
    ``other``.
    """
    kind, function = by_type_name(name)
    if kind == "dropout" and _DROPS.search(name.lower().replace("_", "")):
        return kind, None
    return (kind, function) if kind in _OF_OWN_CLASSES else ("other", None)


def by_type_name(name: str, settings: Mapping[str, Any] | None = None) -> tuple[Kind, str | None]:
    """Return the kind of a layer and the function that it applies, as its type's name tells."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    stated = (settings or {}).get("activation")
    applied = activation_name(stated) if isinstance(stated, str) else None
    if letters == "activation":
        return "activation", applied
    known = known_activation(letters.removesuffix("activation"))
    if known is not None and known != "linear":
        return _of_function(known), known
    for kind, pattern in _KINDS:
        if re.search(pattern, letters):
            return kind, applied
    return "other", applied


def _of_function(name: str) -> Kind:
    """Return the kind of a layer that is a function."""
    if name in GATED:
        return "other"
    return "elementwise" if name in MATHEMATICS else "activation"
