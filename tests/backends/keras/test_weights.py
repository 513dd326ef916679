"""The axes of Keras' weights by name; computing by name gives what the layer gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

keras = pytest.importorskip("keras")

from keras import layers as L

import layerscope as ls

#: What Keras says of quantizing layers that have no weights.
pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
HEADS = ("head", "input", "channel")


@pytest.fixture(autouse=True)
def own_names() -> None:
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(3)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def attention() -> dict[str, tuple[str, ...]]:
    axes: dict[str, tuple[str, ...]] = {}
    for part in ("query", "key", "value"):
        axes |= {f"{part}/kernel": HEADS, f"{part}/bias": ("head", "channel")}
    return axes | {"attention_output/kernel": HEADS, "attention_output/bias": ("channel",)}


def recurrent(*bias: str) -> dict[str, tuple[str, ...]]:
    kernel = ("input", "unit")
    return {"kernel": kernel, "recurrent_kernel": kernel, "bias": bias}


def einsum(equation: str, shape: Any, bias: str) -> Callable[[], Any]:
    return lambda: L.EinsumDense(equation, shape, bias_axes=bias)


CASES: dict[str, tuple[Callable[[], Any], tuple[int, ...], dict[str, tuple[str, ...]]]] = {
    "Dense": (lambda: L.Dense(3), (5,), {"kernel": ("input", "unit"), "bias": ("unit",)}),
    "einsum dense": (
        einsum("abc,cd->abd", (5, 7), "d"), (5, 6),
        {"kernel": ("input", "unit"), "bias": ("unit",)},
    ),
    "einsum into heads": (
        einsum("abc,cde->abde", (5, 3, 4), "de"), (5, 6),
        {"kernel": HEADS, "bias": ("head", "channel")},
    ),
    "einsum out of heads": (
        einsum("abcd,cde->abe", (5, 7), "e"), (5, 3, 4), {"kernel": HEADS, "bias": ("channel",)},
    ),
    "einsum for each step": (
        einsum("abc,bcd->abd", (5, 7), "bd"), (5, 6),
        {"kernel": ("position", "input", "channel"), "bias": ("position", "channel")},
    ),
    "einsum with an ellipsis": (
        einsum("...x,xy->...y", (7,), "y"), (6,),
        {"kernel": ("input", "unit"), "bias": ("unit",)},
    ),
    "einsum with a bias over positions": (
        einsum("abc,cd->abd", (5, 7), "bd"), (5, 6),
        {"kernel": ("input", "unit"), "bias": ("position", "unit")},
    ),
    "MultiHeadAttention": (
        lambda: L.MultiHeadAttention(2, 4, value_dim=5), (6, 7), attention(),
    ),
    "GroupQueryAttention": (lambda: L.GroupQueryAttention(4, 6, 2), (6, 7), attention()),
    "SimpleRNN": (lambda: L.SimpleRNN(3), (5, 4), recurrent("unit")),
    "GRU": (lambda: L.GRU(3), (5, 4), recurrent("source", "unit")),
    "older GRU": (lambda: L.GRU(3, reset_after=False), (5, 4), recurrent("unit")),
    "LSTM": (lambda: L.LSTM(3), (5, 4), recurrent("unit")),
    "ConvLSTM1D": (
        lambda: L.ConvLSTM1D(3, 2), (4, 8, 2),
        {
            "kernel": ("position", "input", "channel"),
            "recurrent_kernel": ("position", "input", "channel"), "bias": ("channel",),
        },
    ),
    "ConvLSTM2D": (
        lambda: L.ConvLSTM2D(3, 2), (4, 8, 9, 2),
        {
            "kernel": ("y", "x", "input", "channel"),
            "recurrent_kernel": ("y", "x", "input", "channel"), "bias": ("channel",),
        },
    ),
    "Conv1D": (
        lambda: L.Conv1D(3, 2), (8, 4),
        {"kernel": ("position", "input", "channel"), "bias": ("channel",)},
    ),
    "grouped Conv2D": (
        lambda: L.Conv2D(8, 3, groups=2), (8, 8, 4),
        {"kernel": ("y", "x", "input", "channel"), "bias": ("channel",)},
    ),
    "Conv3D": (
        lambda: L.Conv3D(3, (2, 3, 4)), (8, 8, 8, 2),
        {"kernel": ("z", "y", "x", "input", "channel"), "bias": ("channel",)},
    ),
    "DepthwiseConv1D": (
        lambda: L.DepthwiseConv1D(2, depth_multiplier=3), (8, 4),
        {"kernel": ("position", "channel", "multiplier"), "bias": ("channel",)},
    ),
    "SeparableConv2D": (
        lambda: L.SeparableConv2D(7, 3), (8, 8, 4),
        {
            "depthwise_kernel": ("y", "x", "channel", "multiplier"),
            "pointwise_kernel": ("y", "x", "input", "channel"), "bias": ("channel",),
        },
    ),
    "Conv2DTranspose": (
        lambda: L.Conv2DTranspose(7, 3), (8, 8, 4),
        {"kernel": ("y", "x", "input", "channel"), "bias": ("channel",)},
    ),
    "PReLU": (lambda: L.PReLU(), (8, 9, 4), {"alpha": ("y", "x", "channel")}),
    "PReLU of a sequence": (lambda: L.PReLU(), (8, 4), {"alpha": ("position", "channel")}),
    "PReLU of a vector": (lambda: L.PReLU(), (8,), {"alpha": ("unit",)}),
    "BatchNormalization": (
        lambda: L.BatchNormalization(), (8, 9, 4),
        dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), ("channel",)),
    ),
    "LayerNormalization": (
        lambda: L.LayerNormalization(), (8, 9), dict.fromkeys(("gamma", "beta"), ("channel",)),
    ),
    "LayerNormalization of two axes": (
        lambda: L.LayerNormalization(axis=(1, 2)), (8, 9),
        dict.fromkeys(("gamma", "beta"), ("position", "channel")),
    ),
    "LayerNormalization of three axes": (
        lambda: L.LayerNormalization(axis=(1, 2, 3)), (8, 9, 4),
        dict.fromkeys(("gamma", "beta"), ("y", "x", "channel")),
    ),
    "LayerNormalization of some axes": (
        lambda: L.LayerNormalization(axis=(1, -1)), (8, 9, 4),
        dict.fromkeys(("gamma", "beta"), ("y", "channel")),
    ),
    "GroupNormalization": (
        lambda: L.GroupNormalization(2), (8, 9, 4), dict.fromkeys(("gamma", "beta"), ("channel",)),
    ),
    "RMSNormalization": (lambda: L.RMSNormalization(), (4,), {"scale": ("channel",)}),
    "Normalization": (
        lambda: L.Normalization(), (4,),
        {"mean": ("channel",), "variance": ("channel",), "count": ()},
    ),
    "SpectralNormalization": (
        lambda: L.SpectralNormalization(L.Dense(3)), (5,),
        {"kernel": ("input", "unit"), "bias": ("unit",), "vector_u": ("axis0", "unit")},
    ),
    "Embedding": (lambda: L.Embedding(20, 4), (5,), {"embeddings": ("input", "channel")}),
    "ReversibleEmbedding": (
        lambda: L.ReversibleEmbedding(20, 4, tie_weights=False), (5,),
        {"embeddings": ("input", "channel"), "reverse_embeddings": ("input", "channel")},
    ),
    "TimeDistributed": (
        lambda: L.TimeDistributed(L.Dense(3)), (5, 4),
        {"kernel": ("input", "unit"), "bias": ("unit",)},
    ),
    "Bidirectional": (lambda: L.Bidirectional(L.GRU(3)), (5, 4), recurrent("source", "unit")),
}  # fmt: skip


@pytest.mark.one_backend  # variables have the same axes on each: files of weights move among them
@pytest.mark.parametrize("case", CASES)
def test_the_axes_of_every_layer(case: str) -> None:
    make, shape, axes = CASES[case]
    inputs, layer = keras.Input(shape), make()
    attends = case.endswith("Attention")
    model = keras.Model(inputs, layer(inputs, inputs) if attends else layer(inputs))
    found = ls.weights(model)
    assert len(found) == len(model.weights)
    named = {"/".join(key.split("/")[-2 if attends else -1 :]): a.dims for key, a in found.items()}
    assert named == axes
    for key, array in found.items():
        assert sorted(array.shape) == sorted(_variable(model, key).shape)
        if array.size > 1:
            ls.sheet(found, key)  # whatever the axes, there is a picture


def _variable(model: Any, key: str) -> Any:
    ends = tuple(key.split("/")[-2:])
    return next(v for v in model.weights if tuple(v.path.split("/")[-2:]) == ends)


def test_attention_by_names() -> None:
    inputs = keras.Input((6, 7))
    # Without dropout, JAX wants values of the size of keys.
    layer = L.MultiHeadAttention(
        2, 4, value_dim=5, dropout=0.1, name="mha", bias_initializer="normal"
    )
    model = keras.Model(inputs, layer(inputs, inputs))
    acts, w = ls.activations(model, numbers(3, 6, 7)), ls.weights(model)
    x = acts.input.rename(channel="input")
    for part in ("query", "key", "value"):
        made = xr.dot(x, w[f"mha/{part}/kernel"], dim="input") + w[f"mha/{part}/bias"]
        found = acts[f"mha/{part}"]
        np.testing.assert_allclose(made.transpose(*found.dims), found, atol=1e-5)
    value = acts["mha/value"].rename(position="key")
    context = xr.dot(acts["mha/attention"], value, dim="key")
    context = context.rename(query="position", channel="input")
    output = xr.dot(context, w["mha/attention_output/kernel"], dim=["head", "input"])
    output = output + w["mha/attention_output/bias"]
    found = acts["mha/attention_output"]
    np.testing.assert_allclose(output.transpose(*found.dims), found, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("einsum")])
def test_einsum_by_names(case: str) -> None:
    make, shape, _ = CASES[case]
    inputs, layer = keras.Input(shape), make()
    model = keras.Model(inputs, layer(inputs))
    layer.bias.assign(numbers(*layer.bias.shape))
    values = numbers(2, *shape)
    acts, w = ls.activations(model, values), ls.weights(model)
    kernel, bias = (w[f"{layer.name}/{name}"] for name in ("kernel", "bias"))
    given = {2: ("sample", "input"), 3: ("sample", "position", "input")}
    dims = given.get(values.ndim, ("sample", "position", "head", "input"))
    summed = [d for d in ("head", "input") if d in dims and d in kernel.dims]
    made = xr.dot(xr.DataArray(values, dims=dims), kernel, dim=summed) + bias
    made = made.rename({"unit": "channel"}) if "unit" in made.dims else made
    found = acts[layer.name]
    found = found.rename({"unit": "channel"}) if "unit" in found.dims else found
    np.testing.assert_allclose(made.transpose(*found.dims), found, atol=1e-5)


def test_the_gates_and_the_two_biases_of_a_gru() -> None:
    inputs = keras.Input((1, 4))
    model = keras.Model(inputs, L.GRU(3, name="gru")(inputs))
    for variable in model.weights:
        variable.assign(numbers(*variable.shape))
    x, w = numbers(2, 1, 4), ls.weights(model)
    bias = w["gru/gru_cell/bias"]
    assert bias.attrs["gates"] == ("update", "reset", "candidate")
    first = xr.DataArray(x[:, 0], dims=("sample", "input"))
    given = xr.dot(first, w["gru/gru_cell/kernel"], dim="input") + bias.isel(source=0)
    update, reset, candidate = np.split(given.values, 3, axis=1)
    z, r, h = np.split(bias.isel(source=1).values, 3)
    update, reset = (1 / (1 + np.exp(-gate)) for gate in (update + z, reset + r))
    expected = (1 - update) * np.tanh(candidate + reset * h)
    np.testing.assert_allclose(ls.activations(model, x)["gru"], expected, atol=1e-5)


def test_normalization_and_prelu_by_names() -> None:
    inputs = keras.Input((8, 9, 4))
    y = L.LayerNormalization(axis=(1, 3), name="norm")(inputs)
    model = keras.Model(inputs, L.PReLU(shared_axes=[1], name="prelu")(y))
    for variable in model.weights:
        variable.assign(numbers(*variable.shape))
    acts, w = ls.activations(model, numbers(2, 8, 9, 4)), ls.weights(model)
    x = acts.input
    spread = np.sqrt(x.var(["y", "channel"]) + 1e-3)
    made = (x - x.mean(["y", "channel"])) / spread * w["norm/gamma"] + w["norm/beta"]
    np.testing.assert_allclose(made.transpose(*x.dims), acts["norm"], atol=1e-4)
    norm, alpha = acts["norm"], w["prelu/alpha"].isel(y=0)
    np.testing.assert_allclose(
        xr.where(norm > 0, norm, norm * alpha).transpose(*norm.dims), acts["prelu"], atol=1e-5
    )


def small() -> Any:
    inputs = keras.Input((6, 16))
    h = L.Dense(33, activation="relu", name="dense")(inputs)
    h = L.MultiHeadAttention(2, 8, name="mha")(h, h)
    return keras.Model(inputs, L.EinsumDense("abc,cd->abd", (6, 5), name="einsum")(h))


def test_lora_is_stored_beside_the_kernel_and_said() -> None:
    model = small()
    for name in ("dense", "einsum"):
        layer = model.get_layer(name)
        layer.enable_lora(2, lora_alpha=4)
        layer.lora_kernel_b.assign(numbers(*layer.lora_kernel_b.shape))
    acts, w = ls.activations(model, numbers(3, 6, 16)), ls.weights(model)
    a, b = w["dense/lora_kernel_a"], w["dense/lora_kernel_b"]
    assert (a.dims, b.dims) == (("input", "rank"), ("rank", "unit"))
    kernel = w["dense/kernel"] + 2 * xr.dot(a, b, dim="rank")
    made = xr.dot(acts.input.rename(channel="input"), kernel, dim="input") + w["dense/bias"]
    np.testing.assert_allclose(np.maximum(made, 0), acts["dense"], atol=1e-5)
    said = "as stored, without the update lora_kernel_a · lora_kernel_b that is in use"
    assert w["dense/kernel"].attrs["note"] == said
    assert f"einsum/kernel: {said}" in w.notes
    assert said in ls.sheet(w, "dense/kernel").header["note"]
    assert "note" not in w["mha/query/kernel"].attrs


@pytest.mark.slow
@pytest.mark.one_backend  # Keras packs codes by the same code on each
def test_codes_of_eight_bits_and_their_scales() -> None:
    model = small()
    before = ls.weights(model)
    model.quantize("int8")
    w = ls.weights(model)
    for name in ("dense", "mha/query", "mha/attention_output", "einsum"):
        codes, scale = w[f"{name}/kernel"], w[f"{name}/kernel_scale"]
        assert codes.dtype == np.int8
        assert codes.dims == before[f"{name}/kernel"].dims
        assert set(scale.dims) <= set(codes.dims)
        assert codes.attrs["note"] == "codes of 8 bits: a weight is its code over kernel_scale"
        off = np.abs(codes / scale - before[f"{name}/kernel"])
        assert float((off * scale).max()) <= 0.51


@pytest.mark.slow
@pytest.mark.one_backend  # Keras packs codes by the same code on each
def test_codes_of_four_bits_are_unpacked() -> None:
    model = small()
    before = ls.weights(model)
    model.quantize("int4")
    w = ls.weights(model)
    mha = model.get_layer("mha")
    layers = {
        "dense": model.get_layer("dense"),
        "einsum": model.get_layer("einsum"),
        "mha/query": mha.query_dense,
        "mha/attention_output": mha.output_dense,
    }
    for name, layer in layers.items():
        codes = w[f"{name}/kernel"]
        assert (codes.dims, codes.shape) == (
            before[f"{name}/kernel"].dims,
            before[f"{name}/kernel"].shape,
        )
        assert codes.attrs["note"] == "codes of 4 bits, unpacked one to a cell"
        assert -8 <= codes.min() < -3
        assert 3 < codes.max() <= 7
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        order = {"mha/query": (1, 0, 2)}.get(name, tuple(range(kernel.ndim)))
        np.testing.assert_array_equal(codes, kernel.transpose(order))
        assert w[f"{name}/kernel_scale"].dims == ("group", "unit")


@pytest.mark.one_backend
@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_tables_of_codes(mode: str) -> None:
    inputs = keras.Input((5,), dtype="int32")
    table = L.Embedding(20, 7, embeddings_initializer="normal", name="table")
    model = keras.Model(inputs, table(inputs))
    before = ls.weights(model)["table/embeddings"]
    model.quantize(mode)
    w = ls.weights(model)
    codes = w["table/embeddings"]
    assert (codes.dims, codes.shape) == (before.dims, before.shape)
    np.testing.assert_array_equal(codes, keras.ops.convert_to_numpy(table.embeddings))
    assert w["table/embeddings_scale"].sizes["input"] == 20
