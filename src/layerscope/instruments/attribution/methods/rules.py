"""Gradients by other rules: guided backpropagation, DeepLIFT, layer-wise relevance propagation."""

from __future__ import annotations

from layerscope.backends.gradient_rules import LRP_EPSILON
from layerscope.instruments.attribution.engine import ALTERED
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method


def guided_backpropagation(task: AttributionTask) -> Maps:
    """Return the gradient, of which each ReLU lets only what is positive through."""
    return Maps(task.gradients("guided"))


def deeplift(task: AttributionTask) -> Maps:
    """Return the difference from a baseline times the slopes between both: the rescale rule."""
    baseline, called = task.baseline()
    gain, slopes = task.engine.paired_gradients(task.values, baseline, task.rows, "deeplift")
    return Maps((task.values - baseline) * slopes, {"baseline": called}, gain=gain)


def lrp(task: AttributionTask) -> Maps:
    """Return the relevance of each value of the input, by the ε rule at every nonlinearity."""
    maps = task.values * task.gradients("lrp")
    return Maps(maps, {"ε": LRP_EPSILON})


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
        "Ancona et al. 2018, arXiv:1711.06104",
    ),
)
