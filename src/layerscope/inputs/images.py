"""Images: in the channels, the size and the range of values that the network takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec, Shape
from layerscope.core.table import shape_text
from layerscope.inputs.array_files import array_file
from layerscope.inputs.number_files import is_number_file
from layerscope.inputs.pixels import (
    MODES,
    in_channels,
    in_range,
    in_size,
    is_grey,
    levels,
    opened,
)
from layerscope.inputs.settings import Fitted, InputSettings, preprocessed

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "FitImage",
    "fit_image",
    "fit_images",
    "image_of",
    "image_shape",
    "is_image",
    "stacked",
]


@dataclass(frozen=True, slots=True)
class FitImage:
    """One image as the model takes it, not yet in a batch."""

    values: npt.NDArray[Any]
    label: str
    steps: str  #: what was done to it


@dataclass(frozen=True, slots=True)
class _Target:
    """What an image is to become; None where the image's own will do."""

    height: int | None
    width: int | None
    channels: int | None
    arrange: Literal["last", "first", "matrix", "flat"]


def is_image(x: Any, dtype: str = "float32") -> bool:
    """Return whether x is a PIL image or a path to what may be an image, and is no array.

    No string is a path where the model reads strings.
    """
    if isinstance(x, str | Path):
        numbers = array_file(x) is not None or is_number_file(x)
        return (dtype != "string" or isinstance(x, Path)) and not numbers
    # Not isinstance: that would import Pillow for every array.
    return any(base.__module__ == "PIL.Image" for base in type(x).__mro__)


def fit_images(images: Iterable[Any], spec: InputSpec, settings: InputSettings) -> Fitted:
    """Return a batch of the images.

    Raises InputError when one can't be read, when the model takes no images, or when they differ
    in size and the model does not say which it wants.
    """
    return stacked(
        [fit_image(item, spec, settings, number) for number, item in enumerate(images)], settings
    )


def fit_image(
    item: Any, spec: InputSpec, settings: InputSettings, number: int = 0, *, quiet: bool = True
) -> FitImage:
    """Return one image; ``number`` names it where it has no name of its own.

    ``quiet`` is that of :func:`layerscope.inputs.pixels.opened`.
    """
    name = item if isinstance(item, str | Path) else getattr(item, "filename", "")
    label = Path(str(name)).name or f"image {number}"
    target = _target(spec, settings)
    image, done = opened(item, label, quiet=quiet)
    values, steps = _fit(image, done, label, target, spec, settings)
    return FitImage(values, label, steps)


def stacked(images: Sequence[FitImage], settings: InputSettings) -> Fitted:
    """Stack images that were made to fit, preprocessed where that was asked for."""
    shapes = {image.values.shape for image in images}
    if len(shapes) > 1:
        raise InputError(
            f"The images differ in size, {' and '.join(sorted(map(shape_text, shapes))[:2])}, and "
            "the model takes any: pass size=(height, width)."
        )
    batch, by = preprocessed(np.stack([image.values for image in images]), settings)
    labels = tuple(image.label for image in images)
    notes = grouped(labels, [f"{image.steps}, {by}" if by else image.steps for image in images])
    return Fitted(batch, notes, labels, pixels=True)


def grouped(labels: Sequence[str], done: Sequence[str]) -> tuple[str, ...]:
    """Return one sentence for all images that had the same done to them."""
    notes = []
    for text in dict.fromkeys(done):
        same = [label for label, steps in zip(labels, done, strict=True) if steps == text]
        more = f" and {len(same) - 3} more" if len(same) > 3 else ""
        notes.append(f"{', '.join(same[:3])}{more}: {text}")
    return tuple(notes)


def is_channels_first(spec: InputSpec) -> bool:
    """Return whether the channels come before height and width."""
    layout = spec.layout
    return layout == "channels_first" or (isinstance(layout, tuple) and layout[1:2] == ("channel",))


def takes_images(spec: InputSpec, settings: InputSettings) -> bool:
    """Return whether images can be made into what this input takes."""
    try:
        _target(spec, settings)
    except InputError:
        return False
    return True


def image_shape(
    spec: InputSpec, settings: InputSettings
) -> tuple[int | None, int | None, int | None]:
    """Return height, width and channels of the images that an input takes; None for any.

    Raises InputError when it takes no images.
    """
    target = _target(spec, settings)
    return target.height, target.width, target.channels


def image_of(data: bytes, name: str) -> Image.Image:
    """Return the image that the bytes of a file hold; ``name`` is what it is called.

    Raises InputError when Pillow can't read it, or refuses to.
    """
    image, _ = opened(data, name)
    image.filename = name  # type: ignore[attr-defined]  # as images from files have one
    return image


def _target(spec: InputSpec, settings: InputSettings) -> _Target:
    shape = spec.shape
    height, width = settings.size or (None, None)
    first = is_channels_first(spec)
    if shape is None:
        return _Target(height, width, None, "first" if first else "last")
    if len(shape) == 4:
        channels, height, width = shape[1:] if first else (shape[3], *shape[1:3])
        if channels is not None and channels not in MODES:
            raise InputError(
                f"The model expects {shape_text(shape)}, {channels} channels: an image has 1, 3 "
                "or 4, so pass an array."
            )
        fixed = fixed_size(shape, (height, width), settings.size)
        return _Target(*fixed, channels, "first" if first else "last")
    if len(shape) == 3:
        return _Target(*fixed_size(shape, (shape[1], shape[2]), settings.size), 1, "matrix")
    if len(shape) == 2 and (shape[1] is not None or settings.size is not None):
        return _flat(shape, settings.size)
    raise InputError(
        f"The model expects {shape_text(shape)}: no image can be made into that, so pass an array."
    )


def fixed_size(
    shape: Shape,
    model_size: tuple[int | None, int | None],
    size: tuple[int, int] | None,
) -> tuple[int | None, int | None]:
    """Return the model's own size, completed by the one that was asked for."""
    if size is None:
        return model_size
    if any(n is not None and n != wanted for n, wanted in zip(model_size, size, strict=True)):
        raise InputError(f"size={size} was asked for; the model expects {shape_text(shape)}.")
    return size


def _flat(shape: Shape, size: tuple[int, int] | None) -> _Target:
    """Return, for a model that takes vectors, which image has as many values."""
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
    image: Image.Image,
    steps: list[str],
    label: str,
    target: _Target,
    spec: InputSpec,
    settings: InputSettings,
) -> tuple[npt.NDArray[Any], str]:
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
    array, scaled = in_range(values, highest, spec.dtype, settings.pixel_range)
    steps += [*recoloured, *resized, *scaled]
    if target.arrange == "first":
        array = array.transpose(2, 0, 1)
    elif target.arrange == "matrix":
        array = array[:, :, 0]
    elif target.arrange == "flat":
        steps.append(f"flattened to {array.size} values")
        array = array.reshape(-1)
    return np.ascontiguousarray(array), ", ".join(steps)
