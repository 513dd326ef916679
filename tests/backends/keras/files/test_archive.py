"""Keras' own format: what opens, what is said of damaged files, and that nothing is run."""

import json
import os
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.amounts import examples
from layerscope.backends.opening import load_model
from layerscope.backends.origin import origin_of
from layerscope.core.errors import ModelError

pytestmark = pytest.mark.one_backend

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="tiny").save(path)
    return path


def altered(saved, folder, **parts):
    """A copy of the file with some of its members changed; None leaves one out."""
    path = folder / "altered.keras"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            change = parts.get(name.partition(".")[0], lambda content: content)
            if change is not None:
                new.writestr(name, change(old.read(name)))
    return path


def test_a_keras_file_opens(saved):
    model = load_model(str(saved))
    assert model.count_params() == 15
    assert not model.compiled


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty."),
        (b"hello", "is no .keras file: it is not a whole zip archive."),
        (os.urandom(3000), "is no .keras file: it is not a whole zip archive."),
        ("half", "is truncated or damaged: it is not a whole zip archive."),
    ],
)
def test_what_is_no_archive_is_refused(saved, tmp_path, content, message):
    path = tmp_path / "m.keras"
    whole = saved.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(ModelError) as caught:
        load_model(str(path))
    assert str(caught.value) == f"{str(path)!r} {message}"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"config": None}, "is damaged or no .keras file: There is no config.json in it."),
        ({"config": lambda _: b"{not"}, "is damaged: its JSON can't be read (Expecting property"),
        ({"config": lambda _: b"[1, 2]"}, "describes no model: its JSON is a list, not an object."),
        ({"config": lambda c: c.replace(b'"Dense"', b'"Danse"')}, "Keras can't open"),
        ({"config": lambda c: c.replace(b'"units": 3', b'"units": 3000000000000')},
         "don't fit: it holds 15 numbers, and the architecture asks for 15,000,000,000,000."),
        ({"model": None}, "is damaged or no .keras file: There is no model.weights.h5 in it."),
        ({"model": lambda c: c[: len(c) // 2]}, "is damaged: Unable to"),
        ({"config": lambda c: c.replace(b'"units": 3', b'"units": 4')}, "could not be loaded"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_sentence(saved, tmp_path, parts, message):
    path = altered(saved, tmp_path, **parts)
    with pytest.raises(ModelError) as caught:
        load_model(str(path))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bit_flipped_in_storage_is_noticed(saved, tmp_path):
    content = bytearray(saved.read_bytes())
    content[content.find(b"HDF") + 30] ^= 0xFF
    path = tmp_path / "flipped.keras"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is damaged or no \.keras file: Bad CRC-32"):
        load_model(str(path))


def test_code_in_a_file_is_not_run(tmp_path):
    path = tmp_path / "lambda.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)]).save(path)
    with pytest.raises(
        ModelError, match=r"holds Python code \(a Lambda layer\), and opening a file"
    ):
        load_model(str(path))


def test_a_layer_of_somebody_s_own_is_named(tmp_path):
    @keras.saving.register_keras_serializable(package="somebody")
    class Doubled(keras.layers.Layer):
        def call(self, x):
            return x * 2

    path = tmp_path / "own.keras"
    keras.Sequential([keras.Input((4,)), Doubled()]).save(path)
    keras.saving.get_custom_objects().clear()
    with pytest.raises(
        ModelError, match=r"needs 'Doubled' of '.*', which Keras does not know: name"
    ):
        load_model(str(path))


def test_the_origin_says_which_keras_wrote_it(saved):
    origin = origin_of(load_model(saved))
    assert (
        str(origin) == f"Opened from {saved} (Keras archive, written by Keras {keras.__version__})"
    )


def test_the_weights_of_a_model_with_code_go_into_one_built_in_python(tmp_path):
    def net(first):
        return keras.Sequential([keras.Input((4,)), first, keras.layers.Dense(3, name="d")])

    model = net(keras.layers.Lambda(lambda x: x / 2, name="half"))
    x = np.arange(4, dtype="float32")[None]
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        with pytest.raises(ModelError, match="build the model in Python and pass it as architect"):
            load_model(tmp_path / name, trust=True)
        scaled = keras.layers.Rescaling(0.5, name="half")
        opened = load_model(tmp_path / name, architecture=net(scaled))
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(opened(x)), keras.ops.convert_to_numpy(model(x)), rtol=1e-5
        )


def test_weights_settings_and_numbers_come_back(tmp_path):
    inputs = keras.Input((4, 3))
    x = keras.layers.Bidirectional(keras.layers.GRU(2, return_sequences=True))(inputs)
    x = keras.layers.LayerNormalization()(x + 1.0)
    model = keras.Model(inputs, {"a": keras.layers.Dense(2)(x), "b": x[:, 0]})
    model.compile("adam", "mse")
    model.save(tmp_path / "m.keras")
    opened = load_model(tmp_path / "m.keras")
    assert not opened.compiled
    given = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    for key, value in model(given).items():
        got, expected = map(keras.ops.convert_to_numpy, (opened(given)[key], value))
        np.testing.assert_array_equal(got, expected)


@pytest.fixture
def somebody(tmp_path, monkeypatch):
    """A module that registers a layer, and a file that was saved by those who had it."""
    (tmp_path / "theirs.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable(package='theirs')\n"
        "class Tripled(keras.layers.Layer):\n"
        "    def build(self, shape):\n"
        "        self.factor = self.add_weight(shape=(), initializer='ones')\n"
        "    def call(self, x):\n"
        "        return x * 3 * self.factor\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    import theirs

    keras.Sequential([keras.Input((4,)), theirs.Tripled()]).save(tmp_path / "m.keras")
    keras.saving.get_custom_objects().clear()
    tripled = sys.modules.pop("theirs").Tripled
    yield tmp_path / "m.keras", tripled
    sys.modules.pop("theirs", None)
    keras.saving.get_custom_objects().clear()


def test_classes_of_somebody_s_own(somebody):
    path, tripled = somebody
    with pytest.raises(ModelError, match=r"needs 'Tripled' of 'theirs', which Keras does not know"):
        load_model(path)
    for opened in (
        load_model(path, custom_objects={"Tripled": tripled}),
        load_model(path, imports=["theirs"]),
    ):
        y = keras.ops.convert_to_numpy(opened(np.ones((1, 4), "float32")))
        assert (y == 3).all()
    with pytest.raises(ModelError, match="There is no module 'nobodys' to import"):
        load_model(path, imports=["nobodys"])


HARMFUL = [
    ("os", "system", "needs 'system' of 'os', which Keras does not know"),
    ("subprocess", "Popen", "needs 'Popen' of 'subprocess', which Keras does not know"),
    ("keras.layers", "Lambda", "holds Python code (a Lambda layer)"),
    ("keras.layers", "TFSMLayer", "holds the path of another model"),
    ("keras.layers", "TorchModuleWrapper", "holds a pickled PyTorch module"),
]


@pytest.mark.parametrize(("module", "name", "message"), HARMFUL)
def test_a_class_that_would_do_harm(saved, tmp_path, module, name, message):
    def change(content):
        config = json.loads(content)
        config["config"]["layers"][1] |= {"module": module, "class_name": name}
        return json.dumps(config).encode()

    with pytest.raises(ModelError) as caught:
        load_model(altered(saved, tmp_path, config=change))
    assert message in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["altered.keras"]


def test_a_vocabulary_in_the_archive_opens_and_one_beside_it_does_not(tmp_path):
    pytest.importorskip("tensorflow")
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), lookup])
    model.save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").layers[0].get_vocabulary() == ["[UNK]", "a", "b"]

    def change(content):
        config = json.loads(content)
        config["config"]["layers"][1]["config"]["vocabulary"] = "/etc/passwd"
        return json.dumps(config).encode()

    path = altered(tmp_path / "m.keras", tmp_path, config=change)
    with pytest.raises(ModelError, match="reads another file as it is opened"):
        load_model(path)


@pytest.mark.parametrize("nonsense", [{}, [], {"a": []}, None, 3])
@pytest.mark.parametrize("key", ["class_name", "registered_name", "module"])
def test_nonsense_in_a_configuration_is_one_sentence(saved, tmp_path, key, nonsense):
    with zipfile.ZipFile(saved) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][-1][key] = nonsense
    path = altered(saved, tmp_path, config=lambda _: json.dumps(config).encode())
    message = ""
    try:
        load_model(path)
    except ModelError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize("nonsense", [{"name": "x"}, "many", [1], -1.5])
@pytest.mark.parametrize("setting", ["seed", "mean", "stddev"])
def test_a_file_that_fails_leaves_the_next_one_alone(tmp_path, setting, nonsense):
    layers = [keras.Input((4,)), keras.layers.Dense(3, kernel_initializer="random_normal")]
    text = keras.Sequential(layers).to_json()
    config = json.loads(text)
    config["config"]["layers"][1]["config"]["kernel_initializer"]["config"][setting] = nonsense
    (tmp_path / "sound.json").write_text(text)
    (tmp_path / "broken.json").write_text(json.dumps(config))
    message = ""
    try:
        load_model(tmp_path / "broken.json")
    except ModelError as error:
        message = str(error)
    assert "\n" not in message
    load_model(tmp_path / "sound.json")
    with keras.StatelessScope():
        pass  # fills what waits to be filled
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


@pytest.mark.parametrize("ends", [None, 3, [None], [["a"]], [["i", None, 0]], {"a": 3}])
def test_nonsense_about_the_ends_of_an_old_model_is_one_sentence(tmp_path, ends):
    layer = {
        "class_name": "InputLayer", "name": "i", "inbound_nodes": [],
        "config": {"batch_input_shape": [None, 4], "name": "i"},
    }  # fmt: skip
    config = {"name": "m", "layers": [layer], "input_layers": ends, "output_layers": ends}
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"class_name": "Functional", "config": config}))
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_a_chain_longer_than_keras_can_follow(tmp_path):
    layers = [{"class_name": "Dense", "config": {"name": f"a{i}", "units": 3}} for i in range(3000)]
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
    with pytest.raises(
        ModelError, match="describes a chain of 3,000 layers, and Keras opens up to"
    ):
        load_model(path)


def test_a_version_longer_than_a_number_may_be(saved, tmp_path):
    metadata = json.dumps({"keras_version": "9" * 5000}).encode()
    load_model(altered(saved, tmp_path, metadata=lambda _: metadata))


def test_members_that_reach_out_of_the_archive(saved, tmp_path):
    path = tmp_path / "out.keras"
    path.write_bytes(saved.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../canary", b"x")
    with pytest.raises(ModelError, match="would be written outside the folder"):
        load_model(path)
    assert not (tmp_path.parent / "canary").exists()


def test_an_archive_that_would_unpack_to_far_more(tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 300_000_000)
    with pytest.raises(ModelError, match="bytes would unpack to 300,000,000"):
        load_model(path)


@settings(
    max_examples=examples(30),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_any_damage_is_one_sentence(saved, tmp_path, data):
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if kind == "flip" and content:
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "cut":
            del content[at:]
        else:
            content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    path = tmp_path / "damaged.keras"
    path.write_bytes(content)
    said = None
    try:
        assert isinstance(load_model(path), keras.Model)
    except ModelError as error:
        said = str(error)
    assert said is None or "\n" not in said
    assert [entry.name for entry in tmp_path.iterdir()] == ["damaged.keras"]
