"""Models of TensorFlow.js: with their weights as they are and rounded, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from layerscope.backends.opening import load_model
from layerscope.backends.origin import origin_of
from layerscope.core.errors import ModelError

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.one_backend

ROUNDED = {
    "float16": lambda w: (w.astype("f2"), {"dtype": "float16", "original_dtype": "float32"}),
    "uint8": lambda w: _affine(w, "uint8", 255),
    "uint16": lambda w: _affine(w, "uint16", 65535),
}


def _affine(values: Any, dtype: str, most: int) -> Any:
    least = float(values.min())
    scale = float(values.max() - least) / most or 1.0
    rounded = np.round((values - least) / scale).astype(dtype)
    return rounded, {"dtype": dtype, "scale": scale, "min": least, "original_dtype": "float32"}


def write(folder: Any, topology: Any, weights: Any, shards: int = 1, rounding: str = "") -> Any:
    """Write a model as TensorFlow.js' converter does; returns the path of its JSON."""
    entries, content = [], b""
    for name, values in weights:
        entry = {"name": name, "shape": list(values.shape), "dtype": "float32"}
        if rounding:
            values, entry["quantization"] = ROUNDED[rounding](values)
        entries.append(entry)
        content += values.tobytes()
    paths = [f"group1-shard{i + 1}of{shards}.bin" for i in range(shards)]
    length = math.ceil(len(content) / shards)
    for i, path in enumerate(paths):
        (folder / path).write_bytes(content[i * length : (i + 1) * length])
    described = {
        "format": "layers-model", "convertedBy": "TensorFlow.js Converter v1.3.1",
        "modelTopology": topology, "weightsManifest": [{"paths": paths, "weights": entries}],
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(described))
    return folder / "model.json"


def topology(model: Any) -> Any:
    return {"keras_version": "3.0", "backend": "tensorflow", "model_config":
            json.loads(model.to_json())}  # fmt: skip


def leaves(model: Any) -> Any:
    for layer in model.layers:
        yield from leaves(layer) if hasattr(layer, "layers") else [layer]


def named(model: Any) -> list[tuple[str, Any]]:
    """Return the weights by their names: a layer's in its order, whichever model it is in."""
    return [
        (f"{layer.name}/{variable.path.rpartition(layer.name + '/')[2]}",
         keras.ops.convert_to_numpy(variable))
        for layer in leaves(model)
        for variable in (*layer.trainable_weights, *layer.non_trainable_weights)
    ]  # fmt: skip


@pytest.fixture
def net() -> Any:
    """A network with all that matters: maps, statistics, a model in it, recurrence."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    x = keras.Input((6, 6, 1))
    h = layers.BatchNormalization(name="norm")(layers.Conv2D(2, 3, name="conv")(x))
    h = layers.Reshape((4, 8))(h)
    h = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(h)
    inner = keras.Sequential([keras.Input((24,)), layers.Dense(5, name="a")], name="inner")
    model = keras.Model(x, layers.Dense(2, name="b")(inner(layers.Flatten()(h))))
    model.get_layer("norm").moving_mean.assign([0.5, -0.5])
    return model


def predicted(model: Any, x: Any) -> Any:
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.parametrize("shards", [1, 3])
def test_it_computes_what_the_model_did(net: Any, tmp_path: Any, shards: int) -> None:
    model = load_model(write(tmp_path, topology(net), named(net), shards))
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype("float32")
    np.testing.assert_allclose(predicted(model, x), predicted(net, x), atol=1e-5)
    assert origin_of(model).format == "TensorFlow.js layers"  # type: ignore[union-attr]


@pytest.mark.parametrize(("rounding", "error"), [("float16", 2e-3), ("uint8", 5e-3),
                                                 ("uint16", 2e-5)])  # fmt: skip
def test_rounded_weights(net: Any, tmp_path: Any, rounding: str, error: float) -> None:
    model = load_model(write(tmp_path, topology(net), named(net), 2, rounding))
    for (name, expected), (_, values) in zip(named(net), named(model), strict=True):
        width = float(np.ptp(expected)) or 1.0
        np.testing.assert_allclose(values, expected, atol=width * error, err_msg=name)
    repairs = origin_of(model).repairs  # type: ignore[union-attr]
    assert f"its weights are stored as {rounding}, and were made float32 again" in repairs


def test_weights_of_other_names_go_in_their_order(net: Any, tmp_path: Any) -> None:
    other = [(f"variable_{i}", values) for i, (_, values) in enumerate(named(net))]
    model = load_model(write(tmp_path, topology(net), other))
    x = np.ones((1, 6, 6, 1), "float32")
    np.testing.assert_allclose(predicted(model, x), predicted(net, x), atol=1e-5)


DENSE = {"class_name": "Sequential", "keras_version": "tfjs-layers 4.2.0", "config": {
    "name": "s", "layers": [{"class_name": "Dense", "config": {
        "name": "dense", "units": 2, "activation": "softmax", "batch_input_shape": [None, 3],
        "kernel_initializer": {"class_name": "VarianceScaling", "config": {"mode": None}}}}],
}}  # fmt: skip
KERNEL = [("dense/kernel", np.eye(3, 2, dtype="f4")), ("dense/bias", np.zeros(2, "f4"))]


def test_what_tensorflow_js_wrote_itself(tmp_path: Any) -> None:
    model = load_model(write(tmp_path, DENSE, KERNEL))
    np.testing.assert_array_equal(named(model)[0][1], np.eye(3, 2))
    assert origin_of(model).written_by.startswith("TensorFlow.js 4.2.0")  # type: ignore[union-attr]


def change(path: Any, **changes: Any) -> Any:
    described = json.loads(path.read_text())
    entry = described["weightsManifest"][0]
    for key, value in changes.items():
        if key in ("paths", "weights"):
            entry[key] = value
        elif key == "entry":
            entry["weights"][0] |= value
        elif value is None:
            del described[key]
        else:
            described[key] = value
    path.write_text(json.dumps(described))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paths": ["other.bin"]}, "keeps its weights in 'other.bin', which is not there: put"),
        ({"paths": ["../secret.bin"]}, "only files in its own folder are read"),
        ({"paths": ["/etc/passwd"]}, "only files in its own folder are read"),
        ({"paths": ["link.bin"]}, "a link to elsewhere: only files in its own folder are read"),
        ({"paths": ["pipe.bin"]}, "keeps its weights in 'pipe.bin', which is not there"),
        ({"paths": []}, "promises 32 bytes of weights, and the files beside it hold 0"),
        ({"paths": 3}, "its list of weights can't be read"),
        ({"weights": [{"name": 3}]}, "its list of weights can't be read"),
        ({"weightsManifest": [3]}, "its list of weights can't be read"),
        ({"weightsManifest": None}, "its list of weights can't be read"),
        ({"modelTopology": None}, "is a list of weights of TensorFlow.js without layers"),
        ({"modelTopology": {"node": []}}, "is a graph model of TensorFlow.js, operations without"),
        ({"format": "graph-model"}, "python -m tf2onnx.convert --tfjs model.json --output model"),
        ({"modelTopology": {}}, "its modelTopology has no class_name and config"),
        ({"entry": {"shape": [10**12, 3]}}, "and the files beside it hold 32"),
        ({"entry": {"shape": [-3, -2]}}, "its list of weights can't be read"),
        ({"entry": {"shape": [2, 3]}}, "don't fit: for 'dense' it holds a kernel of (2, 3)"),
        ({"entry": {"dtype": "string"}}, "of type 'string', which no layer of Keras has"),
        ({"entry": {"name": "dense/bias"}}, "it has two weights 'dense/bias'"),
        ({"entry": {"quantization": {"dtype": "uint8"}}}, "is rounded, and its scale is no num"),
    ],
)  # fmt: skip
def test_what_does_not_open_says_why(tmp_path: Any, changes: Any, message: str) -> None:
    import os

    (tmp_path / "secret.bin").write_bytes(bytes(32))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    os.mkfifo(folder / "pipe.bin")
    path = change(write(folder, DENSE, KERNEL), **changes)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_code_in_a_configuration_is_refused(tmp_path: Any) -> None:
    layers = [{"class_name": "Lambda", "config": {"name": "l", "function": ["abc", None, None]}}]
    topology = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    with pytest.raises(ModelError, match="opening a file never runs code"):
        load_model(write(tmp_path, topology, []))


def test_an_architecture_beside_its_own(tmp_path: Any) -> None:
    with pytest.raises(ModelError, match="holds its own architecture"):
        load_model(write(tmp_path, DENSE, KERNEL), architecture="a:b")


def test_a_folder_names_the_file_in_it(tmp_path: Any) -> None:
    write(tmp_path, DENSE, KERNEL)
    with pytest.raises(ModelError, match=r"is a folder: open the '.*model\.json' in it"):
        load_model(tmp_path)
