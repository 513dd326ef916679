"""``describe``: the layers of a model, as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layerscope.backends import backend_for
from layerscope.backends.origin import origin_of
from layerscope.errors import ModelError
from layerscope.network import Network


def describe(model: Any, x: Any = None) -> Network:
    """The layers of a model in execution order; prints as a table.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module`` or a scikit-learn MLP.
    x
        An input as for :func:`layerscope.activations`. Where a model does not know its own order
        of execution and shapes (PyTorch, subclassed Keras models), a pass on it shows them.

    Raises
    ------
    ModelError
        When it is no model that layerscope knows, or has no layers.
    """
    backend = backend_for(model)
    if x is None:
        network = backend.describe()
        if not network.layers:
            raise ModelError(f"The model {network.name!r} has no layers.")
        return replace(network, origin=origin_of(model))
    from layerscope.instruments.activations import activations

    return activations(model, x).network
