"""TensorFlow's SavedModel folders.

::

    keras_metadata.pb, or before TensorFlow 2.5 the root object in saved_model.pb
        ──► the configuration, as in an HDF5 file ──► built ──► variables by object
    none of it ──► the serving signature as one layer, whose inside is opaque: only when trusted

Loading a SavedModel as TensorFlow does runs the graph that it brings, which can write files;
reading its configuration and its variables runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from layerscope.backends.availability import installed
from layerscope.backends.keras.files.building import build, prepare, said
from layerscope.backends.keras.files.configs import Config, parse
from layerscope.backends.keras.files.hdf5 import Written, translated
from layerscope.backends.keras.files.repairs import in_words
from layerscope.backends.opening.files import Request
from layerscope.backends.origin import remember
from layerscope.core.errors import MissingDependencyError, ModelError
from layerscope.core.files import kind_of
from layerscope.core.network import Origin

_OPAQUE = (
    "its inside is opaque: it is TensorFlow's graph as one layer, for the folder has no "
    "configuration of Keras that opens ({why})"
)
#: What today's layers call otherwise.
_NAMES = {"depthwise_kernel": "kernel"}
#: What a saved object lists besides what it is made of.
_LISTS = ("variables", "trainable_variables", "non_trainable_variables", "weights",
          "trainable_weights", "non_trainable_weights", "layers", "metrics", "losses")  # fmt: skip


def open_file(request: Request) -> Any:
    """Return the model in a SavedModel folder, not compiled.

    Raises
    ------
    ModelError
        When it is damaged, or can only be opened by running its graph and that is not trusted.
    MissingDependencyError
        When TensorFlow is not installed.
    """
    path = request.path
    if not installed("tensorflow"):
        raise MissingDependencyError(
            f"{str(path)!r} is a SavedModel folder, and TensorFlow, which reads it, is not "
            "installed: pip install 'layerscope[keras-tensorflow]'."
        )
    if request.architecture is not None:
        raise ModelError(
            f"{str(path)!r} holds its own architecture: leave out the one that you passed."
        )
    custom = prepare(request)
    try:
        return _rebuilt(path, custom)
    except ModelError as error:
        if not request.trust:
            raise ModelError(
                f"{str(error).rstrip('.')}; as TensorFlow's graph, which can run any operation "
                "and hides its layers, it opens with --trust; or convert it to ONNX, "
                f"python -m tf2onnx.convert --saved-model {path.name} --output {path.name}.onnx."
            ) from error
        return _opaque(path, str(error).rstrip("."))


def _rebuilt(path: Path, custom: dict[str, Any]) -> Any:
    """Return the Keras model that the folder's metadata describe, with its variables."""
    described = parse(_metadata(path), path)
    # Where TensorFlow 2.0 did not write down the configuration of the object, it did the model's.
    entry = described
    if not _has_layers(entry) and isinstance(described.get("model_config"), dict):
        entry = described["model_config"]
    if not _has_layers(entry):
        raise ModelError(f"{str(path)!r} holds a subclassed model, which is code, not layers")
    version, backend = described.get("keras_version"), described.get("backend")
    written = Written(str(version or "2"), str(backend or "tensorflow"))
    entry = {"class_name": entry.get("class_name"), "config": entry["config"]}
    config, done = translated(entry, written.version, path, custom)
    import tensorflow as tf

    with said(path):
        reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
        shapes = reader.get_variable_to_shape_map()
        graph = _object_graph(reader)
    fitting: list[tuple[Any, str]] = []

    def check(model: Any) -> None:
        fitting[:] = _variables(model, config, graph, 0)
        _check_fits(model, fitting, shapes, path)

    model = build(config, path, custom, check)
    with said(path):
        for variable, key in fitting:
            variable.assign(reader.get_tensor(key))
    return remember(model, Origin(str(path), "SavedModel", str(written), in_words(done)))


def _has_layers(entry: Mapping[str, Any]) -> bool:
    config = entry.get("config")
    return isinstance(config, dict) and isinstance(config.get("layers"), list)


def _metadata(path: Path) -> str:
    """Return the JSON text about the model itself, from wherever its TensorFlow has put it."""
    metadata = path / "keras_metadata.pb"
    kind = kind_of(metadata)
    if kind == "device":
        raise ModelError(f"{str(metadata)!r} is no regular file")
    if kind == "file":
        return root_metadata(metadata.read_bytes(), path)
    text = _text_in_graph((path / "saved_model.pb").read_bytes(), path)
    if text is None:
        raise ModelError(f"{str(path)!r} is a SavedModel without Keras' own metadata")
    return text


def _text_in_graph(content: bytes, path: Path) -> str | None:
    """Return the JSON text about the model in a ``saved_model.pb``; None where it holds none.

    It is in the first graph (field 2), its objects (7), the first of them (1), which is the root,
    in what Keras says of it (4): a name (1) and the text (3).
    """
    try:
        at = content
        for number in (2, 7, 1, 4):
            at = _first(at, number)
        name, text = _first(at, 1), _first(at, 3)
        return text.decode() if name.startswith(b"_tf_keras") and text else None
    except (IndexError, UnicodeDecodeError) as error:
        raise ModelError(f"{str(path)!r} is damaged: its saved_model.pb can't be read") from error


def _first(message: bytes, wanted: int) -> bytes:
    """Return the content of the first field of that number; nothing where there is none."""
    texts = (v for number, v in _fields(message) if number == wanted and isinstance(v, bytes))
    return next(texts, b"")


def root_metadata(content: bytes, path: Path) -> str:
    """Return the JSON text about the model itself in a ``keras_metadata.pb``.

    The file is a list (field 1) of objects with a path (field 3) and a text (field 5).
    """
    try:
        for number, saved in _fields(content):
            if number == 1 and isinstance(saved, bytes):
                fields = dict(_fields(saved))
                text = fields.get(5)
                if fields.get(3) == b"root" and isinstance(text, bytes):
                    return text.decode()
    except (IndexError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{str(path)!r} is damaged: its keras_metadata.pb can't be read"
        ) from error
    raise ModelError(f"{str(path)!r} is damaged: its keras_metadata.pb describes no model")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protocol buffer's message: numbers, and bytes or integers."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind not in (1, 2, 5):
            raise IndexError("no field of this kind")
        length, at = _varint(message, at) if kind == 2 else (8 if kind == 1 else 4, at)
        if at + length > len(message):
            raise IndexError("a field beyond the end")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            return value, at


def _object_graph(reader: Any) -> list[tuple[dict[str, int], str | None]]:
    """Return what was saved: for each object its children by name, and the key of its value."""
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    graph = TrackableObjectGraph.FromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    return [
        (
            {child.local_name: child.node_id for child in node.children},
            next((a.checkpoint_key for a in node.attributes if a.name == "VARIABLE_VALUE"), None),
        )
        for node in graph.nodes
    ]


def _variables(
    model: Any, config: Config, graph: list[tuple[dict[str, int], str | None]], node: int
) -> Iterator[tuple[Any, str]]:
    """Yield a model's variables with the keys of their values, layer by layer as saved."""
    children, _ = graph[node]
    entries = config["config"]["layers"]
    if config["class_name"] == "Sequential":  # which does not count its InputLayer
        entries = [entry for entry in entries if entry["class_name"] != "InputLayer"]
    layers = {layer.name: layer for layer in model.layers}
    for number, entry in enumerate(entries):
        layer, child = layers.get(entry["name"]), children.get(f"layer-{number}")
        if layer is None or child is None:
            continue
        if hasattr(layer, "layers"):
            yield from _variables(layer, entry, graph, child)
        else:
            yield from _of_object(layer, graph, child, frozenset())


def _of_object(
    thing: Any,
    graph: list[tuple[dict[str, int], str | None]],
    node: int,
    above: frozenset[int],
) -> Iterator[tuple[Any, str]]:
    """Yield the variables of a layer, and of the layers that it holds, under the names saved."""
    import keras

    for name, child in graph[node][0].items():
        if name in _LISTS:
            continue
        key = graph[child][1]
        held = isinstance(thing, list | tuple)
        if held:
            inner = thing[int(name)] if name.isdigit() and int(name) < len(thing) else None
        else:
            inner = getattr(thing, name, getattr(thing, _NAMES.get(name, name), None))
        if isinstance(inner, keras.Variable) and key is not None:
            yield inner, key
        elif isinstance(inner, keras.layers.Layer | list | tuple) and child not in above:
            yield from _of_object(inner, graph, child, above | {node})


def _check_fits(
    model: Any, fitting: list[tuple[Any, str]], shapes: dict[str, list[int]], path: Path
) -> None:
    for variable, key in fitting:
        if tuple(shapes.get(key, ())) != tuple(variable.shape):
            raise ModelError(
                f"The weights in {str(path)!r} don't fit: it holds a {variable.name} of "
                f"{tuple(shapes.get(key, ()))}, and the architecture has {tuple(variable.shape)}."
            )
    known = {id(variable) for variable, _ in fitting}
    missing = [variable for variable in model.weights if id(variable) not in known]
    if missing:
        raise ModelError(
            f"The weights in {str(path)!r} don't fit: it holds none for {missing[0].path!r}."
        )


def _opaque(path: Path, why: str) -> Any:
    """Return the folder's serving signature as a model of one layer."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"{why}; as TensorFlow's graph it opens with Keras on TensorFlow: pass "
            "backend='tensorflow'."
        )
    with said(path):
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures["serving_default"]
        _, takes = signature.structured_input_signature
        inputs = {
            name: keras.Input(batch_shape=tuple(spec.shape), dtype=spec.dtype.name, name=name)
            for name, spec in takes.items()
        }
        layer = keras.layers.TFSMLayer(str(path), call_endpoint="serving_default")
        given = next(iter(inputs.values())) if len(inputs) == 1 else inputs
        outputs = layer(given)
        one = isinstance(outputs, dict) and len(outputs) == 1
        model = keras.Model(given, next(iter(outputs.values())) if one else outputs)
    return remember(model, Origin(str(path), "SavedModel", "", (_OPAQUE.format(why=why),)))
