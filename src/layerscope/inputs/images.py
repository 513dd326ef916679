"""Images: in the channels, the size and the range of values that the network takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.errors import InputError
from layerscope.inputs.pixels import (
    MODES,
    InputRange,
    in_channels,
    in_range,
    in_size,
    is_grey,
    levels,
    opened,
)
from layerscope.network import InputSpec
from layerscope.table import shape_text

__all__ = ["ImageSettings", "InputRange", "fit_images", "is_image"]


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How images become input."""

    input_range: InputRange = (0, 1)
    resize: str = "stretch"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.resize not in ("stretch", "crop", "pad"):
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
            len(self.size) != 2 or not all(isinstance(n, int) and n > 0 for n in self.size)
        ):
            raise InputError(f"size={self.size!r}: pass height and width in pixels.")


@dataclass(frozen=True, slots=True)
class _Target:
    """What an image is to become; None where the image's own will do."""

    height: int | None
    width: int | None
    channels: int | None
    arrange: Literal["last", "first", "matrix", "flat"]


def is_image(x: Any, dtype: str = "float32") -> bool:
    """Whether x is a path or a PIL image; no string is a path where the model reads strings."""
    if isinstance(x, str):
        return dtype != "string"
    if isinstance(x, Path):
        return True
    # Not isinstance: that would import Pillow for every array.
    return any(base.__module__ == "PIL.Image" for base in type(x).__mro__)


def fit_images(
    images: Iterable[Any], spec: InputSpec, settings: ImageSettings
) -> tuple[npt.NDArray[Any], list[str]]:
    """A batch of the images, and what was done to them.

    Raises InputError when one can't be read, when the model takes no images, or when they differ
    in size and the model does not say which it wants.
    """
    target = _target(spec, settings)
    arrays, labels, done = [], [], []
    for number, item in enumerate(images):
        label = Path(item).name if isinstance(item, str | Path) else f"image {number}"
        array, steps = _fit(item, label, target, spec, settings)
        arrays.append(array)
        labels.append(label)
        done.append(steps)
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise InputError(
            f"The images differ in size, {' and '.join(sorted(map(shape_text, shapes)))}, and the "
            "model takes any: pass size=(height, width)."
        )
    return np.stack(arrays), _grouped(labels, done)


def _grouped(labels: Sequence[str], done: Sequence[str]) -> list[str]:
    """One sentence for all images that had the same done to them."""
    notes = []
    for text in dict.fromkeys(done):
        same = [label for label, steps in zip(labels, done, strict=True) if steps == text]
        more = f" and {len(same) - 3} more" if len(same) > 3 else ""
        notes.append(f"{', '.join(same[:3])}{more}: {text}")
    return notes


def _target(spec: InputSpec, settings: ImageSettings) -> _Target:
    shape = spec.shape
    height, width = settings.size or (None, None)
    first = spec.layout == "channels_first" or (
        isinstance(spec.layout, tuple) and spec.layout[1:2] == ("channel",)
    )
    if shape is None:
        return _Target(height, width, None, "first" if first else "last")
    if len(shape) == 4:
        channels, height, width = shape[1:] if first else (shape[3], *shape[1:3])
        if channels is not None and channels not in MODES:
            raise InputError(
                f"The model expects {shape_text(shape)}, {channels} channels: an image has 1, 3 "
                "or 4, so pass an array."
            )
        fixed = _fixed(shape, (height, width), settings.size)
        return _Target(*fixed, channels, "first" if first else "last")
    if len(shape) == 3:
        return _Target(*_fixed(shape, (shape[1], shape[2]), settings.size), 1, "matrix")
    if len(shape) == 2 and (shape[1] is not None or settings.size is not None):
        return _flat(shape, settings.size)
    raise InputError(
        f"The model expects {shape_text(shape)}: no image can be made into that, so pass an array."
    )


def _fixed(
    shape: tuple[int | None, ...],
    own: tuple[int | None, int | None],
    size: tuple[int, int] | None,
) -> tuple[int | None, int | None]:
    """The model's own size, completed by the one that was asked for."""
    if size is None:
        return own
    if any(n is not None and n != wanted for n, wanted in zip(own, size, strict=True)):
        raise InputError(f"size={size} was asked for; the model expects {shape_text(shape)}.")
    return size


def _flat(shape: tuple[int | None, ...], size: tuple[int, int] | None) -> _Target:
    """For a model that takes vectors: which image has as many values."""
    length = shape[1]
    for channels in (1, 3, 4):
        if size is not None:
            if length in (None, size[0] * size[1] * channels):
                return _Target(*size, channels, "flat")
        elif length is not None and length % channels == 0:
            side = math.isqrt(length // channels)
            if side * side * channels == length:
                return _Target(side, side, channels, "flat")
    if size is not None:
        raise InputError(f"size={size} was asked for; the model expects {shape_text(shape)}.")
    raise InputError(
        f"The model expects {shape_text(shape)}, and {length} values are no square image: pass "
        "size=(height, width)."
    )


def _fit(
    item: Any, label: str, target: _Target, spec: InputSpec, settings: ImageSettings
) -> tuple[npt.NDArray[Any], str]:
    image, steps = opened(item, label)
    channels = target.channels or (1 if is_grey(image) else 3)
    try:
        image, highest = levels(image, label)
        image, recoloured = in_channels(image, channels)
        image, resized = in_size(
            image, target.height or image.height, target.width or image.width, settings.resize
        )
    except (ValueError, OSError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{label} ({image.mode}) can't be brought to {channels} channels and the model's size "
            f"({error})."
        ) from error
    values = np.asarray(image)
    values = values.reshape(*values.shape[:2], -1)
    if values.shape[2] != channels:  # grey of more than 8 bits
        values = np.repeat(values, channels, axis=2)
    array, scaled = in_range(values, highest, spec.dtype, settings.input_range)
    steps += [*recoloured, *resized, *scaled]
    if target.arrange == "first":
        array = array.transpose(2, 0, 1)
    elif target.arrange == "matrix":
        array = array[:, :, 0]
    elif target.arrange == "flat":
        steps.append(f"flattened to {array.size} values")
        array = array.reshape(-1)
    return np.ascontiguousarray(array), ", ".join(steps)
