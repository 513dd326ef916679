"""ONNX files: what opens, what is repaired, and what gets one sentence."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

import layerscope as ls
from cases import onnx_cases
from cases.amounts import examples
from cases.onnx_cases import model, node, saved, value
from layerscope.core.errors import LayerscopeError, ModelError
from layerscope.testing import reference


def wide() -> Any:
    """Return a model whose kernel is large enough to be kept elsewhere."""
    kernel = np.arange(64 * 32, dtype=np.float32).reshape(64, 32) / 1000
    return model(
        [node("MatMul", "x,kernel", "y", "dense")],
        [value("x", ["n", 64])],
        [value("y", ["n", 32])],
        {"kernel": kernel},
    )


def outside(path: Path, location: str = "weights.bin") -> Any:
    """Return the same, with its kernel in another file."""
    proto = wide()
    tensor = proto.graph.initializer[0]
    (path.parent / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return proto


def test_where_a_model_came_from_is_said(real: Path) -> None:
    network = ls.describe(ls.load_model(real / "onnx" / "mnist.onnx"))
    assert network.origin is not None
    assert (network.origin.format, network.origin.written_by) == ("ONNX opset 8", "CNTK 2.5.1")


def test_a_model_shows_what_it_takes_and_gives(tmp_path: Path) -> None:
    opened = ls.load_model(saved(onnx_cases.cnn().model, tmp_path / "net.onnx"))
    expected = "<OnnxModel 'net': opset 8, 5 nodes, x (None, 1, 6, 8) → y (None, 3)>"
    assert repr(opened) == expected
    assert isinstance(opened.proto, onnx.ModelProto)


def test_weights_in_files_beside_the_model(tmp_path: Path) -> None:
    inside = ls.load_model(saved(wide(), tmp_path / "inside.onnx"))
    path = tmp_path / "net.onnx"
    beside = ls.load_model(saved(outside(path), path))
    x = np.ones((2, 64), np.float32)
    expected = ls.activations(inside, x)["dense"]
    np.testing.assert_array_equal(ls.activations(beside, x)["dense"], expected)
    np.testing.assert_array_equal(ls.weights(beside)["kernel"], ls.weights(inside)["kernel"])
    # A store of files that are linked to by their names, as Hugging Face keeps them.
    linked = tmp_path / "snapshot"
    linked.mkdir()
    for name in ("net.onnx", "weights.bin"):
        (linked / name).symlink_to(tmp_path / name)
    again = ls.load_model(linked / "net.onnx")
    np.testing.assert_array_equal(ls.activations(again, x)["dense"], expected)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "C:\\secret", "..\\secret", ""])
def test_weights_from_other_folders_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(64 * 32 * 4))
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "net.onnx"
    saved(outside(path, location), path)
    with pytest.raises(ModelError, match="only files in the model's own folder are read"):
        ls.load_model(path)


def test_a_link_to_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(64 * 32 * 4))
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "net.onnx"
    saved(outside(path, "link"), path)
    (tmp_path / "inner" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match="only files in the model's own folder are read"):
        ls.load_model(path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "absent"}, "'absent', which is not there"),
        ({"offset": "-8"}, "truncated, or belongs to another model"),
        ({"offset": "8"}, "truncated, or belongs to another model"),
        ({"offset": "many"}, "truncated, or belongs to another model"),
        ({"length": "1000000000000"}, "truncated, or belongs to another model"),
    ],
)
def test_weights_that_are_not_there(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    path = tmp_path / "net.onnx"
    proto = outside(path)
    tensor = proto.graph.initializer[0]
    del tensor.external_data[:]
    for key, text in ({"location": "weights.bin"} | entries).items():
        tensor.external_data.add(key=key, value=text)
    saved(proto, path)
    with pytest.raises(ModelError, match=message):
        ls.load_model(path)
    with pytest.raises(ModelError, match="pass the path of the model"):
        ls.describe(proto)


def cyclic() -> Any:
    return model(
        [node("Add", "x,b", "a", "first"), node("Relu", "a", "b", "second")],
        [value("x", ["n", 2])],
        [value("b", ["n", 2])],
    )


def dangling() -> Any:
    proto = onnx_cases.mlp()
    proto.graph.node[1].input[0] = "nowhere"
    return proto


def huge() -> Any:
    proto = wide()
    proto.graph.initializer[0].dims[:] = [10**6, 10**6]
    return proto


def negative() -> Any:
    proto = wide()
    proto.graph.initializer[0].dims[:] = [-64, -32]
    return proto


def untyped() -> Any:
    proto = wide()
    proto.graph.initializer[0].data_type = 99
    return proto


def twice() -> Any:
    proto = wide()
    proto.graph.initializer.append(proto.graph.initializer[0])
    return proto


def reassigned() -> Any:
    proto = onnx_cases.mlp()
    proto.graph.node.append(node("Relu", "x", "h"))
    return proto


def future_format() -> Any:
    proto = wide()
    proto.ir_version = 10**6
    return proto


def future_opset() -> Any:
    proto = wide()
    proto.opset_import[0].version = 10**6
    return proto


def no_such_operator() -> Any:
    proto = wide()
    proto.graph.node[0].op_type = "Magic"
    return proto


BROKEN: list[tuple[Callable[[], Any], str]] = [
    (cyclic, r"node 'first' \(Add\) needs a value that is made from its own, in a circle"),
    (dangling, r"node of type 'Relu' takes 'nowhere', which nothing in the graph makes"),
    (huge, r"should hold 4,000,000,000,000 bytes, and holds 8,192"),
    (negative, "has a negative length"),
    (untyped, "has no type that ONNX knows"),
    (twice, "two of its weights have the same name"),
    (reassigned, "is no valid ONNX model: Graph must be in single static assignment"),
    (future_format, "version 1000000 of the ONNX format.*upgrade onnx and onnxruntime"),
    (future_opset, "written in opset 1000000.*upgrade onnx and onnxruntime"),
    (no_such_operator, "no valid ONNX model: No Op registered for Magic"),
    (onnx.ModelProto, "is empty"),
]


@pytest.mark.parametrize(("make", "message"), BROKEN, ids=[make.__name__ for make, _ in BROKEN])
def test_what_is_wrong_with_a_model_is_one_sentence(
    tmp_path: Path, make: Callable[[], Any], message: str
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(make().SerializeToString())
    with pytest.raises(ModelError, match=message) as caught:
        ls.load_model(path)
    assert "net.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"ir_version: 8\ngraph { }\n", "truncated, damaged or no ONNX file"),
        (b"PK\x03\x04 an archive", "is a zip archive"),
        (random.Random(0).randbytes(500), "truncated, damaged or no ONNX file"),
        (b"\x08\x08", "holds no ONNX graph"),
    ],
)
def test_what_is_no_model_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        ls.load_model(path)


def test_graphs_in_graphs_without_end(tmp_path: Path) -> None:
    def field(number: int, content: bytes) -> bytes:
        length = len(content)
        size = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14])
        return bytes([number << 3 | 2]) + size + content

    content = b""
    for _ in range(400):  # a graph has a node has an attribute has a graph
        content = field(1, field(5, field(6, content)))
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x08" + field(7, content))
    with pytest.raises(ModelError, match="truncated, damaged or no ONNX file"):
        ls.load_model(path)


def test_a_tensor_that_would_be_huge_is_not_made(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", "size", "b", "big"), node("Add", "x,b", "y", "add")]
    size = {"size": np.array([10**14], np.int64)}
    path = saved(model(nodes, [value("x", [1])], [value("y", None)], size), tmp_path / "net.onnx")
    opened = ls.load_model(path)
    assert [layer.address for layer in ls.describe(opened)] == ["add"]
    with pytest.raises(LayerscopeError, match="ONNX Runtime") as caught:
        ls.activations(opened, np.ones(1, np.float32))
    assert "\n" not in str(caught.value)


def test_nodes_in_no_order_are_put_in_order(tmp_path: Path) -> None:
    proto = onnx_cases.mlp()
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes[::-1])
    opened = ls.load_model(saved(proto, tmp_path / "net.onnx"))
    acts = ls.activations(opened, reference.MLP_INPUT)
    np.testing.assert_array_equal(acts["y"], reference.MLP_ACTIVATIONS[-1])
    assert "Repaired: its nodes were put into an order" in str(ls.describe(opened))


def test_an_architecture_is_not_wanted(tmp_path: Path) -> None:
    path = saved(wide(), tmp_path / "net.onnx")
    with pytest.raises(ModelError, match="holds its own architecture"):
        ls.load_model(path, architecture="some:thing")


@settings(max_examples=examples(150))
@given(st.data())
def test_damaged_files_open_or_get_one_sentence(data: st.DataObject) -> None:
    content = bytearray(damaged(data.draw))
    check_opens_or_says_why(bytes(content))


def damaged(draw: Callable[[Any], Any]) -> bytes:
    """Return a small model with some of its bytes changed, cut off or put in."""
    content = bytearray(_SEEDS[draw(st.integers(0, len(_SEEDS) - 1))])
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "cut", "insert"]))
        if kind == "flip" and content:
            content[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 20))]
        else:
            content[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(content)


def check_opens_or_says_why(content: bytes, run: bool = False) -> None:
    """Check that a model can be described, with ``run`` also run, or that one sentence says why."""
    message = ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        path.write_bytes(content)
        try:
            opened = ls.load_model(path)
            ls.describe(opened)
            ls.weights(opened)
            if run:
                ls.activations(opened, reference.MLP_INPUT)
        except LayerscopeError as error:
            message = str(error)
    assert "\n" not in message


_SEEDS = [case().model.SerializeToString() for case in (onnx_cases.cnn, onnx_cases.loop)]
_SEEDS.append(onnx_cases.mlp().SerializeToString())

_FUZZ_RUNS = """
import random, sys
sys.path.insert(0, {tests!r})
sys.path.insert(0, {here!r})
import test_opening as t
source = random.Random({seed})
for _ in range(150):
    content = bytearray(t._SEEDS[2])
    for _ in range(source.randint(1, 2)):
        content[source.randrange(len(content))] = source.randrange(256)
    t.check_opens_or_says_why(bytes(content), run=True)
"""


def test_damaged_models_that_open_run_or_get_one_sentence() -> None:
    # In a process of its own: what is run here is C++, on a model that nobody wrote.
    here = Path(__file__).parent
    code = _FUZZ_RUNS.format(tests=str(here.parents[1]), here=str(here), seed=7)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""  # ONNX Runtime's own complaints are not shown besides ours


def calling(levels: int, width: int, last: str = "Relu") -> Any:
    """Return a model of functions, each of which calls the next one ``width`` times."""
    proto = model(
        [node("F0", "x", "y", domain="own")], [value("x", ["n", 4])], [value("y", ["n", 4])],
        domains=["own"],
    )  # fmt: skip
    opsets = [
        onnx.helper.make_opsetid(domain, version) for domain, version in (("", 17), ("own", 1))
    ]
    for level in range(levels):
        below = last if level == levels - 1 else f"F{level + 1}"
        names = ["a", *(f"b{i}" for i in range(width - 1)), "c"]
        domain = "" if below == "Relu" else "own"
        calls = [node(below, a, b, domain=domain) for a, b in itertools.pairwise(names)]
        proto.functions.append(
            onnx.helper.make_function("own", f"F{level}", ["a"], ["c"], calls, opsets)
        )
    return proto


@pytest.mark.parametrize(
    ("levels", "width", "last", "message"),
    [
        (30, 2, "Relu", r"with its functions written out it has 2,147,483,647 nodes, and up to"),
        (3, 100, "Relu", r"written out it has 1,010,101 nodes, and up to 200,000 are followed"),
        (2000, 1, "Relu", "its functions call each other 2000 deep, and 64 are followed"),
        (3, 1, "F0", r"is damaged: its function 'F\d' calls itself, in a circle"),
        (1, 1, "F0", "is damaged: its function 'F0' calls itself, in a circle"),
    ],
)
def test_functions_that_grow_are_refused_before_anything_follows_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    levels: int,
    width: int,
    last: str,
    message: str,
) -> None:
    def followed(*args: Any, **options: Any) -> Any:
        raise AssertionError("the functions were written out")

    monkeypatch.setattr(onnx.checker, "check_model", followed)
    monkeypatch.setattr(onnx.shape_inference, "infer_shapes", followed)
    path = saved(calling(levels, width, last), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=message):
        ls.load_model(path)


def test_functions_as_people_write_them_open(tmp_path: Path) -> None:
    opened = ls.load_model(saved(calling(4, 3), tmp_path / "m.onnx"))
    (layer,) = ls.describe(opened).layers
    assert layer.type == "F0"
    np.testing.assert_array_equal(
        ls.activations(opened, np.array([[-1, 0, 1, 2]], np.float32))[layer.address], [[0, 0, 1, 2]]
    )


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ([2**62, 0], r"has the shape \[4611686018427387904, 0\], which no array can have"),
        ([1] * 100, "has 100 axes, and up to 32 are read"),
    ],
)
def test_shapes_that_no_array_has(
    tmp_path: Path, beside: bool, dims: list[int], message: str
) -> None:
    path = tmp_path / "m.onnx"
    proto = outside(path) if beside else wide()
    tensor = proto.graph.initializer[0]
    del tensor.dims[:]
    tensor.dims.extend(dims)
    with pytest.raises(ModelError, match=message):
        ls.load_model(saved(proto, path))


def test_the_name_of_a_data_file_may_be_longer_than_the_system_takes(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    proto = outside(path, "w" * 5000)
    with pytest.raises(ModelError, match="which is not there: put that file beside it"):
        ls.load_model(saved(proto, path))
