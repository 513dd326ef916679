"""The frameworks, and the only place that imports them.

A backend is looked up by the model's own type, most derived class first: under Keras' torch backend
a Keras layer *is* a ``torch.nn.Module``. Nothing is imported that the model did not bring along.
"""

from __future__ import annotations

from typing import Any

from layerscope.backends.base import Backend
from layerscope.backends.registry import backend_class


def backend_for(model: Any) -> Backend:
    """Return the backend that looks into this model.

    Raises
    ------
    ModelError
        When it is not a model of a framework that has a backend.
    """
    return backend_class(model)(model)
