"""The page's own forward pass, run in node: every layer equal to the framework's values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.nn import functional as F

import layerscope as ls
from cases import keras_networks
from cases.followed import values
from cases.live_pages import complaint_of_node, in_node
from cases.torch_networks import Calling, Residual, normed
from layerscope.backends.keras import digits_network
from layerscope.core.operations import FUNCTIONS, OPERATIONS, Operation, OperationGraph
from layerscope.instruments.evaluation import evaluate
from layerscope.instruments.portable import TOLERANCE, PortableProgram, portable

pytestmark = pytest.mark.browser


def torch_perceptron() -> Any:
    return nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Dropout(), nn.Linear(9, 4), nn.Softmax(1))


def sklearn_perceptron() -> Any:
    model = MLPClassifier(hidden_layer_sizes=(9, 5), random_state=0)
    return model.partial_fit(values(20, 12), np.arange(20) % 4, classes=np.arange(4))


def grouped() -> Any:
    """Groups, dilation, odd strides, branches put together, and a flatten of channels first."""
    generator = torch.Generator().manual_seed(0)
    kernel = torch.randn((6, 2, 3, 2), generator=generator)
    bias = torch.randn(6, generator=generator)
    dense = torch.randn((12 * 5 * 11, 3), generator=generator)

    def forward(x: Any) -> Any:
        one = F.conv2d(x, kernel, bias, stride=(2, 1), padding=(2, 3), dilation=2, groups=2)
        other = F.interpolate(F.avg_pool2d(one, 2), scale_factor=2)
        beside = torch.cat([one, F.pad(other, (0, 1, 0, 1))], 1)
        return torch.flatten(beside, 1) @ dense

    return Calling(forward)


NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "digits CNN": (lambda: keras_networks.drawn(digits_network.build()), (2, 28, 28, 1)),
    "depthwise-separable": (keras_networks.depthwise_separable, (2, 17, 13, 3)),
    "nested": (keras_networks.nested, (2, 9, 7, 4)),
    "perceptron of Keras": (keras_networks.perceptron, (3, 12)),
    "residual": (lambda: normed(Residual()), (2, 3, 14, 14)),
    "grouped": (grouped, (2, 4, 9, 7)),
    "perceptron of PyTorch": (torch_perceptron, (3, 12)),
    "perceptron of scikit-learn": (sklearn_perceptron, (3, 12)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_is_equal_to_the_framework(name: str, tmp_path: Path) -> None:
    make, shape = NETWORKS[name]
    model, x = make(), values(*shape, seed=1)
    program = portable(model, values(*shape))
    recording = ls.activations(model, x)
    computed, _ = in_node(program, np.asarray(recording.input), tmp_path)
    assert set(computed) == set(recording)
    for address in recording:
        expected = np.asarray(recording[address])
        spread = max(expected.max(), 0) - min(expected.min(), 0)
        assert computed[address].shape == expected.shape
        assert np.abs(computed[address] - expected).max() <= TOLERANCE * spread, address


def graph(x: Any, *operations: Operation) -> PortableProgram:
    return PortableProgram(OperationGraph("x", x.shape[1:], operations[-1].address, operations))


def check_equal(program: PortableProgram, x: Any, folder: Path) -> None:
    """Check that node computes what the definition says, to the last digits of float32."""
    expected = evaluate(program.graph, x)
    computed, _ = in_node(program, x, folder)
    assert set(computed) == set(program.layers)
    for address, value in computed.items():
        same = np.broadcast_to(expected[address], value.shape)
        np.testing.assert_allclose(value, same, rtol=2e-6, atol=1e-7, err_msg=address)


def test_every_function_is_the_one_that_is_defined(tmp_path: Path) -> None:
    settings: list[dict[str, Any]] = [
        *({"function": name} for name in sorted(FUNCTIONS - {"prelu", "sqrt"})),
        {"function": "relu", "slope": 0.3}, {"function": "relu", "limit": 2.0},
        {"function": "relu", "slope": 0.3, "threshold": 1.5, "limit": 2.0},
        {"function": "elu", "alpha": 0.4}, {"function": "celu", "alpha": 1.7},
        {"function": "gelu", "approximate": True}, {"function": "softplus", "beta": 3.0},
        {"function": "clip", "low": -1.0}, {"function": "clip", "low": -1.0, "high": 0.5},
    ]  # fmt: skip
    x = np.concatenate([np.linspace(-9, 9, 361), values(359)]).reshape(2, 6, 5, 12)
    shape = (6, 5, 12)
    steps = [
        Operation(f"{i} {each['function']}", "activation", ("x",), shape, each)
        for i, each in enumerate(settings)
    ]
    for slopes in [(6, 5, 12), (12,), (1,), (6, 1, 1)]:
        name, arrays = f"prelu {slopes}", {"slope": values(*slopes)}
        steps.append(Operation(name, "activation", ("x",), shape, {"function": "prelu"}, arrays))
    steps.append(Operation("size", "activation", ("x",), shape, {"function": "abs"}))
    steps.append(Operation("sqrt", "activation", ("size",), shape, {"function": "sqrt"}))
    check_equal(graph(x, *steps), x.astype(np.float32), tmp_path)


def test_every_operation_is_the_one_that_is_defined(tmp_path: Path) -> None:
    x = values(2, 6, 5, 4)
    window: dict[str, Any] = {"strides": [2, 1], "padding": [[1, 0], [0, 2]]}
    pool = {**window, "size": [3, 2]}
    conv = {**window, "dilation": [1, 2], "groups": 2}
    bias = {"bias": values(6)}
    two = [("x", "rescale"), ("x", "column max"), ("constant", "x"), ("x", "x", "rescale")]
    steps = [
        Operation("conv", "conv2d", ("x",), (3, 5, 6), conv,
                  {"kernel": values(3, 2, 2, 6), **bias}),
        Operation("conv'", "conv2d", ("x",), (3, 5, 3), {**conv, "groups": 1},
                  {"kernel": values(3, 2, 4, 3)}),
        Operation("depthwise", "depthwise_conv2d", ("x",), (3, 5, 12), conv,
                  {"kernel": values(3, 2, 4, 3), "bias": values(12)}),
        Operation("dense", "dense", ("x",), (6, 5, 7), {}, {"kernel": values(4, 7)}),
        Operation("dense'", "dense", ("x",), (6, 5, 6), {}, {"kernel": values(4, 6), **bias}),
        Operation("rescale", "rescale", ("x",), (6, 5, 4), {},
                  {"scale": values(4), "shift": values(1)}),
        Operation("max", "max_pool", ("x",), (3, 6, 4), pool),
        Operation("mean", "average_pool", ("x",), (3, 6, 4), {**pool, "counts_padding": True}),
        Operation("mean'", "average_pool", ("x",), (3, 6, 4), {**pool, "counts_padding": False}),
        Operation("global mean", "global_average_pool", ("x",), (4,), {"axes": [0, 1]}),
        Operation("column max", "global_max_pool", ("x",), (6, 1, 4), {"axes": [1]}),
        Operation("row mean", "global_average_pool", ("x",), (5, 4), {"axes": [0]}),
        Operation("last max", "global_max_pool", ("x",), (6, 5), {"axes": [2]}),
        Operation("softmax", "activation", ("x",), (6, 5, 4), {"function": "softmax"}),
        Operation("constant", "constant", (), (1, 5, 1), {}, {"value": values(1, 5, 1)}),
        *(Operation(f"add {i}", "add", inputs, (6, 5, 4)) for i, inputs in enumerate(two)),
        *(Operation(f"sub {i}", "subtract", inputs, (6, 5, 4)) for i, inputs in enumerate(two)),
        *(Operation(f"mul {i}", "multiply", inputs, (6, 5, 4)) for i, inputs in enumerate(two)),
        *(Operation(f"div {i}", "divide", inputs, (6, 5, 4)) for i, inputs in enumerate(two)),
        *(Operation(f"avg {i}", "average", inputs, (6, 5, 4)) for i, inputs in enumerate(two)),
        *(Operation(f"high {i}", "maximum", inputs, (6, 5, 4)) for i, inputs in enumerate(two)),
        *(Operation(f"low {i}", "minimum", inputs, (6, 5, 4)) for i, inputs in enumerate(two)),
        Operation("rows", "concat", ("x", "rescale"), (12, 5, 4), {"axis": 0}),
        Operation("columns", "concat", ("x", "column max"), (6, 6, 4), {"axis": 1}),
        Operation("channels", "concat", ("x", "dense", "x"), (6, 5, 15), {"axis": 2}),
        Operation("pad", "pad", ("x",), (9, 6, 5),
                  {"padding": [[1, 2], [1, 0], [0, 1]], "value": -2.0}),
        Operation("edges", "pad", ("x",), (9, 8, 4),
                  {"padding": [[1, 2], [0, 3], [0, 0]], "value": None}),
        Operation("crop", "crop", ("x",), (3, 4, 3), {"cropping": [[1, 2], [0, 1], [1, 0]]}),
        Operation("upsample", "upsample", ("x",), (12, 15, 4), {"factors": [2, 3]}),
        Operation("transpose", "transpose", ("x",), (4, 6, 5), {"order": [2, 0, 1]}),
        Operation("transpose'", "transpose", ("x",), (5, 4, 6), {"order": [1, 2, 0]}),
        Operation("reshape", "reshape", ("x",), (10, 12)),
        Operation("identity", "identity", ("x",), (6, 5, 4)),
    ]  # fmt: skip
    assert {step.kind for step in steps} == OPERATIONS
    check_equal(graph(x, *steps), x, tmp_path)


def test_what_one_run_leaves_behind_is_nothing_to_the_next(tmp_path: Path) -> None:
    program = portable(keras_networks.nested(), values(1, 9, 7, 4))
    x = values(5, 9, 7, 4)
    computed, _ = in_node(program, np.concatenate([x, x[:1]]), tmp_path)
    for value in computed.values():
        np.testing.assert_array_equal(value[0], value[-1])
        assert not np.array_equal(value[0], value[1])


def test_what_does_not_fit_is_an_error_in_words(tmp_path: Path) -> None:
    program = portable(keras_networks.perceptron(), values(1, 12))

    def complaint(numbers: int = 12, **changed: Any) -> str:
        return complaint_of_node({**program.header, **changed}, program, tmp_path, numbers)

    operations = [{**each, "kind": "constructor"} for each in program.header["operations"]]
    assert complaint() == ""
    assert "of version 2, and this page reads 1." in complaint(version=2)
    assert 'knows no operation "constructor"' in complaint(operations=operations)
    assert "The network takes 12 numbers, and got 11." in complaint(11)
