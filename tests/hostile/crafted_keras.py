"""``.keras`` archives: bombs, members that lead outside, configurations that mean harm."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hostile.bombs import archive, deflated
from hostile.crafted_arrays import no_files
from hostile.crafted_hdf5 import _texts
from hostile.files import File

Members = dict[str, bytes | tuple[bytes, int]]


def files(folder: Path, outside: Path) -> Iterator[File]:
    """All of them, in turn."""
    sound = _sound()
    path = folder / "m.keras"
    made: dict[str, tuple[Members, bool | None]] = {
        "nothing wrong": (sound, True),
        "a configuration of 300 MB": ({**sound, "config.json": _zeros(300_000_000)}, False),
        "a configuration of 90 MB": ({**sound, "config.json": b'["a",' * 18_000_000}, False),
        "metadata of 300 MB": ({**sound, "metadata.json": _zeros(250_000_000)}, False),
        "weights of 400 MB of zeros": ({**sound, "model.weights.h5": _zeros(400_000_000)}, False),
        "assets of 300 MB": ({**sound, "assets/a": _zeros(300_000_000)}, False),
        "60,000 assets": (sound | {f"assets/{i}": b"" for i in range(60_000)}, None),
        "a member with a way out": ({**sound, "../../outside/x": b"x"}, False),
        "an asset with a way out": ({**sound, "assets/../../../outside/x": b"x"}, False),
        "an absolute member": ({**sound, str(outside / "x"): b"x"}, False),
        "a member for Windows": ({**sound, "..\\..\\outside\\x": b"x"}, False),
        "an asset": ({**sound, "assets/layers/x/vocabulary.txt": b"a\nb"}, None),
        "an archive as weights": ({**sound, "model.weights.h5": archive(sound)}, False),
        "no weights": ({"config.json": sound["config.json"]}, False),
        "no configuration": ({"model.weights.h5": sound["model.weights.h5"]}, False),
        "weights that are a folder": (
            {"config.json": sound["config.json"], "model.weights.h5/": b""}, False),
        "empty weights": ({**sound, "model.weights.h5": b""}, False),
        "metadata that are a list": ({**sound, "metadata.json": b"[]"}, None),
        "a version that is a number": ({**sound, "metadata.json": b'{"keras_version": 3}'}, None),
        "a version of 5,000 digits": (
            {**sound, "metadata.json": json.dumps({"keras_version": "9" * 5000}).encode()}, None),
    }  # fmt: skip
    for what, weights in _weights(outside).items():
        made[what] = ({**sound, "model.weights.h5": weights}, None)
    for what, change in _changes().items():
        made[what] = ({**sound, "config.json": json.dumps(change).encode()}, None)
    for what, text in _texts(outside).items():
        made[f"a configuration of {what}"] = ({**sound, "config.json": text.encode()}, None)
    for what, (members, opens) in made.items():
        path.write_bytes(archive(members))
        yield File("keras", f"an archive with {what}", str(path), opens=opens)
        path.unlink()
    for what, content in _damaged(archive(sound)).items():
        path.write_bytes(content)
        yield File("keras", f"an archive {what}", str(path), opens=False)
        path.unlink()
    yield from no_files(folder, ["m.keras"], "keras", "model")


def _zeros(count: int) -> tuple[bytes, int]:
    return deflated(count), count


def _sound() -> Members:
    config = {
        "module": "keras", "class_name": "Sequential", "registered_name": None,
        "config": {"name": "net", "trainable": True, "dtype": "float32", "layers": [
            {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
             "config": {"batch_shape": [None, 4], "dtype": "float32", "name": "i"}},
            _layer("Dense", units=3),
        ]},
    }  # fmt: skip
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        variables = file.create_group("layers/dense/vars")
        variables["0"], variables["1"] = np.ones((4, 3), "f4"), np.ones(3, "f4")
        file.create_group("vars")
    return {
        "config.json": json.dumps(config).encode(),
        "metadata.json": b'{"keras_version": "3.8.0", "date_saved": ""}',
        "model.weights.h5": held.getvalue(),
    }


def _layer(name: str, **config: Any) -> dict[str, Any]:
    return {
        "module": "keras.layers", "class_name": name, "registered_name": None,
        "config": {"name": "a", **config},
    }  # fmt: skip


def _weights(outside: Path) -> dict[str, bytes]:
    """HDF5 files, of which Keras 3 reads ``layers/dense/vars/0``."""

    def changed(kernel: Any = None, **options: Any) -> bytes:
        held = io.BytesIO()
        with h5py.File(held, "w") as file:
            variables = file.create_group("layers/dense/vars")
            variables["1"] = np.ones(3, "f4")
            if kernel is not None:
                variables["0"] = kernel
            elif options:
                variables.create_dataset("0", **options)
            file.create_group("vars")
        return held.getvalue()

    secret = str(outside / "secret.npy")
    giant = {"shape": (10**6, 10**6), "dtype": "f4", "chunks": (64, 64)}
    return {
        "weights that are links": changed(h5py.ExternalLink(secret, "/")),
        "weights that are in a circle": changed(h5py.SoftLink("/layers")),
        "weights of another shape": changed(np.ones((3, 4), "f4")),
        "weights of texts": changed(np.full((4, 3), b"x")),
        "weights of records": changed(shape=(4, 3), dtype=[("a", "f4")]),
        "weights that are missing": changed(),
        "weights of a trillion": changed(**giant),
        "weights elsewhere": changed(shape=(4, 3), dtype="f4", external=[(secret, 0, 48)]),
        "weights of lists": changed(shape=(4, 3), dtype=h5py.special_dtype(vlen=np.float32)),
    }


def _changes() -> dict[str, Any]:
    """Configurations of Keras 3."""

    def model(*layers: Any, **more: Any) -> Any:
        config = json.loads(_sound()["config.json"])
        config["config"]["layers"] = [config["config"]["layers"][0], *layers]
        return {**config, **more}

    dense = _layer("Dense", units=3)
    return {
        "10^18 units": model(_layer("Dense", units=10**18)),
        "units that are null": model(_layer("Dense", units=None)),
        "a Lambda": model(_layer("Lambda", function={"class_name": "__lambda__", "config": {}})),
        "a function of the system": model(
            _layer("Dense", units=3, activation={"module": "os", "class_name": "function",
                                                 "config": "system", "registered_name": "system"})),
        "a function of Keras' that reads files": model(
            _layer("Dense", units=3, activation={
                "module": "keras.utils", "class_name": "function", "config": "get_file",
                "registered_name": "get_file"})),
        "a model of a package": model(dense, module="subprocess", class_name="Popen"),
        "a module within Keras'": model(
            {**dense, "module": "keras.src.utils.io_utils.sys.modules", "class_name": "os"}),
        "shared objects in a circle": model({**dense, "shared_object_id": 1,
                                             "config": {"name": "a", "units": {
                                                 "class_name": "__keras_tensor__",
                                                 "config": {"shape": [10**12], "dtype": "float32",
                                                            "keras_history": ["a", 0, 0]}}}}),
        "an array of a trillion": model(_layer("Dense", units=3, kernel_initializer={
            "class_name": "__numpy__", "config": {"value": [1], "dtype": "object"}})),
        "a tensor of nonsense": model(_layer("Dense", units=3, kernel_initializer={
            "class_name": "__tensor__", "config": {"value": "x", "dtype": "float32"}})),
        "bytes": model(_layer("Dense", units={"class_name": "__bytes__", "config": {"value": 3}})),
        "an ellipsis": model(_layer("Dense", units={"class_name": "__ellipsis__", "config": {}})),
        "a type": model(_layer("Dense", units={"class_name": "__typespec__",
                                               "spec_name": "os.system", "spec_config": ["x"],
                                               "module": "os", "registered_name": None})),
        "a build config of nonsense": model({**dense,
        "build_config": {"input_shape": [10**12] * 9}}),
        "a build config that is a text": model({**dense, "build_config": "x"}),
        "a compile config that runs": model(dense, compile_config={
            "optimizer": {"module": "os", "class_name": "system", "config": {}}}),
        "a layer that is null": model(None), "a layer that is a list": model([]),
        "a thousand models in one another": _nested(40, model(dense)),
        "an input of 10^15": model(dense) | {"build_config": {"input_shape": [None, 10**15]}},
    }  # fmt: skip


def _nested(levels: int, inner: Any) -> Any:
    for level in range(levels):
        config = {"name": f"n{level}", "trainable": True, "layers": [inner]}
        inner = {"module": "keras", "class_name": "Sequential", "config": config,
                 "registered_name": None}  # fmt: skip
    return inner


def _damaged(content: bytes) -> dict[str, bytes]:
    directory = content.index(b"PK\x01\x02")
    first = content[directory:]
    return {
        "without its directory": content[:directory],
        "with another method": content.replace(b"PK\x01\x02\x14\0\x14\0\0\0\0\0",
                                               b"PK\x01\x02\x14\0\x14\0\0\0\x63\0"),
        "with a password": content.replace(b"PK\x01\x02\x14\0\x14\0\0\0",
                                           b"PK\x01\x02\x14\0\x14\0\1\0"),
        "whose members begin beyond it": content[:directory] + first[:42] + b"\xff\xff\xff\x7f"
        + first[46:],
        "with a wrong checksum": content[:directory] + first[:16] + b"\0\0\0\0" + first[20:],
    }  # fmt: skip
