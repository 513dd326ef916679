"""Native PyTorch models with Keras on PyTorch: its operations and optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import keras
import torch

from cases.forked_runs import Program, started
from layerscope.backends import backend_for
from layerscope.backends.base import Tap
from layerscope.core.errors import InputError, ModelError
from layerscope.testing import reference
from layerscope.testing.gradients import DifferentiableCase, DifferentiableContract

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="Keras runs on another framework"
)


class TestWithKeras(DifferentiableContract):
    def case(self) -> DifferentiableCase:
        model = torch.nn.Sequential(
            torch.nn.Linear(3, 2), torch.nn.ReLU(inplace=True), torch.nn.Linear(2, 1)
        )
        with torch.no_grad():
            for layer, kernel, bias in zip(
                (model[0], model[2]), reference.MLP_KERNELS, reference.MLP_BIASES, strict=True
            ):
                layer.weight.copy_(torch.from_numpy(kernel.T))
                layer.bias.copy_(torch.from_numpy(bias))
        x = reference.MLP_INPUT
        return DifferentiableCase(model, x, x, ("0", "1", "2"))

    def state(self, model: Any) -> Any:
        return [(p.tolist(), p.requires_grad, p.grad is None) for p in model.parameters()]

    def failing(self) -> tuple[Any, Any, str, str, type[Exception]]:
        model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(5, 1))
        return model, reference.MLP_INPUT, "0", "1", InputError


def test_operations_within_a_gradient() -> None:
    backend = backend_for(torch.nn.Linear(3, 2))
    ops, values = backend.ops, backend.values([Tap("output")])
    x = ops.convert_to_tensor(reference.MLP_INPUT)
    score = lambda x: ops.mean(ops.square(values(x)[Tap("output")]), axis=1)  # noqa: E731
    scores, gradient = backend.compiled(backend.gradient(score), "mean", network=True)(x)
    assert (tuple(scores.shape), tuple(gradient.shape)) == ((2,), (2, 3))
    assert not scores.requires_grad


def test_optimizers_of_keras() -> None:
    backend = backend_for(torch.nn.Linear(3, 2))
    start = np.array([1.0, -2.0, 0.5], np.float32)
    update = backend.optimizer(keras.optimizers.SGD(), start)
    step = backend.compiled(lambda *args: update(*args), "sgd", network=False)
    params, _ = step(start, update.state, np.float32([1, 0, -2]), 0.5)
    np.testing.assert_allclose(backend.ops.convert_to_numpy(params), [1.5, -2.0, -0.5], rtol=1e-6)
    with pytest.raises(ModelError, match="optimizer='adamant' is none"):
        backend.optimizer("adamant", start)


PROGRAM = """
import os, sys, torch
from layerscope.backends import backend_for
from cases.forked_runs import arguments

backend = backend_for(torch.nn.Linear(3, 2))
os.environ |= dict(argument.split("=") for argument in arguments())
assert "keras" not in sys.modules
before = dict(os.environ)
assert backend.ops.shape(torch.zeros(2, 3)) == (2, 3)
assert sys.modules["keras"].config.backend() == "torch"
assert dict(os.environ) == before
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    script = tmp_path_factory.mktemp("script") / "script.py"
    script.write_text(PROGRAM)
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("KERAS_BACKEND", raising=False)
        with started(script) as program:
            yield program


@pytest.mark.slow
@pytest.mark.parametrize("stated", [[], ["KERAS_BACKEND=torch"]], ids=["nothing", "torch"])
def test_keras_is_imported_on_torch_where_nothing_else_is_asked_for(
    stated: list[str], program: Program
) -> None:
    done = program.run(*stated)
    assert done.returncode == 0, done.stderr
