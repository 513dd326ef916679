"""ONNX models, on ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError

from layerscope.backends.base import ForwardPass
from layerscope.backends.editing import AxesByAddress, Editing, LayerEdit, NumpyArrays
from layerscope.backends.onnx import run as onnx_run
from layerscope.backends.onnx.axes import Axes
from layerscope.backends.onnx.editing import axes_of, edited, runner
from layerscope.backends.onnx.model import OnnxModel
from layerscope.backends.onnx.tree import FRAMEWORK, OnnxGraph, analyse, graph_of, takes_one
from layerscope.backends.onnx.weights import named
from layerscope.backends.structure import name_bytes
from layerscope.backends.turns import in_turn
from layerscope.core.axes import NamedArray, named_axes
from layerscope.core.errors import InputError, ModelError
from layerscope.core.network import PLUMBING, InputSpec, Layer, Network, revealed
from layerscope.core.selection import Selection, select

Array = npt.NDArray[Any]


class OnnxBackend:
    """One ONNX model: what ``load_model`` returns, a ``ModelProto`` or an ``InferenceSession``.

    A ModelProto may be changed at any time, so nothing is remembered of it from one look to the
    next; a session is looked into through the model that it was made from, on the CPU. ONNX Runtime
    computes values and no gradients: no instrument that needs gradients works on these models.
    """

    def __init__(self, model: Any) -> None:
        self._graph: OnnxGraph = _graph(model)

    @property
    def framework(self) -> str:
        """``ONNX Runtime 1.31.1``."""
        return FRAMEWORK

    @in_turn
    def describe(self) -> Network:
        """Return the layers in order; the graph knows them all, and most of their shapes."""
        return self._graph.described[0]

    @in_turn
    def inputs(self) -> tuple[InputSpec, ...]:
        """Return what the model expects, without the weights that old models list as inputs."""
        return self._graph.specs()

    @in_turn
    def select(self, layers: Any, executed: Iterable[Layer] | None = None) -> Selection:
        """Read ``layers=``; a value's name in the graph serves as an address, too."""
        if layers is None:
            return select(None, lambda _: None)
        items = list(layers) if isinstance(layers, list | tuple | set | frozenset) else [layers]
        aliases = self._graph.aliases
        items = [aliases.get(item, item) if isinstance(item, str) else item for item in items]
        return select(items, lambda _: None, self._graph.described[0].layers)

    @in_turn
    def run(self, x: Any, selection: Selection) -> ForwardPass:
        """Run one forward pass; none over what leads to no value that was selected."""
        graph = self._graph
        feeds = self._feeds(x)
        described, axes = graph.described
        by_address = {address: name for name, address in graph.addresses.items()}
        layers = enumerate(described.layers)
        kept = {layer.address: by_address[layer.address] for i, layer in layers
                if _wants(selection, layer, i)}  # fmt: skip
        names = list(kept.values())
        if selection.everything:
            names = list(dict.fromkeys([*names, *graph.outputs]))
        batches = _batches(graph, feeds, axes)
        run = runner(graph)
        passes = [run(names, batch) for batch in batches]
        shapes = {n: v.shape for n, v in (passes[0] | batches[0]).items() if _is_array(v)}
        network, axes = graph.network(shapes)
        values, differ = _joined(passes, names, axes)
        lost = [address for address, name in kept.items() if not _is_array(values.get(name))]
        notes = list(network.notes)
        network = revealed(network, kept)  # what was asked for is shown
        hidden = sum(layer.plumbing for layer in network)
        if hidden and selection.everything:
            notes.append(f"{PLUMBING.format(hidden)}: layers='*' keeps their values, too")
        if len(passes) > 1:
            notes.append(f"the model takes one sample at a time: it was run {len(passes)} times")
        if differ:
            notes.append(
                "left out, because they have no axis of samples and differ between them: "
                + ", ".join(graph.addresses.get(name, name) for name in differ)
            )
        return ForwardPass(
            replace(network, notes=tuple(notes)),
            {a: self._array(n, values[n], axes) for a, n in kept.items() if a not in lost},
            {n: self._array(n, value, axes) for n, value in feeds.items()},
            graph.aliases,
            _output([values.get(n) for n in graph.outputs]) if selection.everything else None,
        )

    @contextmanager
    def edited(
        self, edits: Sequence[LayerEdit], axes: AxesByAddress | None = None
    ) -> Iterator[Editing]:
        """Have passes go on with edited values, as long as this lasts."""
        graph = self._graph
        known = (lambda feeds: axes_of(graph, feeds)) if axes is None else lambda feeds: axes
        active = Editing(edits, NumpyArrays(), known)
        with edited(graph, active):
            yield active

    @in_turn
    def weights(self) -> Mapping[str, NamedArray]:
        """Return a copy of each initializer that is a weight, by their names in the file."""
        graph = self._graph
        axes = graph.described[1]
        arrays = {}
        for weight in graph.weights:
            node = graph.parts.nodes[weight.owner]
            out = axes.get(node.outputs[0])
            arrays[weight.name] = named(weight, graph.stripped, graph.parts, node, out)
        return arrays

    @in_turn
    def digest(self) -> str:
        """Return SHA-256 over the names and values of the weights; over the graph without any."""
        digest = hashlib.sha256()
        weights = self.weights()
        for key, array in weights.items():
            digest.update(name_bytes(key))
            digest.update(np.ascontiguousarray(array.values).data)
        if not weights:
            graph = self._graph.stripped.proto.graph
            digest.update(graph.SerializeToString(deterministic=True))
        return digest.hexdigest()

    def _feeds(self, x: Any) -> dict[str, Array]:
        """Return an array for each input by name, in its type; none shares the user's memory."""
        expected = self._graph.inputs
        names = ", ".join(map(repr, expected))
        if isinstance(x, Mapping):
            given = {str(name): value for name, value in x.items()}
        else:
            items = list(x) if isinstance(x, list | tuple) else [x]
            if len(items) != len(expected):
                raise InputError(
                    f"The model has {len(expected)} inputs, {names or 'none'}; x has {len(items)}."
                )
            given = dict(zip(expected, items, strict=True))
        if given.keys() != expected.keys():
            raise InputError(
                f"The model's inputs are {names}; x has {', '.join(map(repr, given))}."
            )
        return {name: self._feed(name, given[name]) for name in expected}

    def _feed(self, name: str, value: Any) -> Array:
        known = self._graph.inputs[name]
        if known.kind not in ("", "tensor"):
            raise InputError(
                f"The model's input {name!r} is a {known.kind}, and layerscope passes only arrays."
            )
        if onnx_run.upcast(self._graph, name):
            return np.array(value, np.float32)
        if known.data_type == onnx.TensorProto.STRING:
            return np.array(value, object)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(known.data_type) if known.data_type else None
        try:
            return np.array(value, dtype, order="C")
        except (ValueError, TypeError) as error:
            raise InputError(f"The model's input {name!r} takes {dtype} ({error}).") from error

    def _array(self, name: str, value: Array, axes: Mapping[str, Axes]) -> NamedArray:
        was = onnx_run.upcast(self._graph, name)
        named_as = axes.get(name)
        if named_as is None or len(named_as) != value.ndim:
            named_as = named_axes(value.shape)
        return NamedArray(value, named_as, {"dtype": was} if was else {})


def _wants(selection: Selection, layer: Layer, position: int) -> bool:
    """Return whether to keep a value; one of plumbing only where it was asked for."""
    if layer.plumbing and selection.everything and not selection.deferred:
        return False
    return selection.wants(layer, position)


def _graph(model: Any) -> OnnxGraph:
    if isinstance(model, OnnxModel):
        return graph_of(model)
    if isinstance(model, onnx.ModelProto):
        return analyse(OnnxModel(model))
    if isinstance(model, ort.InferenceSession):
        return graph_of(_behind(model), model)
    raise ModelError(
        f"layerscope can't look into a {type(model).__name__}: pass an onnx.ModelProto, an "
        "onnxruntime.InferenceSession or the path of an .onnx file."
    )


def _behind(session: Any) -> OnnxModel:
    """Return the model that a session was made from: a session does not show its graph."""
    path, held = getattr(session, "_model_path", None), getattr(session, "_model_bytes", None)
    try:
        if held is not None:
            return OnnxModel(onnx.load_from_string(held))
        if path is not None:
            return OnnxModel(onnx.load(path, load_external_data=False), Path(path))
    except (DecodeError, OSError) as error:
        raise ModelError(
            f"This InferenceSession was made from {path or 'bytes'!r}, which is no ONNX file "
            "now: pass the model."
        ) from error
    raise ModelError(
        "This InferenceSession does not say which model it was made from: pass the ModelProto, or "
        "the path of its file."
    )


def _batches(
    graph: OnnxGraph, feeds: Mapping[str, Array], axes: Mapping[str, Axes]
) -> list[dict[str, Array]]:
    """Return the inputs of each pass: one sample at a time where the model takes no more."""
    one = [name for name, value in graph.inputs.items() if takes_one(value, axes.get(name, ()))]
    counts = {len(feeds[name]) for name in one}
    if len(one) < len(feeds) or counts in ({1}, set()):
        if len(one) < len(feeds) and counts - {1}:
            raise InputError(
                f"The model takes one sample at a time at {', '.join(map(repr, one))}: pass one."
            )
        return [dict(feeds)]
    if len(counts) > 1:
        raise InputError(f"The inputs differ in their number of samples: {sorted(counts)}.")
    return [{n: v[i : i + 1] for n, v in feeds.items()} for i in range(counts.pop())]


def _joined(
    passes: list[dict[str, Any]], names: Iterable[str], axes: Mapping[str, Axes]
) -> tuple[dict[str, Any], list[str]]:
    """Join the values of all passes; return also the names of those that can't be joined."""
    if len(passes) == 1:
        return passes[0], []
    joined, differ = {}, []
    for name in names:
        parts = [values[name] for values in passes]
        where = axes.get(name, ())
        if not all(map(_is_array, parts)):
            continue
        if "sample" in where and len({len(where), *(part.ndim for part in parts)}) == 1:
            joined[name] = np.concatenate(parts, axis=where.index("sample"))
        elif all(np.array_equal(part, parts[0]) for part in parts):
            joined[name] = parts[0]
        else:
            differ.append(name)
    return joined, differ


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _output(values: list[Any]) -> Any:
    """Return one array, or a list in the order of the graph's outputs."""
    return values[0] if len(values) == 1 else values
