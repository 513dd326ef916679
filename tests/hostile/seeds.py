"""Small real files of every format, written by the libraries that define them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hostile.files import Seed

#: Real files that nobody here wrote, where there are any.
REAL = Path(__file__).parents[3] / "shared" / "real"


def installed(*names: str) -> bool:
    """Whether all of these packages are."""
    return all(importlib.util.find_spec(name) for name in names)


def arrays(folder: Path) -> Iterator[Seed]:
    """``.npy`` and ``.npz``."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    for name, array in (("floats", values), ("fortran", np.asfortranarray(values)),
                        ("bytes", values.astype("u1"))):  # fmt: skip
        np.save(folder / f"{name}.npy", array)
        yield Seed(folder / f"{name}.npy", "array")
    np.savez(folder / "two.npz", x=values[:, :2], y=values[:, :2])
    np.savez_compressed(folder / "one.npz", values)
    yield Seed(folder / "two.npz", "array")
    yield Seed(folder / "one.npz", "array")


def images(folder: Path) -> Iterator[Seed]:
    """Every kind of image that is opened."""
    from PIL import Image

    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 255, (9, 11, 3), dtype=np.uint8))
    kinds: dict[str, Any] = {
        "a.png": colour, "a.jpg": colour, "a.gif": colour.convert("P"), "a.webp": colour,
        "a.bmp": colour, "a.tiff": colour, "a.ppm": colour, "a.tga": colour, "a.ico": colour,
        "a.pcx": colour, "a.sgi": colour, "a.jp2": colour, "alpha.png":
        colour.convert("RGBA"), "grey.png": colour.convert("L"), "deep.png": colour.convert("I;16"),
        "palette.png": colour.convert("P"), "deep.tiff": colour.convert("F"),
    }  # fmt: skip
    for name, image in kinds.items():
        path = folder / name.partition(".")[0] / name.replace(".", "_") / name
        path.parent.mkdir(parents=True)
        image.save(path)
        yield Seed(path, "image")
    path = folder / "packed.tiff"
    colour.save(path, compression="tiff_lzw")
    yield Seed(path, "image")


def keras_archives(folder: Path) -> Iterator[Seed]:
    """``.keras``, of several kinds of models."""
    for name, model in _keras_models().items():
        path = folder / f"{name}.keras"
        model.save(path)
        yield Seed(path)


def keras_hdf5(folder: Path) -> Iterator[Seed]:
    """Old and new ``.h5``, weights alone, and architectures in JSON."""
    from cases.keras_old_files import aged_sequential, arrays_of, write_model

    models = _keras_models()
    for name, model in models.items():
        path = folder / f"{name}.h5"
        model.save(path)
        yield Seed(path)
        (folder / f"{name}.json").write_text(model.to_json())
        yield Seed(folder / f"{name}.json")
    model = models["dense"]
    write_model(
        folder / "aged.h5", aged_sequential(model, (4,), bare=True), arrays_of(model),
    )  # fmt: skip
    yield Seed(folder / "aged.h5")
    yield Seed(_tfjs(folder / "tfjs"))
    model.save_weights(folder / "alone.weights.h5")
    yield Seed(folder / "alone.weights.h5", architecture=str(folder / "dense.json"))
    if REAL.is_dir():
        yield Seed(REAL / "legacy_keras" / "initializer_with_dtype.h5")
        yield Seed(REAL / "legacy_keras" / "sequential_as_list.h5")
        yield Seed(REAL / "others" / "keypoint_classifier.hdf5")


def _tfjs(folder: Path) -> Path:
    """A model of TensorFlow.js, one of its weights rounded."""
    folder.mkdir()
    kernel = {"name": "a/kernel", "shape": [4, 3], "dtype": "float32"}
    rounded = {"dtype": "uint8", "scale": 0.1, "min": -1.0}
    bias = {"name": "a/bias", "shape": [3], "dtype": "float32", "quantization": rounded}
    (folder / "shard.bin").write_bytes(np.ones(12, "f4").tobytes() + bytes(3))
    dense = {"name": "a", "units": 3, "batch_input_shape": [None, 4]}
    layers = [{"class_name": "Dense", "config": dense}]
    described = {
        "format": "layers-model",
        "modelTopology": {"class_name": "Sequential", "config": {"name": "s", "layers": layers}},
        "weightsManifest": [{"paths": ["shard.bin"], "weights": [kernel, bias]}],
    }
    (folder / "model.json").write_text(json.dumps(described))
    return folder / "model.json"


def _keras_models() -> dict[str, Any]:
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((6, 6, 2))
    left = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    right = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(left))
    sum_of_both = layers.Add()([left, layers.Activation("relu")(right)])
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="inner")
    return {
        "dense": keras.Sequential(
            [keras.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(2)]
        ),
        "maps": keras.Model(image, inner(layers.GlobalAveragePooling2D()(sum_of_both))),
        "words": keras.Sequential(
            [keras.Input((5,)), layers.Embedding(7, 3), layers.LSTM(2), layers.Dropout(0.1)]
        ),
    }


def saved_models(folder: Path) -> Iterator[Seed]:
    """SavedModel folders, with Keras' own metadata and without."""
    import tensorflow as tf

    module = tf.Module()
    layer = tf.Module()
    layer.kernel, layer.bias = tf.Variable(tf.ones((3, 4))), tf.Variable(tf.zeros((4,)))
    setattr(module, "layer-0", layer)
    tf.saved_model.save(module, str(folder / "dense"))
    entries = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "name": "in"}},
        {"class_name": "Dense", "config": {"name": "a", "units": 4}},
    ]
    described = {
        "class_name": "Sequential", "config": {"name": "net", "layers": entries},
        "keras_version": "2.9.0", "backend": "tensorflow",
    }  # fmt: skip
    from hostile.mutations import varint

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2]) + varint(len(content)) + content

    root = field(3, b"root") + field(5, json.dumps(described).encode())
    (folder / "dense" / "keras_metadata.pb").write_bytes(field(1, root))
    yield Seed(folder / "dense")
    # As before TensorFlow 2.5: what Keras says is in the graph.
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    older = shutil.copytree(folder / "dense", folder / "older")
    (older / "keras_metadata.pb").unlink()
    saved = SavedModel.FromString((older / "saved_model.pb").read_bytes())
    held = saved.meta_graphs[0].object_graph_def.nodes[0].user_object
    held.identifier, held.metadata = "_tf_keras_sequential", json.dumps(described)
    (older / "saved_model.pb").write_bytes(saved.SerializeToString())
    yield Seed(older)


def torch_states(folder: Path) -> Iterator[Seed]:
    """``state_dict`` in each of PyTorch's formats."""
    import torch

    torch.manual_seed(0)
    state = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(4, 3)
    ).state_dict()
    maker = "hostile.seeds:torch_module"
    torch.save(state, folder / "zip.pt")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "model": {f"module.{k}": v for k, v in state.items()}},
               folder / "checkpoint.pt")  # fmt: skip
    torch.save(state, folder / "weights.th")
    names = ["zip.pt", "old.pth", "checkpoint.pt", "weights.th"]
    if installed("safetensors"):
        from safetensors.torch import save_file

        save_file(state, folder / "s.safetensors")
        names.append("s.safetensors")
    yield from (Seed(folder / name, architecture=maker) for name in names)
    yield Seed(_policy(folder))


def _policy(folder: Path) -> Path:
    """A model as stable-baselines3 saves it, with the weights of a policy in it."""
    import torch

    shapes = {
        "mlp_extractor.policy_net.0": (3, 4), "mlp_extractor.value_net.0": (3, 4),
        "action_net": (2, 3), "value_net": (1, 3),
    }  # fmt: skip
    state = {f"{name}.weight": torch.ones(shape) for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.ones(shape[0]) for name, shape in shapes.items()}
    torch.save(state, folder / "policy.pth")
    with zipfile.ZipFile(folder / "ppo.zip", "w") as archive:
        archive.writestr("data", json.dumps({"policy_kwargs": {}}))
        archive.write(folder / "policy.pth", "policy.pth")
    return folder / "ppo.zip"


def torch_module() -> Any:
    """What the states of ``torch_states`` are loaded into."""
    import torch

    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(4, 3)
    )


def torch_programs(folder: Path) -> Iterator[Seed]:
    """``.pt2``: exported programs, one with a length of its own to be chosen."""
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    example = (torch.zeros(2, 4),)
    torch.export.save(torch.export.export(model.eval(), example), folder / "fixed.pt2")
    batch = torch.export.Dim("batch")
    free = torch.export.export(model, example, dynamic_shapes=({0: batch},))
    torch.export.save(free, folder / "free.pt2")
    yield Seed(folder / "fixed.pt2")
    yield Seed(folder / "free.pt2")


def onnx_files(folder: Path) -> Iterator[Seed]:
    """``.onnx``: maps, recurrence, a loop, a function, weights beside the file."""
    import onnx
    from onnx import helper

    from cases import onnx_cases

    for case in (onnx_cases.cnn, onnx_cases.lstm, onnx_cases.loop, onnx_cases.attention):
        path = folder / f"{case.__name__}.onnx"
        onnx.save(case().model, path)
        yield Seed(path)
    then, other = (
        helper.make_graph([helper.make_node(op, ["x"], [op])], op, [], [onnx_cases.value(op, None)])
        for op in ("Neg", "Abs")
    )
    choice = onnx_cases.node("If", "yes", "y", "choice", then_branch=then, else_branch=other)
    chosen = onnx_cases.model(
        [choice], [onnx_cases.value("x", ["n", 3])], [onnx_cases.value("y", None)],
        {"yes": np.array(True)},
    )  # fmt: skip
    onnx.save(chosen, folder / "choice.onnx")
    yield Seed(folder / "choice.onnx")
    double = helper.make_function(
        "own", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    proto = onnx_cases.model(
        [onnx_cases.node("Double", "x", "y", domain="own")], [onnx_cases.value("x", ["n", 3])],
        [onnx_cases.value("y", ["n", 3])], domains=["own"],
    )  # fmt: skip
    proto.functions.append(double)
    onnx.save(proto, folder / "function.onnx")
    yield Seed(folder / "function.onnx")
    beside = folder / "beside"
    beside.mkdir()
    onnx.save(
        onnx_cases.cnn().model, beside / "m.onnx", save_as_external_data=True, location="w.bin",
        size_threshold=0,
    )  # fmt: skip
    yield Seed(beside / "m.onnx")
    if REAL.is_dir():
        yield Seed(REAL / "onnx" / "mnist.onnx")
        yield Seed(REAL / "others" / "state_first.onnx")


def sklearn_files(folder: Path) -> Iterator[Seed]:
    """``.skops``, and pickles, which are not opened unless they are trusted."""
    import joblib
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    model = MLPClassifier((3,), max_iter=1, solver="sgd", random_state=0)
    model.partial_fit(rng.normal(size=(8, 4)), rng.integers(0, 2, 8), classes=[0, 1])
    joblib.dump(model, folder / "m.joblib")
    yield Seed(folder / "m.joblib")
    if installed("skops"):
        import skops.io

        skops.io.dump(model, folder / "m.skops")
        yield Seed(folder / "m.skops")
