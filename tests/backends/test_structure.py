"""Networks without parameters are told apart by their structure, in each process alike."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.backends import backend_for
from layerscope.backends.structure import structure_digest
from layerscope.core.network import Layer, Network

pytestmark = pytest.mark.one_backend

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

TORCH = """
import torch
from torch import nn
class Halved(nn.Module):
    def forward(self, x):
        return torch.relu(x) / 2
class Third(nn.Module):
    def forward(self, x):
        return torch.relu(x) / 3
class Tanh(nn.Module):
    def forward(self, x):
        return torch.tanh(x)
class Holding(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.where = nn.ReLU(), object()
    def extra_repr(self):
        return repr(self.where)
    def forward(self, x):
        return self.inner(x)
models = [
    nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)),
    nn.Sequential(nn.Tanh(), nn.MaxPool2d(2)),
    nn.Sequential(nn.ReLU(), nn.MaxPool2d(3)),
    nn.Sequential(nn.LeakyReLU(0.1)),
    nn.Sequential(nn.LeakyReLU(0.2)),
    Halved(), Third(), Tanh(), nn.Sequential(Halved()), Holding(),
]
"""
KERAS = """
import keras
from keras import layers
class Doubled(keras.Layer):
    def call(self, x):
        return 2 * x
class Tripled(keras.Layer):
    def call(self, x):
        return 3 * x
def net(*own):
    return keras.Sequential([keras.Input((4, 4, 1), name="in"), *own], name="net")
models = [
    net(layers.ReLU(name="a"), layers.MaxPooling2D(2, name="b")),
    net(layers.ReLU(name="a"), layers.AveragePooling2D(2, name="b")),
    net(layers.ReLU(name="a"), layers.MaxPooling2D(4, name="b")),
    net(layers.LeakyReLU(0.1, name="a")),
    net(layers.LeakyReLU(0.2, name="a")),
    net(layers.Lambda(lambda x: x * 2, name="a")),
    net(layers.Lambda(lambda x: x * 3, name="a")),
    net(Doubled(name="a")), net(Tripled(name="a")),
]
"""
ONNX = """
import onnx
from onnx import TensorProto, helper
def net(*nodes):
    takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "net", [takes], [gives])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
node = helper.make_node
models = [
    net(node("Relu", ["x"], ["y"], "a")),
    net(node("Tanh", ["x"], ["y"], "a")),
    net(node("LeakyRelu", ["x"], ["y"], "a", alpha=0.1)),
    net(node("LeakyRelu", ["x"], ["y"], "a", alpha=0.2)),
    net(node("Relu", ["x"], ["z"], "a"), node("Relu", ["z"], ["y"], "b")),
]
"""
CODES = {"torch": TORCH, "keras": KERAS, "onnx": ONNX}
PRINT = """
from layerscope.backends import backend_for
print(*(backend_for(model).digest() for model in models))
"""


def models_of(code: str) -> list[Any]:
    """The models that a code makes."""
    names: dict[str, Any] = {"__name__": "models"}
    exec(code, names)
    return list(names["models"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "framework", ["torch", "keras", pytest.param("onnx", marks=pytest.mark.side_by_side)]
)
def test_different_networks_differ_and_the_same_agree_in_each_process(framework: str) -> None:
    pytest.importorskip(framework)
    if framework == "onnx":
        pytest.importorskip("onnxruntime")
    code = CODES[framework]
    here = [backend_for(model).digest() for model in models_of(code)]
    assert len(set(here)) == len(here)
    assert EMPTY not in here
    assert here == [backend_for(model).digest() for model in models_of(code)]
    done = subprocess.run(
        [sys.executable, "-c", code + PRINT],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.split() == here


def test_a_recording_says_which_it_is_of() -> None:
    pytest.importorskip("torch")
    image = np.zeros((1, 1, 8, 8), np.float32)
    two = [ls.activations(model, image).provenance["model"] for model in models_of(TORCH)[:2]]
    assert two[0] != two[1]
    assert EMPTY not in two


def test_what_a_layer_says_of_itself_is_no_part_of_the_structure() -> None:
    # Recordings made before layers said their kind are gone on with: their digest is the same.
    silent, saying = (
        Network("n", "?", (Layer("relu", "ReLU", **more),))
        for more in ({}, {"kind": "activation", "activation": "relu"})
    )
    assert structure_digest(silent, (), ()) == structure_digest(saying, (), ())
