"""How input is made, and what is known of it once it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError

#: What black and white become; ``"raw"`` for the values as they are.
InputRange = tuple[float, float] | str

_RESIZES = ("stretch", "crop", "pad")


@dataclass(frozen=True, slots=True)
class InputSettings:
    """How what the user passed becomes input."""

    input_range: InputRange = (0, 1)
    resize: str = "stretch"
    size: tuple[int, int] | None = None
    preprocess: Callable[[npt.NDArray[Any]], Any] | None = None
    indices: int | None = None  #: how many there are to choose from where whole numbers go in

    def __post_init__(self) -> None:
        if self.resize not in _RESIZES:
            raise InputError(f"resize={self.resize!r}: pass 'stretch', 'crop' or 'pad'.")
        given = self.input_range
        if given != "raw" and (
            not isinstance(given, tuple | list)
            or len(given) != 2
            or not all(isinstance(v, int | float) and math.isfinite(v) for v in given)
            or not given[0] < given[1]
        ):
            raise InputError(
                f"input_range={given!r}: pass (0, 1), (-1, 1), (0, 255) or another pair, low "
                "before high, or 'raw'."
            )
        if self.size is not None and (
            not isinstance(self.size, tuple | list)
            or len(self.size) != 2
            or not all(isinstance(n, int) and n > 0 for n in self.size)
        ):
            raise InputError(f"size={self.size!r}: pass height and width in pixels.")
        if self.preprocess is not None and not callable(self.preprocess):
            raise InputError(
                f"preprocess={self.preprocess!r}: pass a function of a batch of images, or its "
                "name, 'package.module:function'."
            )

    @property
    def pixel_range(self) -> InputRange:
        """What pixels are scaled to: 0 to 255 where a function of the user's takes over."""
        return self.input_range if self.preprocess is None else (0, 255)


@dataclass(frozen=True, slots=True)
class Fitted:
    """One value for one input, and what is known of it."""

    value: Any
    notes: tuple[str, ...] = ()  #: what was done to it
    samples: tuple[str, ...] = ()  #: names of its samples; empty where they have none
    pixels: bool = False  #: whether it is made of pixels, which settings apply to


def preprocessed(batch: npt.NDArray[Any], settings: InputSettings) -> tuple[npt.NDArray[Any], str]:
    """Return what the user's own function makes of a batch of images, and a note of it.

    Raises InputError when it raises, or does not return an array with as many samples.
    """
    function = settings.preprocess
    if function is None:
        return batch, ""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        result = np.asarray(function(batch.copy()))
    # Somebody else's code, which may raise anything.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"preprocess={name} raised {type(error).__name__}: {reason[:300]}".rstrip(".") + "."
        ) from error
    if result.dtype.kind not in "biuf" or result.ndim == 0 or len(result) != len(batch):
        raise InputError(
            f"preprocess={name} made {result.dtype} {result.shape} of a batch {batch.shape}: it "
            "has to return numbers, for as many samples."
        )
    return result.astype(batch.dtype, copy=False), f"preprocessed by {name}"
