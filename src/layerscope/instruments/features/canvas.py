"""What is to be painted on: the shape of the image, what the network gets of it, and its range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend
from layerscope.errors import InputError, ModelError
from layerscope.instruments.features.recipes import Recipe
from layerscope.network import InputSpec, Network
from layerscope.table import shape_text

Array = npt.NDArray[Any]

_SIDE = 224  #: of an image for a network that takes any size
_PASSING = frozenset({"InputLayer", "ZeroPadding2D", "Resizing", "CenterCrop", "Identity", "Cast"})


@dataclass(frozen=True)
class Canvas:
    """The image, presented: ``(y, x, channel)``, ``(position, channel)`` or ``(unit,)``."""

    shape: tuple[int, ...]
    fixed: tuple[int | None, ...]  #: what the network takes; None where any length will do
    input_range: tuple[float, float]
    channels_first: bool = False  #: whether that is the model's own layout
    embedding: str | None = None  #: the layer whose vectors the image is made of
    name: str = "input"

    @property
    def is_image(self) -> bool:
        """Whether it has rows and columns."""
        return len(self.shape) == 3

    @property
    def flat(self) -> bool:
        """Whether the network takes a vector of what is an image to us."""
        return len(self.fixed) == 1 < len(self.shape)

    def network_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """What the network gets, presented, of an image of this shape."""
        if self.flat:
            return tuple(self.shape)
        pairs = zip(self.fixed, shape, strict=True)
        return tuple(own if fixed is None else fixed for fixed, own in pairs)

    def to_range(self, ops: Any, image: Any, limits: Any) -> Any:
        """A unit image in the values that the network takes; ``limits`` are low and high."""
        x = limits[0] + (image + 1) * ((limits[1] - limits[0]) / 2)
        return ops.reshape(x, (-1, self.fixed[0])) if self.flat else x

    def values(self, images: Array) -> Array:
        """Unit images as the network receives them, but presented."""
        low, high = self.input_range
        return (low + (images + 1) * ((high - low) / 2)).astype(np.float32)

    def unit(self, values: Array) -> Array:
        """Presented inputs of the network as unit images."""
        low, high = self.input_range
        images = (np.asarray(values, np.float32) - low) * (2 / (high - low)) - 1
        return images.reshape(-1, *self.shape) if self.flat else images

    def to_model(self, x: Array) -> Array:
        """Presented inputs in the model's own layout."""
        if self.flat:
            return x.reshape(len(x), -1)
        return np.moveaxis(x, -1, 1) if self.channels_first and x.ndim > 2 else x

    def presented(self, x: Array) -> Array:
        """Inputs in the model's own layout, presented."""
        return np.moveaxis(x, 1, -1) if self.channels_first and x.ndim > 2 else x


def only_input(backend: Backend) -> InputSpec | None:
    """What the model expects; None where it does not say.

    Raises ModelError where it has several inputs.
    """
    specs = backend.inputs()
    if len(specs) > 1:
        names = ", ".join(repr(spec.name) for spec in specs)
        raise ModelError(
            f"The model has {len(specs)} inputs, {names}: a feature is visualized in one; pass a "
            "model that takes one, with the others fixed."
        )
    return specs[0] if specs else None


def canvas_of(
    spec: InputSpec | None,
    recipe: Recipe,
    network: Network,
    limits: tuple[float, float],
    like: Array | None,
) -> Canvas:
    """The canvas for a network's input; ``like`` is an example of it, in the model's own layout.

    Raises InputError and ModelError where the shape of the input is not known.
    """
    shape = _model_shape(spec, like)
    channels_first = len(shape) > 2 and spec is not None and spec.layout == "channels_first"
    if spec is not None and spec.dtype.startswith(("int", "uint")) and spec.dtype != "uint8":
        return _sequence(spec, shape, network, limits)
    fixed = (*shape[1:], shape[0]) if channels_first else shape
    name = "input" if spec is None else spec.name
    base = Canvas((), fixed, limits, channels_first, name=name)
    if len(fixed) == 1 and fixed[0] is not None:
        return replace(base, shape=_vector(fixed[0], recipe.size))
    if len(fixed) == 2 and None not in fixed:
        return replace(base, shape=tuple(length for length in fixed if length is not None))
    if len(fixed) != 3 or fixed[2] is None:
        raise InputError(
            f"The model takes {shape_text((None, *shape))}: features are made of images, sequences "
            "and vectors of known width; pass samples= or start= an array of its input."
        )
    height, width = recipe.size or (fixed[0] or _SIDE, fixed[1] or _SIDE)
    return replace(base, shape=(height, width, fixed[2]))


def range_of(network: Network, example: Array | None) -> tuple[float, float]:
    """The values that a network takes, as far as can be told: those of an example, else 0 to 1.

    A network that begins by rescaling takes 0 to 255.
    """
    first = next((row for row in network if row.role != "input" and row.type not in _PASSING), None)
    if first is not None and first.type == "Rescaling":
        return 0.0, 255.0
    if example is None or not example.size or example.dtype.kind not in "fiu":
        return 0.0, 1.0
    low, high = float(example.min()), float(example.max())
    for usual in ((0.0, 1.0), (-1.0, 1.0)):
        if usual[0] <= low and high <= usual[1]:
            return usual
    if low >= 0 and 128 < high <= 255:
        return 0.0, 255.0
    return (low, high) if low < high else (0.0, 1.0)


def _model_shape(spec: InputSpec | None, like: Array | None) -> tuple[int | None, ...]:
    """One sample's shape, in the model's own layout."""
    if spec is not None and spec.shape is not None:
        stated = spec.shape[1:]
        if like is None or len(like.shape) != len(spec.shape):
            return stated
        return tuple(b if a is None else a for a, b in zip(stated, like.shape[1:], strict=True))
    if like is not None:
        return tuple(like.shape[1:])
    raise InputError(
        "The model does not say what it takes: pass samples= or start= an array of its input."
    )


def _vector(length: int, size: tuple[int, int] | None) -> tuple[int, ...]:
    if size is None:
        return (length,)
    channels, rest = divmod(length, size[0] * size[1])
    if rest or not channels:
        raise InputError(
            f"size={size!r}: the model takes {length} numbers, which make no image of that height "
            "and width."
        )
    return (*size, channels)


def _sequence(
    spec: InputSpec, shape: tuple[int | None, ...], network: Network, limits: tuple[float, float]
) -> Canvas:
    """A sequence of vectors in the space of the embedding, in place of indices."""
    tables = [row for row in network if row.type == "Embedding" and row.axes is not None]
    table = next((row for row in tables if row.shape and row.shape[-1]), None)
    if table is None or table.shape is None:
        raise ModelError(
            f"The model takes whole numbers ({spec.dtype}), and none of its layers is an Embedding "
            "whose vectors could be visualized."
        )
    if len(shape) != 1 or shape[0] is None:
        raise InputError(
            "The model takes sequences of any length: pass samples= an array of indices, which "
            "tells how long."
        )
    fixed = (shape[0], table.shape[-1])
    return Canvas(fixed, fixed, limits, embedding=table.address, name=spec.name)  # type: ignore[arg-type]
