from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from layerscope.backends.keras import digits_network
from layerscope.instruments.input_advice import advice
from layerscope.instruments.input_scaling import barely_changes, probabilities

keras = pytest.importorskip("keras")
pytest.importorskip("sklearn")

WIDER = "--input-range 0,255 (in Python input_range=(0, 255))"


@pytest.fixture(scope="module")
def digits():
    return digits_network.load("digits")


def linear(digits, highest=1.0, *before, activation="softmax"):
    """The digits' linear classifier by least squares, for inputs up to so much."""
    x = digits.x_train.reshape(len(digits.x_train), -1).astype(np.float64)
    ones = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    # Ridge, since many pixels are always black.
    gram = ones.T @ ones + 10 * np.eye(ones.shape[1])
    solved = 12 * np.linalg.solve(gram, ones.T @ np.eye(10)[digits.y_train])
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *before,
            layers.Flatten(),
            layers.Dense(10, activation=activation, name="out"),
        ]
    )
    model.get_layer("out").set_weights([solved[:-1] / highest, solved[-1]])
    return model


@pytest.fixture(scope="module")
def wide(digits):
    """A net that wants 0 to 255."""
    return linear(digits, 255)


@pytest.fixture(scope="module")
def narrow(digits):
    """A net that wants 0 to 1."""
    return linear(digits)


@pytest.mark.parametrize("x", ["digits", *(f"digits:{i}" for i in range(10))])
def test_a_net_that_wants_0_to_255_and_gets_0_to_1(wide, x):
    model = wide
    (line,) = advice(model, x)
    assert WIDER in line
    assert "scaled to 0..1, is nearly that on zeros" in line
    assert advice(model, x, input_range=(0, 255)) == []
    assert advice(model, x, input_range="raw") == []


@pytest.mark.parametrize("x", ["digits", *(f"digits:{i}" for i in range(10))])
def test_a_net_that_gets_what_it_wants(narrow, x):
    assert advice(narrow, x) == []
    assert not [note for note in ls.activations(narrow, x).notes if "--input-range" in note]


def test_predictions_that_do_not_change_are_said_for_free(digits):
    model = linear(digits, 255)
    notes = ls.activations(model, "digits").notes
    assert notes[-1].startswith("The predictions on 10 different images are nearly the same, 0.0")
    assert len(ls.activations(model, "digits", input_range=(0, 255)).notes) == 1
    assert len(ls.activations(model, "digits:3").notes) == 1
    assert len(ls.activations(model, ["digits:3"] * 5).notes) == 1  # they do not differ


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Rescaling(1 / 255),
        lambda: keras.layers.Rescaling(1 / 127.5, offset=-1),
        lambda: keras.layers.Normalization(mean=120.0, variance=58.0**2),
        lambda: keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Rescaling(1 / 255)]),
        lambda: keras.layers.Lambda(lambda x: x / 127.5 - 1),
        lambda: keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomRotation(0.1)]),
                keras.layers.Dropout(0.1),
                keras.layers.Rescaling(1 / 255),
            ]
        ),
    ],
    ids=["rescaling", "with an offset", "normalization", "nested", "a function", "augmented"],
)
def test_a_model_that_scales_its_input_itself(digits, layer):
    model = linear(digits, 1.0, layer())
    for given in ((0, 1), (-1, 1)):
        note = ls.activations(model, "digits:3", input_range=given).notes[-1]
        assert note.startswith("The model scales its input itself (")
        assert note.endswith(f"was scaled to {given[0]}..1 already: use {WIDER}")
    assert len(ls.activations(model, "digits:3", input_range=(0, 255)).notes) == 1
    x = digits.x_held_out[:2]
    assert ls.activations(model, x).notes[-1].endswith("it seems to expect 0..255")
    assert ls.activations(model, x * 255).notes == ()


@pytest.mark.parametrize(
    "scaled",
    [lambda x: x / 127.5 - 1, lambda x: (x - 127.5) / 127.5, lambda x: x * (1 / 255)],
    ids=["divided first", "less the mean first", "multiplied"],
)
def test_a_model_that_scales_its_input_by_operations(scaled):
    x = keras.Input((28, 28, 1))
    model = keras.Model(x, keras.layers.Flatten()(scaled(x)))
    note = ls.activations(model, "digits:3").notes[-1]
    assert note.startswith("The model scales its input itself (")
    assert len(ls.activations(model, "digits:3", input_range=(0, 255)).notes) == 1


@pytest.mark.parametrize(
    "first",
    [lambda x: x * 0, lambda x: x - 0.5, lambda x: x * 0.2],
    ids=["nothing", "moved", "a fifth"],
)
def test_a_function_that_does_not_scale_pixels_is_no_sign(digits, first):
    model = linear(digits, 1.0, keras.layers.Lambda(first))
    assert not any("itself" in note for note in ls.activations(model, "digits:3").notes)


def test_a_normalization_of_what_is_0_to_1_is_no_sign(digits):
    model = linear(digits, 1.0, keras.layers.Normalization(mean=0.45, variance=0.22**2))
    assert len(ls.activations(model, "digits:3").notes) == 1


def test_a_family_of_keras_that_scales_for_itself():
    model = keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=4)
    notes = ls.activations(model, "digits:3", layers=slice(0, 3)).notes
    assert "The model scales its input itself (" in notes[-1]


def test_random_weights_get_no_advice():
    untrained = digits_network.build()
    assert advice(untrained, "digits") == advice(untrained, "digits:3") == []
    assert len(ls.activations(untrained, "digits").notes) == 1


def test_what_tells_nothing(digits):
    model = linear(digits, 255)
    assert advice(model, digits.x_held_out[:3]) == []  # arrays
    assert advice(model, "zeros") == []
    assert advice(model, "digits:3", preprocess=lambda x: x / 255) == []
    assert advice(model, "digits:3", layers=["flatten*"]) == []  # it does not run to its end
    assert advice(linear(digits, 255, activation=None), "digits:3") == []  # regression, or logits
    outputs = model.outputs * 2
    two = keras.Model(model.inputs, outputs)
    assert advice(two, "digits:3") == []
    dark = Image.new("L", (28, 28), 10)
    assert advice(model, dark) == []


def test_what_are_probabilities():
    p = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
    np.testing.assert_array_equal(probabilities(p), p)
    for other in (p[:, :1], p * 2, p - 0.5, p[0], [p], None, p * np.nan, p.astype(int)):
        assert probabilities(other) is None


def test_sure_predictions_that_are_the_same_are_no_sign():
    x = np.random.default_rng(0).random((6, 4, 4, 1))
    same = np.tile([0.98, 0.02], (6, 1))
    assert barely_changes(same, x) is None
    assert barely_changes(np.tile([0.9, 0.1], (6, 1)), x) == 0
    assert barely_changes(np.tile([0.9, 0.1], (3, 1)), x[:3]) is None
    assert barely_changes(np.eye(6), x) is None


@pytest.mark.parametrize("epoch", ["00-0.47", "110-0.65"])
def test_real_faces_rightly_scaled_get_none(epoch, real: Path):
    path = real / f"emotion_checkpoints/fer2013_mini_XCEPTION.{epoch}.hdf5"
    model = ls.load_model(path)
    face = Image.open(real / "images/astronaut.png").crop((130, 0, 330, 200))
    others = [real / "images" / name for name in ("chelsea.png", "camera.png", "coffee.png")]
    for x in (face, [face, *others]):
        assert advice(model, x, input_range=(-1, 1)) == []
        notes = ls.activations(model, x, input_range=(-1, 1)).notes
        assert not [note for note in notes if "--input-range" in note]


@pytest.mark.parametrize("name", ["sequential_as_list.h5", "initializer_with_dtype.h5"])
def test_real_digits_rightly_scaled_get_none(name, real: Path):
    model = ls.load_model(real / "legacy_keras" / name)
    images = [real / f"images/digit_{i}.jpg" for i in (0, 3, 5, 7)]
    for x in (*images, images):
        assert advice(model, x) == []
        assert not [n for n in ls.activations(model, x).notes if "--input-range" in n]
