"""ONNX graphs, small ones, each with something that graphs out there have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from layerscope.testing import reference
from layerscope.testing.contract import Case

FLOAT = TensorProto.FLOAT


def value(name: str, shape: Sequence[Any] | None, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: Mapping[str, Any] | None = None,
    *,
    opset: int = 17,
    ir: int = 8,
    domains: Sequence[str] = (),
) -> Any:
    tensors = [numpy_helper.from_array(a, name) for name, a in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), tensors)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir)


def node(op: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> Any:
    """Return a node; ``inputs`` and ``outputs`` are names, commas between them."""
    taken, given = inputs.split(",") if inputs else [], outputs.split(",")
    return helper.make_node(op, taken, given, name=name, **attributes)


def mlp() -> Any:
    """Return the reference network: one kernel stored as Gemm's transB wants it."""
    (first, second), (b0, b1) = reference.MLP_KERNELS, reference.MLP_BIASES
    return model(
        [
            node("Gemm", "x,w0,b0", "h", "/hidden/Gemm", transB=1),
            node("Relu", "h", "r"),
            node("MatMul", "r,w1", "m"),
            node("Add", "m,b1", "y"),
        ],
        [value("x", ["batch", 3])],
        [value("y", ["batch", 1])],
        {"w0": first.T.copy(), "b0": b0, "w1": second, "b1": b1},
    )


def cnn() -> Case:
    """Return the reference CNN, channels first, its weights listed among the inputs."""
    w = reference.cnn_weights()
    kernel = w["conv/kernel"].transpose(3, 2, 0, 1).copy()
    # The flattening here goes through the channels first: so must the dense kernel.
    dense = w["dense/kernel"].reshape(2, 3, 2, 3).transpose(2, 0, 1, 3).reshape(12, 3).copy()
    weights = {"k": kernel, "kb": w["conv/bias"], "d": dense, "db": w["dense/bias"]}
    graph = model(
        [
            node("Conv", "x,k,kb", "c", "conv"),
            node("Relu", "c", "r", "relu"),
            node("MaxPool", "r", "p", "pool", kernel_shape=[2, 2], strides=[2, 2]),
            node("Flatten", "p", "f", "flat"),
            node("Gemm", "f,d,db", "y", "dense"),
        ],
        [value("x", ["n", 1, 6, 8]), *(value(n, a.shape) for n, a in weights.items())],
        [value("y", ["n", 3])],
        weights,
        opset=8,
        ir=3,
    )
    values = dict(reference.cnn_activations())
    del values["flat"]  # the same numbers in another order
    maps = ("sample", "y", "x", "channel")
    return Case(
        graph,
        reference.cnn_input().transpose(0, 3, 1, 2).copy(),
        ("conv", "relu", "pool", "flat", "dense"),
        {"conv": maps, "relu": maps, "pool": maps, "flat": ("sample", "unit")},
        values,
    )


def names() -> Case:
    """Have no name, the same name twice, one that a number would make, and a constant."""
    graph = model(
        [
            node("Relu", "x", "a"),
            node("Constant", "", "two", value=numpy_helper.from_array(np.float32(2))),
            node("Mul", "a,two", "b", "/block/op"),
            node("Relu", "b", "c", "/block/op"),
            node("Neg", "c", "d", "Relu_2"),
            node("Relu", "d", "e"),
        ],
        [value("x", ["n", 2])],
        [value("e", ["n", 2])],
    )
    x = np.array([[1, -1], [2, 3]], np.float32)
    order = ("Relu_0", "block/op", "block/op_1", "Relu_2", "Relu_2_1")
    return Case(graph, x, order, values={"block/op": 2 * np.maximum(x, 0)})


def lstm() -> Case:
    """Have several outputs, the first of them not asked for in one of the two nodes."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(1, 8, 3)).astype(np.float32),
        "r": rng.normal(size=(1, 8, 2)).astype(np.float32),
    }
    graph = model(
        [
            node("Transpose", "x", "t", "turn", perm=[1, 0, 2]),
            node("LSTM", "t,w,r", "all,last,cell", "lstm", hidden_size=2),
            node("LSTM", "t,w,r", ",only", "short", hidden_size=2),
        ],
        [value("x", ["n", 4, 3])],
        [value("all", None), value("only", None)],
        weights,
    )
    sequence = ("sample", "position", "direction", "channel")
    return Case(
        graph,
        rng.normal(size=(2, 4, 3)).astype(np.float32),
        ("turn", "lstm", "lstm[1]", "lstm[2]", "short"),
        {
            "turn": ("sample", "position", "channel"),
            "lstm": sequence,
            "lstm[1]": ("sample", "direction", "unit"),
            "short": ("sample", "direction", "unit"),
        },
    )


def loop() -> Case:
    """Loop and branch: what runs in a loop is noted; a branch that is always taken is seen."""
    body = helper.make_graph(
        [
            node("Identity", "go", "go_on"),
            node("Add", "v,step", "added", "grow"),
            node("Identity", "added", "v_out"),
        ],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("v", None)],
        [value("go_on", [], TensorProto.BOOL), value("v_out", None)],
    )
    branches = {
        f"{which}_branch": helper.make_graph(
            [node(op, "looped", which, which)], which, [], [value(which, None)]
        )
        for which, op in (("then", "Neg"), ("else", "Abs"))
    }
    graph = model(
        [
            node("Relu", "x", "step", "relu"),
            node("Loop", "times,yes,x", "looped", "loop", body=body),
            node("If", "yes", "y", "choice", **branches),
        ],
        [value("x", ["n", 2])],
        [value("y", None)],
        {"times": np.array(3, np.int64), "yes": np.array(True)},
    )
    x = np.array([[1, -2]], np.float32)
    grown = x + 3 * np.maximum(x, 0)
    return Case(
        graph,
        x,
        ("relu", "loop", "choice/then"),
        values={"loop": grown, "choice/then": -grown},
        left_out=("loop/grow",),
    )


def several() -> Case:
    """Have several inputs, one a number without axes, one of bools; several outputs."""
    graph = model(
        [
            node("Where", "mask,x,zero", "kept", "mask_out"),
            node("Mul", "kept,factor", "scaled", "scale"),
            node("Cast", "mask", "counted", "count", to=TensorProto.INT64),
        ],
        [
            value("x", ["n", 2]),
            value("mask", ["n", 2], TensorProto.BOOL),
            value("factor", []),
        ],
        [value("scaled", ["n", 2]), value("counted", ["n", 2], TensorProto.INT64)],
        {"zero": np.zeros((), np.float32)},
    )
    x = {
        "x": np.array([[1, 2], [3, 4]], np.float32),
        "mask": np.array([[True, False], [True, True]]),
        "factor": np.array(3, np.float32),
    }
    scaled = np.array([[3, 0], [9, 12]], np.float32)
    return Case(graph, x, ("mask_out", "scale", "count"), values={"scale": scaled})


def sequences() -> Case:
    """Make a list, which is no array and left out; what is read from it is seen."""
    graph = model(
        [
            node("SequenceConstruct", "x,x", "list", "collect"),
            node("SequenceAt", "list,at", "item", "pick"),
            node("Relu", "item", "y", "relu"),
        ],
        [value("x", ["n", 2])],
        [value("y", ["n", 2])],
        {"at": np.array(1, np.int64)},
    )
    x = np.array([[-1, 2]], np.float32)
    return Case(graph, x, ("pick", "relu"), values={"pick": x}, left_out=("collect",))


def attention() -> Case:
    """Attend with queries, keys and values, as exported from the code of a transformer."""
    rng = np.random.default_rng(1)
    weights = {n: rng.normal(size=(4, 4)).astype(np.float32) for n in ("wq", "wk", "wv")}
    split = {"heads": np.array([0, 0, 2, 2], np.int64), "joined": np.array([0, 0, -1], np.int64)}
    nodes = []
    for letter, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            node("MatMul", f"x,w{letter}", f"{letter}0", letter),
            node("Reshape", f"{letter}0,heads", f"{letter}1", f"{letter}/split"),
            node("Transpose", f"{letter}1", f"{letter}2", f"{letter}/turn", perm=perm),
        ]
    nodes += [
        node("MatMul", "q2,k2", "s", "scores"),
        node("Softmax", "s", "p", "softmax", axis=-1),
        node("MatMul", "p,v2", "o", "mixed"),
        node("Transpose", "o", "ot", "back", perm=[0, 2, 1, 3]),
        node("Reshape", "ot,joined", "y", "joined"),
    ]
    graph = model(nodes, [value("x", ["n", 5, 4])], [value("y", None)], {**weights, **split})
    by_head = ("sample", "head", "position", "channel")
    return Case(
        graph,
        rng.normal(size=(3, 5, 4)).astype(np.float32),
        tuple(n.name for n in nodes),
        {
            "q": ("sample", "position", "channel"),
            "k/turn": by_head,
            "scores": ("sample", "head", "query", "key"),
            "softmax": ("sample", "head", "query", "key"),
            "mixed": by_head,
            "joined": ("sample", "position", "channel"),
        },
    )


def channels_last() -> Case:
    """Transpose before and after what convolves, as what is made from a Keras model does."""
    rng = np.random.default_rng(2)
    graph = model(
        [
            node("Transpose", "x", "first", "to_first", perm=[0, 3, 1, 2]),
            node("Conv", "first,k", "c", "conv"),
            node("Transpose", "c", "y", "to_last", perm=[0, 2, 3, 1]),
        ],
        [value("x", ["n", 6, 5, 3])],
        [value("y", None)],
        {"k": rng.normal(size=(4, 3, 2, 2)).astype(np.float32)},
    )
    maps = ("sample", "y", "x", "channel")
    x = rng.normal(size=(2, 6, 5, 3)).astype(np.float32)
    axes = dict.fromkeys(("to_first", "conv", "to_last"), maps)
    return Case(graph, x, ("to_first", "conv", "to_last"), axes, {"to_first": x})


def training_mode() -> Case:
    """Have nodes as for training: the graph runs as for inference all the same."""
    two = np.full(2, 2, np.float32)
    graph = model(
        [
            node("Dropout", "x,half,on", "d", "drop"),
            node("BatchNormalization", "d,s,b,m,v", "y,mm,vv", "norm", training_mode=1,
                 epsilon=0.0),
        ],
        [value("x", ["n", 2])],
        [value("y", ["n", 2])],
        {
            "half": np.array(0.5, np.float32), "on": np.array(True),
            "s": two, "b": two, "m": two, "v": two * two,
        },
    )  # fmt: skip
    x = np.array([[1, 2], [3, 4]], np.float32)
    return Case(graph, x, ("drop", "norm"), values={"drop": x, "norm": x}, tolerance=1e-4)


ALL = [cnn, names, lstm, loop, several, sequences, attention, channels_last]


def saved(proto: Any, path: Any, **external: Any) -> Any:
    onnx.save(proto, path, **external)
    return path
