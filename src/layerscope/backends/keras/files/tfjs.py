"""Models of TensorFlow.js: ``model.json``, and shards of weights beside it.

A shard's size is compared with what the list of weights promises before any of it is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.backends.keras.files import weights_files as weights
from layerscope.backends.keras.files.building import build, prepare, said
from layerscope.backends.keras.files.configs import Config
from layerscope.backends.keras.files.hdf5 import Written, translated
from layerscope.backends.keras.files.repairs import in_words
from layerscope.backends.opening.files import Request
from layerscope.backends.origin import remember
from layerscope.core.errors import ModelError
from layerscope.core.files import kind_of
from layerscope.core.network import Origin

_TYPES: Mapping[str, str] = {
    "float32": "<f4", "float16": "<f2", "int32": "<i4", "uint8": "u1", "uint16": "<u2",
    "bool": "u1",
}  # fmt: skip
#: Numbers that weights were rounded to, and how they are made floats again: times scale, plus min.
_ROUNDED = ("uint8", "uint16")
#: More would be no model that somebody made; each is opened.
_MOST_SHARDS = 10_000


@dataclass(frozen=True, eq=False)
class ShardedArray:
    """An array in the shards of a group, one after the other; read when asked for."""

    shape: tuple[int, ...]
    dtype: str  #: as it is stored
    shards: tuple[Path, ...]
    at: int  #: in bytes, from the beginning of the first shard
    scale: float | None = None  #: None where it is stored as it is
    least: float = 0.0

    @property
    def nbytes(self) -> int:
        """What it takes in the shards."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def read(self) -> NDArray[Any]:
        """Return its values, as floats where they were rounded."""
        parts, at, missing = [], self.at, self.nbytes
        for shard in self.shards:
            size = shard.stat().st_size
            if at < size and missing:
                parts.append(np.fromfile(shard, np.uint8, min(size - at, missing), offset=at))
                missing -= len(parts[-1])
            at = max(0, at - size)
        held = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
        values = held.view(self.dtype).reshape(self.shape)
        if self.scale is None:
            return values.astype(np.float32) if values.dtype == np.float16 else values
        return (values * np.float64(self.scale) + self.least).astype(np.float32)


@dataclass(frozen=True)
class _Manifest:
    """What the list of weights says, by their names, in its order."""

    arrays: dict[str, ShardedArray] = field(default_factory=dict)
    rounded: list[str] = field(default_factory=list)  #: to which types weights were rounded


def is_model(described: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is a model of TensorFlow.js."""
    return "modelTopology" in described or "weightsManifest" in described


def open_model(request: Request, described: Config) -> Any:
    """Return the layers model that the object describes, with its weights.

    Raises ModelError when it is a graph model, damaged, or its weights are not beside it or do not
    fit.
    """
    path = request.path
    topology = described.get("modelTopology")
    if not isinstance(topology, dict):
        raise ModelError(
            f"{str(path)!r} is a list of weights of TensorFlow.js without layers: open the "
            "model.json that has them."
        )
    if described.get("format") == "graph-model" or "node" in topology or "library" in topology:
        raise ModelError(
            f"{str(path)!r} is a graph model of TensorFlow.js, operations without layers: convert "
            f"it to ONNX, python -m tf2onnx.convert --tfjs {path.name} --output {path.stem}.onnx "
            "(tf2onnx 1.17 does it with a NumPy below 2), and open that."
        )
    entry = topology.get("model_config", topology)
    if not isinstance(entry, dict) or "class_name" not in entry or "config" not in entry:
        raise ModelError(
            f"{str(path)!r} is damaged: its modelTopology has no class_name and config."
        )
    # With the weights there, nothing is drawn; and it wrote settings that Keras does not take.
    entry = _without_initializers(entry)
    manifest = _manifest(described.get("weightsManifest"), path)
    custom = prepare(request)
    version = str(topology.get("keras_version") or "2")
    # TensorFlow.js itself writes ``tfjs-layers 4.2.0``; its configurations are those of Keras 2.
    number = version.rpartition(" ")[2] if version.startswith("tfjs") else version
    config, done = translated(entry, "2" if number != version else number, path, custom)
    fitting: list[weights.Assignment] = []

    def check(model: Any) -> None:
        fitting[:] = _assignments(model, manifest.arrays, path)

    model = build(config, path, custom, check)
    with said(path):
        done += weights.assign(fitting)
    writer = f"TensorFlow.js {number}" if number != version else str(Written(version, "tensorflow"))
    converter = described.get("convertedBy")
    if isinstance(converter, str) and converter:
        writer = f"{writer}, {converter}"
    repairs = in_words(done)
    if manifest.rounded:
        kinds = " and ".join(dict.fromkeys(manifest.rounded))
        repairs = (*repairs, f"its weights are stored as {kinds}, and were made float32 again")
    return remember(model, Origin(str(path), "TensorFlow.js layers", writer, repairs))


def _without_initializers(config: Any) -> Any:
    if isinstance(config, list):
        return [_without_initializers(value) for value in config]
    if not isinstance(config, dict):
        return config
    kept = {key: value for key, value in config.items() if not str(key).endswith("_initializer")}
    return {key: _without_initializers(value) for key, value in kept.items()}


def _manifest(listed: Any, path: Path) -> _Manifest:
    """Return the weights that the list promises, having compared it with the shards."""
    damage = ModelError(f"{str(path)!r} is damaged: its list of weights can't be read.")
    if not isinstance(listed, list):
        raise damage
    manifest = _Manifest()
    for group in listed:
        if not isinstance(group, dict):
            raise damage
        names, entries = group.get("paths"), group.get("weights")
        if not isinstance(names, list) or not isinstance(entries, list):
            raise damage
        if len(names) > _MOST_SHARDS:
            raise damage
        shards = tuple(_shard(name, path) for name in names)
        at = 0
        for entry in entries:
            name, array = _array(entry, shards, at, path)
            if name in manifest.arrays:
                raise ModelError(f"{str(path)!r} is damaged: it has two weights {name!r}.")
            manifest.arrays[name] = array
            if array.scale is not None or array.dtype == "<f2":
                manifest.rounded.append(np.dtype(array.dtype).name)
            at += array.nbytes
        held = sum(shard.stat().st_size for shard in shards)
        if held != at:
            raise ModelError(
                f"{str(path)!r} promises {at:,} bytes of weights, and the files beside it hold "
                f"{held:,}: they are truncated, or belong to another model."
            )
    return manifest


def _shard(name: Any, path: Path) -> Path:
    """Return the file of that name beside the model; raise ModelError for one elsewhere."""
    parts = {*PurePosixPath(str(name)).parts, *PureWindowsPath(str(name)).parts}
    absolute = str(name).startswith(("/", "\\")) or PureWindowsPath(str(name)).drive
    if not isinstance(name, str) or not name or absolute or ".." in parts or "\0" in name:
        raise ModelError(
            f"{str(path)!r} wants weights from {name!r}: only files in its own folder are read."
        )
    shard = path.parent / name
    folders = (path.parent.resolve(), path.resolve().parent)
    if not any(shard.resolve().is_relative_to(folder) for folder in folders):
        raise ModelError(
            f"{str(path)!r} wants weights from {name!r}, a link to elsewhere: only files in its "
            "own folder are read."
        )
    if kind_of(shard) != "file":
        raise ModelError(
            f"{str(path)!r} keeps its weights in {name!r}, which is not there: put that file "
            "beside it."
        )
    return shard


def _array(entry: Any, shards: tuple[Path, ...], at: int, path: Path) -> tuple[str, ShardedArray]:
    name, shape, dtype = _of(entry, "name", "shape", "dtype")
    good = isinstance(name, str) and isinstance(shape, list)
    if not good or not all(type(n) is int and 0 <= n < 2**40 for n in shape) or len(shape) > 32:
        raise ModelError(f"{str(path)!r} is damaged: its list of weights can't be read.")
    scale, least = None, 0.0
    rounding = entry.get("quantization")
    if isinstance(rounding, dict):
        dtype = rounding.get("dtype")
        if dtype in _ROUNDED:
            scale, least = rounding.get("scale"), rounding.get("min", 0.0)
            if not _is_number(scale) or not _is_number(least):
                raise ModelError(
                    f"{str(path)!r} is damaged: the weight {name!r} is rounded, and its scale is "
                    "no number."
                )
    if dtype not in _TYPES:
        raise ModelError(
            f"{str(path)!r} has a weight {name!r} of type {dtype!r}, which no layer of Keras has."
        )
    return name, ShardedArray(tuple(shape), _TYPES[dtype], shards, at, scale, least)


def _of(entry: Any, *keys: str) -> list[Any]:
    return [entry.get(key) if isinstance(entry, dict) else None for key in keys]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _assignments(
    model: Any, arrays: Mapping[str, ShardedArray], path: Path
) -> list[weights.Assignment]:
    """Return which array goes to which variable: layer by layer, by the layers' names.

    Where those do not tell, all arrays and all variables in their order.
    """
    layers = list(_leaves(model))
    owners = [name.split("/") for name in arrays]
    by_layer = {
        layer.name: weights.Stored(
            layer.name,
            tuple(
                (name, array)
                for (name, array), parts in zip(arrays.items(), owners, strict=True)
                if layer.name in parts[:-1]
            ),
        )
        for layer in layers
    }
    counts = [len(weights.legacy_order(layer)) for layer in layers]
    if [len(by_layer[layer.name].arrays) for layer in layers] == counts:
        return [
            one
            for layer in layers
            for one in weights.of_layer(layer, by_layer[layer.name], path, "tensorflow")
        ]
    variables = [variable for layer in layers for variable in weights.legacy_order(layer)]
    everything = weights.Stored(model.name, tuple(arrays.items()))
    return weights.in_order(model.name, variables, everything, path, {}, "tensorflow")


def _leaves(model: Any) -> Iterator[Any]:
    """Yield the layers with weights of a model, those of models in it in their places."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaves(layer)
        elif weights.legacy_order(layer):
            yield layer
