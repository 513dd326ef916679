"""``describe``: the layers of a model, as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layerscope.backends import backend_for
from layerscope.backends.origin import origin_of
from layerscope.core.errors import ModelError
from layerscope.core.network import Network


def describe(model: Any, x: Any = None) -> Network:
    """Return the layers of a model in execution order; prints as a table.

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
    if x is None:
        network = outline(model)
        if not network.layers and not network.notes:
            raise ModelError(f"The model {network.name!r} has no layers.")
        return network
    from layerscope.instruments.activations import activations

    return activations(model, x).network


def outline(model: Any) -> Network:
    """Return what a model says of itself before it is run, which may be nothing but its name."""
    return replace(backend_for(model).describe(), origin=origin_of(model))
