"""The contract of layerscope, kept by the Equinox backend; and what is Equinox' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import InputError, ModelError
from layerscope.testing import reference
from layerscope.testing.contract import BackendContract, Case

KEY = jax.random.key(0)


def linear(kernel: Any, bias: Any) -> eqx.nn.Linear:
    """A layer of these weights; Equinox keeps kernels as (output, input)."""
    layer = eqx.nn.Linear(*kernel.shape, key=KEY)
    where = lambda layer: (layer.weight, layer.bias)  # noqa: E731
    return eqx.tree_at(where, layer, (jnp.asarray(kernel.T), jnp.asarray(bias)))


def conv(kernel: Any, bias: Any) -> eqx.nn.Conv2d:
    y, x, inputs, channels = kernel.shape
    layer = eqx.nn.Conv2d(inputs, channels, (y, x), key=KEY)
    where = lambda layer: (layer.weight, layer.bias)  # noqa: E731
    arrays = jnp.asarray(kernel.transpose(3, 2, 0, 1)), jnp.asarray(bias).reshape(-1, 1, 1)
    return eqx.tree_at(where, layer, arrays)


def mlp() -> eqx.nn.Sequential:
    (first, second), (one, other) = reference.MLP_KERNELS, reference.MLP_BIASES
    relu = eqx.nn.Lambda(jax.nn.relu)
    return eqx.nn.Sequential([linear(first, one), relu, linear(second, other)])


class Cnn(eqx.Module):
    """The reference network; Equinox' maps are (channel, y, x), so they are moved to flatten."""

    conv: eqx.nn.Conv2d
    relu: eqx.nn.Lambda
    pool: eqx.nn.MaxPool2d
    flat: eqx.nn.Lambda
    dense: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __init__(self) -> None:
        weights = reference.cnn_weights()
        self.conv = conv(weights["conv/kernel"], weights["conv/bias"])
        self.relu = eqx.nn.Lambda(jax.nn.relu)
        self.pool = eqx.nn.MaxPool2d(2, 2)
        self.flat = eqx.nn.Lambda(lambda x: x.transpose(1, 2, 0).ravel())
        self.dense = linear(weights["dense/kernel"], weights["dense/bias"])
        self.dropout = eqx.nn.Dropout()

    def __call__(self, x: Any, *, key: Any) -> Any:
        x = self.flat(self.pool(self.relu(self.conv(x))))
        return self.dense(self.dropout(x, key=key))


class Failing(eqx.Module):
    layers: eqx.nn.Sequential

    def __call__(self, x: Any) -> Any:
        self.layers(x)
        raise ZeroDivisionError("midway")


class Only(eqx.Module):
    """A model of one layer. In a Sequential, Equinox' own PReLU would get a key that it refuses."""

    layer: Any

    def __call__(self, x: Any) -> Any:
        return self.layer(x)


class TestEquinox(BackendContract):
    shape_errors = (TypeError,)

    def mlp(self) -> Any:
        return mlp()

    def predict(self, model: Any, x: Any) -> Any:
        model = eqx.nn.inference_mode(model)
        key = {"key": KEY} if isinstance(model, Cnn) else {}
        return jax.tree.map(np.asarray, jax.vmap(lambda x: model(x, **key))(jnp.asarray(x)))

    def state(self, model: Any) -> Any:
        """Modules can't change; their classes can."""
        calls = [cls.__call__ for cls in (eqx.nn.Linear, eqx.nn.Lambda, type(model))]
        return calls, str(model), [np.asarray(leaf).tolist() for leaf in
                                   jax.tree.leaves(eqx.filter(model, eqx.is_array))]  # fmt: skip

    def failing(self) -> tuple[Any, Any, type[Exception]]:
        return Failing(mlp()), reference.MLP_INPUT, ZeroDivisionError

    def standard(self) -> Mapping[str, tuple[Any, Any]]:
        nn = eqx.nn
        functions = {
            "ReLU": jax.nn.relu, "leaky ReLU": jax.nn.leaky_relu, "ELU": jax.nn.elu,
            "GELU": jax.nn.gelu, "SiLU": jax.nn.silu, "tanh": jnp.tanh,
            "sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax, "flattened": jnp.ravel,
            "transposed": jnp.transpose,
        }  # fmt: skip
        modules = {
            "convolution": nn.Conv2d(4, 2, 3, key=KEY),
            "transposed convolution": nn.ConvTranspose2d(4, 2, 3, key=KEY),
            "group normalization": nn.GroupNorm(2, 4),
            "layer normalization": nn.LayerNorm((4, 6, 6)),
            "parametric ReLU": nn.PReLU(),
            "largest values": nn.MaxPool2d(2),
            "means": nn.AdaptiveAvgPool2d(2),
            "dropout": nn.Dropout(),
            "identity": nn.Identity(),
            "derived from a convolution": type("Mine", (nn.Conv2d,), {})(4, 2, 3, key=KEY),
            **{name: nn.Lambda(function) for name, function in functions.items()},
        }
        x = np.ones((2, 4, 6, 6), np.float32)
        return {name: (Only(module), x) for name, module in modules.items()} | {
            "dense": (Only(nn.Linear(6, 2, key=KEY)), x[:, 0, 0]),
            "embedding": (Only(nn.Embedding(5, 3, key=KEY)), np.array([1, 4])),
        }

    def test_maps_are_presented_with_their_channels_last(self) -> None:
        x = reference.cnn_input().transpose(0, 3, 1, 2)
        case = Case(
            Cnn(),
            x,
            ("conv", "relu", "pool", "flat", "dropout", "dense"),
            axes={"conv": ("sample", "y", "x", "channel"), "dense": ("sample", "unit")},
            values=dict(reference.cnn_activations()),
        )
        self.check_case(case)
        network = ls.describe(case.model)
        assert network["conv"].settings["kernel_size"] == (3, 3)
        kernel = ls.weights(case.model)["conv.weight"]
        assert kernel.dims == ("y", "x", "input", "channel")
        np.testing.assert_array_equal(kernel, reference.cnn_weights()["conv/kernel"])

    def test_parts_of_results_second_calls_and_inner_transformations(self) -> None:
        class Net(eqx.Module):
            cell: eqx.nn.LSTMCell
            dense: eqx.nn.Linear
            scale: eqx.nn.Lambda

            def __call__(self, x: Any, y: Any) -> Any:
                state = self.cell(x, (jnp.zeros(4), jnp.zeros(4)))
                state = self.cell(y, state)
                jax.vmap(self.scale)(x)
                return {"out": self.dense(state[0]), "state": state}

        keys = jax.random.split(KEY)
        scale = eqx.nn.Lambda(lambda x: x * 2)
        model = Net(eqx.nn.LSTMCell(3, 4, key=keys[0]), eqx.nn.Linear(4, 2, key=keys[1]), scale)
        x = np.ones((5, 3), np.float32)
        acts = ls.activations(model, {"x": x, "y": x})
        assert list(acts) == ["cell", "cell[1]", "cell#2", "cell#2[1]", "dense"]
        assert acts.network["cell#2"].inputs == ("y", "cell", "cell[1]")
        assert acts.network["dense"].inputs == ("cell#2",)
        assert any("left out" in note and "scale" in note for note in acts.notes)
        with pytest.raises(InputError, match="The model takes no 'z': its inputs are x, y"):
            ls.activations(model, {"z": x})


def test_a_layer_is_addressed_by_itself() -> None:
    model = mlp()
    acts = ls.activations(model, reference.MLP_INPUT, layers=model.layers[1])
    assert list(acts) == ["layers.1"]


def test_bfloat16_is_shown_as_float32() -> None:
    model = jax.tree.map(lambda x: x.astype(jnp.bfloat16) if eqx.is_array(x) else x, mlp())
    acts = ls.activations(model, jnp.asarray(reference.MLP_INPUT, jnp.bfloat16))
    assert acts["layers.0"].dtype == np.float32
    assert "bfloat16 values are shown as float32" in acts.notes


def test_what_is_no_model_says_what_would_be() -> None:
    class Config(eqx.Module):
        size: int

    with pytest.raises(ModelError, match="A Config can't be called: pass an Equinox module"):
        ls.describe(Config(3))
    net = eqx.nn.BatchNorm(3, "batch", mode="batch")
    with pytest.raises(ModelError, match=r"BatchNorm takes a state: pass eqx\.Partial"):
        ls.describe(net)


def test_weights_open_into_an_architecture(tmp_path: Any) -> None:
    path = tmp_path / "weights.eqx"
    eqx.tree_serialise_leaves(path, mlp())
    like = jax.tree.map(lambda x: x * 0 if eqx.is_array(x) else x, mlp())
    for architecture in (like, lambda: like):
        model = ls.load_model(path, architecture=architecture)
        acts = ls.activations(model, reference.MLP_INPUT)
        np.testing.assert_array_equal(acts["layers.2"], reference.MLP_ACTIVATIONS[1])
        assert "Opened from" in str(ls.describe(model))
    with pytest.raises(ModelError, match="holds only weights: pass architecture="):
        ls.load_model(path)
    with pytest.raises(ModelError, match="does not hold the weights of this Linear"):
        ls.load_model(path, architecture=eqx.nn.Linear(7, 7, key=KEY))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match="does not hold the weights of this Sequential"):
        ls.load_model(path, architecture=like)
    path.write_bytes(b"rubbish")
    with pytest.raises(ModelError, match=r"is no file of equinox\.tree_serialise_leaves"):
        ls.load_model(path, architecture=like)
