"""The configurations that Keras writes: read, walked, and checked before Keras sees them.

A configuration says which classes to make and what to pass to them, so it is where a file that
means harm would put its foot in: nothing that it names is imported, and nothing in it is run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from layerscope.core.errors import ModelError
from layerscope.core.foreign_errors import first_sentence

Config = dict[str, Any]

#: Deeper than any model that somebody made; Keras' own reading recurses several times a level.
_DEEPEST = 100
#: What a layer of such a class holds besides numbers.
_CODE = {
    "Lambda": "Python code (a Lambda layer)",
    "__lambda__": "Python code (a Lambda layer)",
    "TorchModuleWrapper": "a pickled PyTorch module",
    "JaxLayer": "a function of JAX",
    "FlaxLayer": "a module of Flax",
    "TFSMLayer": "the path of another model (a TFSMLayer)",
}
#: Where Keras' classes and functions say that they are from.
_PACKAGES = ("keras", "tf_keras", "keras_hub", "keras_cv", "keras_nlp", "tensorflow")
#: Where the functions are that a configuration may name.
_FUNCTIONS = (
    "activations", "constraints", "initializers", "losses", "metrics", "ops", "regularizers",
)  # fmt: skip


def parse(text: str | bytes, path: Path) -> Config:
    """Return the configuration in a JSON text, with tuples and shapes as lists.

    Raises ModelError when it is no JSON, no mapping, or nested too deeply.
    """
    try:
        config = json.loads(text, object_hook=_plain)
    except RecursionError as error:
        raise ModelError(f"{str(path)!r} is damaged: its JSON is nested too deeply.") from error
    except ValueError as error:
        raise ModelError(
            f"{str(path)!r} is damaged: its JSON can't be read ({first_sentence(str(error))})."
        ) from error
    if not isinstance(config, dict):
        raise ModelError(
            f"{str(path)!r} describes no model: its JSON is a {type(config).__name__}, not an "
            "object."
        )
    if not _no_deeper(config, _DEEPEST):
        raise ModelError(f"{str(path)!r} is damaged: its JSON is nested too deeply.")
    return config


def _plain(node: Config) -> Any:
    """Return tuples and shapes as Keras 2 wrote them, as lists."""
    if node.get("class_name") in ("__tuple__", "TensorShape") and "items" in node:
        return node["items"]
    return node


def _no_deeper(node: Any, levels: int) -> bool:
    if not isinstance(node, dict | list):
        return True
    values = node.values() if isinstance(node, dict) else node
    return levels > 0 and all(_no_deeper(value, levels - 1) for value in values)


def nodes(config: Any) -> Iterator[Config]:
    """Yield every mapping in a configuration, the outermost first."""
    if isinstance(config, dict):
        yield config
        for value in config.values():
            yield from nodes(value)
    elif isinstance(config, list):
        for value in config:
            yield from nodes(value)


def major(version: str) -> int:
    """Return the first number of a version; 1 for what Keras 1 wrote, which did not say."""
    number = version.partition(".")[0]
    return int(number) if number.isdecimal() and len(number) < 10 else 1


def without(config: Any, key: str) -> Any:
    """Return the configuration without anything of that key, at any depth."""
    if isinstance(config, dict):
        return {k: without(value, key) for k, value in config.items() if k != key}
    return [without(value, key) for value in config] if isinstance(config, list) else config


def check_safe(config: Config, path: Path, known: Collection[str]) -> None:
    """Raise ModelError where the configuration holds code or names what is not Keras'.

    ``known`` are the names of the user's own classes and functions.
    """
    for node in nodes(config):
        _check_class(node, path, known)
        layers = node.get("layers")
        # Keras follows a chain recursively, after it has built it again for each of its layers.
        longest = sys.getrecursionlimit()
        if isinstance(layers, list) and len(layers) > longest and "input_layers" not in node:
            raise ModelError(
                f"{str(path)!r} describes a chain of {len(layers):,} layers, and Keras opens up to "
                f"{longest:,}: build the model in Python and pass it as package.module:name."
            )
        vocabulary = node.get("vocabulary")
        if isinstance(vocabulary, str):
            raise ModelError(
                f"{str(path)!r} reads another file as it is opened, the vocabulary "
                f"{vocabulary!r}: build the model in Python and pass it as package.module:name."
            )


def _check_class(node: Mapping[str, Any], path: Path, known: Collection[str]) -> None:
    if "class_name" not in node:
        return
    name = node["class_name"]
    if not isinstance(name, str):
        raise ModelError(f"{str(path)!r} is damaged: it has a class_name that is no text.")
    if name in _CODE:
        raise ModelError(
            f"{str(path)!r} holds {_CODE[name]}, and opening a file never runs code: build the "
            "model in Python and pass it as architecture=, to get its weights, or as "
            "package.module:name."
        )
    names = [name, node.get("registered_name"), name.rpartition(">")[2]]
    if name == "function":
        names = [node.get("config"), node.get("registered_name")]
    if any(isinstance(one, str) and one in known for one in names):
        return
    module = node.get("module")
    if module in (None, "builtins"):
        return
    package, _, rest = module.partition(".") if isinstance(module, str) else ("", "", "")
    if package not in _PACKAGES:
        raise needs_class(path, name if name != "function" else node.get("config"), module)
    if name == "function" and not set(_FUNCTIONS) & set(rest.split(".")):
        raise needs_class(path, node.get("config"), module)


def needs_class(path: Path, name: object, module: object = None) -> ModelError:
    """Return the error for a class or function of somebody's own."""
    where = f" of {str(module)!r}" if module else ""
    return ModelError(
        f"{str(path)!r} needs {str(name)!r}{where}, which Keras does not know: name the module "
        "that registers it with --import, or pass custom_objects=."
    )


def own_class(class_name: str, registered: Any, custom: Collection[str]) -> str | None:
    """Return the name by which a class of the user's own is known; None for Keras' classes."""
    for name in (registered, class_name):
        if isinstance(name, str) and name in custom:
            return name
    # Registered since the file was written, so the file does not have the package.
    ends = [name for name in custom if name.rpartition(">")[2] == class_name.rpartition(">")[2]]
    return ends[0] if len(ends) == 1 else None


def with_known_names(config: Any, custom: Collection[str]) -> Any:
    """Return the configuration with the user's own classes by the names they are known by."""
    if isinstance(config, list):
        return [with_known_names(value, custom) for value in config]
    if not isinstance(config, dict):
        return config
    new = {key: with_known_names(value, custom) for key, value in config.items()}
    module, class_name = new.get("module"), new.get("class_name")
    keras = isinstance(module, str) and module.partition(".")[0] in _PACKAGES
    if isinstance(class_name, str) and class_name != "function" and "config" in new and not keras:
        name = own_class(class_name, new.get("registered_name"), custom)
        new |= {} if name is None else {"registered_name": name}
    return new
