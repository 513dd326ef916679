"""What ``features`` does to the copy of an image that the network sees, in each step.

>>> from layerscope.transforms import jitter, pad, rotate
>>> layerscope.features(model, "mixed4:42", transforms=[pad(12), jitter(8), rotate(10, p=0.5)])
"""

from layerscope.instruments.features.image.transforms import (
    blur,
    crop,
    flip,
    jitter,
    noise,
    pad,
    rotate,
    scale,
)

__all__ = ["blur", "crop", "flip", "jitter", "noise", "pad", "rotate", "scale"]
