"""A model's old configuration, as today's Keras writes it: layer by layer, graph by graph.

::

    a model ──► its layers, each repaired and with the module that its class is from
            └─► its graph, with the calls as Keras 3 counts and writes them
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerscope.backends.keras.files.configs import needs_class, own_class
from layerscope.backends.keras.files.graphs import first_calls, new_call, new_ends
from layerscope.backends.keras.files.repairs import REPAIRS, initializers, settings_that_are
from layerscope.backends.keras.files.tensorflow_ops import LAYERS, operation
from layerscope.core.errors import ModelError

Config = dict[str, Any]
_SEQUENTIAL = ("Sequential",)
_FUNCTIONAL = ("Functional", "Model", "Network", "Container")


@dataclass
class Translation:
    """One model on its way: what it is from, and what was done so far."""

    path: Path
    old: bool  #: written by Keras 2: what it means by a setting may differ
    custom: Collection[str] = ()  #: the names of the user's own classes
    done: list[tuple[str, str]] = field(default_factory=list)  #: keys of SAID, and layers

    def model(self, entry: Config) -> Config:
        """Return a model or layer with all that is in it.

        Raises ModelError where it is none, or holds what today's Keras has no counterpart for.
        """
        class_name, config = entry.get("class_name"), entry.get("config")
        if not isinstance(class_name, str) or not isinstance(config, dict | list):
            raise ModelError(f"{str(self.path)!r} is damaged: a layer has no class or no settings.")
        registered = own_class(class_name, entry.get("registered_name"), self.custom)
        if registered is None and class_name in _SEQUENTIAL:
            return _modern("keras", "Sequential", self._sequential(config))
        if registered is None and class_name in _FUNCTIONAL:
            return _modern("keras", "Model", self._functional(config))
        if not isinstance(config, dict):
            raise ModelError(f"{str(self.path)!r} is damaged: {class_name!r} has no settings.")
        if registered is not None:
            kept = {k: v for k, v in config.items() if k != "batch_input_shape"}
            return {"module": None, "class_name": class_name, "registered_name": registered,
                    "config": kept}  # fmt: skip
        return self._layer(class_name, config)

    def _layer(self, class_name: str, config: Config) -> Config:
        name = str(config.get("name", class_name))
        if {"nb_filter", "output_dim", "border_mode", "p", "pool_length"} & set(config) and (
            class_name != "Embedding" and self.old
        ):
            raise ModelError(
                f"{str(self.path)!r} was written by Keras 1 (see its layer {name!r}): open it with "
                "Keras 2, save it again, and open that file."
            )
        if self.old:
            for repair in REPAIRS:
                class_name, config, what = repair(class_name, config)
                self._note(what, name)
        config, count = initializers(config)
        self.done += [("initializer", name)] * count
        cls = layer_class(class_name)
        if cls is None:
            raise needs_class(self.path, class_name)
        config = {key: self._inner(value) for key, value in config.items()}
        if self.old or "batch_input_shape" in config:
            config = settings_that_are(class_name, name, config, cls)
        if class_name in ("TimeDistributed", "Bidirectional") and "layer" not in config:
            raise ModelError(f"{str(self.path)!r} is damaged: {name!r} wraps no layer.")
        return _modern("keras.layers", class_name, config)

    def _inner(self, value: Any) -> Any:
        """Return layers among the settings: of wrappers, and the cells of recurrent layers."""
        if isinstance(value, list):
            return [self._inner(one) for one in value]
        if not isinstance(value, dict) or "class_name" not in value:
            return value
        class_name = value["class_name"]
        registered = own_class(class_name, value.get("registered_name"), self.custom)
        if class_name in (*_SEQUENTIAL, *_FUNCTIONAL) or (
            registered is None
            and (class_name.startswith("CuDNN") or layer_class(class_name) is not None)
        ):
            return self.model(value)
        return (
            value
            if registered is None
            else {**value, "module": None, "registered_name": registered}
        )

    def _sequential(self, config: Config | list[Any]) -> Config:
        if isinstance(config, list):
            self.done.append(("list", "sequential"))
            config = {"layers": config}
        name, old = config.get("name", "sequential"), _layers_of(config, self.path)
        layers = [self.model(layer) for layer in old]
        layers = [self._without_slash(layer) for layer in layers]
        if layers and layers[0]["class_name"] != "InputLayer":
            shape = _shape_of_first(old[0]) or config.get("build_input_shape")
            nested = _input_shape(layers[0])
            if shape and not nested:
                self._note("no input", name)
            if shape or nested:
                layers.insert(0, _input_layer(layers[0], nested or shape))
        return {"name": name, "layers": layers}

    def _functional(self, config: Config | list[Any]) -> Config:
        if isinstance(config, list):
            raise ModelError(f"{str(self.path)!r} is damaged: a model's graph is missing.")
        old = _layers_of(config, self.path)
        ends = {key: config.get(key) for key in ("input_layers", "output_layers")}
        first = first_calls(old, list(ends.values()))
        renamed = {str(layer.get("name")): self._without_slash(layer)["name"] for layer in old}
        layers = []
        for layer in old:
            calls = layer.get("inbound_nodes") or []
            class_name = str(layer.get("class_name"))
            calls = [new_call(call, class_name, first, renamed) for call in calls]
            if class_name in LAYERS:
                new = operation({**layer, "name": renamed[str(layer.get("name"))]}, calls)
                self._note("operation", str(layer.get("name")))
            else:
                new = {**self.model(layer), "name": renamed[str(layer.get("name"))],
                       "inbound_nodes": calls}  # fmt: skip
                if "name" in new["config"]:
                    new["config"] = {**new["config"], "name": new["name"]}
            layers.append(new)
        if self.old:
            functional = {one["name"] for one in layers if one["class_name"] == "Model"}
            ends = {key: new_ends(end, first, renamed, functional) for key, end in ends.items()}
            # Keras 2 wrote a list, and passed a lone tensor bare.
            ends = {key: _alone(end) for key, end in ends.items()}
        return {"name": config.get("name", "model"), "trainable": config.get("trainable", True),
                "layers": layers, **ends}  # fmt: skip

    def _without_slash(self, layer: Config) -> Config:
        """Return a layer whose name Keras takes."""
        name = layer.get("name") or layer.get("config", {}).get("name")
        if not isinstance(name, str) or "/" not in name:
            return {**layer, "name": name}
        self._note("name", name)
        new = name.replace("/", "_")
        return {**layer, "name": new, "config": {**layer["config"], "name": new}}

    def _note(self, what: str | None, name: str) -> None:
        if what is not None:
            self.done.append((what, name))


def _modern(module: str, class_name: str, config: Config) -> Config:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def layer_class(class_name: str) -> type | None:
    """Return Keras' own layer of that name."""
    import keras

    cls = getattr(keras.layers, class_name, None)
    return cls if isinstance(cls, type) and issubclass(cls, keras.layers.Layer) else None


def _alone(ends: Any) -> Any:
    return ends[0] if isinstance(ends, list) and len(ends) == 1 else ends


def _layers_of(config: Config, path: Path) -> list[Config]:
    layers = config.get("layers")
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise ModelError(f"{str(path)!r} is damaged: a model in it has no list of layers.")
    return layers


def _shape_of_first(entry: Config) -> Any:
    """Return what a Sequential's first layer, or the one it wraps, says of the input's shape."""
    config = entry.get("config")
    if not isinstance(config, dict):
        return None
    if config.get("batch_input_shape"):
        return config["batch_input_shape"]
    inner = config.get("layer")
    return _shape_of_first(inner) if isinstance(inner, dict) else None


def _input_shape(model: Config) -> Any:
    """Return the input shape of a nested model that comes first, translated already."""
    layers = model["config"].get("layers") if isinstance(model["config"], dict) else None
    if not isinstance(layers, list):
        return None
    inputs = [layer for layer in layers if layer.get("class_name") == "InputLayer"]
    return inputs[0]["config"].get("batch_shape") if len(inputs) == 1 else None


def _input_layer(first: Config, shape: Any) -> Config:
    name = f"{first['config'].get('name') or first['class_name'].lower()}_input"
    dtype = first["config"].get("dtype")
    given = {"batch_shape": shape, "name": name}
    if isinstance(dtype, str) and not dtype.startswith("mixed"):
        given["dtype"] = dtype
    return _modern("keras.layers", "InputLayer", given)
