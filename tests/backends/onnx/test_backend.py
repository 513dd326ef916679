"""ONNX models keep the contract."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import onnx
import onnxruntime as ort
from onnx import TensorProto

import layerscope as ls
from cases import onnx_cases, standard_onnx
from cases.onnx_cases import model, node, value
from layerscope.backends import backend_for
from layerscope.backends.onnx.model import OnnxModel
from layerscope.core.errors import AddressError, InputError, ModelError
from layerscope.testing import reference
from layerscope.testing.contract import BackendContract, Case, close


class TestOnnx(BackendContract):
    def standard(self) -> Any:
        return standard_onnx.standard()

    def mlp(self) -> Any:
        return OnnxModel(onnx_cases.mlp())

    def predict(self, model: Any, x: Any) -> Any:
        proto = onnx.ModelProto()
        proto.CopyFrom(getattr(model, "proto", model))
        for step in proto.graph.node:
            step.name = ""  # ONNX Runtime refuses two of the same name
        session = ort.InferenceSession(proto.SerializeToString())
        names = [given.name for given in session.get_inputs()]
        feeds = x if isinstance(x, dict) else {names[0]: x}
        outputs = session.run(None, feeds)
        return outputs[0] if len(outputs) == 1 else outputs

    def state(self, model: Any) -> Any:
        return getattr(model, "proto", model).SerializeToString(deterministic=True)

    def failing(self) -> tuple[Any, Any, type[Exception]]:
        graph = model(
            [node("Relu", "x", "r"), node("Reshape", "r,to", "y", "shape")],
            [value("x", ["n", 3])],
            [value("y", None)],
            {"to": np.array([7], np.int64)},
        )
        return OnnxModel(graph), reference.MLP_INPUT, InputError

    @pytest.mark.parametrize("make", onnx_cases.ALL, ids=lambda make: make.__name__)
    def test_graphs_of_all_kinds(self, make: Callable[[], Case]) -> None:
        self.check_case(make())

    @pytest.mark.parametrize("kind", [OnnxModel, lambda proto: proto], ids=["model", "proto"])
    def test_all_that_stands_for_a_model(self, kind: Any) -> None:
        acts = ls.activations(kind(onnx_cases.mlp()), reference.MLP_INPUT)
        assert list(acts) == ["hidden/Gemm", "Relu_0", "MatMul_0", "Add_0"]


def test_sessions_are_looked_into_through_their_model(tmp_path: Path) -> None:
    path = onnx_cases.saved(onnx_cases.mlp(), tmp_path / "mlp.onnx")
    for made_from in (str(path), path.read_bytes()):
        session = ort.InferenceSession(made_from)
        for _ in range(2):
            acts = ls.activations(session, reference.MLP_INPUT)
            np.testing.assert_array_equal(acts["Add_0"], reference.MLP_ACTIVATIONS[-1])
    session = ort.InferenceSession(str(path))
    path.unlink()
    with pytest.raises(ModelError, match=r"InferenceSession was made from .* pass the model"):
        ls.describe(session)


def test_inference_mode_whatever_the_file_says() -> None:
    case = onnx_cases.training_mode()
    acts = ls.activations(case.model, case.x)
    for address, expected in (case.values or {}).items():
        close(acts[address].values, expected, 1e-4)


def test_a_values_own_name_is_an_address_too() -> None:
    acts = ls.activations(onnx_cases.mlp(), reference.MLP_INPUT, layers=["h", "y"])
    assert list(acts) == ["hidden/Gemm", "Add_0"]
    np.testing.assert_array_equal(acts["y"], acts["Add_0"])
    with pytest.raises(AddressError, match="did you mean"):
        ls.activations(onnx_cases.mlp(), reference.MLP_INPUT, layers="hidden/Gem")


def test_only_what_leads_to_the_selected_layers_is_run() -> None:
    graph = TestOnnx().failing()[0]
    acts = ls.activations(graph, reference.MLP_INPUT, layers="Relu_0")
    np.testing.assert_array_equal(acts["Relu_0"], np.maximum(reference.MLP_INPUT, 0))


def test_describe_knows_types_shapes_settings_and_edges() -> None:
    network = ls.describe(onnx_cases.cnn().model)
    rows = [(layer.address, layer.type, layer.shape, layer.inputs) for layer in network]
    assert rows == [
        ("conv", "Conv", (None, 2, 4, 6), ("x",)),
        ("relu", "Relu", (None, 2, 4, 6), ("conv",)),
        ("pool", "MaxPool", (None, 2, 2, 3), ("relu",)),
        ("flat", "Flatten", (None, 12), ("pool",)),
        ("dense", "Gemm", (None, 3), ("flat",)),
    ]
    assert network["pool"].settings == {"kernel": (2, 2), "stride": (2, 2)}
    assert (network["conv"].weights, network["conv"].biases) == (18, 2)
    assert network.framework == f"ONNX Runtime {ort.__version__}"


def test_weights_are_the_initializers_with_their_axes_named() -> None:
    weights = ls.weights(onnx_cases.cnn().model)
    assert {key: array.dims for key, array in weights.items()} == {
        "k": ("y", "x", "input", "channel"),
        "kb": ("channel",),
        "d": ("input", "unit"),
        "db": ("unit",),
    }
    np.testing.assert_array_equal(weights["k"], reference.cnn_weights()["conv/kernel"])
    assert weights["d"].attrs["input_axes"] == ("channel", "y", "x")


def test_a_normalization_along_several_axes() -> None:
    ones = np.ones((4, 3), np.float32)
    graph = model(
        [node("LayerNormalization", "x,scale,bias", "y", "norm", axis=1)],
        [value("x", ["n", 4, 3])],
        [value("y", ["n", 4, 3])],
        {"scale": ones, "bias": ones},
    )
    weights = ls.weights(graph)
    assert weights["scale"].dims == weights["bias"].dims == ("position", "channel")


def test_weights_on_their_way_through_constant_nodes() -> None:
    kernel = np.arange(6, dtype=np.float32).reshape(3, 2)
    graph = model(
        [
            node("Transpose", "stored", "turned", perm=[1, 0]),
            node("MatMul", "x,turned", "a", "first"),
            node("Constant", "", "bias", value=onnx.numpy_helper.from_array(kernel[:1].T.copy())),
            node("MatMul", "a,turned2", "b", "second"),
            node("Identity", "stored", "turned2"),
            node("MatMul", "b,bias", "y", "third"),
        ],
        [value("x", ["n", 2])],
        [value("y", None)],
        {"stored": kernel},
    )
    weights = ls.weights(graph)
    assert list(weights) == ["stored", "bias"]
    assert weights["stored"].dims == ("input", "unit")
    np.testing.assert_array_equal(weights["stored"], kernel.T)  # as the first node takes it
    network = ls.describe(graph)
    assert [len(layer.parameters) for layer in network] == [1, 0, 1]  # shared: the first owns it
    assert network.total == 8


def test_shapes_and_numbers_are_no_weights() -> None:
    graph = model(
        [
            node("Reshape", "x,to", "r"),
            node("Clip", "r,low,high", "c"),
            node("Mul", "c,half", "h"),
            node("Add", "h,bias", "y"),
        ],
        [value("x", ["n", 4])],
        [value("y", None)],
        {
            "to": np.array([-1, 4], np.int64), "low": np.float32(0), "high": np.float32(6),
            "half": np.array([0.5], np.float32), "bias": np.ones((1, 4), np.float32),
        },
    )  # fmt: skip
    weights = ls.weights(graph)
    assert {key: (array.dims, array.shape) for key, array in weights.items()} == {
        "bias": (("unit",), (4,))
    }


def test_a_model_that_takes_one_sample_is_run_for_each() -> None:
    proto = onnx_cases.mlp()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    backend = backend_for(proto)
    assert backend.inputs()[0].shape == (None, 3)
    acts = ls.activations(proto, reference.MLP_INPUT)
    np.testing.assert_array_equal(acts["Add_0"], reference.MLP_ACTIVATIONS[-1])
    assert "one sample at a time: it was run 2 times" in " ".join(acts.notes)
    assert not ls.activations(proto, reference.MLP_INPUT[:1]).notes


@pytest.mark.parametrize(
    ("shape", "kind", "expected"),
    [
        (["n", 3, "h", "w"], TensorProto.FLOAT, ((None, 3, None, None), "float32")),
        ([], TensorProto.DOUBLE, ((), "float64")),
        (None, TensorProto.FLOAT16, (None, "float16")),
        (["n"], TensorProto.STRING, ((None,), "string")),
        ([2, 0], TensorProto.BOOL, ((2, 0), "bool")),
    ],
)
def test_what_inputs_are(shape: Any, kind: int, expected: Any) -> None:
    graph = model([node("Identity", "x", "y")], [value("x", shape, kind)], [value("y", None, kind)])
    (spec,) = backend_for(graph).inputs()
    assert (spec.shape, spec.dtype) == expected


def test_the_layout_of_images_is_found_from_what_convolves() -> None:
    assert backend_for(onnx_cases.cnn().model).inputs()[0].layout == "channels_first"
    assert backend_for(onnx_cases.channels_last().model).inputs()[0].layout == "channels_last"


@pytest.mark.parametrize("kind", ["FLOAT16", "DOUBLE", "BFLOAT16", "INT32"])
def test_other_types_of_numbers(kind: str) -> None:
    number = getattr(TensorProto, kind)
    graph = model(
        [node("Cast", "x", "c", "cast", to=TensorProto.FLOAT), node("Cast", "c", "y", "back",
                                                                    to=number)],
        [value("x", ["n", 2], number)],
        [value("y", ["n", 2], number)],
    )  # fmt: skip
    acts = ls.activations(graph, np.array([[1, -2]]))
    for address in acts:
        np.testing.assert_array_equal(acts[address], [[1, -2]])
    shown = "float32" if kind == "BFLOAT16" else {"DOUBLE": "float64"}.get(kind, kind.lower())
    assert str(acts["back"].dtype) == shown
    assert ("bfloat16" in " ".join(acts.notes)) == (kind == "BFLOAT16")


def test_strings_go_through() -> None:
    graph = model(
        [node("Identity", "x", "y", "same")],
        [value("x", ["n"], TensorProto.STRING)],
        [value("y", None, TensorProto.STRING)],
    )
    run = backend_for(graph).run(np.array(["a", "bc"]), backend_for(graph).select(None))
    assert run.values["same"].values.tolist() == ["a", "bc"]


def test_inputs_that_do_not_fit_get_a_sentence() -> None:
    several = onnx_cases.several()
    backend = backend_for(several.model)
    with pytest.raises(InputError, match=r"inputs are 'x', 'mask', 'factor'; x has 'x'"):
        backend.run({"x": several.x["x"]}, backend.select(None))
    with pytest.raises(InputError, match="has 3 inputs"):
        backend.run([several.x["x"]], backend.select(None))


def test_what_the_runtime_says_is_one_sentence() -> None:
    graph, x, _ = TestOnnx().failing()
    with pytest.raises(InputError) as caught:
        ls.activations(graph, x)
    text = str(caught.value)
    assert "in the node 'shape' (Reshape)" in text
    assert "\n" not in text
    assert ".h:" not in text


def test_custom_operators_are_described_and_not_run() -> None:
    graph = model(
        [node("Magic", "x", "y", "magic", domain="com.example")],
        [value("x", ["n", 2])],
        [value("y", None)],
        domains=["com.example"],
    )
    assert [layer.type for layer in ls.describe(graph)] == ["Magic"]
    with pytest.raises(ModelError, match=r"no operator com\.example:Magic"):
        ls.activations(graph, np.zeros((1, 2), np.float32))


def test_nothing_else_is_taken_for_a_model() -> None:
    with pytest.raises(ModelError, match=r"can't look into a GraphProto: pass an onnx\.ModelProto"):
        ls.describe(onnx_cases.mlp().graph)
    with pytest.raises(ModelError, match="holds no ONNX graph"):
        ls.describe(onnx.ModelProto())


def test_nothing_keeps_a_model_alive() -> None:
    graph = OnnxModel(onnx_cases.mlp())
    acts = ls.activations(graph, reference.MLP_INPUT)
    gone = weakref.ref(graph)
    del graph, acts
    gc.collect()
    assert gone() is None


def test_sessions_are_few_and_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = ort.InferenceSession

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(1)
        return original(*args, **kwargs)

    graph = OnnxModel(onnx_cases.mlp())
    monkeypatch.setattr(ort, "InferenceSession", counted)
    for _ in range(3):
        ls.activations(graph, reference.MLP_INPUT)
        ls.activations(graph, reference.MLP_INPUT, layers=0)
    assert len(made) == 2


@pytest.mark.parametrize("digit", [0, 3, 5, 7])
def test_real_digits(digit: int, real: Path) -> None:
    network = ls.load_model(real / "onnx" / "mnist.onnx")
    image = real / "images" / f"digit_{digit}.jpg"
    acts = ls.activations(network, image, input_range=(0, 255))
    assert acts["Plus214_Output_0"].argmax("unit").item() == digit
