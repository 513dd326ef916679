"""What ``features`` is to excite: objectives, values that add, subtract, scale and combine.

>>> from layerscope.objectives import channel, total_variation
>>> channel("mixed4", 42) + 0.5 * channel("mixed5", 7) - total_variation(0.1)
"""

from layerscope.instruments.features.objective.objectives import (
    Objective,
    blur,
    channel,
    direction,
    diversity,
    function,
    l1,
    l2,
    layer,
    logit,
    neuron,
    probability,
    similarity,
    total_variation,
    units,
)

__all__ = [
    "Objective", "blur", "channel", "direction", "diversity", "function", "l1", "l2", "layer",
    "logit", "neuron", "probability", "similarity", "total_variation", "units",
]  # fmt: skip
