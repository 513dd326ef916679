"""What is attributed to: the input as a network receives it, and where gradients can begin."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
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
from layerscope.instruments.attribution.input_parts import (
    InputLayouts,
    InputPart,
    inward_order,
    sample_axis,
)
from layerscope.instruments.attribution.several_inputs import SeveralInputs, whole_input
from layerscope.instruments.passes import Passes, chunk_of

Array = npt.NDArray[Any]

_MOST_AT_ONCE = 32


@dataclass(frozen=True)
class AttributedInput:
    """A model, and samples that it was given.

    Of several inputs, ``values`` are those of all of them, one after another, as vectors.
    """

    model: Any
    backend: Backend
    network: Network  #: as a pass on the first sample has shown it
    aliases: dict[str, str]
    parts: tuple[InputPart, ...]  #: the inputs that have maps
    held: Mapping[str, NamedArray]  #: those that stay as they are, in the model's own layout
    structure: SeveralInputs | None  #: what the model is called with, where that is several inputs
    samples: tuple[str, ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.parts[0].given)

    @property
    def is_several(self) -> bool:
        """Whether the model is called with several inputs."""
        return self.structure is not None

    @functools.cached_property
    def values(self) -> Array:
        """What stands where gradients begin, presented, of float32."""
        return self.joined([part.values for part in self.parts])

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of the values."""
        return ("sample", "value") if self.is_several else self.parts[0].axes

    @property
    def entries(self) -> tuple[Layer, ...]:
        """The embeddings where gradients begin."""
        return tuple(part.entry for part in self.parts if part.entry is not None)

    def joined(self, arrays: Sequence[Array]) -> Array:
        """Return what there is of each input as one array."""
        if not self.is_several:
            return arrays[0]
        return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)

    def split(self, values: Any) -> list[Any]:
        """Return what there is of each input, of an array or a tensor of all of them."""
        if not self.is_several:
            return [values]
        ends = np.cumsum([part.size for part in self.parts])
        return [
            values[:, end - part.size : end].reshape((-1, *part.values.shape[1:]))
            for part, end in zip(self.parts, ends, strict=True)
        ]

    def given_to(self, rows: Array) -> Any:
        """Return what the model is given of some samples, presented; of several inputs by name."""
        if not self.is_several:
            return self.parts[0].given[rows]
        held = {name: self._held(name, rows) for name in self.held}
        return {**{part.name: part.given[rows] for part in self.parts}, **held}

    @property
    def inputs(self) -> dict[str, NamedArray]:
        """The inputs by name, in the model's own layout."""
        named = {part.name: part.input for part in self.parts}
        names = tuple(named) if self.structure is None else self.structure.names
        return {name: named[name] if name in named else self.held[name] for name in names}

    def given_as(self, rows: Array) -> Any:
        """Return some samples as the model takes them."""
        return self._as_taken([part.given[rows] for part in self.parts], rows)

    def to_model(self, values: Array, rows: Array) -> Any:
        """Return values as the model takes them."""
        return self._as_taken(self.split(values), rows)

    def _as_taken(self, values: Sequence[Array], rows: Array) -> Any:
        pieces = [part.to_model(piece) for part, piece in zip(self.parts, values, strict=True)]
        if self.structure is None:
            return pieces[0]
        held = {
            name: array.values.take(rows, sample_axis(array)) if self._by_sample(name) else
            array.values for name, array in self.held.items()
        }  # fmt: skip
        named = dict(zip((part.name for part in self.parts), pieces, strict=True))
        return self.structure.filled({**named, **held})

    @functools.cached_property
    def layouts(self) -> InputLayouts:
        """How several inputs lie, without their arrays: what is compiled may hold on to it."""
        arrays = {**{part.name: part.input for part in self.parts}, **self.held}
        return InputLayouts(
            {part.name: part.values.shape[1:] for part in self.parts},
            {name: inward_order(array) for name, array in arrays.items()},
            tuple(part.name for part in self.parts if part.entry is not None),
            None if self.structure is None else self.structure.emptied(),
        )

    def first(self, count: int) -> AttributedInput:
        """Return the first samples alone."""
        if count == len(self):
            return self
        which = np.arange(count)
        held = {
            name: replace(array, values=array.values.take(which, sample_axis(array)))
            if self._by_sample(name)
            else array
            for name, array in self.held.items()
        }
        parts = tuple(part.rows(which) for part in self.parts)
        return replace(self, parts=parts, held=held, samples=self.samples[:count])

    def moved(self, values: Array) -> AttributedInput:
        """Return the same with other values; of tokens, as they are."""
        pairs = zip(self.parts, self.split(values), strict=True)
        return replace(self, parts=tuple(part.moved(piece) for part, piece in pairs))

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

    def _by_sample(self, name: str) -> bool:
        array = self.held[name]
        return array.values.ndim > 0 and array.values.shape[sample_axis(array)] == len(self)

    def _held(self, name: str, rows: Array) -> Array:
        shown = self.held[name].presented().values
        return shown[rows] if self._by_sample(name) else shown


def attributed_input(model: Any, x: Any, **options: Any) -> AttributedInput:
    """Return the samples as the network receives them, with what one pass tells of it.

    ``options`` are those of :func:`layerscope.activations`. Raises what that raises, and InputError
    and ModelError where maps of such an input can't be made.
    """
    passes = Passes.on(model, x, **options)
    prepared = list(passes.inputs())
    if not prepared:
        raise InputError("There are no samples to attribute to.")
    structure, arrays = whole_input([one.value for one in prepared])
    backend = backend_for(model)
    count = _fewest(backend)
    first = [array[:count] for array in arrays]
    with in_one_sentence():
        value = first[0] if structure is None else structure.ordered(first)
        run = backend.run(value, Selection(everything=True))
    network, aliases = computing(run.network, run.aliases)
    origin = origin_of(model)
    named = _by_name(run.inputs, arrays, structure)
    notes = dict.fromkeys(note for one in prepared for note in one.notes)
    if structure is not None:
        structure = replace(structure, names=tuple(named))
    parts, held = _parts(backend, network, named, run.inputs, structure)
    if structure is not None and held:
        listed = ", ".join(map(repr, held))
        words = f"held as they are, since they are whole numbers that no embedding reads: {listed}"
        notes[words] = None
    for part in parts:
        if part.entry is not None:
            words = f"maps are of the vectors of {part.entry.address!r}, summed for each token"
            notes[words] = None
        elif part.is_indices:
            notes[f"numbers of {part.name!r} that are taken away become those of baseline="] = None
    return AttributedInput(
        model,
        backend,
        network if origin is None else replace(network, origin=origin),
        aliases,
        parts,
        held,
        structure,
        tuple(sample for one in prepared for sample in one.samples),
        tuple(notes),
    )


def _by_name(
    received: Mapping[str, NamedArray], arrays: list[Array], structure: SeveralInputs | None
) -> dict[str, Array]:
    """Return the inputs by the names that the pass has given them."""
    received = {name: one for name, one in received.items() if one.values.ndim}
    keys = None if structure is None else structure.keys
    if keys is not None and set(keys) == set(received):
        return dict(zip(keys, arrays, strict=True))
    if len(received) != len(arrays):
        names = ", ".join(map(repr, received))
        raise ModelError(
            f"The model was given {len(arrays)} arrays, and takes {len(received)}, {names}: pass a "
            "list of arrays, or a dict of them by name."
        )
    return dict(zip(received, arrays, strict=True))


def _parts(
    backend: Backend,
    network: Network,
    named: Mapping[str, Array],
    received: Mapping[str, NamedArray],
    structure: SeveralInputs | None,
) -> tuple[tuple[InputPart, ...], dict[str, NamedArray]]:
    """Return the inputs that have maps, and those that stay as they are."""
    parts: list[InputPart] = []
    held: dict[str, NamedArray] = {}
    count = len(next(iter(named.values())))
    for name, value in named.items():
        array = NamedArray(value, _image_axes(network, name, received[name]))
        if value.dtype.kind not in "fiub":
            raise InputError(
                f"The input is of {value.dtype}, not of numbers: pass what comes after the steps "
                "that read it."
            )
        entry = None
        if value.dtype.kind in "iuf" and hasattr(type(backend), "altered"):
            entry = _embedding(network, name, only=structure is None)
        is_indices = entry is not None or _is_looked_up(network, name, value)
        is_held = value.dtype.kind in "iub" and value.dtype != np.uint8 and not is_indices
        by_sample = value.shape[sample_axis(array)] == count
        if structure is not None and (is_held or not by_sample):
            held[name] = array
            continue
        shown = array.presented()
        given = np.ascontiguousarray(shown.values)
        parts.append(
            InputPart(name, array, given, entry, given.astype(np.float32), shown.axes, is_indices)
        )
    if not parts:
        names = ", ".join(map(repr, held))
        raise InputError(
            f"The inputs, {names}, are whole numbers that no embedding reads: none has a map."
        )
    entries = {part.entry.address for part in parts if part.entry is not None}
    if not entries:
        return tuple(parts), held
    whole = next(iter(named.values())) if structure is None else structure.filled(named)
    with in_one_sentence():
        run = backend.run(whole, Selection(written=sorted(entries), exact=frozenset(entries)))
    return tuple(_embedded(part, run.values) for part in parts), held


def _embedded(part: InputPart, values: Mapping[str, NamedArray]) -> InputPart:
    """Return an input of tokens with the vectors that are made of them."""
    if part.entry is None:
        return part
    vectors = values[part.entry.address].presented()
    return replace(part, values=np.asarray(vectors.values, np.float32), axes=vectors.axes)


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


def _fewest(backend: Backend) -> int:
    """Return one sample, or as many as the model takes at once."""
    specs = backend.inputs()
    shape = specs[0].shape if specs and specs[0].certain else None
    return (shape[0] or 1) if shape else 1


def _is_looked_up(network: Network, name: str, value: Array) -> bool:
    """Return whether a model that only runs takes rows of a table by these numbers."""
    if value.dtype.kind not in "iu":
        return False
    return any(row.kind == "embedding" and row.inputs == (name,) for row in network)


def _embedding(network: Network, name: str, *, only: bool) -> Layer | None:
    """Return the layer that makes vectors of the input's indices; None where none does.

    ``only``: the model has no other input, whatever the network calls it.
    """
    reached = {name}
    for row in network:
        if row.role == "input":
            reached |= {row.address} if only else set()
        elif row.kind == "embedding" and set(row.inputs) & reached:
            return row
        elif row.kind in ("identity", "reshape", "quantize") and set(row.inputs) & reached:
            reached.add(row.address)
    return None
