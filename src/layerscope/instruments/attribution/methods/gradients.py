"""The gradient itself, and times the input."""

from __future__ import annotations

from layerscope.instruments.attribution.engine import GRADIENTS
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method


def saliency(task: AttributionTask) -> Maps:
    """Return the gradient of the target, with its sign."""
    return Maps(task.gradients())


def input_x_gradient(task: AttributionTask) -> Maps:
    """Return each value of the input times its gradient."""
    return Maps(task.values * task.gradients())


METHODS = (
    Method(
        "saliency",
        saliency,
        GRADIENTS,
        "Simonyan, Vedaldi & Zisserman 2014, Deep Inside Convolutional Networks, arXiv:1312.6034",
        tokens="norm",
    ),
    Method(
        "input_x_gradient",
        input_x_gradient,
        GRADIENTS,
        "Shrikumar et al. 2016, Not Just a Black Box, arXiv:1605.01713",
    ),
)
