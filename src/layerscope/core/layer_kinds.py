"""Of which layers a zero is silence: those that rectify, and those that hand on what others did.

A zero of a softmax, a linear layer or a state is a value like any other.
"""

from __future__ import annotations

import re

from layerscope.core.network import Layer, Network

#: Functions that are 0 for all that does not excite a unit; names without case and punctuation.
_RECTIFY = frozenset({"relu", "relu6", "thresholdedrelu", "squaredrelu", "relusquared"})
#: Other functions. Where exp or a product underflows, some of them are exactly 0, too.
_OTHER = re.compile(
    r"(log)?(soft|sparse)(max|min)2?d?|(hard|log)?(sigmoid|tanh|silu|swish)|logistic|expit|erf"
    r"|[cs]?elu|gelu.*|glu|swiglu|geglu|mish|soft(plus|sign)|leakyrelu|[pr]relu|exp(onential)?"
    r"|(hard|soft|tanh)shrink|sqrt|abs|square"
)
#: Layers that weigh what they receive, or change its range; they rectify by their activation alone.
_WEIGH = re.compile(
    r"conv|dense|linear|bilinear|gemm|matmul|einsum|norm|embedding|lstm|gru|rnn|attention|scal"
    r"|input|onehot|categor|hash|lookup|vectoriz|discreti"
)
#: Layers that return values that they received, or sums of them.
_HAND_ON = re.compile(
    r"pool|flatten|reshape|permute|transpose|squeeze|view|dropout|pad|crop|concat|^cat$|stack"
    r"|split|chunk|slice|getitem|gather|repeat|upsampl|resiz|shuffle|identity|^add$"
)


def rectified(network: Network, address: str) -> bool | None:
    """Whether a zero of this layer means that a unit is silent; None where its type doesn't tell.

    Where it is None, values of which none is negative, and which are exactly 0, tell enough. A
    parameter is never silent.
    """
    layers = {layer.address: layer for layer in network}
    keys = {parameter.key for parameter in network.parameters}
    sources: set[bool | None] = set()  # of what comes through layers that hand on
    seen, to_see = {address}, [address]
    for name in to_see:  # grows; not by recursion: a network may be deep, and paths many
        layer = layers.get(name)
        if name in keys:
            sources.add(False)
        elif layer is not None and layer.inputs and _hands_on(layer):
            to_see += [source for source in layer.inputs if source not in seen]
            seen.update(layer.inputs)
        else:
            sources.add(None if layer is None else _by_type(layer))
    if False in sources:
        return False
    return True if sources == {True} else None


def _hands_on(layer: Layer) -> bool:
    """Whether a layer's zeros are those of what it received."""
    name = _plain(layer.type)
    is_own = _by_activation(layer) is not None or layer.role == "input" or _WEIGH.search(name)
    return not is_own and _HAND_ON.search(name) is not None


def _by_type(layer: Layer) -> bool | None:
    """What a layer alone tells."""
    by_activation = _by_activation(layer)
    if by_activation is None and (layer.role == "input" or _WEIGH.search(_plain(layer.type))):
        return False
    return by_activation


def _by_activation(layer: Layer) -> bool | None:
    """What the function tells that a layer is, or applies."""
    own = layer.settings.get("activation")
    names = [_plain(name) for name in (own, layer.type) if isinstance(name, str)]
    if any(name in _RECTIFY for name in names):
        return True
    return False if any(_OTHER.fullmatch(name) for name in names) else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
