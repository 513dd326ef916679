"""What a person can give a model by hand: an image, a drawing, or numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.core.table import shape_text
from layerscope.inputs import InputSettings
from layerscope.inputs.images import image_of, image_shape
from layerscope.instruments.features.image.canvas import range_of

if TYPE_CHECKING:
    from PIL import Image

Array = npt.NDArray[Any]

_LEAST_SIDE = 8  #: vectors of fewer values than a square of it are numbers, no images
_MOST_NUMBERS = 256  #: more than anybody types
_LIGHT = 0.75  #: how far up the range the ground of dark strokes is at least
_LARGEST = 1e300
_LARGEST_WHOLE = 2**53  #: whole numbers up to here are the same as floating ones
_SIDE = 224  #: of an image for a network that takes any size


@dataclass(frozen=True)
class InputForm:
    """What input can be given by hand; ``reason`` says why there is none."""

    form: Literal["image", "vector", "none"]
    shape: tuple[int, ...] = ()  #: height, width and channels; or how many numbers
    range: tuple[float, float] = (0.0, 1.0)
    dark: bool = True  #: whether what is drawn is bright on a dark ground
    whole: bool = False  #: whether numbers must be whole
    names: tuple[str, ...] = ()  #: of the numbers, where they have any
    lows: tuple[float, ...] = ()  #: the least of each number among the samples
    highs: tuple[float, ...] = ()
    reason: str = ""

    @property
    def grey(self) -> bool:
        """Whether images have one channel."""
        return self.form == "image" and self.shape[2] == 1

    def image(self, data: bytes, name: str) -> Image.Image:
        """Return the image that the bytes of a file hold, which is called ``name``.

        Raises
        ------
        InputError
            When the model takes no images, or Pillow can't read it, or refuses to.
        """
        if self.form == "vector":
            raise InputError(f"The model takes {self.shape[0]} numbers: type them.")
        if self.form == "none":
            raise InputError(self.reason)
        return image_of(data, name)

    def array(self, numbers: Any) -> Array:
        """Return numbers as the model takes them, a batch of one.

        Raises
        ------
        InputError
            When they are not as many as the model takes, or are no finite numbers.
        """
        if self.form != "vector":
            raise InputError("The model takes no numbers: " + (self.reason or "give an image."))
        count = self.shape[0]
        if not isinstance(numbers, Sequence) or isinstance(numbers, str) or len(numbers) != count:
            raise InputError(f"The model takes {count} numbers: pass a list of as many.")
        for i, number in enumerate(numbers):
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if not is_number or not -_LARGEST < number < _LARGEST:  # nor is NaN
                raise InputError(f"{self.called(i)} is {number!r}"[:80] + ": type a finite number.")
            if self.whole and not (number == int(number) and abs(number) < _LARGEST_WHOLE):
                raise InputError(f"{self.called(i)} is {number!r}: the model takes whole numbers.")
        return np.asarray([numbers], np.int64 if self.whole else np.float64)

    def called(self, index: int) -> str:
        """Return what a number is called."""
        return self.names[index] if self.names else f"Value {index}"


def input_form(
    specs: Sequence[InputSpec], settings: InputSettings, example: Array | None, pixels: bool
) -> InputForm:
    """Return what can be given by hand to a model with these inputs.

    ``example`` are samples in the model's own layout, as far as there are any; ``pixels`` says
    that they were made of images, by the settings.
    """
    if len(specs) > 1:
        names = ", ".join(repr(spec.name) for spec in specs)
        return _none(f"The model has {len(specs)} inputs, {names}; one can be given by hand.")
    spec = _completed(specs[0] if specs else InputSpec("input", certain=False), example)
    if spec.dtype == "string":
        return _none("The model takes text: pass it when the page is opened.")
    shape = spec.shape
    if shape is not None and len(shape) == 2 and not _is_square(shape[1]):
        return _vector(spec, shape[1], settings, example)
    try:
        height, width, channels = image_shape(spec, settings)
    except InputError as error:
        return _none(str(error))
    sides = (height or _SIDE, width or _SIDE, channels or 3)
    if spec.dtype.startswith(("int", "uint")) and channels != 3 and len(shape or ()) != 4:
        return _none(f"The model takes whole numbers, {shape_text(shape or ())}: pass an array.")
    limits = _limits(settings, example, pixels)
    return InputForm("image", sides, limits, dark=_is_dark(example, limits))


def _none(reason: str) -> InputForm:
    return InputForm("none", reason=reason)


def _completed(spec: InputSpec, example: Array | None) -> InputSpec:
    """Return the specification with the lengths that are open in it as those of the samples."""
    if example is None:
        return spec
    shape = spec.shape if spec.shape is not None else (None,) * example.ndim
    if len(shape) != example.ndim:
        if spec.certain:
            return spec
        shape = (None,) * example.ndim
    layout = spec.layout
    if spec.shape is None and example.ndim == 4 and example.shape[1] in (1, 3, 4):
        layout = "channels_last" if example.shape[3] in (1, 3, 4) else "channels_first"
    lengths = (wanted or n for wanted, n in zip(shape[1:], example.shape[1:], strict=True))
    return InputSpec(
        spec.name, (None, *lengths), spec.dtype, layout, spec.certain, values=spec.values
    )


def _is_square(count: int | None) -> bool:
    return count is not None and any(
        count % channels == 0
        and math.isqrt(count // channels) ** 2 * channels == count
        and math.isqrt(count // channels) >= _LEAST_SIDE
        for channels in (1, 3)
    )


def _vector(
    spec: InputSpec, count: int | None, settings: InputSettings, example: Array | None
) -> InputForm:
    if count is None or count > _MOST_NUMBERS:
        return _none(
            f"The model takes {shape_text(spec.shape or ())}: up to {_MOST_NUMBERS} numbers can be "
            "typed; pass an array when the page is opened."
        )
    whole = spec.dtype.startswith(("int", "uint"))
    limits = _limits(settings, example, pixels=False)
    names = spec.values if len(spec.values) == count else ()
    lows = highs = ()
    if example is not None and len(example):
        finite = np.where(np.isfinite(example), example, 0).astype(np.float64)
        lows, highs = (tuple(ends.tolist()) for ends in (finite.min(axis=0), finite.max(axis=0)))
    return InputForm("vector", (count,), limits, whole=whole, names=names, lows=lows, highs=highs)


def _limits(settings: InputSettings, example: Array | None, pixels: bool) -> tuple[float, float]:
    """Return the range of values that images are scaled to: the settings', or the samples'."""
    given = settings.pixel_range
    if given == "raw" or isinstance(given, str):
        return 0.0, 255.0
    if pixels or example is None or given != InputSettings().input_range:
        return float(given[0]), float(given[1])
    return range_of(example)


def _is_dark(example: Array | None, limits: tuple[float, float]) -> bool:
    """Return whether images have a dark ground: most of the samples' values are not near white."""
    if example is None or not example.size or example.dtype.kind not in "fiu":
        return True
    low, high = limits
    return float(np.median(example[:8])) <= low + _LIGHT * (high - low)
