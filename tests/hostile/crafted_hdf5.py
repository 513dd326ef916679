"""HDF5 files that claim, point elsewhere, or run in circles; and architectures in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hostile import broken_hdf5
from hostile.crafted_arrays import no_files
from hostile.files import File

Change = Callable[[h5py.File, Path], None]


def dense(**changes: Any) -> dict[str, Any]:
    """The configuration of a layer, as Keras 2 wrote it."""
    config = {"name": "a", "units": 3, "batch_input_shape": [None, 4], **changes}
    return {"class_name": "Dense", "config": config}


def sequential(*layers: Any, **more: Any) -> dict[str, Any]:
    """The configuration of a model, as Keras 2 wrote it."""
    return {"class_name": "Sequential", "config": {"name": "net", "layers": list(layers)}, **more}


def files(folder: Path, outside: Path) -> Iterator[File]:
    """All of them, in turn."""
    path = folder / "m.h5"
    with h5py.File(outside / "secret.h5", "w") as file:
        file["kernel:0"] = np.ones((4, 3), "f4")
    for what, (change, opens) in _CHANGES.items():
        with h5py.File(path, "w") as file:
            _sound(file)
            change(file, outside)
        yield File("hdf5", f"an HDF5 file with {what}", str(path), opens=opens)
        path.unlink()
    for what, breakage in _BROKEN.items():
        with h5py.File(path, "w") as file:
            _sound(file)
            file["model_weights"].attrs["layer_names"] = np.array(["a"] * 3_900, object)
            file.attrs["keras_version"] = "2" * 1_000_000
        content = bytearray(path.read_bytes())
        breakage(content)
        path.write_bytes(content)
        yield File("hdf5", f"an HDF5 file with {what}", str(path), opens=False)
        path.unlink()
    for what, text in _texts(outside).items():
        named = folder / "m.json"
        named.write_text(text)
        yield File("hdf5", f"a JSON file of {what}", str(named))
        named.unlink()
        with h5py.File(path, "w") as file:
            _sound(file)
            # A large attribute is stored apart, which only later versions of the format can.
            if len(text) < 60_000:
                file.attrs["model_config"] = text
                yield_it = True
            else:
                yield_it = False
        if yield_it:
            yield File("hdf5", f"an HDF5 file of {what}", str(path))
        path.unlink()
    yield from no_files(folder, ["m.h5", "m.json"], "hdf5", "model")


def _sound(file: h5py.File) -> None:
    file.attrs["model_config"] = json.dumps(sequential(dense()))
    file.attrs["keras_version"], file.attrs["backend"] = "2.9.0", "tensorflow"
    group = file.create_group("model_weights")
    group.attrs["layer_names"] = [b"a"]
    layer = group.create_group("a")
    layer.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
    layer["kernel:0"], layer["bias:0"] = np.ones((4, 3), "f4"), np.ones(3, "f4")


def _kernel(**options: Any) -> Change:
    def change(file: h5py.File, outside: Path) -> None:
        del file["model_weights/a/kernel:0"]
        file["model_weights/a"].create_dataset("kernel:0", **options)

    return change


def _link(target: Any, name: str = "model_weights/a/kernel:0") -> Change:
    def change(file: h5py.File, outside: Path) -> None:
        if name in file:
            del file[name]
        file[name] = target(outside) if callable(target) else target

    return change


def _units(units: Any, **more: Any) -> Change:
    def change(file: h5py.File, outside: Path) -> None:
        file.attrs["model_config"] = json.dumps(sequential(dense(units=units, **more)))

    return change


def _external(file: h5py.File, outside: Path) -> None:
    _kernel(shape=(4, 3), dtype="f4", external=[(str(outside / "secret.npy"), 0, 48)])(
        file, outside
    )


def _virtual(file: h5py.File, outside: Path) -> None:
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(str(outside / "secret.h5"), "kernel:0", (4, 3))
    del file["model_weights/a/kernel:0"]
    file["model_weights/a"].create_virtual_dataset("kernel:0", layout)


def _circle(file: h5py.File, outside: Path) -> None:
    file["model_weights/a/again"] = file["model_weights"]


def _deep(file: h5py.File, outside: Path) -> None:
    group = file
    for _ in range(3000):
        group = group.create_group("g")


def _many(file: h5py.File, outside: Path) -> None:
    for i in range(60_000):
        file.create_group(str(i))


def _attributes(name: str, value: Any, where: str = "/") -> Change:
    def change(file: h5py.File, outside: Path) -> None:
        file[where].attrs[name] = value

    return change


def _no_attribute(name: str, where: str = "/") -> Change:
    def change(file: h5py.File, outside: Path) -> None:
        del file[where].attrs[name]

    return change


def _reference(file: h5py.File, outside: Path) -> None:
    kind = h5py.special_dtype(ref=h5py.Reference)
    del file["model_weights/a/kernel:0"]
    file["model_weights/a"].create_dataset("kernel:0", (4, 3), kind)


_GIANT = (10**6, 10**6)
_CHANGES: dict[str, tuple[Change, bool | None]] = {
    "nothing wrong": (lambda file, outside: None, True),
    "a kernel of a trillion numbers": (_kernel(shape=_GIANT, dtype="f4", chunks=(64, 64)), False),
    "a kernel of a trillion zeros, compressed": (
        _kernel(shape=_GIANT, dtype="f4", chunks=(1024, 1024), compression="gzip"), False),
    "a kernel of 2^62 numbers": (_kernel(shape=(2**31, 2**31), dtype="f4", chunks=(8, 8)), False),
    "a kernel as large as the layer says": (
        lambda f, o: (_kernel(shape=(4, 10**9), dtype="f4", chunks=(4, 64))(f, o),
                      _units(10**9)(f, o))[0], False),
    "a kernel of 200 million zeros and a layer like it": (
        lambda f, o: (_kernel(shape=(4, 50_000_000), dtype="f4", chunks=(4, 65536))(f, o),
                      _units(50_000_000)(f, o))[0], None),
    "a kernel without numbers": (_kernel(data=h5py.Empty("f4")), False),
    "a kernel of one number": (_kernel(data=np.float32(1)), False),
    "a kernel of texts": (_kernel(data=np.full((4, 3), b"x")), False),
    "a kernel of lists": (_kernel(shape=(4, 3), dtype=h5py.special_dtype(vlen=np.float32)), False),
    "a kernel of complex numbers": (_kernel(data=np.ones((4, 3), "c8")), False),
    "a kernel of records": (_kernel(shape=(4, 3), dtype=[("a", "f4"), ("b", "f4")]), False),
    "a kernel of references": (_reference, False),
    "a kernel with a filter": (_kernel(data=np.ones((4, 3), "f4"), scaleoffset=2), None),
    "a kernel with all filters": (
        _kernel(data=np.ones((4, 3),
        "f4"), compression="lzf", shuffle=True, fletcher32=True), True),
    "a kernel kept in another file": (_external, False),
    "a kernel that is seen through another file": (_virtual, False),
    "a link to another file": (
        _link(lambda outside: h5py.ExternalLink(str(outside / "secret.h5"), "kernel:0")), False),
    "a link to the list of users": (
        _link(h5py.ExternalLink("/etc/passwd", "/")), False),
    "a link that is relative": (
        _link(h5py.ExternalLink("../../outside/secret.h5", "kernel:0")), False),
    "a soft link to itself": (_link(h5py.SoftLink("/model_weights/a/kernel:0")), False),
    "a soft link to its group": (_link(h5py.SoftLink("/model_weights"), "model_weights/b"), False),
    "weights that are a link": (_link(h5py.SoftLink("/"), "model_weights"), False),
    "groups in a circle": (_circle, False),
    "groups 3,000 deep": (_deep, None),
    "60,000 groups": (_many, None),
    "layers of two billion units": (_units(2**31), False),
    "layers of 10^18 units": (_units(10**18), False),
    "layers of 10^30 units": (_units(10**30), False),
    "layers of -3 units": (_units(-3), False),
    "layers of many units": (_units([3]), False),
    "layers of half a unit": (_units(0.5), False),
    "inputs of 10^12 values": (_units(3, batch_input_shape=[None, 10**12]), False),
    "inputs of a text": (_units(3, batch_input_shape="abc"), False),
    "inputs of 10,000 axes": (_units(3, batch_input_shape=[1] * 10_000), False),
    "an activation that is a path": (_units(3, activation="../../x"), False),
    "an activation that is code": (_units(3, activation="os.system"), False),
    "an initializer that takes all": (
        _units(3, kernel_initializer={"class_name": "Constant",
                                      "config": {"value": [[0.0] * 1000] * 10}}), None),
    "a type that is none": (_units(3, dtype="object"), None),
    "a name with control characters": (_units(3, name="\x1b[31m\n\t"), None),
    "no names of layers": (_no_attribute("layer_names", "model_weights"), False),
    "names of layers that are numbers": (
        _attributes("layer_names", np.arange(3), "model_weights"), False),
    "a name of a layer that is a path": (
        _attributes("layer_names", [b"../.."], "model_weights"), False),
    "names of layers that are one text": (
        _attributes("layer_names", "a", "model_weights"), None),
    "no names of layers but 100,000 parts": (
        lambda f, o: (_no_attribute("layer_names", "model_weights")(f, o),
                      [_attributes(f"layer_names{i}", [b""], "model_weights")(f, o)
                       for i in range(2000)])[0], False),
    "names of weights that are missing": (_no_attribute("weight_names", "model_weights/a"), False),
    "a name of a weight that is a group": (
        _attributes("weight_names", [b"/", b"bias:0"], "model_weights/a"), False),
    "a configuration that is an array": (_attributes("model_config", np.ones(3)), False),
    "a configuration that is a number": (_attributes("model_config", 3), False),
    "a configuration that is no UTF-8": (_attributes("model_config", b"\xff\xfe{"), False),
    "a version that is nonsense": (_attributes("keras_version", "9" * 5000), None),
    "a version that is an array": (_attributes("keras_version", np.ones(3)), None),
    "no weights": (lambda file, outside: file.__delitem__("model_weights"), False),
    "weights that are an array": (
        lambda file, outside: (file.__delitem__("model_weights"),
                               file.__setitem__("model_weights", np.ones(3)))[0], False),
}  # fmt: skip


_BROKEN: dict[str, broken_hdf5.Breakage] = {
    "a heap of texts that never ends": broken_hdf5.endless_end,
    "a megabyte of text in 3,900 places": broken_hdf5.one_text_for_all,
}


_DIGITS = '{"class_name": "Sequential", "config": '


def _texts(outside: Path) -> dict[str, str]:
    """Configurations that mean harm or nothing."""
    deep: Any = dense()
    for _ in range(60):
        deep = sequential(deep)
    wide = [dense(name=f"a{i}") for i in range(20_000)]
    code = {"class_name": "Lambda", "config": {"name": "l", "function": ["4wE=", None, None]}}
    module = {"module": "os", "class_name": "system", "config": {"command": "touch x"},
              "registered_name": None}  # fmt: skip
    words = {"class_name": "StringLookup",
             "config": {"name": "w", "vocabulary": str(outside / "secret.npy")}}  # fmt: skip
    functional = {
        "class_name": "Functional", "config": {"name": "f", "layers": [
            {"class_name": "InputLayer", "name": "i",
             "config": {"batch_input_shape": [None, 4], "name": "i"}, "inbound_nodes": []},
            {**dense(), "name": "a", "inbound_nodes": [[["a", 0, 0, {}]]]}],
            "input_layers": [["i", 0, 0]], "output_layers": [["a", 0, 0]]},
    }  # fmt: skip
    return {
        "models 60 deep": json.dumps(deep), "20,000 layers": json.dumps(sequential(*wide)),
        "lists 100,000 deep": "[" * 100_000 + "]" * 100_000,
        "objects 50,000 deep": '{"a":' * 50_000 + "1" + "}" * 50_000,
        "a number of 100,000 digits": _DIGITS + "9" * 100_000 + "}",
        "code": json.dumps(sequential(dense(), code)),
        "a function of the system": json.dumps(sequential(dense(), module)),
        "a class of the system": json.dumps({**module, "class_name": "Popen",
        "module": "subprocess"}),
        "a file of words": json.dumps(sequential(words)),
        "a layer after itself": json.dumps(functional),
        "a model after itself": json.dumps({**functional, "config": {"layers": [functional]}}),
        "a bare list": "[]", "a number": "3", "null": "null", "nothing": "", "a BOM": "\ufeff{}",
        "NaN": '{"class_name": NaN, "config": Infinity}',
        "the same key twice": '{"class_name": "Sequential", "class_name": "Lambda", "config": {}}',
        "no layers": json.dumps(sequential()), "a layer that is null": json.dumps(sequential(None)),
        "a layer that is a text": json.dumps(sequential("Dense")),
        "a layer that is a number": json.dumps(sequential(3)),
        "layers that are an object": json.dumps({"class_name": "Sequential",
                                                 "config": {"layers": {"a": dense()}}}),
        "a configuration that is a text": json.dumps({"class_name": "Sequential", "config": "x"}),
        "a class without a name": json.dumps({"class_name": "", "config": {}}),
        "a class that is an object": json.dumps({"class_name": {}, "config": {}}),
        "a class that is no model": json.dumps({"class_name": "Adam", "config": {}}),
        "a kernel of 10^9 by 10^9": json.dumps(sequential(
            {"class_name": "Conv2D", "config": {"name": "c", "filters": 10**9,
             "kernel_size": [10**9, 10**9], "batch_input_shape": [None, 8, 8, 1]}})),
        "a padding of 10^12": json.dumps(sequential(
            {"class_name": "ZeroPadding2D", "config": {"name": "c", "padding": 10**12,
             "batch_input_shape": [None, 8, 8, 1]}})),
        "repeated 10^12 times": json.dumps(sequential(dense(), {
            "class_name": "RepeatVector", "config": {"name": "r", "n": 10**12}})),
        "a table of 10^15 rows": json.dumps(sequential({
            "class_name": "Embedding", "config": {"name": "e", "input_dim": 10**15,
            "output_dim": 10**3, "batch_input_shape": [None, 3]}})),
        "lists of words of 10^9": json.dumps(sequential({
            "class_name": "Hashing", "config": {"name": "e", "num_bins": 10**18,
            "output_mode": "one_hot", "batch_input_shape": [None, 3]}})),
        "heads by the billion": json.dumps(sequential({
            "class_name": "MultiHeadAttention", "config": {"name": "m", "num_heads": 10**9,
            "key_dim": 10**9, "batch_input_shape": [None, 3, 4]}})),
    }  # fmt: skip
