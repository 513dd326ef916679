"""The probe: a few fixed inputs, and what a network makes of them at a step."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend, ForwardPass
from layerscope.backends.training import training_of
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError, ModelError
from layerscope.core.network import Network
from layerscope.core.selection import Selection
from layerscope.core.table import shape_text
from layerscope.core.training_loss import TrainingLoss
from layerscope.instruments.passes import Passes
from layerscope.instruments.record.gradients import gradients_of
from layerscope.instruments.record.left_out import left_out, numeric
from layerscope.recordings.recording import Recording

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Snapshot:
    """What one look at the probe found."""

    values: Mapping[str, NamedArray]  #: by address, axes in the presented order
    output: Any  #: the model's own result; None unless it was asked for
    weights: Mapping[str, NamedArray]  #: by their keys, likewise
    #: The norms of the gradients of parameters, by their keys; None unless they were asked for.
    gradients: Mapping[str, float] | None = None

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        arrays = (*self.values.values(), *self.weights.values())
        return sum(array.values.nbytes for array in arrays)


class Probe:
    """A model and the inputs on which it is looked at, both as they were given, the inputs copied.

    The first look is taken at once: ``network``, ``inputs``, ``samples``, ``aliases`` and ``notes``
    are what it found out.

    Raises
    ------
    InputError, AddressError, ModelError
        When the probe does not fit the model, or ``layers`` names none of its layers.
    """

    def __init__(
        self,
        model: Any,
        x: Any,
        layers: Any,
        options: Mapping[str, Any],
        with_output: bool,
        gradients: Any = None,
    ) -> None:
        self._model, self._whole = model, layers is None
        passes = Passes.on(model, x, layers, **options)
        self._backend: Backend = passes.backend
        self._values: list[Any] = []
        parts: list[Recording] = []
        for prepared in passes.inputs():
            self._values.append(_copied(prepared.value))
            parts.append(passes.record(prepared))
        if not parts:
            raise InputError("The probe holds no sample: pass at least one.")
        self._selection = passes.selection
        if passes.selection.deferred:
            self._selection = passes.backend.select(list(parts[0]))
        if with_output:  # a pass may stop before the output
            self._selection = Selection(everything=True)
        self.network: Network = parts[0].network
        self.aliases: Mapping[str, str] = parts[0].aliases
        self.inputs = _joined([_named(part, part.inputs) for part in parts])
        self.samples = tuple(name for part in parts for name in part.samples)
        notes = dict.fromkeys(note for part in parts for note in part.notes)
        files = () if passes.feed is None else passes.feed.notes
        self.notes: tuple[str, ...] = (*files, *notes)
        self.kept: tuple[str, ...] = numeric(_named(parts[0], parts[0]))
        self.left_out: tuple[str, ...] | None = None  #: what a recording lacks, from the first look
        self._known: frozenset[str] = frozenset()  #: what values and weights there were then
        self.late: dict[str, None] = {}  #: what values and weights came later
        self.provenance: Mapping[str, str] = _first_digests(self._backend, parts)
        self._gradients = gradients_of(training_of(model), gradients, self._values, self.count)

    @property
    def count(self) -> int:
        """How many samples it has."""
        sampled = [a for a in self.inputs.values() if "sample" in a.axes]
        return max((a.values.shape[a.axes.index("sample")] for a in sampled), default=1)

    def loss(self) -> TrainingLoss | None:
        """Return the loss that the model is trained with, where that is known."""
        return training_of(self._model).loss()

    def look(self) -> Snapshot:
        """Run the network on the probe as it is now, by its backend's own pass."""
        runs = [self._backend.run(_copied(value), self._selection) for value in self._values]
        values = _joined([_presented(run, self.kept) for run in runs])
        weights = {key: array.presented() for key, array in self._backend.weights().items()}
        names = frozenset((*runs[0].values, *weights))
        if self.left_out is None:
            self._known = names
            self.left_out = left_out(self._model, runs[0], self.kept, self.inputs, self._whole)
            self.notes += self.left_out
        self.late |= dict.fromkeys(sorted(names - self._known))
        weights = {key: array for key, array in weights.items() if key in self._known}
        gradients = None if self._gradients is None else self._gradients()
        return Snapshot(values, _outputs([run.output for run in runs]), weights, gradients)

    @property
    def has_gradients(self) -> bool:
        """Whether it looks at gradients, too."""
        return self._gradients is not None


def check_alike(network: Network, other: Network, where: str) -> None:
    """Raise ModelError, naming where it is from, for a network that is not the same one."""
    mine, theirs = _parts(network), _parts(other)
    for name in (*mine, *theirs):
        if mine.get(name) != theirs.get(name):
            raise ModelError(
                f"{where!r} holds another network than the one before it: {name!r} is "
                f"{theirs.get(name, 'not there')}, and was {mine.get(name, 'not there')}."
            )


def _parts(network: Network) -> dict[str, str]:
    layers = {layer.address: f"a {layer.type} {shape_text(layer.shape)}" for layer in network}
    return layers | {p.key: f"of shape {shape_text(p.shape)}" for p in network.parameters}


def _presented(run: ForwardPass, kept: Sequence[str]) -> dict[str, NamedArray]:
    return {name: run.values[name].presented() for name in kept if name in run.values}


def _named(recording: Recording, names: Any) -> dict[str, NamedArray]:
    return {name: recording.named(name) for name in names}


def _joined(parts: Sequence[Mapping[str, NamedArray]]) -> dict[str, NamedArray]:
    """Return the values on all parts of the probe, one after the other."""
    if len(parts) == 1:
        return dict(parts[0])
    joined = {}
    for name, first in parts[0].items():
        if "sample" in first.axes:
            axis = first.axes.index("sample")
            values = np.concatenate([part[name].values for part in parts], axis=axis)
            first = NamedArray(values, first.axes, first.attrs)
        joined[name] = first
    return joined


def _outputs(outputs: Sequence[Any]) -> Any:
    if len(outputs) == 1:
        return outputs[0]
    return np.concatenate(outputs) if all(isinstance(o, np.ndarray) for o in outputs) else None


def _first_digests(backend: Backend, parts: Sequence[Recording]) -> dict[str, str]:
    """Return what identifies the model before training, and the probe."""
    return dict(parts[0].provenance) if len(parts) == 1 else {"model": backend.digest()}


def _copied(value: Any) -> Any:
    """Copy the user's arrays: what is done to them, or by the model, stays there."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if isinstance(value, tuple):
        parts = [_copied(item) for item in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.detach().clone() if hasattr(value, "detach") else copy.copy(value)
