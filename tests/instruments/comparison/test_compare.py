"""Two of anything: recordings, steps of a training, seeds; which layer is which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest

from cases.recordings import recording
from cases.runs import run_of
from layerscope.core.axes import NamedArray
from layerscope.errors import AddressError, InputError
from layerscope.instruments.activations import activations
from layerscope.instruments.comparison.compare import compare
from layerscope.recordings.recording import Recording
from layerscope.views.difference_diagram import difference_diagram
from layerscope.views.sheet import sheet

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.one_backend

MAPS = ("sample", "y", "x", "channel")


def cnn(features: int = 4, *, seed: int = 0, extra: bool = False, prefix: str = "") -> Any:
    """A network whose weights come of a seed; with ``extra`` layers that compute nothing new."""
    layers = keras.layers
    keras.utils.set_random_seed(seed)
    rest = [layers.Dropout(0.1), layers.Activation("linear")] if extra else []
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(features, 3, activation="relu", name=f"{prefix}first"),
            layers.Conv2D(6, 3, activation="relu", name=f"{prefix}second"),
            *rest,
            layers.GlobalAveragePooling2D(name=f"{prefix}mean"),
            layers.Dense(3, name=f"{prefix}out"),
        ],
        name=f"{prefix}net",
    )


def permuted(model: Any, order: list[int]) -> Any:
    """The same network, the channels of its first layer in another order."""
    other = cnn(prefix="p")
    (k0, b0), (k1, b1), out = (model.layers[i].get_weights() for i in (0, 1, 3))
    other.layers[0].set_weights([k0[..., order], b0[order]])
    other.layers[1].set_weights([k1[:, :, order], b1])
    other.layers[3].set_weights(out)
    return other


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype(np.float32)


def test_recordings_of_two_inputs_are_matched_by_address(x: Array) -> None:
    model = cnn()
    one, other = activations(model, x), activations(model, x + 0.5)
    d = compare(one, other)
    assert d.first == "first"
    assert {pair.how for pair in d.pairs} == {"address"}
    a, b = one["second"].values.astype(float), other["second"].values.astype(float)
    row = d.table.loc["second"]
    norm = np.linalg.norm
    assert row.relative_error == pytest.approx(norm(a - b) / norm(a), rel=1e-5)
    assert row.cosine == pytest.approx((a * b).sum() / norm(a) / norm(b), rel=1e-5)
    assert row.correlation == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], rel=1e-5)
    assert row.sqnr == pytest.approx(-20 * np.log10(row.relative_error))
    assert row.largest == pytest.approx(np.abs(a - b).max(), rel=1e-5)
    assert np.array_equal(d.difference("second").values, (a - b).astype(np.float32))


def test_the_same_recording_is_the_same(x: Array) -> None:
    acts = activations(cnn(), x)
    d = compare(acts, acts)
    assert d.first is None
    assert [pair.sqnr for pair in d.pairs] == [np.inf] * 4
    assert "∞ dB" in str(d)


def test_layers_that_only_one_has_are_skipped_and_listed(x: Array) -> None:
    model, other = cnn(), cnn(extra=True, prefix="b_")
    other.set_weights(model.get_weights())
    d = compare(model, other, x)
    assert d.first is None
    assert [(p.address, p.partner) for p in d.pairs] == [
        (name, f"b_{name}") for name in ("first", "second", "mean", "out")
    ]
    assert {pair.how for pair in d.pairs} == {"order and shape"}
    assert len(d.unmatched[1]) == 2
    assert "Note: without a partner in b_net:" in str(d)


def test_numbers_in_names_that_count_on_do_not_mislead() -> None:
    """Keras calls the first convolution of the next model conv2d_1."""
    one = recording({"conv2d": _maps(1), "conv2d_1": _maps(2)})
    other = recording({"conv2d_1": _maps(1), "conv2d_2": _maps(2)})
    pairs = compare(one, other).pairs
    assert [(p.address, p.partner) for p in pairs] == [
        ("conv2d", "conv2d_1"), ("conv2d_1", "conv2d_2"),
    ]  # fmt: skip


def test_units_in_another_order_are_put_in_order(x: Array) -> None:
    model = cnn()
    order = [2, 0, 3, 1]
    d = compare(model, permuted(model, order), x)
    assert d.first is None
    pair = d.pair("first")
    assert "units by their values" in pair.how
    back = [order.index(unit) for unit in range(4)]
    assert pair.order == tuple(back)
    assert d.units("first")["partner"].tolist() == back


def test_other_widths_are_matched_by_values(x: Array) -> None:
    one, other = cnn(4), cnn(8, prefix="wide_")
    kernel, bias = one.layers[0].get_weights()
    wide = [np.concatenate([kernel, kernel], axis=-1), np.concatenate([bias, bias])]
    other.layers[0].set_weights(wide)
    d = compare(one, other, x)
    pair = d.pair("first")
    assert pair.partner == "wide_first"
    assert pair.how == "values (CKA 1.00)"
    assert np.isnan(pair.relative_error)
    assert d.similarity.loc["first", "wide_first"] == pytest.approx(1)
    with pytest.raises(InputError, match="There is no difference to show"):
        d.values("first")
    assert d.units("first").shape == (4, 2)


def test_another_shape_parts(x: Array) -> None:
    layers = keras.layers
    one = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3, name="conv")])
    other = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, padding="same", name="conv")]
    )
    other.set_weights(one.get_weights())
    d = compare(one, other, x)
    assert d.first == "conv"
    assert d.pair("conv").how == "address, shapes differ"
    assert d.why == ("the padding: 'conv' pads 1, 1 × 1, 1 (before, after), the one 0, 0 × 0, 0",)


def test_an_end_without_a_partner_is_not_the_same(x: Array) -> None:
    layers = keras.layers
    whole = cnn()
    body = keras.Sequential([keras.Input((8, 8, 1)), *whole.layers[:-1]], name="body")
    d = compare(whole, body, x)
    assert d.first is None
    assert not d.is_same
    assert d.open_ends == ("net",)
    assert "What comes out of net was not compared: its last layer has no partner." in str(d)
    idle = keras.Sequential([keras.Input((8, 8, 1)), *whole.layers, layers.Dropout(0.1)])
    assert compare(whole, idle, x).is_same
    other = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])
    with pytest.raises(InputError, match="No layer of 'net' has a partner"):
        compare(whole, other, x)


def test_two_seeds_have_a_similarity(x: Array) -> None:
    one, other = activations(cnn(seed=1), x), activations(cnn(seed=2), x)
    d = compare(one, other)
    assert d.similarity.shape == (4, 4)
    assert np.allclose(np.diag(compare(one, one).similarity), 1)
    panel = sheet(d)
    assert panel.png()[:4] == b"\x89PNG"
    written = {text["text"] for text in panel.header["texts"]}
    assert {"first 0", "0 first", "out 3", "3 out"} <= written


def run(scale: Mapping[int, float] | None = None) -> Any:
    """A training of three epochs: unit 1 moves by 3 at the last, the others hardly."""
    values = np.random.default_rng(0).normal(size=(4, 2, 5, 5, 3)).astype(np.float32)
    values[:] = values[0]
    values[1:] += 0.01
    values[3, ..., 1] += 3
    return run_of({"conv": (MAPS, values)}, epochs=[0.0, 1.0, 2.0, 3.0])


def test_a_training_is_compared_with_itself() -> None:
    d = compare(run())
    assert d.names == ("learner at step 0", "learner at step 3")
    assert d.first == "conv"
    first = d.drift.iloc[0]
    assert (d.drift.index[0], first.before, first.after) == ("conv:1", "epoch 2", "epoch 3")
    assert "conv:1 changed by" in str(d)
    assert "between epoch 2 and epoch 3." in str(d)
    assert d.drifting[1].after == "epoch 1"
    assert compare(run(), step=(1, 2)).first is None


def test_two_trainings_are_compared_at_the_last_common_step() -> None:
    d = compare(run(), run())
    assert (d.first, d.since) == (None, None)
    assert d.drifting == []
    assert compare(run(), run(), step=(0, 3)).first == "conv"


def test_two_trainings_are_apart_since_a_step_and_a_layer() -> None:
    values = np.random.default_rng(0).normal(size=(4, 2, 5, 5, 3)).astype(np.float32)
    epochs = [0.0, 1.0, 2.0, 3.0]

    def trained(first: Array, second: Array) -> Any:
        return run_of({"conv": (MAPS, first), "next": (MAPS, second)}, epochs=epochs)

    late, later = values.copy(), values.copy()
    late[2:] *= 1.5
    later[3] *= 1.5
    d = compare(trained(values, values), trained(later, late))
    assert d.first == "conv"
    assert d.since is not None
    assert (d.since.step, d.since.moment, d.since.layer) == (2, "epoch 2", "next")
    assert "They are apart since epoch 2, then first at 'next'." in str(d)
    assert d.to_json()["since"] == {"step": 2, "moment": "epoch 2", "layer": "next"}
    # What has come together again by the last step was apart all the same.
    assert compare(trained(values, values), trained(later, later), step=1).since.step == 3
    assert compare(trained(values, values), trained(late, late), step=(0, 2)).since is None


def test_pictures_show_each_channel_three_times(x: Array) -> None:
    model = cnn()
    d = compare(activations(model, x), activations(model, x * 1.5))
    panel = sheet(d, "second")
    tiles = panel.header["tiles"]
    assert [tile["label"] for tile in tiles[:4]] == ["0 one", "other", "difference", "1 one"]
    assert len(tiles) == 18
    assert len(sheet(d, "second:2").header["tiles"]) == 3
    assert len(sheet(d, "second", units=[1, 2]).header["tiles"]) == 6
    assert [tile["label"] for tile in sheet(d, "out").header["tiles"]] == [
        "one", "other", "difference",
    ]  # fmt: skip
    assert d.picture().header["address"] == d.first
    assert "image/png" in d._repr_mimebundle_()
    captions = [text["text"] for text in difference_diagram(d).header["texts"]]
    assert any(text.endswith("parts first") for text in captions)


def on_large_maps(**settings: Any) -> Any:
    """A convolution whose maps hold more values than are computed anew to find a cause."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    scaled = layers.Rescaling(settings.pop("scale", 1.0), name="scaled")
    conv = layers.Conv2D(32, 3, padding="same", name="conv", **settings)
    return keras.Sequential([keras.Input((64, 65, 2)), scaled, conv], name="large")


@pytest.mark.parametrize(
    ("settings", "where", "why"),
    [
        (
            {"activation": lambda z: keras.activations.gelu(z, approximate=True)},
            "conv",
            "applies gelu by tanh, the approximate one, the one gelu, the exact one",
        ),
        ({"activation": "silu"}, "conv", "applies silu, the one gelu, the exact one"),
        (
            {"activation": "gelu", "scale": 0.5},
            "scaled",
            "the range of the input: what 'scaled' returns is 0.5 times as large",
        ),
    ],
)
def test_causes_are_told_on_maps_of_which_some_rows_are_computed(
    settings: dict[str, Any], where: str, why: str
) -> None:
    images = np.random.default_rng(1).random((2, 64, 65, 2), np.float32)
    d = compare(on_large_maps(activation="gelu"), on_large_maps(**settings), images)
    assert d.first == where
    assert why in " ".join(d.why)


def test_noise_is_drawn_flat(x: Array) -> None:
    acts = activations(cnn(), x)
    moved = Recording(
        {a: NamedArray(acts.named(a).values * np.float32(1 + 1e-7), acts.named(a).axes)
         for a in acts},
        network=acts.network,
    )  # fmt: skip
    d = compare(acts, moved)
    assert d.first is None
    panel = sheet(d, "second")
    tile = panel.header["tiles"][2]
    assert tile["format"] == "rgb"
    height, width = tile["shape"]
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8)[tile["offset"] :]
    assert len(np.unique(pixels[: height * width * 3].reshape(-1, 3), axis=0)) == 1
    assert "within the noise" in panel.header["note"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m, x: compare(m, m), "Two models are compared on an input"),
        (lambda m, x: compare(m, None, x), "this is a NoneType"),
        (lambda m, x: compare([1], m, x), "compare takes two recordings"),
        (lambda m, x: compare(m, m, x, tolerance=-1), "tolerance=-1: pass a relative error"),
        (lambda m, x: compare(run(), step=2), "of one recording two are compared"),
        (lambda m, x: compare(run(), run(), step=(1, 2, 3)), "pass one step, or two"),
        (lambda m, x: compare(run(), run(), x), "two recordings have their own inputs"),
        (
            lambda m, x: compare(activations(m, x), activations(m, x[:3])),
            "The one is of 16 samples and the other of 3",
        ),
    ],
)
def test_what_can_not_be_compared_is_said(make: Any, words: str, x: Array) -> None:
    with pytest.raises(InputError, match=words):
        make(cnn(), x)


def test_a_layer_that_is_not_there_is_said(x: Array) -> None:
    acts = activations(cnn(), x)
    d = compare(acts, acts)
    with pytest.raises(AddressError, match="No layer 'third' was compared: there are 'first'"):
        sheet(d, "third")
    with pytest.raises(AddressError, match="'first' has 4 along channel, counted from 0: 9 is"):
        sheet(d, "first:9")


def _maps(seed: int) -> NamedArray:
    values = np.random.default_rng(seed).normal(size=(2, 5, 5, 3)).astype(np.float32)
    return NamedArray(values, MAPS)
