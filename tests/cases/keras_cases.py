"""Keras models of every kind that people have, each with what looking at it must find."""

from __future__ import annotations

import warnings

import keras
import numpy as np
from keras import layers as L
from keras import ops

from layerscope.testing import reference
from layerscope.testing.contract import Case

MAP = ("sample", "y", "x", "channel")
SEQUENCE = ("sample", "position", "channel")
rng = np.random.default_rng


def image(*shape: int) -> np.ndarray:
    return rng(0).normal(size=shape).astype("float32")


def reference_cnn() -> Case:
    model = keras.Sequential([
        keras.Input((6, 8, 1)),
        L.Conv2D(2, 3, name="conv"), L.ReLU(name="relu"), L.MaxPooling2D(name="pool"),
        L.Flatten(name="flat"), L.Dense(3, name="dense"),
    ])  # fmt: skip
    model.set_weights(list(reference.cnn_weights().values()))
    values = dict(reference.cnn_activations())
    return Case(model, reference.cnn_input(), tuple(values), {"conv": MAP}, values, tolerance=0)


def sequential_never_called() -> Case:
    model = keras.Sequential(
        [L.Conv2D(2, 3, name="conv"), L.Flatten(name="flat"), L.Dense(2, name="d")]
    )
    return Case(
        model, image(2, 6, 7, 3), ("conv", "flat", "d"), {"conv": MAP, "d": ("sample", "unit")}
    )


def sequential_built_by_a_call() -> Case:
    model = keras.Sequential([L.Dense(4, name="a"), L.Dense(2, name="b")])
    x = image(3, 5)
    model(x)
    return Case(model, x, ("a", "b"))


def functional() -> Case:
    x = keras.Input((8, 8, 3), name="img")
    y = L.Conv2D(4, 3, padding="same", name="conv")(x)
    z = L.Conv2D(4, 1, name="skip")(x)
    out = L.GlobalAveragePooling2D(name="gap")(L.Add(name="add")([y, z]))
    model = keras.Model(x, L.Dense(2, name="head")(out))
    return Case(
        model, image(2, 8, 8, 3), ("conv", "skip", "add", "gap", "head"),
        {"add": MAP, "gap": ("sample", "unit")},
    )  # fmt: skip


class Block(keras.layers.Layer):
    """Defined in another order than run, with an operation of its own at the end."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.second = L.Dense(4, name="dense")
        self.first = L.Dense(4, activation="relu", name="dense")

    def call(self, x):
        return x + self.second(self.first(x))


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="subclassed")
        self.block = Block(name="block")
        self.head = L.Dense(2, name="head")

    def call(self, x):
        return self.head(self.block(x))


def subclassed() -> Case:
    return Case(Subclassed(), image(3, 4), ("block/dense_1", "block/dense", "block", "head"))


def nested_three_deep() -> Case:
    def wrap(inner, name):
        x = keras.Input((4,))
        return keras.Model(x, inner(L.Dense(4, name="leaf")(x)), name=name)

    innermost = keras.Sequential([keras.Input((4,)), L.Dense(4, name="leaf")], name="innermost")
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1, name="leaf")(wrap(wrap(innermost, "inner"), "outer")(x)))
    return Case(
        model, image(2, 4),
        ("outer/leaf", "outer/inner/leaf", "outer", "leaf"),
    )  # fmt: skip


def layer_called_twice() -> Case:
    x = keras.Input((4,))
    dense = L.Dense(4, name="dense")
    act = L.ReLU(name="act")
    model = keras.Model(x, act(dense(act(dense(x)))))
    return Case(model, image(2, 4), ("dense", "act", "dense#2", "act#2"))


def submodel_called_twice() -> Case:
    encoder = keras.Sequential(
        [keras.Input((4,)), L.Dense(3, name="a"), L.Dense(2, name="b")], name="enc"
    )
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    merged = L.Concatenate(name="merge")([encoder(left), encoder(right)])
    model = keras.Model([left, right], merged)
    return Case(
        model, [image(2, 4), image(2, 4) + 1], ("enc/a", "enc", "enc/a#2", "enc#2", "merge")
    )


def several_inputs_and_outputs() -> Case:
    a, b = keras.Input((4,), name="a"), keras.Input((6, 6, 2), name="b")
    fa = L.Dense(3, name="fa")(a)
    fb = L.Dense(3, name="fb")(L.Flatten(name="flat")(b))
    model = keras.Model({"a": a, "b": b}, {"sum": L.Add(name="add")([fa, fb]), "first": fa})
    x = {"a": image(2, 4), "b": image(2, 6, 6, 2)}
    return Case(model, x, ("flat", "fa", "fb", "add"))


def dict_of_inputs_by_other_names() -> Case:
    a, b = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    out = L.Concatenate(name="merge")([L.Dense(2, name="d")(a), b])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras would rather have the keys be the inputs' names
        model = keras.Model({"left": a, "right": b}, out)
    return Case(model, {"left": image(2, 4), "right": image(2, 3)}, ("d", "merge"))


def masked_sequence() -> Case:
    model = keras.Sequential([
        keras.Input((5,), dtype="int32"), L.Embedding(9, 4, mask_zero=True, name="embed"),
        L.LSTM(3, name="lstm"), L.Dense(2, name="d"),
    ])  # fmt: skip
    x = np.array([[3, 4, 0, 0, 0], [1, 2, 3, 4, 5]], "int32")
    # The mask is an operation of its own in the model's graph.
    mask = next(n.name for n in model._functional.operations if type(n).__name__ == "NotEqual")
    return Case(model, x, ("embed", mask, "lstm", "d"), {"embed": SEQUENCE})


class Masks(keras.Model):
    """Hands its mask on with the tensor, as models written as classes do."""

    def __init__(self) -> None:
        super().__init__(name="masks")
        self.embed = L.Embedding(9, 4, mask_zero=True, name="embed")
        self.lstm = L.LSTM(3, name="lstm")

    def call(self, x):
        return self.lstm(self.embed(x))


def masks_in_a_class() -> Case:
    model = Masks()
    x = np.array([[3, 4, 0, 0, 0], [1, 2, 3, 4, 5]], "int32")
    expected = ops.convert_to_numpy(model(x))
    return Case(model, x, ("embed", "lstm"), values={"lstm": expected})


class ReturnsMuch(keras.layers.Layer):
    def call(self, x):
        return {"twice": x * 2, "rest": (x + 1, None)}


class ReturnsTuple(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="tuples")
        self.much = ReturnsMuch(name="much")
        self.quiet = Quiet(name="quiet")

    def call(self, x):
        self.quiet(x)
        parts = self.much(x)
        return parts["twice"], parts["rest"][0]


class Quiet(keras.layers.Layer):
    def call(self, x):
        return None


def dicts_tuples_and_none() -> Case:
    x = image(2, 3)
    return Case(
        ReturnsTuple(), x, ("much", "much[rest.0]"), values={"much": 2 * x, "much[rest.0]": x + 1}
    )


def operator_nodes() -> Case:
    x = keras.Input((4, 4, 2))
    y = L.Conv2D(2, 1, name="conv")(x)
    z = ops.concatenate([ops.relu(y) + x, y * 2], axis=-1)
    model = keras.Model(x, z)
    names = tuple(layer.name for layer in model.operations[1:])
    case = Case(model, image(1, 4, 4, 2), names)
    assert len(names) == 5
    return case


def lstm_with_states() -> Case:
    x = keras.Input((5, 3))
    y, h, c = L.LSTM(4, return_sequences=True, return_state=True, name="lstm")(x)
    model = keras.Model(x, [L.Dense(2, name="head")(y), h, c])
    return Case(
        model, image(2, 5, 3), ("lstm", "lstm[1]", "lstm[2]", "head"),
        {"lstm": SEQUENCE, "lstm[1]": ("sample", "unit"), "head": SEQUENCE},
    )  # fmt: skip


def stateful_rnn() -> Case:
    model = keras.Sequential([
        keras.Input(batch_shape=(2, 5, 3)), L.GRU(4, stateful=True, name="gru"),
        L.Dense(1, name="d"),
    ])  # fmt: skip
    return Case(model, image(2, 5, 3), ("gru", "d"))


def bidirectional() -> Case:
    model = keras.Sequential([
        keras.Input((5, 3)),
        L.Bidirectional(L.SimpleRNN(2, return_sequences=True, name="rnn"), name="both"),
    ])  # fmt: skip
    return Case(
        model, image(2, 5, 3), ("both/forward_rnn", "both/backward_rnn", "both"),
        {"both": SEQUENCE},
    )  # fmt: skip


def time_distributed_over_a_model() -> Case:
    inner = keras.Sequential([keras.Input((4,)), L.Dense(3, name="a")], name="inner")
    model = keras.Sequential([
        keras.Input((5, 4)), L.TimeDistributed(inner, name="each"), L.Flatten(name="flat"),
    ])  # fmt: skip
    return Case(
        model, image(2, 5, 4), ("each", "flat"), {"each": SEQUENCE}, left_out=("each/inner",)
    )


def embedding_of_integers() -> Case:
    model = keras.Sequential([
        keras.Input((6,), dtype="int32"), L.Embedding(10, 4, name="embed"),
        L.GlobalAveragePooling1D(name="pool"), L.Dense(1, name="d"),
    ])  # fmt: skip
    x = rng(0).integers(0, 10, (3, 6)).astype("int32")
    return Case(model, x, ("embed", "pool", "d"), {"embed": SEQUENCE})


def any_size() -> Case:
    x = keras.Input((None, None, 3))
    model = keras.Model(x, L.GlobalMaxPooling2D(name="pool")(L.Conv2D(2, 3, name="conv")(x)))
    return Case(model, image(1, 9, 5, 3), ("conv", "pool"), {"conv": MAP})


def mixed_precision() -> Case:
    policy = "mixed_bfloat16"
    model = keras.Sequential([
        keras.Input((6, 6, 1)), L.Conv2D(2, 3, name="conv", dtype=policy),
        L.Flatten(name="flat", dtype=policy), L.Dense(2, name="d", dtype="float32"),
    ])  # fmt: skip
    return Case(model, image(2, 6, 6, 1), ("conv", "flat", "d"), tolerance=2e-2)


def bfloat16() -> Case:
    model = keras.Sequential([
        keras.Input((4,)), L.Dense(3, name="a", dtype="bfloat16"),
        L.Dense(2, name="b", dtype="bfloat16"),
    ])  # fmt: skip
    return Case(model, image(2, 4), ("a", "b"), tolerance=2e-2)


def channels_first() -> Case:
    first = {"data_format": "channels_first"}
    model = keras.Sequential([
        keras.Input((3, 6, 8)), L.AveragePooling2D(1, name="pool", **first), L.ReLU(name="relu"),
        L.UpSampling2D(2, name="up", **first), L.Flatten(name="flat"),
    ])  # fmt: skip
    x = image(2, 3, 6, 8)
    return Case(
        model, x, ("pool", "relu", "up", "flat"), {"relu": MAP, "up": MAP},
        {"pool": x.transpose(0, 2, 3, 1)},
    )  # fmt: skip


def one_dimension() -> Case:
    model = keras.Sequential([
        keras.Input((12, 5)), L.Conv1D(3, 4, name="conv"), L.MaxPooling1D(name="pool"),
    ])  # fmt: skip
    return Case(model, image(2, 12, 5), ("conv", "pool"), {"conv": SEQUENCE, "pool": SEQUENCE})


def three_dimensions() -> Case:
    model = keras.Sequential([keras.Input((5, 6, 7, 2)), L.Conv3D(3, 2, name="conv")])
    return Case(
        model, image(1, 5, 6, 7, 2), ("conv",), {"conv": ("sample", "z", "y", "x", "channel")}
    )


def matrices() -> Case:
    model = keras.Sequential([
        keras.Input((50, 50)), *(L.Dense(n, name=f"d{n}") for n in (75, 50, 25, 10)),
        L.Flatten(name="flat"), L.Dense(5, name="out"),
    ])  # fmt: skip
    return Case(
        model, image(1, 50, 50), ("d75", "d50", "d25", "d10", "flat", "out"), {"d75": SEQUENCE}
    )


def attention_with_scores() -> Case:
    x = keras.Input((5, 6))
    y, scores = L.MultiHeadAttention(2, 3, name="mha")(x, x, return_attention_scores=True)
    model = keras.Model(x, [y, scores])
    inner = ("mha/query", "mha/key", "mha/value", "mha/attention", "mha")
    axes = {
        "mha/query": ("sample", "head", "position", "channel"),
        "mha/attention": ("sample", "head", "query", "key"),
        "mha": SEQUENCE,
    }
    return Case(model, image(2, 5, 6), inner, axes)


class Branches(keras.Model):
    """Looks at the values, which no tracing compiler can follow."""

    def __init__(self) -> None:
        super().__init__(name="branches")
        self.yes = L.Dense(2, name="yes")
        self.no = L.Dense(2, name="no")

    def build(self, shape):
        self.yes.build(shape)
        self.no.build(shape)

    def call(self, x):
        return self.yes(x) if float(ops.sum(x)) > 0 else self.no(x)


def branches_on_values() -> Case:
    return Case(Branches(), np.ones((2, 3), "float32"), ("yes",))


class MadeOnTheWay(keras.Model):
    def call(self, x):
        return L.ReLU(name="relu")(x) + 1


def layer_made_while_it_runs() -> Case:
    return Case(MadeOnTheWay(name="made"), image(2, 3), ("relu", "output"))


def noise_and_regularizers() -> Case:
    model = keras.Sequential([
        keras.Input((4,)), L.GaussianNoise(1.0, name="noise", seed=1),
        L.Dense(3, name="d", activity_regularizer="l2"), L.Dropout(0.5, name="drop", seed=2),
        L.BatchNormalization(name="bn"),
    ])  # fmt: skip
    return Case(model, image(3, 4), ("noise", "d", "drop", "bn"))


#: The cases whose calls Keras knows before a run.
KNOWN_BEFORE = [
    reference_cnn, functional, nested_three_deep, layer_called_twice, submodel_called_twice,
    several_inputs_and_outputs, dict_of_inputs_by_other_names, operator_nodes, lstm_with_states,
    masked_sequence, stateful_rnn,
    time_distributed_over_a_model, embedding_of_integers, any_size, mixed_precision, bfloat16,
    channels_first, one_dimension, three_dimensions, matrices, noise_and_regularizers,
]  # fmt: skip

CASES = [
    reference_cnn, sequential_never_called, sequential_built_by_a_call, functional, subclassed,
    nested_three_deep, layer_called_twice, submodel_called_twice, several_inputs_and_outputs,
    dict_of_inputs_by_other_names, masked_sequence, masks_in_a_class, dicts_tuples_and_none,
    operator_nodes,
    lstm_with_states, stateful_rnn, bidirectional,
    time_distributed_over_a_model, embedding_of_integers, any_size, mixed_precision, bfloat16,
    channels_first, one_dimension, three_dimensions, matrices, attention_with_scores,
    branches_on_values, layer_made_while_it_runs, noise_and_regularizers,
]  # fmt: skip
