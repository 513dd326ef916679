"""What the ascent begins with: noise from a seed, nothing, or an image."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import Layout
from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.core.suggestions import did_you_mean
from layerscope.core.table import shape_text
from layerscope.inputs import prepare
from layerscope.instruments.features.image.parameterizations import Fourier, Parameterization
from layerscope.instruments.features.image.phases import Phases

Array = npt.NDArray[Any]

#: Starts that have a name; anything else is an image.
STARTS = ("normal", "uniform", "fourier", "zeros")

#: How far beyond the input range an image may go, as a part of it: it is clipped without a word.
_SLACK = 1e-3


def generators(seeds: Sequence[int], stream: int = 0) -> list[np.random.Generator]:
    """Return a source of random numbers for each seed, the same alone or among others.

    Streams are independent: the start draws from 0, transforms from 1. Raises InputError for a seed
    that is no whole number, or negative.
    """
    for seed in seeds:
        if not _is_seed(seed):
            raise InputError(f"seed={seed!r}: pass a whole number, 0 or more.")
    return [np.random.default_rng([int(seed), stream]) for seed in seeds]


def start_params(
    start: Any,
    parameterization: Parameterization,
    seeds: Sequence[int],
    shape: Sequence[int | None],
    **options: Any,
) -> Array:
    """Return parameters to begin with, float32, one of the leading axis for each seed.

    As :func:`start_images`, whose ``options`` these are; but ``"fourier"`` is drawn in the space of
    a Fourier parameterization itself, so that noise has its colours and its decay.
    """
    if _is_name(start, "fourier") and isinstance(parameterization, Fourier | Phases):
        size = _known(shape, start)
        return parameterization.noise(generators(seeds), size, _sd(**options))
    return parameterization.params(start_images(start, seeds, shape, **options))


def start_images(
    start: Any,
    seeds: Sequence[int],
    shape: Sequence[int | None],
    *,
    contrast: float = 1.0,
    input_range: tuple[float, float] = (0.0, 1.0),
    layout: Layout = "channels_last",
) -> Array:
    """Return unit images to begin with, float32: ``shape``, channels last, behind the samples.

    ``start`` is one of

    - ``"normal"``: normal noise of standard deviation ``contrast``, clipped to the range;
    - ``"uniform"``: noise from ``-contrast`` to ``contrast``;
    - ``"fourier"``: noise whose spectrum falls as that of photographs does, its coefficients of
      standard deviation ``contrast``; only for images and sequences;
    - ``"zeros"``: where the network receives 0, as near to it as the range goes;
    - whatever :func:`layerscope.inputs.prepare` reads: an image file, a PIL image, an array in the
      model's own ``layout`` whose values are in ``input_range``. One serves all seeds. Where it is
      an image, its own height and width take the place of None in ``shape``.

    Raises InputError for an unknown name, an image that does not fit or goes beyond the range, and
    where noise is asked for in a shape that is not known.
    """
    sources = generators(seeds)
    if not isinstance(start, str) or _is_file(start):
        images = given_images(start, shape, input_range=input_range, layout=layout)
        check_count(images, len(sources))
        return np.repeat(images, len(sources), axis=0) if len(images) == 1 else images
    size = _known(shape, start)
    if start == "zeros":
        low, high = input_range
        zero = np.clip(-low * (2 / (high - low)) - 1, -1, 1)
        return np.full((len(sources), *size), zero, np.float32)
    if start == "uniform":
        drawn = np.stack([source.uniform(-1, 1, size) for source in sources]) * contrast
    elif start == "normal":
        drawn = np.stack([source.standard_normal(size) for source in sources]) * contrast
    elif start == "fourier":
        drawn = Fourier(bounds="clip").images(Fourier(bounds="clip").noise(sources, size, contrast))
    else:
        raise _unknown(start)
    return np.clip(drawn, -1, 1).astype(np.float32)


def given_images(
    start: Any,
    shape: Sequence[int | None],
    *,
    input_range: tuple[float, float],
    layout: Layout = "channels_last",
) -> Array:
    """Return unit images of a start that is no noise, as many as it holds."""
    if isinstance(start, str) and not _is_file(start):
        raise _unknown(start)
    return _from_image(start, shape, input_range, layout)


def check_count(images: Array, count: int) -> None:
    """Raise InputError where these are neither one image nor one for each."""
    if len(images) not in (1, count):
        raise InputError(
            f"start= holds {len(images)} images for {count} to make: pass one, or as many."
        )


def _unknown(start: str) -> InputError:
    hint = did_you_mean(start, STARTS, most=1)
    return InputError(
        f"start={start!r}: {hint}{' ' * bool(hint)}Pass 'normal', 'uniform', 'fourier' or 'zeros', "
        "an image file or an array."
    )


def _is_seed(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        return False
    return int(value) >= 0


def _is_name(start: Any, name: str) -> bool:
    # An array compared with a string is compared value by value.
    return isinstance(start, str) and start == name


def _is_file(start: str) -> bool:
    """Return whether a string is a path: a name of a start wins over a file of that name."""
    path = Path(start)
    return start not in STARTS and (path.suffix != "" or len(path.parts) > 1 or path.exists())


def _sd(*, contrast: float = 1.0, **_: Any) -> float:
    return contrast


def _known(shape: Sequence[int | None], start: str) -> tuple[int, ...]:
    size = tuple(n for n in shape if n is not None)
    if len(size) != len(shape):
        raise InputError(
            f"The model takes images of any size, {shape_text(tuple(shape))}, so start={start!r} "
            "needs one: pass size=(height, width)."
        )
    return size


def _from_image(
    start: Any,
    shape: Sequence[int | None],
    input_range: tuple[float, float],
    layout: Layout,
) -> Array:
    if start is None or isinstance(start, Mapping):
        raise InputError(
            f"start= is {'None' if start is None else 'a ' + type(start).__name__}: pass the name "
            "of a noise, an image file, a PIL image or an array."
        )
    *space, channels = shape
    first = layout == "channels_first" or (
        isinstance(layout, tuple) and layout[1:2] == ("channel",)
    )
    lengths = (None, channels, *space) if first else (None, *space, channels)
    if getattr(start, "ndim", None) == len(shape):
        start = start[None]  # one image that is in no batch yet
    spec = InputSpec("start", lengths, layout=layout)
    try:
        value = prepare(start, [spec], input_range=input_range).value
    except InputError as error:
        raise InputError(f"start=: {error}") from error
    values = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if first:
        values = np.moveaxis(values, 1, -1)
    low, high = input_range
    unit = (values.astype(float) - low) * (2 / (high - low)) - 1
    if not np.abs(unit).max(initial=0) <= 1 + 2 * _SLACK:
        raise InputError(
            f"start= holds values from {values.min():g} to {values.max():g}, beyond the input "
            f"range of {low:g} to {high:g}: scale them, or pass input_range=."
        )
    return np.clip(unit, -1, 1).astype(np.float32)


def usual_recipe(start: Any) -> str:
    """Return the usual recipe for a start: DeepDream for an image, lucid for noise."""
    is_noise = start is None or (isinstance(start, str) and start in STARTS)
    return "lucid" if is_noise else "deepdream"
