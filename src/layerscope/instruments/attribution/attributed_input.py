"""What is attributed to: the input as a network receives it, and where gradients can begin."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends import backend_for
from layerscope.backends.base import Backend
from layerscope.backends.origin import origin_of
from layerscope.core.axes import NamedArray, presented
from layerscope.core.errors import InputError, ModelError
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.network import Layer, Network, computing
from layerscope.core.selection import Selection
from layerscope.inputs import Prepared
from layerscope.instruments.passes import Passes, chunk_of

Array = npt.NDArray[Any]

_MOST_AT_ONCE = 32


@dataclass(frozen=True)
class AttributedInput:
    """A model, and samples that it was given."""

    model: Any
    backend: Backend
    network: Network  #: as a pass on the first sample has shown it
    aliases: dict[str, str]
    input_name: str
    input: NamedArray  #: in the model's own layout
    given: Array  #: the same, presented; whole numbers where the model takes indices
    entry: Layer | None  #: the embedding where gradients begin; None for the input itself
    values: Array  #: what stands there, presented, of float32
    axes: tuple[str, ...]  #: of that
    samples: tuple[str, ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.given)

    @property
    def is_tokens(self) -> bool:
        """Whether the input is indices of an embedding."""
        return self.entry is not None

    def to_model(self, values: Array) -> Array:
        """Return presented inputs in the model's own layout and type."""
        shown = self.input.presented().axes
        order = [shown.index(name) for name in self.input.axes]
        dtype = self.input.values.dtype
        if dtype.kind in "iu" and not self.is_tokens:
            values = np.rint(values)
        return np.ascontiguousarray(values.transpose(order).astype(dtype, copy=False))

    @functools.cached_property
    def batch_size(self) -> int:
        """How many samples to run at once where nobody says it."""
        return min(_MOST_AT_ONCE, max(1, chunk_of(self.network)))

    @functools.cached_property
    def fixed_batch(self) -> int | None:
        """How many samples the model takes at once, where it takes no other number."""
        specs = self.backend.inputs()
        shape = specs[0].shape if specs and specs[0].certain else None
        return shape[0] if shape else None


def attributed_input(model: Any, x: Any, **options: Any) -> AttributedInput:
    """Return the samples as the network receives them, with what one pass tells of it.

    ``options`` are those of :func:`layerscope.activations`. Raises what that raises, and InputError
    and ModelError where maps of such an input can't be made.
    """
    passes = Passes.on(model, x, **options)
    prepared = list(passes.inputs())
    if not prepared:
        raise InputError("There are no samples to attribute to.")
    values = [_only_array(one) for one in prepared]
    if len({value.shape[1:] for value in values}) > 1:
        raise InputError("The samples differ in size: pass size=, or attribute to each by itself.")
    value = np.concatenate(values) if len(values) > 1 else values[0]
    backend = backend_for(model)
    with in_one_sentence():
        run = backend.run(_first(backend, value), Selection(everything=True))
    if len(run.inputs) != 1:
        names = ", ".join(map(repr, run.inputs))
        raise ModelError(
            f"The model takes {len(run.inputs)} inputs, {names}: maps are made of one; pass a "
            "model that takes one, with the others fixed."
        )
    name, received = next(iter(run.inputs.items()))
    if value.dtype.kind not in "fiub":
        raise InputError(
            f"The input is of {value.dtype}, not of numbers: pass what comes after the steps that "
            "read it."
        )
    network, aliases = computing(run.network, run.aliases)
    origin = origin_of(model)
    array = NamedArray(value, _image_axes(network, name, received))
    given = np.ascontiguousarray(array.presented().values)
    entry = _embedding(network, name) if given.dtype.kind in "iuf" else None
    notes = dict.fromkeys(note for one in prepared for note in one.notes)
    base = AttributedInput(
        model,
        backend,
        network if origin is None else replace(network, origin=origin),
        aliases,
        name,
        array,
        given,
        entry,
        given.astype(np.float32),
        array.presented().axes,
        tuple(sample for one in prepared for sample in one.samples),
        tuple(notes),
    )
    if entry is None:
        return base
    selection = Selection(written=[entry.address], exact=frozenset({entry.address}))
    with in_one_sentence():
        vectors = backend.run(value, selection).values[entry.address].presented()
    words = f"maps are of the vectors of {entry.address!r}, summed for each token"
    return replace(
        base, values=np.asarray(vectors.values, np.float32), axes=vectors.axes,
        notes=(*base.notes, words),
    )  # fmt: skip


def _image_axes(network: Network, name: str, received: NamedArray) -> tuple[str, ...]:
    """Return the names of the input's axes: rows and columns where the network makes it an image.

    An image without an axis of channels looks like a sequence, until a layer gives it one.
    """
    axes, lengths = received.axes, received.values.shape[1:]
    if axes != ("sample", "position", "channel"):
        return axes
    for row in network:
        shown = presented(row.axes or ())
        if row.role == "input" or name not in row.inputs or shown[1:] != ("y", "x", "channel"):
            continue
        sizes = dict(zip(row.axes or (), row.shape or (), strict=True))
        if (sizes["y"], sizes["x"], sizes["channel"]) == (*lengths, 1):
            return ("sample", "y", "x")
    return axes


def _first(backend: Backend, value: Array) -> Array:
    """Return the first sample, or as many as the model takes at once."""
    specs = backend.inputs()
    shape = specs[0].shape if specs and specs[0].certain else None
    return value[: (shape[0] or 1) if shape else 1]


def _only_array(prepared: Prepared) -> Array:
    value: Any = prepared.value
    while isinstance(value, list | tuple | dict) and len(value) == 1:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    if isinstance(value, list | tuple | dict):
        raise ModelError(
            f"The model was given {len(value)} inputs: maps are made of one; pass a model that "
            "takes one, with the others fixed."
        )
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        # Those that NumPy does not have become float32; the backend makes them what they were.
        value = value.float() if "bfloat16" in str(value.dtype) else value
    array = np.asarray(value)
    if array.ndim < 2:
        raise InputError(f"The input has shape {array.shape}: pass a batch, array[None].")
    return array


def _embedding(network: Sequence[Layer] | Network, name: str) -> Layer | None:
    """Return the layer that makes vectors of the input's indices; None where none does."""
    reached = {name}
    for row in network:
        if row.role == "input":
            reached.add(row.address)
        elif row.kind == "embedding" and set(row.inputs) & reached:
            return row
        elif row.kind in ("identity", "reshape", "quantize") and set(row.inputs) & reached:
            reached.add(row.address)
    return None
