"""Passes through a model: one for an input, and one for each part of what comes some at a time."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerscope.backends import backend_for
from layerscope.backends.base import Backend, ForwardPass
from layerscope.backends.origin import origin_of
from layerscope.core.addresses import inside_loop
from layerscope.core.axes import LazyArrays, NamedArray
from layerscope.core.errors import InputError, ModelError
from layerscope.core.network import InputSpec, Network
from layerscope.core.selection import Selection
from layerscope.core.table import size_text
from layerscope.inputs import (
    Feed,
    InputSettings,
    Prepared,
    feed_of,
    free_memory,
    prepare,
    sample_count,
)
from layerscope.instruments.input_scaling import scaling_notes
from layerscope.recordings.recording import Recording

#: A chunk of samples is to take no more than this, where their size is known beforehand.
_CHUNK_BYTES = 512_000_000
_LARGEST_CHUNK, _UNKNOWN_CHUNK = 32, 8


@dataclass(frozen=True)
class Passes:
    """The passes of an input through a model: one, or one for each batch of a feed."""

    model: Any
    backend: Backend
    specs: tuple[InputSpec, ...]
    x: Any
    layers: Any
    settings: InputSettings
    feed: Feed | None  #: what comes some at a time; its notes grow as it is read
    edited: Sequence[str] = ()  #: the addresses whose values are not the model's own

    @classmethod
    def on(
        cls,
        model: Any,
        x: Any,
        layers: Any = None,
        *,
        preprocess: Any = None,
        batch_size: int | None = None,
        samples: int | None = None,
        **options: Any,
    ) -> Passes:
        """Return what :func:`activations` is asked for, not yet run; ``options`` are its own."""
        backend = backend_for(model)
        specs = backend.inputs()
        if isinstance(preprocess, str):
            from layerscope.backends.opening.imported import named

            preprocess = named(preprocess)
        if not _is_text(specs):
            from layerscope.backends.digits import with_samples

            x = with_samples(x)
        indices = index_count(backend.describe()) if _is_noise(x) else None
        settings = InputSettings(**options, preprocess=preprocess, indices=indices)
        feed = feed_of(
            x,
            specs,
            settings,
            batch_size=batch_size,
            samples=samples,
            chunk=lambda: chunk_of(backend.describe()),
        )
        return cls(model, backend, specs, x, layers, settings, feed)

    @functools.cached_property
    def selection(self) -> Selection:
        """What ``layers=`` comes to."""
        return self.backend.select(self.layers)

    @property
    def made_otherwise(self) -> dict[str, str]:
        """What provenance is to say besides model and input: that values were edited."""
        return {"edited": ", ".join(self.edited)} if self.edited else {}

    def inputs(self) -> Iterator[Prepared]:
        """Yield the input of each pass, as it is needed.

        Raises InputError when it can't be read, or does not fit.
        """
        _ = self.selection  # what is wrong with layers= is said before an image is read
        if self.feed is None:
            yield prepare(self.x, self.specs, self.settings)
        else:
            yield from self.feed

    @functools.cached_property
    def _counts(self) -> list[tuple[list[str], Selection]]:
        """The layers of the last pass, where ``layers=`` counts from the end, and its selection."""
        return []

    def _counted(self, value: Any) -> tuple[ForwardPass, Selection] | None:
        """Return a pass that keeps only what was wanted of the pass before.

        Returns None where the first pass has yet to tell which layers there are, or this one has
        others.
        """
        for addresses, selection in self._counts:
            run = self.backend.run(value, selection)
            if [layer.address for layer in run.network] == addresses:
                return _only(run, selection), selection
        return None

    def record(self, prepared: Prepared) -> Recording:
        """Return the recording of one pass, run now.

        Raises AddressError, ModelError and what the model itself raises.
        """
        run, selection = self._counted(prepared.value) or (
            self.backend.run(prepared.value, self.selection), self.selection
        )  # fmt: skip
        if not run.network.layers:
            raise ModelError(f"The model {run.network.name!r} has no layers: nothing was called.")
        if selection.deferred:
            selection = self.backend.select(self.layers, run.network.layers)
            self._counts[:] = [([layer.address for layer in run.network], selection)]
            run = _only(run, selection)
        for name in sorted(selection.exact):
            if name in run.left_out and name not in run.values:
                raise inside_loop(name, asked=True)
        known = itertools.chain((layer.address for layer in run.network), run.aliases)
        selection.check(run.values, known)
        notes = (
            *run.network.notes,
            *upcast_notes(run.values),
            *scaling_notes(run, prepared.pixels, self.backend),
        )
        if self.edited:
            notes = (f"values were edited: {', '.join(self.edited)}", *notes)
        origin = origin_of(self.model)
        return Recording(
            run.values,
            network=run.network if origin is None else replace(run.network, origin=origin),
            inputs=run.inputs,
            aliases={alias: of for alias, of in run.aliases.items() if of in run.values},
            notes=(*prepared.notes, *notes),
            digest=lambda: digests(self.backend, run.inputs) | self.made_otherwise,
            samples=prepared.samples,
            left_out=run.left_out,
        )


def _only(run: ForwardPass, selection: Selection) -> ForwardPass:
    """Return the pass with the values that are selected."""
    named = {of: name for name, of in run.aliases.items() if name in selection.exact}
    kept: dict[str, NamedArray] = {}
    for position, layer in enumerate(run.network):
        address = layer.address
        if selection.wants(layer, position):
            kept[address] = run.values[address]
        name = named.get(address)
        if name is not None:  # a container's own address, which hands this value on
            kept[name] = run.values[name if name in run.values else address]
    kept |= {address: run.values[address] for address in selection.exact & set(run.values)}
    return replace(run, values=kept)


def joined(passes: Passes) -> Recording:
    """Return the recordings of all passes as one.

    Raises InputError when that takes, or by the first of them would take, more than half of the
    memory that is free.
    """
    feed = passes.feed
    if feed is None:
        return passes.record(next(passes.inputs()))
    first: dict[str, Any] = {}  # what is the same in each
    arrays: dict[str, list[NamedArray]] = {}
    inputs: dict[str, list[NamedArray]] = {}
    notes: dict[str, None] = {}
    names: list[str] = []
    size = count = 0
    for prepared in passes.inputs():
        part = passes.record(prepared)
        first = first or {
            "network": part.network, "aliases": part.aliases, "left_out": part.left_out
        }  # fmt: skip
        whole = not arrays  # a branch that only later samples take has no value on all
        notes |= dict.fromkeys(part.notes)
        names += part.samples
        size += part.nbytes + sum(part.named(name).values.nbytes for name in part.input_axes)
        count += sample_count(prepared.value)
        _check_size(feed, size, count)
        for of_parts, addresses in ((arrays, part), (inputs, part.inputs)):
            for name in addresses:
                if whole or name in of_parts:
                    of_parts.setdefault(name, []).append(part.named(name))
        del part, prepared  # not beside those of the next pass
    received = {name: _concatenated(inputs.pop(name)) for name in list(inputs)}
    return Recording(
        {name: _concatenated(arrays.pop(name)) for name in list(arrays)},
        inputs=received,
        notes=(*feed.notes, *notes),
        digest=lambda: digests(passes.backend, received) | passes.made_otherwise,
        samples=names,
        **first,
    )


def _concatenated(parts: Sequence[NamedArray]) -> NamedArray:
    first = parts[0]
    if len(parts) == 1 or "sample" not in first.axes:  # a constant is the same in each
        return first
    axis = first.axes.index("sample")
    values = np.concatenate([part.values for part in parts], axis=axis)
    return NamedArray(values, first.axes, first.attrs)


def _check_size(feed: Feed, size: int, count: int) -> None:
    """Raise InputError where the activations on all samples would take too much memory."""
    free = free_memory()
    if free is None or not count:
        return
    total = feed.samples()
    whole = size if total is None else max(size, size * total // count)
    # What has been recorded is no longer free, and is part of the result.
    if (total is not None and total <= count) or whole <= (free + size) / 2:
        return
    if total is None:
        raise InputError(
            f"The activations on the first {count:,} samples, with their input, take "
            f"{size_text(size)}, more than half of the memory that is free, "
            f"{size_text(free + size)}, and no end is in sight: pass samples=, how many to take, "
            "or name fewer layers with layers=."
        )
    raise InputError(
        f"The activations on {total:,} samples, with their input, would take {size_text(whole)}, "
        f"{size_text(size / count)} each, and {size_text(free)} of memory are free, of which half "
        "may be taken: name fewer layers with layers=, or take fewer samples with samples=."
    )


def _is_text(specs: Sequence[InputSpec]) -> bool:
    return any(spec.dtype in ("string", "object") for spec in specs)


def chunk_of(network: Network) -> int:
    """Return how many samples to run at once, by what its layers are known to return."""
    total = 0
    for layer in network:
        if layer.shape is None or None in layer.shape[1:]:
            return _UNKNOWN_CHUNK
        total += 4 * math.prod(n or 1 for n in layer.shape[1:])
    if not total:
        return _UNKNOWN_CHUNK
    return int(min(max(_CHUNK_BYTES // total, 1), _LARGEST_CHUNK))


def _is_noise(x: Any) -> bool:
    if isinstance(x, Mapping):
        return any(map(_is_noise, x.values()))
    if isinstance(x, list | tuple):
        return any(isinstance(item, str) and item == "noise" for item in x)
    return isinstance(x, str) and x == "noise"


def index_count(network: Network) -> int | None:
    """Return how many indices all embeddings of a network have; None where it has none."""
    rows = [
        parameter.shape[0]
        for layer in network
        if layer.kind == "embedding"
        for parameter in layer.parameters
        if len(parameter.shape) == 2
    ]
    return min(rows, default=None)


def upcast_notes(values: Mapping[str, NamedArray]) -> tuple[str, ...]:
    """Return what to say of values that are shown in another type than they have."""
    if isinstance(values, LazyArrays):
        types = sorted(values.upcast)
    else:
        types = sorted({str(a.attrs["dtype"]) for a in values.values() if "dtype" in a.attrs})
    quantized = [name for name in types if name.startswith(("qint", "quint"))]
    plain = [name for name in types if name not in quantized]
    notes = [f"{' and '.join(plain)} values are shown as float32"] if plain else []
    if quantized:
        notes.append(f"{' and '.join(quantized)} values are shown dequantized, as float32")
    return tuple(notes)


def digests(backend: Backend, inputs: Mapping[str, NamedArray]) -> dict[str, str]:
    digest = hashlib.sha256()
    for name, array in inputs.items():
        digest.update(name.encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(array.values).data)
    return {"model": backend.digest(), "input": digest.hexdigest()}
