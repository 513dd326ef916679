"""``weights``: every parameter of a model, with its axes named."""

from __future__ import annotations

from typing import Any

from layerscope.backends import backend_for
from layerscope.recording import Recording


def weights(model: Any) -> Recording:
    """The parameters of a model as they are now, by the framework's own names.

    ``weights(model)["conv2d/kernel"]`` has axes ``(y, x, input, channel)``, a dense kernel
    ``(input, unit)``, a bias ``(channel,)`` or ``(unit,)``, whatever the framework's own layout.
    PyTorch's keys are those of its ``state_dict``; scikit-learn's are ``coefs_0``, ``intercepts_0``
    and so on. The arrays are copies: training on does not change them.

    Raises
    ------
    ModelError
        When it is no model that layerscope knows.
    """
    backend = backend_for(model)
    return Recording(
        backend.weights(),
        network=backend.describe(),
        digest=lambda: {"model": backend.digest()},
    )
