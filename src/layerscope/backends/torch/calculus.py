"""Gradients of functions of PyTorch's tensors, and Keras on PyTorch to write them in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from layerscope.backends.availability import needs
from layerscope.core.errors import ModelError


def differentiated(function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """Return a gradient, as :meth:`Differentiable.gradient` does."""

    def result(x: torch.Tensor, *rest: Any) -> tuple[Any, torch.Tensor]:
        with torch.inference_mode(False), torch.enable_grad():
            leaf = _ordinary(x).detach()
            leaf.requires_grad_()
            returned = function(leaf, *_mapped(_ordinary, rest))
            scores = returned[0] if isinstance(returned, tuple) else returned
            gradient = torch.zeros_like(x)
            if scores.requires_grad:
                (gradient,) = torch.autograd.grad(scores.sum(), leaf, materialize_grads=True)
        return _mapped(_detached, returned), gradient

    return result


def on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, given tensors in place of arrays, without gradients of its own."""

    def run(*args: Any) -> Any:
        # What is made of arrays in inference mode could have no gradients go through it.
        with torch.inference_mode(False), torch.no_grad():
            return function(*_mapped(_tensor, args))

    return run


def keras_on_torch() -> Any:
    """Return Keras, computing with PyTorch; import it where it was not.

    Raises ModelError where it already computes, or is to compute, with another framework.
    """
    needs("keras", "features")
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if running != "torch":
            raise ModelError(
                f"Keras already runs on {running} in this process, and a PyTorch model needs it on "
                "torch: start a new one with KERAS_BACKEND=torch."
            )
        return sys.modules["keras"]
    stated = os.environ.get("KERAS_BACKEND")
    if stated not in (None, "", "torch"):
        raise ModelError(
            f"KERAS_BACKEND is {stated!r}, and a PyTorch model needs Keras on torch: "
            "set KERAS_BACKEND=torch."
        )
    os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras
    finally:
        if stated is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = stated
    return keras


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the same structure, with the function applied to what is in it."""
    if isinstance(value, dict):
        return {key: _mapped(function, item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_mapped(function, item) for item in value)
    return function(value)


def _ordinary(value: Any) -> Any:
    """Return a tensor that gradients can go through, also where it was made in inference mode."""
    is_tensor = isinstance(value, torch.Tensor)
    return value.clone() if is_tensor and value.is_inference() else value


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.Tensor) else value


def _tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    keras = sys.modules.get("keras")
    # Where Keras puts its own, on whatever device it computes.
    return torch.from_numpy(value) if keras is None else keras.ops.convert_to_tensor(value)
