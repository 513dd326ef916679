"""HDF5 files as Keras 2 wrote them, made by hand from models of today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Arrays = dict[str, list[tuple[str, Any]]]


def write_weights(group: h5py.Group, arrays: Arrays, *, version: str, backend: str) -> None:
    """The arrays of each layer, under names as Keras 2 gave them."""
    group.attrs["layer_names"] = [name.encode() for name in arrays]
    group.attrs["keras_version"], group.attrs["backend"] = version.encode(), backend.encode()
    for layer, weights in arrays.items():
        held = group.create_group(layer)
        names = [f"{layer}/{weight}:0" for weight, _ in weights]
        held.attrs["weight_names"] = [name.encode() for name in names]
        for name, (_, array) in zip(names, weights, strict=True):
            held[name] = np.asarray(array)


def write_model(
    path: Path,
    config: Any,
    arrays: Arrays,
    *,
    version: str = "2.1.6",
    backend: str = "tensorflow",
    training: Any = None,
) -> Path:
    """A whole model: its configuration and its weights."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"], file.attrs["backend"] = version.encode(), backend.encode()
        if training is not None:
            file.attrs["training_config"] = json.dumps(training).encode()
        write_weights(file.create_group("model_weights"), arrays, version=version, backend=backend)
    return path


def arrays_of(model: Any) -> Arrays:
    """The weights of a model of today, layer by layer, in the old order."""
    return {
        layer.name: [
            (variable.name, np.asarray(value))
            for variable, value in zip(layer.weights, layer.get_weights(), strict=True)
        ]
        for layer in model.layers
    }


def aged(entry: Any) -> Any:
    """The configuration of a layer of today with what Keras 2 wrote besides or otherwise."""
    config = dict(entry["config"])
    config["dtype"] = "float32"
    for key, value in config.items():
        if isinstance(value, dict) and key.endswith("_initializer"):
            config[key] = {
                "class_name": value["class_name"],
                "config": {**value["config"], "dtype": "float32"},
            }
    if "Conv" in entry["class_name"]:
        config.setdefault("groups", 1)
    if entry["class_name"] == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    if entry["class_name"] == "BatchNormalization":
        config["axis"] = [3]
        config.pop("synchronized", None)
        config.pop("renorm", None)
        config["fused"] = None
    return {"class_name": entry["class_name"], "config": config}


def aged_sequential(model: Any, shape: tuple[int, ...], *, bare: bool) -> Any:
    """A Sequential's configuration as Keras 2 wrote it; ``bare`` for the list it was up to 2.2."""
    entries = [
        aged(entry) for entry in model.get_config()["layers"] if entry["class_name"] != "InputLayer"
    ]
    entries[0]["config"]["batch_input_shape"] = [None, *shape]
    layers = entries if bare else {"name": model.name, "layers": entries}
    return {"class_name": "Sequential", "config": layers}
