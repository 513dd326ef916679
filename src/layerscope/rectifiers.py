"""Of which layers a zero is silence: those that rectify, and those that hand on what others did.

A zero of a softmax, a linear layer or a state is a value like any other.
"""

from __future__ import annotations

import re

from layerscope.network import Layer, Network

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
    if any(parameter.key == address for parameter in network.parameters):
        return False
    if address not in network:
        return None
    layer = network[address]
    by_activation = _by_activation(layer)
    if by_activation is not None:
        return by_activation
    name = _plain(layer.type)
    if layer.role == "input" or _WEIGH.search(name):
        return False
    if not _HAND_ON.search(name):
        return None
    received = {rectified(network, source) for source in layer.inputs}
    if False in received:
        return False
    return True if received == {True} else None


def _by_activation(layer: Layer) -> bool | None:
    """What the function tells that a layer is, or applies."""
    own = layer.settings.get("activation")
    names = [_plain(name) for name in (own, layer.type) if isinstance(name, str)]
    if any(name in _RECTIFY for name in names):
        return True
    return False if any(_OTHER.fullmatch(name) for name in names) else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
