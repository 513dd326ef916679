"""What is to be painted on: the shape of the image, what the network gets of it, and its range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend
from layerscope.core.errors import InputError, ModelError
from layerscope.core.layer_kinds import Kind
from layerscope.core.network import InputSpec, Layer, Network
from layerscope.core.table import shape_text
from layerscope.instruments.features.image.recipes import Recipe
from layerscope.instruments.input_scaling import leading

Array = npt.NDArray[Any]

_SIDE = 224  #: of an image for a network that takes any size
#: How far apart black and white are at most, once a layer has scaled them that takes 0 to 255.
_PIXELS_BECOME = 255 / 20
#: And at least, where the layer may do anything, such as to clip.
_APART = 0.5

_OF_MAPS: frozenset[Kind] = frozenset({"conv", "conv_transpose"})


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
        """Whether what is an image to us is a vector to the network, or has no channels there."""
        return len(self.fixed) < len(self.shape)

    def network_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return what the network gets, presented, of an image of this shape."""
        if self.flat:
            return tuple(self.shape)
        pairs = zip(self.fixed, shape, strict=True)
        return tuple(length if fixed is None else fixed for fixed, length in pairs)

    def to_range(self, ops: Any, image: Any, limits: Any) -> Any:
        """Return a unit image in the values that the network takes; ``limits`` are low and high."""
        x = limits[0] + (image + 1) * ((limits[1] - limits[0]) / 2)
        return ops.reshape(x, (-1, *self.fixed)) if self.flat else x

    def values(self, images: Array) -> Array:
        """Return unit images in the values that the network takes."""
        low, high = self.input_range
        return (low + (images + 1) * ((high - low) / 2)).astype(np.float32)

    def received(self, images: Array) -> Array:
        """Return the same in the shape that the network takes."""
        values = self.values(images)
        lengths = [length for length in self.fixed if length is not None]
        return values.reshape(len(values), *lengths) if self.flat else values

    def unit(self, values: Array) -> Array:
        """Return presented inputs of the network as unit images."""
        low, high = self.input_range
        images = (np.asarray(values, np.float32) - low) * (2 / (high - low)) - 1
        return images.reshape(-1, *self.shape) if self.flat else images

    def to_model(self, x: Array) -> Array:
        """Return presented inputs in the model's own layout."""
        return np.moveaxis(x, -1, 1) if self.channels_first and x.ndim > 2 else x

    def presented(self, x: Array) -> Array:
        """Return inputs in the model's own layout, presented."""
        return np.moveaxis(x, 1, -1) if self.channels_first and x.ndim > 2 else x


def only_input(backend: Backend) -> InputSpec | None:
    """Return what the model expects; None where it does not say.

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
    """Return the canvas for a network's input; ``like`` is an example of it, in its own layout.

    Raises InputError and ModelError where the shape of the input is not known.
    """
    shape = _model_shape(spec, like, recipe)
    channels_first = spec is not None and _is_channels_first(spec, len(shape))
    if spec is not None and _takes_indices(spec, network):
        return _sequence(spec, shape, network, limits)
    fixed = (*shape[1:], shape[0]) if channels_first else shape
    name = "input" if spec is None else spec.name
    base = Canvas((), fixed, limits, channels_first, name=name)
    if len(fixed) == 1 and fixed[0] is not None:
        return replace(base, shape=_vector(fixed[0], recipe.size))
    if len(fixed) == 2 and recipe.size is not None and fixed == tuple(recipe.size):
        return replace(base, shape=(*recipe.size, 1))
    if len(fixed) == 2 and None not in fixed:
        return replace(base, shape=tuple(length for length in fixed if length is not None))
    if len(fixed) > 3:
        raise InputError(
            f"The model takes volumes, {shape_text((None, *shape))}: features are made of images, "
            "sequences and vectors only."
        )
    if len(fixed) != 3 or fixed[2] is None:
        raise InputError(
            f"The model takes {shape_text((None, *shape))}: features are made of images, sequences "
            "and vectors of known width; pass samples= or start= an array of its input, with the "
            "batch axis."
        )
    height, width = recipe.size or (fixed[0] or _SIDE, fixed[1] or _SIDE)
    return replace(base, shape=(height, width, fixed[2]))


def takes_pixels(
    network: Network, scaled: Callable[[str, float], Array], *, images: bool
) -> Layer | None:
    """Return the layer that scales 0 to 255 itself, where the network begins by that.

    ``scaled`` is what a layer makes of an input that is one number everywhere; ``images`` whether
    the network is known to take images.
    """
    for layer in leading(network):
        if layer.kind != "rescale" and not (images and layer.inputs):
            return None  # something else than pixels, or in an order that is not known
        black, white = scaled(layer.address, 0.0), scaled(layer.address, 255.0)
        apart = float(np.abs(white - black).max())
        if apart > _PIXELS_BECOME:  # one that takes 0 to 1 makes hundreds of it
            continue
        if layer.kind == "rescale":
            return layer
        middle = float(np.abs(scaled(layer.address, 127.5) - (black + white) / 2).max())
        if apart >= _APART and middle <= apart / 1000:
            return layer
    return None


def range_of(example: Array | None) -> tuple[float, float]:
    """Return the values that a network takes, as far as an example of them tells; else 0 to 1."""
    if example is None or not example.size or example.dtype.kind not in "fiu":
        return 0.0, 1.0
    if example.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(example.min()), float(example.max())
    for usual in ((0.0, 1.0), (-1.0, 1.0)):
        if usual[0] <= low and high <= usual[1]:
            return usual
    if low >= 0 and 128 < high <= 255:
        return 0.0, 255.0
    return (low, high) if low < high else (0.0, 1.0)


def scaled_already(layer: Layer, example: Array | None) -> str:
    """Return what to say where the network scales 0 to 255 itself, and its input is 0 to 1.

    Empty otherwise.
    """
    if example is None or example.dtype.kind != "f" or not example.size:
        return ""
    low, high = float(example.min()), float(example.max())
    if not -1 <= low < high <= 1:
        return ""
    return (
        f"The model scales its input itself ({layer.address}: {layer.type}), and the samples or "
        f"the start image were scaled to {low:.3g}..{high:.3g} already: pass 0..255, or "
        "input_range="
    )


def _takes_indices(spec: InputSpec, network: Network) -> bool:
    if spec.dtype.startswith(("int", "uint")):
        return spec.dtype != "uint8"
    if spec.shape is not None and len(spec.shape) > 2:
        return False  # an image, or vectors, for which somebody's own layer is called embedding
    # Keras' inputs are floats unless it is said otherwise, also those of an Embedding.
    layers = {row.address for row in network if row.role != "input"}
    return any(
        row.kind == "embedding" and row.inputs and not layers & set(row.inputs) for row in network
    )


def _is_channels_first(spec: InputSpec, rank: int) -> bool:
    """Return whether the model's layout of samples of so many axes begins with channels."""
    if isinstance(spec.layout, tuple):
        return rank > 1 and len(spec.layout) == rank + 1 and spec.layout[1] == "channel"
    return rank > 2 and spec.layout == "channels_first"


def check_batch_axis(example: Array, network: Network) -> None:
    """Raise InputError where an example of an input of unknown shape is plainly no batch."""
    of_images = any(row.kind in _OF_MAPS and _rank(row) == 2 for row in network)
    if example.ndim < 2 or (of_images and example.ndim == 3):
        raise InputError(
            f"The model does not say what it takes, and the array has shape {example.shape}: pass "
            "samples= or start= with the batch axis, array[None]."
        )


def _rank(convolution: Layer) -> int:
    """Return over how many axes a convolution's kernel goes; 0 where that is not known."""
    kernel = convolution.settings.get("kernel")
    return len(kernel) if isinstance(kernel, tuple) else 0


def _model_shape(
    spec: InputSpec | None, like: Array | None, recipe: Recipe
) -> tuple[int | None, ...]:
    """Return one sample's shape, in the model's own layout."""
    if spec is not None and spec.shape is not None:
        stated = spec.shape[1:]
        if not spec.certain and like is not None:  # an array knows better than a guess
            more = len(like.shape) > len(spec.shape) and recipe.size is None
            if more or len(like.shape) == len(spec.shape) == 4:
                return tuple(like.shape[1:])
        if like is None or len(like.shape) != len(spec.shape):
            return stated
        return tuple(b if a is None else a for a, b in zip(stated, like.shape[1:], strict=True))
    if like is not None:
        return tuple(like.shape[1:])
    if spec is not None and spec.dtype == "object":
        raise InputError(
            "The model takes tables or texts, of which no image can be made: pass what comes after "
            "the steps that read them, such as pipeline[-1]."
        )
    raise InputError(
        "The model does not say what it takes: pass samples= or start= an array of its input, with "
        "the batch axis."
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
    """Return a sequence of vectors in the space of the embedding, in place of indices."""
    tables = [row for row in network if row.kind == "embedding"]
    table, width = next(((row, n) for row in tables if (n := _width(row))), (None, None))
    if table is None or width is None:
        raise ModelError(
            f"The model takes whole numbers ({spec.dtype}), and none of its layers is an Embedding "
            "whose vectors could be visualized."
        )
    if len(shape) != 1 or shape[0] is None:
        raise InputError(
            "The model takes sequences of any length: pass samples= an array of indices, which "
            "tells how long."
        )
    fixed = (shape[0], width)
    return Canvas(fixed, fixed, limits, embedding=table.address, name=spec.name)


def _width(embedding: Layer) -> int | None:
    """Return how long its vectors are, also where it was not called yet."""
    if embedding.axes is not None:
        return embedding.shape[-1] if embedding.shape else None
    return embedding.parameters[0].shape[-1] if embedding.parameters else None
