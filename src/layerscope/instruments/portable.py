"""``portable``: a small network as a program that needs no framework, for a page to compute."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends import backend_for
from layerscope.backends.base import Portable
from layerscope.core.errors import ModelError
from layerscope.core.network import Network
from layerscope.core.operations import Operation, OperationGraph
from layerscope.inputs import Prepared
from layerscope.instruments.evaluation import evaluate
from layerscope.instruments.passes import Passes
from layerscope.recordings.recording import Recording

#: How many weights a page computes with, unless asked for more.
MOST_WEIGHTS_LIVE = 2_000_000
#: How far a value may be from the framework's, as a part of its layer's range, zero included.
TOLERANCE = 1e-4
VERSION = 1
_SAMPLES = 4  #: are enough to compare with the framework


@dataclass(frozen=True, eq=False)
class PortableProgram:
    """A network that can be computed without its framework: every layer's values, from an input.

    It travels as a ``header`` of plain JSON and named ``buffers`` of bytes, float32 little-endian.
    """

    graph: OperationGraph
    #: How far each layer was from the framework's values, as a part of its range.
    deviations: Mapping[str, float] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[str, ...]:
        """The addresses of the layers, in the order in which they are computed."""
        return tuple(op.address for op in self.graph.operations if op.is_layer)

    @property
    def weights(self) -> int:
        """How many numbers it computes with, each counted once, however often it is used."""
        return self.nbytes // 4

    @property
    def nbytes(self) -> int:
        """What its buffers take."""
        return sum(map(len, self.buffers.values()))

    def run(self, x: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float32]]:
        """Return every layer's values on samples ``(sample, y, x, channel)``, computed by NumPy."""
        values = evaluate(self.graph, x)
        return {address: values[address] for address in self.layers}

    @cached_property
    def header(self) -> Mapping[str, Any]:
        """What is computed, in plain JSON.

        ``operations`` are in an order in which they can be computed. An array of one is the buffer
        of that name, in the shape given.
        """
        names = self._names()
        return {
            "kind": "program",
            "version": VERSION,
            "input": {"address": self.graph.input, "shape": list(self.graph.input_shape)},
            "output": self.graph.output,
            "operations": [
                {
                    "address": op.address,
                    "kind": op.kind,
                    "inputs": list(op.inputs),
                    "shape": list(op.shape),
                    "settings": dict(op.settings),
                    "arrays": {
                        name: {"buffer": names[i, name], "shape": list(array.shape)}
                        for name, array in op.arrays.items()
                    },
                    "is_layer": op.is_layer,
                }
                for i, op in enumerate(self.graph.operations)
            ],
        }

    @cached_property
    def buffers(self) -> Mapping[str, bytes]:
        """The weights, by the names that the header has for them; equal ones are one."""
        names = self._names()
        return {names[i, name]: array.astype("<f4").tobytes() for i, name, array in self._arrays()}

    def _arrays(self) -> Iterator[tuple[int, str, npt.NDArray[np.float32]]]:
        for i, operation in enumerate(self.graph.operations):
            for name, array in operation.arrays.items():
                yield i, name, array

    def _names(self) -> dict[tuple[int, str], str]:
        by_content: dict[bytes, str] = {}
        return {
            (i, name): by_content.setdefault(array.tobytes(), f"{i}/{name}")
            for i, name, array in self._arrays()
        }


def portable(
    model: Any, x: Any, *, max_weights: int = MOST_WEIGHTS_LIVE, **options: Any
) -> PortableProgram:
    """Return a network as a program, checked against the framework layer by layer.

    Every layer's values are compared with those of :func:`layerscope.activations` on ``x``, and on
    the same numbers in another order. ``options`` are those of ``activations`` that read images.

    Raises
    ------
    ModelError
        When the network has more weights than ``max_weights``, or a layer is in the way: the
        message names it; or when a layer's values are farther than 1e-4 of its range from the
        framework's.
    InputError
        When x does not fit the model.
    """
    backend = backend_for(model)
    if not isinstance(backend, Portable):
        raise ModelError(
            f"Networks of {backend.framework} can't be computed in a page: those of Keras, PyTorch "
            "and scikit-learn can."
        )
    _check_size(backend.describe().total, max_weights)
    passes = Passes.on(model, x, **options)
    prepared = _first_samples(next(passes.inputs()))
    recording = passes.record(prepared)
    graph = _layers_of(backend.operations(prepared.value), recording)
    _check_size(PortableProgram(graph).weights, max_weights)
    deviations = _deviations(graph, recording)
    shuffled = passes.record(Prepared(_in_another_order(prepared.value)))
    for address, deviation in _deviations(graph, shuffled).items():
        deviations[address] = max(deviation, deviations.get(address, 0.0))
    _check(deviations, recording.network, backend.framework)
    return PortableProgram(graph, deviations)


def _check_size(weights: int, most: int) -> None:
    if weights > most:
        raise ModelError(
            f"The network has {weights:,} weights, and a page computes with {most:,} at most: pass "
            "max_weights= to let it have more."
        )


def _layers_of(graph: OperationGraph, recording: Recording) -> OperationGraph:
    """Return the graph with its layers told from what stands between them."""
    layers = set(recording)
    operations = tuple(
        Operation(
            op.address, op.kind, op.inputs, op.shape, op.settings, op.arrays,
            op.address in layers,
        )
        for op in graph.operations
    )  # fmt: skip
    known = {op.address for op in operations} | {graph.input}
    missing = [address for address in recording if address not in known]
    if missing:
        layer = recording.network[missing[0]]
        raise ModelError(
            f"The network can't be computed in a page: the layer {layer.address!r} ({layer.type}) "
            "is computed in a way that can't be seen."
        )
    return OperationGraph(graph.input, graph.input_shape, graph.output, operations)


def _first_samples(prepared: Prepared) -> Prepared:
    """Return the input without the samples that a check does not need."""
    value = prepared.value
    few = value[:_SAMPLES] if isinstance(value, np.ndarray) else value
    return replace(prepared, value=few, samples=prepared.samples[:_SAMPLES])


def _in_another_order(value: Any) -> Any:
    """Return an input with its numbers in another order: what was taken for constant shows."""
    if not isinstance(value, np.ndarray):
        return value
    order = np.random.default_rng(0).permutation(math.prod(value.shape[1:]))
    return value.reshape(len(value), -1)[:, order].reshape(value.shape)


def _deviations(graph: OperationGraph, recording: Recording) -> dict[str, float]:
    """Return how far each layer is from the recording, as a part of its range, zero included."""
    (received,) = recording.inputs.values()
    values = evaluate(graph, np.asarray(received))
    deviations = {}
    for address in recording:
        expected = np.asarray(recording[address])
        if expected.shape != values[address].shape:
            deviations[address] = math.inf
            continue
        spread = max(expected.max(initial=0), 0) - min(expected.min(initial=0), 0)
        largest = np.abs(values[address] - expected).max(initial=0)
        deviations[address] = float(largest / spread) if spread else float(largest)
    return deviations


def _check(deviations: Mapping[str, float], network: Network, framework: str) -> None:
    for address, deviation in deviations.items():
        if not deviation <= TOLERANCE:  # also where it is NaN
            layer = network[address]
            raise ModelError(
                f"The network can't be computed in a page: the layer {address!r} ({layer.type}) "
                f"comes out otherwise than in {framework}, by {deviation:.2g} of its range, as "
                "where a model computes between its layers what nobody sees."
            )
