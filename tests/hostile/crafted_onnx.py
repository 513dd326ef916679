"""ONNX graphs: functions that grow, data that lie elsewhere, shapes that claim, circles."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from cases.onnx_cases import model, node, value
from hostile.crafted_arrays import no_files
from hostile.files import File
from hostile.mutations import varint

_X, _Y = value("x", ["n", 4]), value("y", ["n", 4])


def files(folder: Path, outside: Path) -> Iterator[File]:
    """All of them, in turn."""
    (folder / "w.bin").write_bytes(np.ones((4, 4), np.float32).tobytes())
    (folder / "device.bin").symlink_to("/dev/zero")
    (folder / "away.bin").symlink_to(outside / "secret.npy")
    path = folder / "m.onnx"
    for what, (make, opens) in _graphs(outside).items():
        made = make()
        path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        yield File("onnx", what, str(path), opens=opens)
        path.unlink()
    yield from no_files(folder, ["m.onnx"], "onnx", "model")


def _plain(*nodes: Any, weights: Any = None, **more: Any) -> Any:
    return model(list(nodes) or [node("Relu", "x", "y")], [_X], [_Y], weights, **more)


def _weight(
    dims: Any, raw: bytes | None = b"", kind: int = TensorProto.FLOAT, **fields: Any
) -> Callable[[], Any]:
    """A product with a weight that is made by hand."""

    def make() -> Any:
        proto = _plain(node("MatMul", "x,w", "y"), weights={"w": np.ones((4, 4), np.float32)})
        tensor = proto.graph.initializer[0]
        del tensor.dims[:]
        tensor.dims.extend(dims)
        tensor.data_type = kind
        tensor.ClearField("raw_data")
        if raw is not None:
            tensor.raw_data = raw
        for name, content in fields.items():
            getattr(tensor, name).extend(content)
        return proto

    return make


def _elsewhere(location: str, dims: Any = (4, 4), **more: str) -> Callable[[], Any]:
    def make() -> Any:
        proto = _weight(dims, None)()
        tensor = proto.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        for key, content in {"location": location, **more}.items():
            tensor.external_data.add(key=key, value=content)
        return proto

    return make


def _functions(levels: int, width: int = 2, circle: bool = False) -> Callable[[], Any]:
    """Functions that each call the one below ``width`` times."""

    def make() -> Any:
        proto = _plain(node("F0", "x", "y", domain="own"), domains=["own"])
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        for level in range(levels):
            last = level == levels - 1
            below = "Relu" if last and not circle else f"F{0 if last else level + 1}"
            domain = "" if below == "Relu" else "own"
            names = ["a", *(f"b{i}" for i in range(width - 1)), "c"]
            calls = [helper.make_node(below, [names[i]], [names[i + 1]], domain=domain)
                     for i in range(width)]  # fmt: skip
            proto.functions.append(
                helper.make_function("own", f"F{level}", ["a"], ["c"], calls, opsets)
            )
        return proto

    return make


def _nested(levels: int, op: str = "If") -> Callable[[], Any]:
    """Branches in branches."""

    def make() -> Any:
        def graph(nodes: Any) -> Any:
            return helper.make_graph(nodes, "g", [], [value("y", ["n", 4])])

        inner = graph([node("Relu", "x", "y")])
        message = inner.SerializeToString()
        cond = helper.make_graph([], "g", [], []).SerializeToString()
        for _ in range(levels):
            # By hand: protobuf's own encoder recurses.
            branches = b"".join(
                _bytes(
                    5, _bytes(1, name) + _bytes(6, content) + bytes([20 << 3 & 0x7F | 0x80, 1, 5])
                )
                for name, content in ((b"then_branch", message), (b"else_branch", cond))
            )
            made = _bytes(1, b"c") + _bytes(2, b"y") + _bytes(4, op.encode()) + branches
            message = _bytes(1, made) + _bytes(2, b"g")
        outer = _plain(node("Relu", "x", "y")).SerializeToString()
        parsed = onnx.ModelProto.FromString(outer)
        parsed.ClearField("graph")
        values = b"".join(_bytes(n, v.SerializeToString()) for n, v in ((11, _X), (12, _Y)))
        return parsed.SerializeToString() + _bytes(7, message + values)

    return make


def _bytes(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _filled(op: str, shape: Any, **attributes: Any) -> Callable[[], Any]:
    def make() -> Any:
        weights = {"s": np.array(shape, np.int64)}
        return _plain(
            node(op, "s" if op == "ConstantOfShape" else "x,s", "f", **attributes),
            node("Add", "x,f", "y"), weights=weights,
        )  # fmt: skip

    return make


def _chain(count: int) -> Iterator[Any]:
    names = ["x", *(f"v{i}" for i in range(count - 1)), "y"]
    return (node("Relu", *pair) for pair in itertools.pairwise(names))


def _turned_round(proto: Any) -> None:
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(reversed(nodes))


def _changed(change: Callable[[Any], Any], *nodes: Any) -> Callable[[], Any]:
    def make() -> Any:
        proto = _plain(*nodes)
        change(proto)
        return proto

    return make


def _range() -> Any:
    weights = {n: np.array(v, np.int64) for n, v in (("a", 0), ("b", 10**15), ("d", 1))}
    return _plain(
        node("Range", "a,b,d", "r"), node("Cast", "r", "f", to=TensorProto.FLOAT),
        node("ReduceSum", "f", "s", keepdims=0), node("Add", "x,s", "y"), weights=weights,
    )  # fmt: skip


def _chain_of_concats() -> Any:
    nodes = [node("Concat", f"v{i},v{i}", f"v{i + 1}", axis=0) for i in range(60)]
    return _plain(*nodes, node("Add", "x,v60", "y"), weights={"v0": np.ones(1, np.float32)})


def _sparse(count: int) -> Callable[[], Any]:
    def change(proto: Any) -> None:
        values = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
        indices = helper.make_tensor("", TensorProto.INT64, [1], [0])
        proto.graph.sparse_initializer.append(
            helper.make_sparse_tensor(values, indices, [count, count])
        )

    return _changed(change, node("MatMul", "x,w", "y"))


def _named(name: str) -> Callable[[], Any]:
    def change(proto: Any) -> None:
        proto.graph.node[0].name = name
        proto.graph.name = proto.producer_name = name

    return _changed(change)


def _graphs(outside: Path) -> dict[str, tuple[Callable[[], Any], bool | None]]:
    secret = str(outside / "secret.npy")
    return {
        "functions 30 deep, twice each": (_functions(30), False),
        "functions 3 deep, a thousand each": (_functions(3, 1000), False),
        "functions 2,000 deep": (_functions(2000, 1), None),
        "functions in a circle": (_functions(3, 1, circle=True), False),
        "a function that calls itself": (_functions(1, 1, circle=True), False),
        "functions 4 deep, as people write them": (_functions(4), True),
        "branches 20 deep": (_nested(20), None),
        "branches 3,000 deep": (_nested(3000), False),
        "a chain of 30,000": (lambda: _plain(*_chain(30_000)), None),
        "a chain of 30,000 in no order": (_changed(_turned_round, *_chain(30_000)), True),
        "a weight of 10^12 values": (_weight([10**6, 10**6]), False),
        "a weight of 2^64 values": (_weight([2**32, 2**32]), False),
        "a weight of 2^62 by 0": (_weight([2**62, 0]), None),
        "a weight of -4 by -4": (_weight([-4, -4], bytes(64)), False),
        "a weight of 100,000 axes": (_weight([1] * 100_000, bytes(4)), None),
        "a weight of strings":
            (_weight([2], None, TensorProto.STRING, string_data=[b"a", b"b"]), None),
        "a weight of an unknown type": (_weight([4, 4], bytes(64), 99), False),
        "a weight of 4 bits": (_weight([10**9], b"", TensorProto.INT4), False),
        "a weight of half a value": (_weight([4, 4], bytes(63)), False),
        "a weight with two contents": (_weight([4, 4], bytes(64), float_data=[1.0] * 16), None),
        "a sparse weight of 10^12": (_sparse(10**6), None),
        "a weight beside it": (_elsewhere("w.bin"), True),
        "a weight in /etc/passwd": (_elsewhere("/etc/passwd"), False),
        "a weight outside": (_elsewhere(secret), False),
        "a weight with a way out": (_elsewhere("../../outside/secret.npy"), False),
        "a weight for Windows": (_elsewhere("..\\..\\outside\\secret.npy"), False),
        "a weight in a device": (_elsewhere("device.bin"), False),
        "a weight in a link outside": (_elsewhere("away.bin"), False),
        "a weight in a folder": (_elsewhere("."), False),
        "a weight in nothing": (_elsewhere(""), False),
        "a weight in a name with a zero": (_elsewhere("a\0b"), False),
        "a weight in a name of 5,000": (_elsewhere("a" * 5000), False),
        "a weight in an address": (_elsewhere("http://127.0.0.1:9/w.bin"), False),
        "a weight beyond the end": (_elsewhere("w.bin", offset="9" * 30), False),
        "a weight before the beginning": (_elsewhere("w.bin", offset="-64"), False),
        "a weight of nonsense": (_elsewhere("w.bin", length="x"), False),
        "a weight of 10^12 beside it": (_elsewhere("w.bin", (10**6, 10**6)), False),
        "a weight of 2^62 by 0 beside it": (_elsewhere("w.bin", (2**62, 0)), None),
        "a constant of 10^12": (_filled("ConstantOfShape", [10**6, 10**6]), None),
        "a constant of 2^124": (_filled("ConstantOfShape", [2**62, 2**62]), None),
        "a constant of negative size": (_filled("ConstantOfShape", [-1, -1]), None),
        "values spread over 10^12": (_filled("Expand", [10**6, 10**6]), None),
        "values repeated 10^12 times": (_filled("Tile", [10**6, 10**6]), None),
        "a new shape of 2^62": (_filled("Reshape", [2**31, 2**31]), None),
        "a range of 10^15": (_range, None),
        "a value doubled 60 times": (_chain_of_concats, None),
        "a stranger's operator": (lambda: _plain(node("Evil", "x", "y", domain="evil.so"),
                                                 domains=["evil.so"]), None),
        "an operator of nobody": (lambda: _plain(node("Evil", "x", "y")), False),
        "a node in a circle": (lambda: _plain(node("Add", "x,y", "y")), False),
        "two nodes in a circle": (
            lambda: _plain(node("Add", "x,b", "a"), node("Add", "x,a", "b"), node("Relu", "b",
            "y")),
            False),
        "two values of one name": (
            lambda: _plain(node("Relu", "x", "y"), node("Tanh", "x", "y")), False),
        "a name with control characters": (_named("\x1b[31m\r\n\0x"), None),
        "a name of 5 MB": (_named("n" * 5_000_000), None),
        "a name that is a path": (_named("../../outside/x"), None),
        "no graph": (_changed(lambda proto: proto.ClearField("graph")), False),
        "no nodes": (_changed(lambda proto: proto.graph.ClearField("node")), False),
        "no outputs": (_changed(lambda proto: proto.graph.ClearField("output")), None),
        "no opset": (_changed(lambda proto: proto.ClearField("opset_import")), None),
        "opset 2^62": (_changed(lambda p: setattr(p.opset_import[0], "version", 2**62)), False),
        "opset -1": (_changed(lambda p: setattr(p.opset_import[0], "version", -1)), None),
        "a version of 2^62": (_changed(lambda p: setattr(p, "ir_version", 2**62)), False),
        "an input of 10^15": (
            lambda: model([node("Relu", "x", "y")], [value("x", [10**15])], [_Y]), None),
        "an input of -5": (lambda: model([node("Relu", "x", "y")], [value("x", [-5])], [_Y]), None),
        "an input of no type": (_changed(lambda p: p.graph.input[0].ClearField("type")), None),
        "20,000 inputs": (
            lambda: model([node("Relu", "x", "y")],
                          [_X, *(value(f"i{i}", [1]) for i in range(20_000))], [_Y]), None),
        "a pool of 10^12": (lambda: model(
            [node("MaxPool", "x", "y", kernel_shape=[10**12, 10**12])],
            [value("x", [1, 1, 8, 8])], [value("y", None)]), None),
        "strides of 0": (lambda: model(
            [node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[0, 0])],
            [value("x", [1, 1, 8, 8])], [value("y", None)]), None),
        "a Split into 10^6": (lambda: _plain(
            node("Split", "x", ",".join(["y", *(f"o{i}" for i in range(50_000))]), axis=1)), None),
        "a message of zeros": (lambda: bytes(1_000_000), False),
        "a message in messages": (lambda: _deep_message(5_000), False),
    }  # fmt: skip


def _deep_message(levels: int) -> bytes:
    content = b""
    for _ in range(levels):
        content = _bytes(7, content)
    return content
