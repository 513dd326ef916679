"""Images that were made for units, as maps to draw: colours where the network sees colours."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError, ViewError
from layerscope.recordings.recording import Recording
from layerscope.views.render import colour_scale
from layerscope.views.render.defaults import scale_or

Array = npt.NDArray[Any]

FEATURE = "feature"  #: the kind that the attributes of such an array name


def is_feature(array: NamedArray) -> bool:
    """Return whether these are images made for units, and not what units returned."""
    return array.attrs.get("kind") == FEATURE


def units_of(array: NamedArray) -> tuple[int, ...]:
    """Return the numbers of the units that images were made for; none for other objectives."""
    return tuple(array.attrs.get("units", ()))


def no_such_unit(recording: Recording, unit: int) -> ViewError:
    """Return the error for a unit that no image was made for, in any layer."""
    numbers = sorted({n for address in recording for n in units_of(recording.named(address))})
    there = f"there are those of {', '.join(map(str, numbers[:8]))}" if numbers else "there is none"
    return ViewError(f"No image was made for a unit {unit}: {there}.")


def check_passage(recording: Recording) -> None:
    """Raise ViewError for images made for units: nothing has passed through the layers."""
    if recording.kind == "features":
        raise ViewError(
            "A passage follows one input through the layers, and these are images made for units: "
            "draw them with sheet."
        )


def scale_of(recording: Recording, scale: Any) -> colour_scale.Scaling:
    """Return the scaling to draw with: the one named, or else the recording's default.

    Raises
    ------
    ViewError
        When it is no scaling, or none of this recording.
    """
    scale = scale_or(scale, recording.scale)
    if isinstance(scale, str) and scale == "input" and recording.input_range is not None:
        return "input"
    return colour_scale.check(scale)


def extent_of(
    recording: Recording, scale: colour_scale.Scaling, sample: int
) -> tuple[float, float] | None:
    """Return the range that a scaling takes from the whole recording; None for the others."""
    if scale == "input":
        return recording.input_range
    return recording.extent(sample) if scale == "network" else None


def feature_maps(
    array: NamedArray, place: Place, sample: int | None, colours: bool = True
) -> tuple[Array, list[str]]:
    """Return maps ``(n, height, width)``, or with three inputs last, and labels.

    A map for each unit, sample, and, unless there are three, input: ``42·0·1``. A sequence is a
    matrix of positions and inputs, a vector a map of one row. ``sample=None`` takes all samples.
    """
    values, axes, units = _of_unit(array, place)
    if sample is not None and "sample" in axes:
        count = values.shape[axes.index("sample")]
        if not isinstance(sample, int | np.integer) or not 0 <= sample < count:
            raise ViewError(f"There is no sample {sample!r}: there are {count}, counted from 0.")
        values = values.take(sample, axis=axes.index("sample"))
        axes = tuple(name for name in axes if name != "sample")
    sizes = dict(zip(axes, values.shape, strict=True))
    space = [name for name in axes if name not in ("channel", "sample", "input")]
    if len(space) < 2:
        image = [*space, "input"]
    else:
        image = [*space[-2:], *(["input"] if colours and sizes["input"] == 3 else [])]
    across = ["channel", *(name for name in axes if name not in ("channel", *image))]
    ordered = values.transpose([axes.index(name) for name in (*across, *image)])
    height_and_on = ordered.shape[len(across) :] if len(image) > 1 else (1, sizes["input"])
    numbers = [range(sizes[name]) for name in across[1:] if sizes[name] > 1]
    labels = [
        "·".join(map(str, n)) for n in itertools.product(*([units] if units else []), *numbers)
    ]
    return ordered.reshape(-1, *height_and_on), labels


def reshaped(array: NamedArray, shape: tuple[int, ...], place: Place) -> NamedArray:
    """Return vectors as images: ``(height, width)`` or ``(height, width, channels)``."""
    length = array.values.shape[array.axes.index("input")]
    if set(array.axes) - {"sample"} != {"input", "channel"}:
        raise ViewError(
            f"{str(place)!r} is an image already: reshape= is for networks that take vectors."
        )
    if int(np.prod(shape)) != length:
        raise ViewError(
            f"reshape={shape} has {int(np.prod(shape))} places, and the images of "
            f"{str(place)!r} have {length} values."
        )
    where = array.axes.index("input")
    before, after = array.values.shape[:where], array.values.shape[where + 1 :]
    full = shape if len(shape) == 3 else (*shape, 1)
    names = (*array.axes[:where], "y", "x", "input", *array.axes[where + 1 :])
    return NamedArray(array.values.reshape(*before, *full, *after), names, array.attrs)


def image_shape(array: NamedArray) -> tuple[int, ...]:
    """Return the shape of one image."""
    sizes = zip(array.axes, array.values.shape, strict=True)
    return tuple(n for name, n in sizes if name not in ("channel", "sample"))


def _of_unit(
    array: NamedArray, place: Place
) -> tuple[Array, tuple[str, ...], Sequence[int] | None]:
    """Return the values, their axes and the numbers of the units, of one unit where it is named."""
    units = _units(array.attrs, array.values.shape[array.axes.index("channel")])
    if place.unit is None:
        return array.values, array.axes, units
    if units is None or place.unit not in units:
        raise AddressError(f"There is no image of {str(place)!r}.")
    at = list(units).index(place.unit)
    return array.values.take([at], axis=array.axes.index("channel")), array.axes, [place.unit]


def _units(attrs: Mapping[str, Any], count: int) -> Sequence[int] | None:
    """Return the numbers of the units; None where it is the one image of an objective."""
    if "units" in attrs:
        return list(attrs["units"])
    return None if count == 1 else range(count)
