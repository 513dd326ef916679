"""What the user passes as input, made into what the network accepts.

::

    array, DataFrame, tensor ──► arrays: checked against the network's own shape, never scaled
    image file, PIL image    ──► images: channels, size and range of values as the network has them

Whatever was done to it is said, in sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from layerscope.errors import InputError
from layerscope.inputs.arrays import fit_array, is_array, is_numbers, is_table, load_array
from layerscope.inputs.images import ImageSettings, InputRange, fit_images, is_image
from layerscope.network import InputSpec
from layerscope.table import shape_text

__all__ = ["InputRange", "Prepared", "prepare"]

#: For a value that no specification belongs to: its shape is not checked, whole numbers stay whole.
_ANY = InputSpec("x", certain=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An input, ready for a backend."""

    value: Any  #: an array, or a list, tuple or dict of them, in the framework's own layout
    notes: tuple[str, ...] = field(default=())  #: what was done to it


def prepare(
    x: Any,
    specs: Sequence[InputSpec],
    *,
    input_range: InputRange = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
) -> Prepared:
    """Make what was passed into what the model's inputs accept.

    Parameters
    ----------
    x
        An array or DataFrame in the framework's own layout, a batch; a tensor of any framework; an
        image file, a ``.npy`` file or a PIL image; a list of images, which is a batch; a list,
        tuple or dict for a model with several inputs.
    specs
        What the model expects; empty where it does not say, then nothing is checked.
    input_range
        The range that images are scaled to, or ``"raw"`` for the pixel values as they are. Arrays
        are taken as they are.
    resize
        How an image gets the model's size: ``"stretch"`` the whole image, ``"crop"`` its centre to
        the right aspect, ``"pad"`` it with black.
    size
        Height and width for a model that takes any.

    Raises
    ------
    InputError
        When something can't be read, or does not fit; the message says what would.
    """
    settings = ImageSettings(input_range, resize, size)
    if x is None:
        raise InputError("x is None: pass an array, an image file or a PIL image.")
    if _is_several(x, specs):
        return _several(x, specs, settings)
    if len(specs) > 1:
        raise InputError(
            f"The model has {len(specs)} inputs, {_listed(specs)}, and x is one "
            f"{type(x).__name__}: pass a list of {len(specs)}, or a dict by name."
        )
    value, notes = _one(x, specs[0] if specs else _ANY, "x", settings)
    return Prepared(value, tuple(notes))


def _is_several(x: Any, specs: Sequence[InputSpec]) -> bool:
    """Whether x is one value per input, rather than one value or a batch of images."""
    if isinstance(x, Mapping):
        return not is_table(x)
    if not isinstance(x, list | tuple):
        return False
    if len(specs) > 1:
        return True
    if is_numbers(x):
        return False
    if isinstance(x, tuple):
        return True
    if any(is_image(item, specs[0].dtype if specs else "float32") for item in x):
        return False
    if not specs or specs[0].shape is None or not specs[0].certain:
        return True
    # A list for one input: ``[batch]`` as Keras allows, or single samples to be stacked.
    return any(not is_array(i) or len(i.shape) >= len(specs[0].shape) for i in x)


def _several(x: Any, specs: Sequence[InputSpec], settings: ImageSettings) -> Prepared:
    pairs = _paired(x, specs)
    notes: list[str] = []

    def build(item: Any, top: bool = False) -> Any:
        if item is None:  # an optional input
            return None
        if isinstance(item, Mapping) and not is_table(item):
            return {key: build(value) for key, value in item.items()}
        if isinstance(item, list | tuple) and (top or not is_numbers(item)):
            parts = [build(value) for value in item]
            if hasattr(item, "_fields"):  # a NamedTuple
                return type(item)(*parts)
            return tuple(parts) if isinstance(item, tuple) else parts
        label, spec = next(pairs)
        value, said = _one(item, spec, label, settings)
        notes.extend(said)
        return value

    return Prepared(build(x, top=True), tuple(notes))


def _paired(x: Any, specs: Sequence[InputSpec]) -> Iterator[tuple[str, InputSpec]]:
    """A label and a specification for each value in x, in the order in which they are met."""
    if isinstance(x, Mapping):
        by_name = {spec.name: spec for spec in specs}
        unknown = [key for key in x if key not in by_name]
        if len(specs) > 1 and len(unknown) == len(x):
            raise InputError(
                f"The model has {len(specs)} inputs, {_listed(specs)}; x has "
                f"{', '.join(map(repr, x))}: none of these names is one of its inputs."
            )
        return iter(
            (f"Input {key!r}", by_name.get(key, _ANY))
            for key, value in x.items()
            for _ in range(_leaves(value))
        )
    count = sum(map(_leaves, x))
    stated = [spec for spec in specs if spec.shape is not None and spec.certain]
    if stated and count != len(specs) and len(stated) == len(specs):
        inputs = "1 input" if len(specs) == 1 else f"{len(specs)} inputs"
        raise InputError(
            f"The model has {inputs}, {_listed(specs)}, and x is a {type(x).__name__} of {count}."
        )
    if count != len(specs):
        return iter((f"Input {i}", _ANY) for i in range(count))
    return iter((f"Input {spec.name!r}", spec) for spec in specs)


def _leaves(x: Any) -> int:
    if x is None:
        return 0
    if isinstance(x, Mapping) and not is_table(x):
        return sum(map(_leaves, x.values()))
    if isinstance(x, list | tuple) and not is_numbers(x):
        return sum(map(_leaves, x))
    return 1


def _one(x: Any, spec: InputSpec, label: str, settings: ImageSettings) -> tuple[Any, list[str]]:
    """One value for one input, and what was done to it."""
    stored = load_array(x)
    if stored is not None:
        return fit_array(stored, spec, label)
    if is_image(x, spec.dtype):
        return fit_images([x], spec, settings)
    if isinstance(x, list | tuple) and x and all(is_image(item, spec.dtype) for item in x):
        return fit_images(x, spec, settings)
    return fit_array(x, spec, label)


def _listed(specs: Sequence[InputSpec]) -> str:
    return ", ".join(f"{spec.name!r} {shape_text(spec.shape)}" for spec in specs)
