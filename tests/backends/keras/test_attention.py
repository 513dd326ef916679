"""Attention weights of Keras layers are those computed by hand, fused or not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras import layers as L
from keras import ops

import layerscope as ls

WEIGHTS = ("sample", "head", "query", "key")
TOKENS = np.array([[3, 5, 7, 2, 0, 0], [4, 1, 6, 2, 8, 9], [1, 0, 0, 0, 0, 0]], np.int32)
#: What Keras says of its own layers, and of a layer in the tests that masks end at.
pytestmark = [
    pytest.mark.combinations,
    pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask"),
]
PASSES = 2  #: so that a compiled pass is looked at, too


@pytest.fixture(autouse=True)
def own_names() -> None:
    """Layers numbered as in a new process, and weights that do not change with the order."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(5)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return (2 * np.random.default_rng(seed).normal(size=shape)).astype("float32")


def by_hand(
    query: np.ndarray,
    key: np.ndarray,
    mask: np.ndarray | None = None,
    scale: float | None = None,
    bias: np.ndarray | float = 0.0,
) -> np.ndarray:
    """The weights ``(sample, head, query, key)`` of queries ``(sample, position, head, channel)``.

    Those of a query that has no key left are zero.
    """
    key = np.repeat(key, query.shape[2] // key.shape[2], axis=2).astype(float)
    scale = 1 / np.sqrt(query.shape[-1]) if scale is None else scale
    scores = scale * np.einsum("bqhc,bkhc->bhqk", query.astype(float), key) + bias
    kept = np.ones(scores.shape, bool) if mask is None else np.broadcast_to(mask, scores.shape)
    weights = np.exp(scores - scores.max(-1, keepdims=True)) * kept
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total > 0, total, 1)


def from_heads(acts: Any, layer: str, mask: np.ndarray | None = None) -> np.ndarray:
    """The weights of a layer from what its projections returned."""
    order = ("sample", "position", "head", "channel")
    query, key = (acts[f"{layer}/{part}"].transpose(*order).values for part in ("query", "key"))
    return by_hand(query, key, mask)


def check(acts: Any, address: str, expected: np.ndarray, mask: np.ndarray | None = None) -> None:
    """The weights are these; masked places, and only they, hold a negative zero."""
    found = acts[address]
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    kept = np.broadcast_to(True if mask is None else mask, expected.shape)
    np.testing.assert_array_equal(np.signbit(found.values), ~kept)
    np.testing.assert_array_equal(found.masked.values, ~kept)
    assert found.masked.dims == tuple(d for d in found.dims)


def looks(model: Any, x: Any, **options: Any) -> list[Any]:
    return [ls.activations(model, x, **options) for _ in range(PASSES)]


def multi_head(**options: Any) -> Any:
    return L.MultiHeadAttention(2, 5, name="mha", **options)


def grouped(**options: Any) -> Any:
    return L.GroupQueryAttention(5, 4, 2, name="mha", **options)


BOTH = pytest.mark.parametrize("make", [multi_head, grouped])
CAUSAL = np.tri(6, dtype=bool)
PADDING = (TOKENS != 0)[:, None, :, None] & (TOKENS != 0)[:, None, None, :]
BAND = np.abs(np.subtract.outer(np.arange(6), np.arange(6))) < 2
CHOSEN = np.random.default_rng(2).random((3, 6, 6)) > 0.4


def test_what_somebody_converted_before_changes_no_mask() -> None:
    keras.ops.convert_to_tensor(0.0)  # TensorFlow keeps it, and -0.0 equals it
    inputs = keras.Input((6, 7))
    model = keras.Model(inputs, multi_head()(inputs, inputs, use_causal_mask=True))
    for acts in looks(model, numbers(3, 6, 7)):
        check(acts, "mha/attention", from_heads(acts, "mha", CAUSAL), CAUSAL)


@BOTH
@pytest.mark.parametrize(
    ("options", "call", "mask"),
    [
        ({}, {}, None),
        ({}, {"use_causal_mask": True}, CAUSAL),
        ({"sliding_window": 2}, {}, BAND),
        ({"sliding_window": 2}, {"use_causal_mask": True}, BAND & CAUSAL),
        ({"dropout": 0.5}, {}, None),
        ({"dropout": 0.5}, {"use_causal_mask": True}, CAUSAL),
        ({"use_bias": False}, {}, None),
        ({"use_gate": True}, {}, None),
    ],
    ids=["plain", "causal", "window", "both", "dropout", "causal dropout", "no bias", "gate"],
)
def test_self_attention(
    make: Callable[..., Any], options: dict[str, Any], call: dict[str, Any], mask: Any
) -> None:
    inputs = keras.Input((6, 7))
    model = keras.Model(inputs, make(**options)(inputs, inputs, **call))
    for acts in looks(model, numbers(3, 6, 7)):
        assert acts["mha/attention"].dims == WEIGHTS
        check(acts, "mha/attention", from_heads(acts, "mha", mask), mask)
        assert acts.network["mha/attention"].inputs == ("mha/query", "mha/key")
        gate = ["mha/gate"] * ("use_gate" in options)
        parts = ["query", "key", "value", "attention"]
        assert list(acts) == [*gate, *(f"mha/{part}" for part in parts), "mha"]


@BOTH
@pytest.mark.parametrize("dropout", [0.0, 0.3], ids=["fused", "softmax"])
@pytest.mark.parametrize("causal", [False, True])
def test_padding_is_masked(make: Callable[..., Any], dropout: float, causal: bool) -> None:
    tokens = keras.Input((6,), dtype="int32")
    x = L.Embedding(10, 7, mask_zero=True, name="embedding")(tokens)
    model = keras.Model(tokens, make(dropout=dropout)(x, x, use_causal_mask=causal))
    mask = PADDING & CAUSAL if causal else PADDING
    for acts in looks(model, TOKENS):
        check(acts, "mha/attention", from_heads(acts, "mha", mask), mask)


@BOTH
@pytest.mark.parametrize("dropout", [0.0, 0.3], ids=["fused", "softmax"])
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_a_mask_that_is_passed(make: Callable[..., Any], dropout: float, dtype: str) -> None:
    inputs, mask = keras.Input((6, 7)), keras.Input((6, 6), dtype=dtype)
    layer = make(dropout=dropout)
    model = keras.Model([inputs, mask], layer(inputs, inputs, attention_mask=mask))
    for acts in looks(model, [numbers(3, 6, 7), CHOSEN.astype(dtype)]):
        kept = CHOSEN[:, None]
        check(acts, "mha/attention", from_heads(acts, "mha", kept), kept)


@BOTH
def test_scores_that_are_returned_are_the_weights(make: Callable[..., Any]) -> None:
    inputs = keras.Input((6, 7))
    layer = make()
    output, scores = layer(inputs, inputs, return_attention_scores=True, use_causal_mask=True)
    model = keras.Model(inputs, [output, L.Flatten(name="flat")(scores)])
    x = numbers(3, 6, 7)
    for acts in looks(model, x):
        check(acts, "mha/attention", from_heads(acts, "mha", CAUSAL), CAUSAL)
        parts = ["query", "key", "value", "attention"]
        assert list(acts) == [*(f"mha/{part}" for part in parts), "mha", "flat"]
        assert acts["mha[1]"].equals(acts["mha/attention"])
        assert acts.network["flat"].inputs == ("mha/attention",)
        flat = ops.convert_to_numpy(model(x)[1])
        np.testing.assert_allclose(acts["mha[1]"].values.reshape(3, -1), flat, atol=1e-6)


def test_every_one_of_several_layers() -> None:
    x = inputs = keras.Input((6, 8))
    for i in range(3):
        x = L.MultiHeadAttention(2, 4, dropout=0.1, name=f"mha{i}")(x, x)
    x = L.MultiHeadAttention(2, 4, name="mha3")(x, x)
    model = keras.Model(inputs, x)
    for acts in looks(model, numbers(2, 6, 8)):
        for i in range(4):
            check(acts, f"mha{i}/attention", from_heads(acts, f"mha{i}"))
        assert not [a for a in acts if "softmax" in a or "dropout" in a]
    softmax = model.get_layer("mha1")._softmax.name
    assert softmax != "softmax"  # Keras numbers them
    assert acts[f"mha1/{softmax}"].equals(acts["mha1/attention"])


@BOTH
def test_cross_attention(make: Callable[..., Any]) -> None:
    query, value, key = keras.Input((4, 7)), keras.Input((6, 7)), keras.Input((6, 5))
    model = keras.Model([query, value, key], make()(query, value, key))
    x = [numbers(2, 4, 7), numbers(2, 6, 7, seed=1), numbers(2, 6, 5, seed=2)]
    for acts in looks(model, x):
        assert acts["mha/attention"].shape[2:] == (4, 6)
        check(acts, "mha/attention", from_heads(acts, "mha"))


def test_dropout_that_drops_has_a_map_of_its_own() -> None:
    class Uncertain(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.mha = L.MultiHeadAttention(2, 5, dropout=0.5, name="mha")

        def call(self, x: Any) -> Any:
            return self.mha(x, x, training=True)

    model = Uncertain()
    model(numbers(3, 6, 7))
    layer = model.mha
    acts = ls.activations(model, numbers(3, 6, 7))
    dropped = acts[f"mha/{layer._dropout_layer.name}"]
    check(acts, "mha/attention", from_heads(acts, "mha"))
    assert dropped.dims == WEIGHTS
    zero = dropped.values == 0
    assert 0.2 < zero.mean() < 0.8
    kept = np.where(zero, 0, 2 * acts["mha/attention"].values)
    np.testing.assert_allclose(dropped.values, kept, atol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(
    ("shape", "axes", "dims", "equation"),
    [
        ((2, 3, 4, 5), None, WEIGHTS, "bijhc,bklhc->bhijkl"),
        ((2, 3, 4, 5), (2,), ("sample", "head", "query", "key", "position"), "bpqhc,bpkhc->bhqkp"),
        ((2, 3, 4, 5), (1,), ("sample", "head", "query", "key", "position"), "bqphc,bkphc->bhqkp"),
    ],
)
def test_attention_along_other_axes(
    dropout: float, shape: Any, axes: Any, dims: Any, equation: str
) -> None:
    inputs = keras.Input(shape[1:])
    layer = L.MultiHeadAttention(2, 5, attention_axes=axes, dropout=dropout, name="mha")
    model = keras.Model(inputs, layer(inputs, inputs))
    for acts in looks(model, numbers(*shape)):
        assert acts["mha/attention"].dims == dims
        assert acts["mha/query"].dims == ("sample", "head", "y", "x", "channel")
        order = ("sample", "y", "x", "head", "channel")
        query, key = (acts[f"mha/{part}"].transpose(*order).values for part in ("query", "key"))
        scores = np.einsum(equation, query, key) / np.sqrt(5)
        if axes is None:
            scores = scores.reshape(2, 2, 12, 12)
        weights = np.exp(scores)
        weights /= weights.sum(dims.index("key"), keepdims=True)
        np.testing.assert_allclose(acts["mha/attention"].values, weights, atol=1e-5)


class Attends(L.Layer):
    """Calls the function in a layer of somebody's own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(name="own")
        self.options = options

    def call(self, x: Any) -> Any:
        heads = ops.reshape(x, (-1, 6, 2, 4))
        arrays = {
            name: ops.convert_to_tensor(option)
            for name, option in self.options.items()
            if isinstance(option, np.ndarray)
        }
        return ops.dot_product_attention(heads, heads, heads, **{**self.options, **arrays})


BIAS = numbers(1, 1, 6, 6, seed=3)


@pytest.mark.parametrize(
    ("options", "mask", "rest"),
    [
        ({}, None, {}),
        ({"is_causal": True}, CAUSAL, {}),
        ({"scale": 0.3}, None, {"scale": 0.3}),
        ({"bias": BIAS}, None, {"bias": BIAS}),
        ({"bias": np.where(BAND, BIAS, -np.inf)}, BAND, {"bias": BIAS}),
        ({"mask": CHOSEN[:1, None]}, CHOSEN[:1, None], {}),
    ],
    ids=["plain", "causal", "scale", "bias", "infinite bias", "mask"],
)
def test_the_function_wherever_it_is_called(options: Any, mask: Any, rest: Any) -> None:
    x = numbers(3, 6, 8)
    model = keras.Sequential([keras.Input((6, 8)), Attends(**options)])
    heads = x.reshape(3, 6, 2, 4)
    for acts in looks(model, x):
        check(acts, "own/attention", by_hand(heads, heads, mask, **rest), mask)


def test_the_function_in_a_functional_model() -> None:
    query, key = keras.Input((6, 4, 4), name="q"), keras.Input((5, 2, 4), name="k")
    model = keras.Model([query, key], ops.dot_product_attention(query, key, key))
    x = [numbers(3, 6, 4, 4), numbers(3, 5, 2, 4)]
    for layers in (None, "*/attention", "dot_product_attention/attention"):
        acts = ls.activations(model, x, layers=layers)
        check(acts, "dot_product_attention/attention", by_hand(*x))
        assert acts.network["dot_product_attention/attention"].inputs == ("q", "k")


@pytest.mark.parametrize("kind", ["dot", "scaled", "concat", "additive"])
def test_layers_without_heads(kind: str) -> None:
    tokens = keras.Input((6,), dtype="int32")
    x = L.Embedding(10, 7, mask_zero=True, embeddings_initializer="normal", name="e")(tokens)
    layer = {
        "dot": L.Attention,
        "scaled": lambda **options: L.Attention(use_scale=True, **options),
        "concat": lambda **options: L.Attention(score_mode="concat", **options),
        "additive": L.AdditiveAttention,
    }[kind](name="layer")
    model = keras.Model(tokens, layer([x, x]))
    kept = np.broadcast_to((TOKENS != 0)[:, None, :], (3, 6, 6))
    for acts in looks(model, TOKENS):
        assert acts["layer/attention"].dims == ("sample", "query", "key")
        e = acts["e"].values
        scores = ops.convert_to_numpy(layer._calculate_scores(e, e))
        weights = np.exp(scores) * kept
        weights /= weights.sum(-1, keepdims=True)
        check(acts, "layer/attention", weights, kept)
        assert acts.network["layer/attention"].inputs == ("e",)
        output = (TOKENS != 0)[:, :, None] * (weights @ e)
        np.testing.assert_allclose(acts["layer"].values, output, atol=1e-5)


class Encoder(keras.Model):
    """Calls one attention twice, in a model within a model, and makes it at its first call."""

    def __init__(self) -> None:
        super().__init__(name="encoder")
        inner = keras.Input((6, 8))
        self.mha = L.MultiHeadAttention(2, 4, name="mha")
        self.block = keras.Sequential([L.Dense(8, name="dense")], name="block")
        self.inner = keras.Model(inner, L.MultiHeadAttention(2, 4, name="deep")(inner, inner))

    def call(self, x: Any) -> Any:
        return self.inner(self.mha(self.block(self.mha(x, x)), x))


def test_shared_nested_and_subclassed() -> None:
    model, x = Encoder(), numbers(2, 6, 8)
    for acts in looks(model, x):
        check(acts, "mha/attention", from_heads(acts, "mha"))
        check(acts, "functional/deep/attention", from_heads(acts, "functional/deep"))
        order = ("sample", "position", "head", "channel")
        parts = [acts[f"mha/{p}#2"].transpose(*order).values for p in ("query", "key")]
        check(acts, "mha/attention#2", by_hand(*parts))
    rows = [layer.address for layer in ls.describe(model)]
    assert not [row for row in rows if "softmax" in row or "dropout" in row]


class Turned(L.MultiHeadAttention):
    """Turns its queries, as rotary embeddings do, and draws on an older signature."""

    def _compute_attention(
        self, query: Any, key: Any, value: Any, attention_mask: Any = None, training: Any = None,
        return_attention_scores: bool = False,
    ) -> Any:  # fmt: skip
        return super()._compute_attention(
            ops.flip(query, -1), key, value, attention_mask, training, return_attention_scores
        )


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_query_that_was_passed_counts(dropout: float) -> None:
    inputs = keras.Input((6, 7))
    layer = Turned(2, 5, dropout=dropout, name="mha")
    model = keras.Model(inputs, layer(inputs, inputs, use_causal_mask=True))
    for acts in looks(model, numbers(3, 6, 7)):
        order = ("sample", "position", "head", "channel")
        query, key = (acts[f"mha/{p}"].transpose(*order).values for p in ("query", "key"))
        check(acts, "mha/attention", by_hand(query[..., ::-1], key, CAUSAL), CAUSAL)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_half_precision(policy: str, dropout: float) -> None:
    inputs = keras.Input((6, 7))
    layer = L.MultiHeadAttention(2, 5, dropout=dropout, dtype=policy, name="mha")
    model = keras.Model(inputs, layer(inputs, inputs, use_causal_mask=True))
    acts = ls.activations(model, numbers(3, 6, 7))
    found = acts["mha/attention"].values
    expected = from_heads(acts, "mha", CAUSAL)
    # Fused, they are computed in float32 for the look; otherwise they are Keras' own.
    tolerance = 1e-5 if not dropout else {"mixed_float16": 4e-3, "mixed_bfloat16": 4e-2}[policy]
    np.testing.assert_allclose(found, expected, atol=tolerance)
    np.testing.assert_array_equal(np.signbit(found), ~np.broadcast_to(CAUSAL, found.shape))


def test_chosen_alone() -> None:
    inputs = keras.Input((6, 7))
    x = L.MultiHeadAttention(2, 5, dropout=0.1, name="mha")(inputs, inputs)
    x = L.GroupQueryAttention(5, 4, 2, name="gqa")(x, x)
    model, values = keras.Model(inputs, L.Dense(2, name="out")(x)), numbers(3, 6, 7)
    whole = ls.activations(model, values)
    softmax = model.get_layer("mha")._softmax.name
    dropout = model.get_layer("mha")._dropout_layer.name
    for layers, addresses in {
        "mha/attention": ["mha/attention"],
        "*/attention": ["mha/attention", "gqa/attention"],
        f"mha/{softmax}": [f"mha/{softmax}"],
        f"mha/{dropout}": [f"mha/{dropout}"],
    }.items():
        for acts in looks(model, values, layers=layers):
            assert list(acts) == addresses
            for address in addresses:
                np.testing.assert_allclose(acts[address], whole[address], atol=1e-6)


def test_loops_have_no_one_map() -> None:
    inner = keras.Input((6, 8))
    model = keras.Model(inner, L.MultiHeadAttention(2, 4, name="mha")(inner, inner))
    steps = keras.Sequential([keras.Input((2, 6, 8)), L.TimeDistributed(model, name="steps")])
    acts = ls.activations(steps, numbers(2, 2, 6, 8))
    assert list(acts) == ["steps"]


def test_what_was_replaced_is_put_back_and_other_threads_do_not_see_it() -> None:
    from keras.src.backend import nn

    before = nn.dot_product_attention, L.Attention._apply_scores
    q = ops.convert_to_tensor(numbers(1, 6, 2, 4))

    class Fails(L.Layer):
        def call(self, x: Any) -> Any:
            # Another thread's attention is no part of this pass.
            other = threading.Thread(target=lambda: ops.dot_product_attention(q, q, q))
            other.start()
            other.join()
            raise ZeroDivisionError

    inputs = keras.Input((6, 8))
    x = L.MultiHeadAttention(2, 4, name="mha")(inputs, inputs)
    model = keras.Sequential([L.Dense(8, name="dense"), Fails()])
    with pytest.raises(ZeroDivisionError):
        ls.activations(model, numbers(1, 6, 8))
    assert (nn.dot_product_attention, L.Attention._apply_scores) == before
    acts = ls.activations(keras.Model(inputs, x), numbers(1, 6, 8))
    assert [a for a in acts if "attention" in a] == ["mha/attention"]
