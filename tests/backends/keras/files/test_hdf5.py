"""Old files of Keras: what is repaired gives the numbers that it gave; nothing is run.

What is read and what is refused comes before Keras computes: that is tried on one of its backends.
"""

import json
import sys
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cases.amounts import examples
from cases.keras_old_files import aged_sequential, arrays_of, write_model, write_weights
from layerscope.backends.keras.files import hdf5_contents
from layerscope.backends.opening import load_model
from layerscope.backends.origin import origin_of
from layerscope.core.errors import ModelError

keras = pytest.importorskip("keras")
L = keras.layers

FEELINGS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.fixture(autouse=True)
def file_is_read_in_this_process(request, monkeypatch):
    """No process of its own reads a file here, but where what is in it is not HDF5."""
    if request.node.originalname not in (
        "test_any_damage_is_one_sentence",
        "test_what_is_no_model_file",
    ):
        monkeypatch.setattr(hdf5_contents, "_python", lambda: None)


def output(model, *x):
    return keras.ops.convert_to_numpy(model(x[0] if len(x) == 1 else list(x)))


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def randomized(model, seed=0):
    """The model with weights that are nowhere zero or one; variances stay positive."""
    random = np.random.default_rng(seed)
    model.set_weights([random.uniform(0.1, 0.6, size=w.shape) for w in model.get_weights()])
    return model


# The real files


@pytest.mark.parametrize(
    ("name", "repairs"),
    [
        ("sequential_as_list.h5", ("a Sequential was stored as a bare list of layers",)),
        (
            "initializer_with_dtype.h5",
            (
                "the Sequential 'sequential' had no InputLayer: its input shape stood in its "
                "first layer",
                "10 initializers had a dtype, which today's Keras does not take",
            ),
        ),
    ],
)
def test_the_digits(real, name, repairs):
    model = load_model(real / "legacy_keras" / name)
    assert model.input_shape == (None, 28, 28)
    origin = origin_of(model)
    assert origin.format == "Keras HDF5"
    assert origin.written_by.startswith("Keras 2.1.6")
    assert origin.repairs == repairs
    for digit in (0, 3, 5, 7):
        image = np.asarray(Image.open(real / "images" / f"digit_{digit}.jpg").convert("L"))
        assert output(model, image[None] / np.float32(255)).argmax() == digit


def test_the_face_is_happy(real):
    face = Image.open(real / "images" / "astronaut.png").convert("L").crop((130, 0, 330, 200))
    x = np.asarray(face.resize((64, 64)), "float32").reshape(1, 64, 64, 1) / 127.5 - 1
    folder = real / "emotion_checkpoints"
    model = load_model(folder / "fer2013_mini_XCEPTION.110-0.65.hdf5")
    assert FEELINGS[output(model, x).argmax()] == "happy"
    assert origin_of(model).written_by == "Keras 2.0.5 on TensorFlow"
    assert not model.compiled


# What is repaired


#: Layers that Keras 2 had.
BLOCKS = {
    "conv": lambda: L.Conv2D(3, 2, padding="same", activation="relu"),
    "depthwise": lambda: L.DepthwiseConv2D(2, padding="same", use_bias=False),
    "separable": lambda: L.SeparableConv2D(2, 3, padding="same"),
    "norm": lambda: L.BatchNormalization(),
    "relu6": lambda: L.ReLU(max_value=6.0),
    "leaky": lambda: L.LeakyReLU(negative_slope=0.1),
    "selu": lambda: L.Activation("selu"),
    "pad": lambda: L.ZeroPadding2D(),
    "pool": lambda: L.MaxPooling2D(2, padding="same"),
    "transposed": lambda: L.Conv2DTranspose(2, 2, strides=2),
    "dropout": lambda: L.Dropout(0.3),
}


@pytest.mark.one_backend  # what a file says becomes layers before any of them is computed
@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(list(BLOCKS)), min_size=1, max_size=4),
    st.tuples(st.integers(5, 8), st.integers(5, 8), st.integers(1, 3)),
    st.booleans(),
)
def test_an_aged_network_gives_the_same_numbers(tmp_path, blocks, shape, bare):
    layers = [*(BLOCKS[block]() for block in blocks), L.Flatten(), L.Dense(2, "softmax")]
    model = randomized(keras.Sequential([keras.Input(shape), *layers]))
    config = aged_sequential(model, shape, bare=bare)
    opened = load_model(write_model(tmp_path / "old.h5", config, arrays_of(model)))
    assert opened.input_shape == (None, *shape)
    x = numbers(2, *shape)
    np.testing.assert_allclose(output(opened, x), output(model, x), atol=1e-6)
    repairs = " ".join(origin_of(opened).repairs)
    assert ("bare list" in repairs) == bare
    assert "had no InputLayer" in repairs
    assert "initializers had a dtype" in repairs


def sequential(*entries, shape):
    layers = [{"class_name": name, "config": dict(config)} for name, config in entries]
    layers[0]["config"]["batch_input_shape"] = [None, *shape]
    return {"class_name": "Sequential", "config": {"name": "old", "layers": layers}}


def test_hard_sigmoid_and_the_state_of_old_recurrent_layers(tmp_path):
    weights = [numbers(2, 9), numbers(3, 9), numbers(9)]
    config = sequential(
        ("GRU", {"name": "gru", "units": 3, "recurrent_activation": "hard_sigmoid"}), shape=(4, 2)
    )
    named = list(zip(("kernel", "recurrent_kernel", "bias"), weights, strict=True))
    model = load_model(write_model(tmp_path / "old.h5", config, {"gru": named}))
    x, h = numbers(4, 2, seed=1), np.zeros(3)
    kernel, recurrent, bias = weights
    for step in x:
        z, r = (
            np.clip(0.2 * (step @ kernel[:, k] + h @ recurrent[:, k] + bias[k]) + 0.5, 0, 1)
            for k in (slice(0, 3), slice(3, 6))
        )
        new = np.tanh(step @ kernel[:, 6:] + (r * h) @ recurrent[:, 6:] + bias[6:])
        h = z * h + (1 - z) * new
    np.testing.assert_allclose(output(model, x[None])[0], h, atol=1e-5)
    said = " ".join(origin_of(model).repairs)
    assert "the layer 'gru' keeps Keras 2's hard_sigmoid" in said
    assert "the GRU 'gru' resets its state before the matrix product" in said


@pytest.mark.one_backend
@pytest.mark.parametrize(("name", "gates"), [("CuDNNLSTM", 4), ("CuDNNGRU", 3)])
def test_both_directions_of_a_recurrent_layer_of_cudnn(tmp_path, name, gates):
    from layerscope.backends.keras.files.kernels import from_cudnn

    def drawn(seed):
        return [numbers(2, 3 * gates, seed=seed), numbers(3, 3 * gates, seed=seed + 1),
                numbers(6 * gates, seed=seed + 2)]  # fmt: skip

    inner = {"class_name": name, "config": {"name": "rnn", "units": 3, "return_sequences": False}}
    config = sequential(
        ("Bidirectional", {"name": "both", "layer": inner, "merge_mode": "concat"}), shape=(4, 2)
    )
    names = ("kernel", "recurrent_kernel", "bias")
    both = [*zip((f"forward/{n}" for n in names), drawn(1), strict=True),
            *zip((f"backward/{n}" for n in names), drawn(5), strict=True)]  # fmt: skip
    model = load_model(write_model(tmp_path / "old.h5", config, {"both": both}))
    layer = L.LSTM(3) if gates == 4 else L.GRU(3)
    expected = keras.Sequential([keras.Input((4, 2)), L.Bidirectional(layer)])
    expected.set_weights([*from_cudnn(*drawn(1)), *from_cudnn(*drawn(5))])
    x = numbers(2, 4, 2)
    np.testing.assert_allclose(output(model, x), output(expected, x), atol=1e-6)
    assert origin_of(model).repairs[1:] == (
        "the layer 'rnn' was for CuDNN only: it is now the same layer for any device",
        "the weights of 'both' were put from CuDNN's order into that of LSTM and GRU",
    )


def test_kernels_of_theano_are_turned_around(tmp_path):
    kernel, bias = numbers(3, 3, 1, 2), numbers(2)
    config = sequential(
        ("Conv2D", {"name": "conv", "filters": 2, "kernel_size": [3, 3]}), shape=(5, 5, 1)
    )
    arrays = {"conv": [("kernel", kernel), ("bias", bias)]}
    model = load_model(write_model(tmp_path / "t.h5", config, arrays, backend="theano"))
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], kernel[::-1, ::-1])
    np.testing.assert_array_equal(model.layers[0].get_weights()[1], bias)
    assert origin_of(model).repairs[-1] == (
        "the kernel of the layer 'conv' was turned around, for it was written for Theano"
    )
    assert origin_of(model).written_by == "Keras 2.1.6 on Theano"


def graph(layers, inputs, outputs):
    entries = [
        {"class_name": c, "name": n, "config": {"name": n, **config}, "inbound_nodes": calls}
        for c, n, config, calls in layers
    ]
    ends = {"input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Model", "config": {"name": "model", "layers": entries, **ends}}


def test_a_graph_with_shared_and_nested_layers_slashes_and_functions(tmp_path):
    inner = graph(
        [
            ("InputLayer", "in", {"batch_input_shape": [None, 3]}, []),
            ("Dense", "fc", {"units": 3}, [[["in", 0, 0, {}]]]),
        ],
        [["in", 0, 0]],
        [["fc", 0, 0]],
    )["config"]
    config = graph(
        [
            ("InputLayer", "a", {"batch_input_shape": [None, 3], "sparse": False}, []),
            ("InputLayer", "b", {"batch_input_shape": [None, 3], "ragged": False}, []),
            ("Dense", "block/fc", {"units": 3}, [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]),
            # Its call 0 was its own making.
            ("Model", "inner", inner, [[["block/fc", 1, 0, {}]]]),
            ("TFOpLambda", "tf.math.multiply", {"function": "math.multiply"},
             [["inner", 1, 0, {"y": 2.0, "name": None}]]),
            ("TFOpLambda", "tf.math.subtract", {"function": "math.subtract"},
             [["_CONSTANT_VALUE", -1, 1.0, {"y": ["block/fc", 0, 0], "name": None}]]),
            ("Add", "add", {}, [[["tf.math.multiply", 0, 0, {}], ["tf.math.subtract", 0, 0, {}]]]),
        ],
        [["a", 0, 0], ["b", 0, 0]],
        [["add", 0, 0], ["inner", 1, 0]],
    )  # fmt: skip
    outer, nested = (numbers(3, 3), numbers(3)), (numbers(3, 3, seed=1), numbers(3, seed=2))
    arrays = {
        "block/fc": list(zip(("kernel", "bias"), outer, strict=True)),
        "inner": list(zip(("fc/kernel", "fc/bias"), nested, strict=True)),
    }
    model = load_model(write_model(tmp_path / "old.h5", config, arrays))
    a, b = numbers(2, 3, seed=3), numbers(2, 3, seed=4)
    both = model([a, b])
    of_inner = (b @ outer[0] + outer[1]) @ nested[0] + nested[1]
    expected = 2 * of_inner + 1 - (a @ outer[0] + outer[1])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(both[0]), expected, atol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(both[1]), of_inner, atol=1e-5)
    assert origin_of(model).repairs == (
        "the layer 'block/fc' lost the slash in its name, which today's Keras does not allow",
        "2 functions of TensorFlow in the graph are now Keras' own operations",
    )


def test_layers_are_matched_by_name_before_order(tmp_path):
    model = randomized(keras.Sequential([keras.Input((3,)), L.Dense(3), L.Dense(3)]))
    arrays = arrays_of(model)
    config = aged_sequential(model, (3,), bare=False)
    turned = dict(reversed(arrays.items()))
    opened = load_model(write_model(tmp_path / "old.h5", config, turned))
    x = numbers(2, 3)
    np.testing.assert_allclose(output(opened, x), output(model, x), atol=1e-6)


def test_an_optimizer_nobody_knows_does_not_matter(tmp_path):
    config = sequential(("Dense", {"name": "fc", "units": 2}), shape=(3,))
    arrays = {"fc": [("kernel", numbers(3, 2)), ("bias", numbers(2))]}
    training = {"optimizer_config": {"class_name": "Nobody", "config": {"lrr": 1}}, "loss": "x"}
    model = load_model(write_model(tmp_path / "m.h5", config, arrays, training=training))
    assert not model.compiled


# Weights and architectures apart


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """An architecture in JSON and as a module, and weights in both formats."""
    model = randomized(keras.Sequential([keras.Input((3,)), L.Dense(4, name="a"), L.Dense(2)]))
    (tmp_path / "model.json").write_text(model.to_json())
    (tmp_path / "old.json").write_text(
        json.dumps({**aged_sequential(model, (3,), bare=True), "keras_version": "2.0.9"})
    )
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        write_weights(file, arrays_of(model), version="2.0.9", backend="tensorflow")
    model.save_weights(tmp_path / "new.weights.h5")
    (tmp_path / "mynets.py").write_text(
        "import keras\n"
        "def build(units=4):\n"
        "    layers = [keras.layers.Dense(units), keras.layers.Dense(2)]\n"
        "    return keras.Sequential([keras.Input((3,)), *layers])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield model, tmp_path
    sys.modules.pop("mynets", None)


@pytest.mark.parametrize("file", ["weights.h5", "new.weights.h5"])
@pytest.mark.parametrize("architecture", ["model.json", "old.json", "mynets:build(units=4)"])
def test_weights_in_their_architecture(apart, file, architecture):
    model, _ = apart
    opened = load_model(file, architecture=architecture)
    x = numbers(2, 3)
    np.testing.assert_allclose(output(opened, x), output(model, x), atol=1e-6)


@pytest.mark.one_backend
def test_weights_in_a_model_or_what_makes_one(apart):
    model, folder = apart
    x = numbers(2, 3)
    fresh = keras.models.clone_model(model)
    assert load_model("weights.h5", architecture=fresh) is fresh
    made = load_model(folder / "weights.h5", architecture=lambda: keras.models.clone_model(model))
    for opened in (fresh, made):
        np.testing.assert_allclose(output(opened, x), output(model, x), atol=1e-6)


def test_an_architecture_alone_says_that_its_weights_are_random(apart):
    for name in ("model.json", "old.json"):
        opened = load_model(name)
        assert opened.count_params() == apart[0].count_params()
        assert np.abs(opened.get_weights()[0]).min() > 0
        assert "drawn at random" in origin_of(opened).repairs[0]


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("file", "architecture", "message"),
    [
        ("weights.h5", None, "holds only weights: pass the architecture that they belong to, with"),
        ("new.weights.h5", None, "holds only weights: pass the architecture"),
        ("weights.h5", "mynets:build(units=5)", "holds a kernel of (3, 4), and the architecture h"),
        ("new.weights.h5", "mynets:build(units=5)", "Keras can't open"),
        ("weights.h5", "model", "write package.module:Class(args), or the path of a JSON file"),
        ("weights.h5", "none.json", "There is no file 'none.json'"),
        ("weights.h5", 3, "The architecture is no Keras model but a 'int'"),
        ("weights.h5", keras.Sequential([L.Dense(2)]), "The architecture has no weights yet"),
        ("weights.h5", "keras:Input((3,))", "The architecture is no Keras model but a 'KerasTens"),
        ("model.json", "old.json", "is an architecture: pass the file with the weights as the mo"),
    ],
)
def test_weights_that_do_not_fit(apart, file, architecture, message):
    with pytest.raises(ModelError) as caught:
        load_model(file, architecture=architecture)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# What is refused


def dense(**config):
    return sequential(("Dense", {"name": "fc", "units": 2, **config}), shape=(3,))


def of_dense():
    return {"fc": [("kernel", numbers(3, 2)), ("bias", numbers(2))]}


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("config", "message"),
    [
        (sequential(("Lambda", {"name": "fc", "function": ["4wEA", None, None]}), shape=(3,)),
         "holds Python code (a Lambda layer), and opening a file never runs code"),
        (sequential(("TFSMLayer", {"name": "fc", "filepath": "/tmp/x"}), shape=(3,)),
         "holds the path of another model (a TFSMLayer)"),
        (sequential(("Secret", {"name": "fc"}), shape=(3,)),
         "needs 'Secret', which Keras does not know: name the module that registers it with --imp"),
        (dense(activation={"class_name": "function", "config": "system", "module": "os",
                           "registered_name": "system"}),
         "needs 'system' of 'os', which Keras does not know"),
        (dense(kernel_initializer={"class_name": "Popen", "config": {"args": "touch canary"},
                                   "module": "subprocess", "registered_name": None}),
         "needs 'Popen' of 'subprocess', which Keras does not know"),
        (dense(activation={"class_name": "function", "config": "get_file",
                           "module": "keras.utils", "registered_name": "get_file"}),
         "needs 'get_file' of 'keras.utils', which Keras does not know"),
        (dense(units=10**12), "holds a kernel of (3, 2), and the architecture has (3, 1000000000"),
        (dense(units=-1), "Keras can't open"),
        (dense(units="many"), "Keras can't open"),
        (dense(groups=2), "The layer 'fc' (Dense) has groups=2, which today's Keras has no count"),
        (sequential(("Convolution2D", {"name": "fc", "nb_filter": 2}), shape=(3,)),
         "was written by Keras 1 (see its layer 'fc')"),
        ({"class_name": "Sequential", "config": 3}, "is damaged: a layer has no class or"),
        ({"class_name": "Model", "config": {"layers": 3}}, "is damaged: a model in it has no list"),
        ({"class_name": "Dense", "config": {"units": 3}}, "describes no model but 'Dense'"),
        ([1, 2], "describes no model: its JSON is a list"),
        ({"class_name": ["x"], "config": {}}, "is damaged: it has a class_name that is no text"),
        (graph([("TFOpLambda", "x", {"function": "io.write_file"}, [["x", 0, 0, {}]])], [], []),
         "The layer 'x' is TensorFlow's io.write_file, for which Keras 3 has no counterpart"),
        (sequential(("StringLookup", {"vocabulary": "/etc/passwd"}), shape=(3,)),
         "reads another file as it is opened, the vocabulary '/etc/passwd'"),
    ],
)  # fmt: skip
def test_a_configuration_that_is_refused(tmp_path, monkeypatch, config, message):
    monkeypatch.chdir(tmp_path)
    path = write_model(tmp_path / "bad.h5", config, of_dense())
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.h5"]


def test_a_refused_size_leaves_nothing_behind_to_be_filled(tmp_path):
    path = write_model(tmp_path / "bad.h5", dense(units=10**12), of_dense())
    with pytest.raises(ModelError):
        load_model(path)
    with keras.StatelessScope():
        pass  # Keras fills what waits, here: 12 terabytes


def test_an_architecture_larger_than_the_machine(tmp_path):
    path = tmp_path / "huge.json"
    path.write_text(json.dumps(dense(units=10**12)))
    with pytest.raises(ModelError, match=r"describes a model of 16,000,000,000,000 bytes, and th"):
        load_model(path)


def deep(depth):
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.one_backend
@pytest.mark.parametrize("depth", [200, 200_000])
def test_json_that_is_nested_too_deeply(tmp_path, depth):
    path = tmp_path / "deep.json"
    path.write_text(deep(depth))
    with pytest.raises(ModelError, match="is damaged: its JSON is nested too deeply"):
        load_model(path)


def spoiled(path, how):
    """A whole file with something in it that reaches out of it, or claims too much."""
    write_model(path, dense(), of_dense())
    with h5py.File(path, "a") as file:
        held = file["model_weights/fc/fc"]
        del held["kernel:0"]
        if how == "external link":
            held["kernel:0"] = h5py.ExternalLink("/etc/passwd", "/x")
        elif how == "soft link":
            held["kernel:0"] = h5py.SoftLink("/model_weights/fc/fc/bias:0")
        elif how == "external storage":
            held.create_dataset("kernel:0", (3, 2), "f4", external=[("/etc/passwd", 0, 24)])
        elif how == "virtual":
            layout = h5py.VirtualLayout((3, 2), "f4")
            layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(3, 2))
            held.create_virtual_dataset("kernel:0", layout)
        elif how == "bomb":
            held.create_dataset("kernel:0", (10**6, 10**6), "f4", chunks=True)
        elif how == "cycle":
            held["again"] = file["model_weights"]
        elif how == "text":
            held["kernel:0"] = "text"
    return path


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("external link", "is no model file: 'kernel:0' in it is a link to another place"),
        ("soft link", "is no model file: 'kernel:0' in it is a link to another place"),
        ("external storage", "is no model file: the numbers of 'kernel:0' are in another file"),
        ("virtual", "is no model file: the numbers of 'kernel:0' are in another file"),
        ("bomb", "bytes claim to hold arrays of 4,000,000,000,0"),
        ("cycle", "is damaged: it holds 'again' twice"),
        ("text", "is damaged: 'fc/kernel:0' in it is no array"),
        ("missing", "is damaged: 'fc/kernel:0' in it is missing"),
    ],
)
def test_nothing_outside_the_file_is_followed(tmp_path, how, message):
    with pytest.raises(ModelError) as caught:
        load_model(spoiled(tmp_path / "bad.h5", how))
    assert message in str(caught.value)


@pytest.mark.one_backend
def test_what_is_no_model_file(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(ModelError, match="is an HDF5 file, but no model of Keras"):
        load_model(tmp_path / "data.h5")
    keras.Sequential([keras.Input((4,)), L.Dense(3)]).save(tmp_path / "m.keras")
    (tmp_path / "m.keras").rename(tmp_path / "renamed.h5")
    assert load_model(tmp_path / "renamed.h5").count_params() == 15
    with zipfile.ZipFile(tmp_path / "other.h5", "w") as archive:
        archive.writestr("a", "")
    with pytest.raises(ModelError, match=r"is no HDF5 file: it is a zip archive, but no \.keras"):
        load_model(tmp_path / "other.h5")
    path = write_model(tmp_path / "m.h5", dense(), of_dense())
    assert load_model(path.rename(tmp_path / "m.keras")).count_params() == 8


# Damage of any kind


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "m.h5"
    return write_model(path, dense(), of_dense()).read_bytes()


FUZZ = settings(
    max_examples=examples(30),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.one_backend
@FUZZ
@given(st.data())
def test_any_damage_is_one_sentence(whole, tmp_path, data):
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if kind == "flip" and content:
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "cut":
            del content[at:]
        else:
            content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    path = tmp_path / "damaged.h5"
    path.write_bytes(content)
    opens_or_says_so(path)


def opens_or_says_so(path):
    said = None
    try:
        assert isinstance(load_model(path), keras.Model)
    except ModelError as error:
        said = str(error)
    assert said is None or (said.strip() and "\n" not in said)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**13), 10**13), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}), st.sampled_from(["Lambda", "os", "Dense", "Sequential", "layers"]),
)  # fmt: skip


def places(node, above=()):
    """The path to everything in a configuration."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


@pytest.mark.one_backend
@FUZZ
@given(st.data(), st.booleans())
def test_any_configuration_is_a_model_or_one_sentence(tmp_path, data, branched):
    config = dense(kernel_initializer={"class_name": "Zeros", "config": {"dtype": "float32"}})
    if branched:
        config = graph(
            [("InputLayer", "in", {"batch_input_shape": [None, 3]}, []),
             ("Dense", "fc", {"units": 2}, [[["in", 0, 0, {}]]]),
             ("TFOpLambda", "m", {"function": "math.add"}, [["fc", 0, 0, {"y": 1.0}]])],
            [["in", 0, 0]], [["m", 0, 0]],
        )  # fmt: skip
    config = json.loads(json.dumps(config))
    for _ in range(data.draw(st.integers(1, 2))):
        *above, key = data.draw(st.sampled_from(list(places(config))))
        node = config
        for part in above:
            node = node[part]
        if data.draw(st.booleans()):
            node[key] = data.draw(ODD)
        else:
            del node[key]
    opens_or_says_so(write_model(tmp_path / "odd.h5", config, of_dense()))
