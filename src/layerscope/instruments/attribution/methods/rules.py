"""Gradients by other rules: guided backpropagation, DeepLIFT, layer-wise relevance propagation."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.backends.gradient_rules import LRP_EPSILON, GradientRule
from layerscope.core.errors import InputError
from layerscope.instruments.attribution.engine import ALTERED
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method


def guided_backpropagation(task: AttributionTask) -> Maps:
    """Return the gradient, of which each ReLU lets only what is positive through."""
    return Maps(task.gradients(GradientRule("guided")))


def deeplift(task: AttributionTask) -> Maps:
    """Return the difference from a baseline times the slopes between both: the rescale rule."""
    baseline, called = task.baseline()
    rule = GradientRule("deeplift")
    gain, slopes = task.engine.paired_gradients(task.values, baseline, task.rows, rule)
    return Maps((task.values - baseline) * slopes, {"baseline": called}, gain=gain)


def lrp(task: AttributionTask) -> Maps:
    """Return the relevance of each value of the input, by the ε rule at every nonlinearity.

    With ``gamma=``, by the γ rule at every linear layer.
    """
    gamma = task.options.gamma
    if gamma is None:
        return Maps(task.values * task.gradients(GradientRule("lrp")), {"ε": LRP_EPSILON})
    if not _is_size(gamma):
        raise InputError(f"gamma={gamma!r}: pass a number, 0 or more, such as 0.25.")
    maps = task.values * task.gradients(GradientRule("lrp", float(gamma)))
    return Maps(maps, {"ε": LRP_EPSILON, "γ": float(gamma)})


def _is_size(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return is_number and bool(np.isfinite(value)) and value >= 0


METHODS = (
    Method(
        "guided_backpropagation",
        guided_backpropagation,
        ALTERED,
        "Springenberg et al. 2015, Striving for Simplicity, arXiv:1412.6806",
        tokens="norm",
    ),
    Method(
        "deeplift",
        deeplift,
        ALTERED,
        "Shrikumar, Greenside & Kundaje 2017, Learning Important Features Through Propagating "
        "Activation Differences, arXiv:1704.02685",
        ("baseline", "seed"),
    ),
    Method(
        "lrp",
        lrp,
        ALTERED,
        "Bach et al. 2015, On Pixel-Wise Explanations for Non-Linear Classifier Decisions by "
        "Layer-Wise Relevance Propagation, doi:10.1371/journal.pone.0130140; as a gradient: "
        "Ancona et al. 2018, arXiv:1711.06104; with γ: Andéol et al. 2021, arXiv:2106.11105",
        ("gamma",),
    ),
)
