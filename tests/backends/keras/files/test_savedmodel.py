"""SavedModel folders: rebuilt from Keras' metadata, or one opaque layer where that is trusted."""

import json

import numpy as np
import pytest

from layerscope.backends.keras.files import savedmodel as keras_savedmodel
from layerscope.backends.keras.files.savedmodel import root_metadata
from layerscope.backends.opening import load_model
from layerscope.backends.origin import origin_of
from layerscope.core.errors import MissingDependencyError, ModelError

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own


def field(number, content):
    """A field of a protocol buffer's message, of bytes."""
    length, size = b"", len(content)
    while True:
        length += bytes([size & 127 | (128 if size > 127 else 0)])
        size >>= 7
        if not size:
            return bytes([number << 3 | 2]) + length + content


def metadata(described):
    """A keras_metadata.pb: the model, and another object before it."""
    other = field(3, b"root.layer-0") + field(5, b"{}")
    root = bytes([2 << 3, 0]) + field(3, b"root") + field(5, json.dumps(described).encode())
    return field(1, other) + field(1, root)


class Module(tf.Module):
    """The objects that tf.keras saved for a Sequential of two Dense layers."""

    def __init__(self, kernels):
        super().__init__()
        for number, (kernel, bias) in enumerate(kernels):
            layer = tf.Module()
            layer.kernel, layer.bias = tf.Variable(kernel), tf.Variable(bias)
            setattr(self, f"layer-{number}", layer)

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    def __call__(self, x):
        for number in range(2):
            layer = getattr(self, f"layer-{number}")
            x = x @ layer.kernel + layer.bias
        return x


SHAPES = [((3, 4), (4,)), ((4, 2), (2,))]


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    kernels = [[random.normal(size=shape).astype("float32") for shape in two] for two in SHAPES]
    module = Module(kernels)
    path = tmp_path / "saved"
    tf.saved_model.save(module, str(path))
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "name": "in"}},
        {"class_name": "Dense", "config": {"name": "a", "units": 4}},
        {"class_name": "Dense", "config": {"name": "b/c", "units": 2}},
    ]
    described = {
        "class_name": "Sequential",
        "config": {"name": "net", "layers": layers},
        "keras_version": "2.9.0",
        "backend": "tensorflow",
    }
    (path / "keras_metadata.pb").write_bytes(metadata(described))
    x = random.normal(size=(2, 3)).astype("float32")
    return path, described, x, module(x).numpy()


def test_it_is_rebuilt_on_any_backend(folder):
    path, _, x, expected = folder
    model = load_model(path)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x)), expected, atol=1e-5)
    assert [layer.name for layer in model.layers] == ["a", "b_c"]
    origin = origin_of(model)
    assert (origin.format, origin.written_by) == ("SavedModel", "Keras 2.9.0 on TensorFlow")
    assert "lost the slash" in origin.repairs[0]


def into_graph(path, identifier, text):
    """Put Keras' description into the graph, where it was before TensorFlow 2.5."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    root = saved.meta_graphs[0].object_graph_def.nodes[0].user_object
    root.identifier, root.metadata = identifier, text
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    (path / "keras_metadata.pb").unlink()


@pytest.mark.parametrize("where", ["config", "model_config"])
def test_metadata_in_the_graph(folder, where):
    path, described, x, expected = folder
    if where == "model_config":
        described = {"model_config": described, "keras_version": "2.2.4-tf", "class_name": "Model"}
    into_graph(path, "_tf_keras_sequential", json.dumps(described))
    model = load_model(path)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("identifier", "text", "message"),
    [
        ("_generic_user_object", "{}", "is a SavedModel without Keras' own metadata"),
        ("_tf_keras_model", "", "is a SavedModel without Keras' own metadata"),
        ("_tf_keras_model", '{"class_name": "Mine"}', "holds a subclassed model, which is code"),
        ("_tf_keras_model", "{", "is damaged: its JSON can't be read"),
    ],
)
def test_graphs_without_layers(folder, identifier, text, message):
    into_graph(folder[0], identifier, text)
    with pytest.raises(ModelError) as caught:
        load_model(folder[0])
    assert message in str(caught.value)


def test_a_graph_that_is_cut_off(folder):
    path = folder[0]
    (path / "keras_metadata.pb").unlink()
    content = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"is damaged: its saved_model\.pb can't be read"):
        load_model(path)


@pytest.mark.one_backend
def test_a_folder_of_tensorflow_2_3_gives_what_tensorflow_computed(real):
    model = load_model(real / "others" / "kws_savedmodel_tf23")
    expected = np.load(real / "others" / "kws_expected.npz")
    y = keras.ops.convert_to_numpy(model(expected["x"]))
    np.testing.assert_allclose(y, expected["y"], atol=1e-5)
    assert origin_of(model).written_by == "Keras 2.4.0 on TensorFlow"


def change(folder, **changes):
    path, described, *_ = folder
    (path / "keras_metadata.pb").write_bytes(metadata(described | changes))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": {"name": "net"}}, "holds a subclassed model, which is code, not layers"),
        ({"config": {"layers": [{"class_name": "Lambda", "config": {}}]}}, "holds Python code"),
        ({"config": {"name": "n", "layers": [
            {"class_name": "Dense", "config": {"name": "a", "units": 5, "batch_input_shape": [1, 3]}
        }]}}, "holds a kernel of (3, 4), and the architecture has (3, 5)"),
    ],
)  # fmt: skip
def test_what_can_only_be_run_is_opened_only_where_it_is_trusted(folder, changes, message):
    with pytest.raises(ModelError) as caught:
        load_model(change(folder, **changes))
    assert message in str(caught.value)
    assert "it opens with --trust; or convert it to ONNX, python -m tf2onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_graph_that_is_trusted_is_one_opaque_layer(folder):
    path, _, x, expected = folder
    (path / "keras_metadata.pb").unlink()
    if keras.backend.backend() != "tensorflow":
        with pytest.raises(ModelError, match="as TensorFlow's graph it opens with Keras on Tensor"):
            load_model(path, trust=True)
        return
    model = load_model(path, trust=True)
    np.testing.assert_allclose(model(x), expected, atol=1e-5)
    assert "its inside is opaque" in origin_of(model).repairs[0]


def test_without_tensorflow_it_says_what_is_needed(folder, monkeypatch):
    monkeypatch.setattr(keras_savedmodel, "installed", lambda package: False)
    with pytest.raises(
        MissingDependencyError, match="is a SavedModel folder, and TensorFlow, whic"
    ):
        load_model(folder[0])


@pytest.mark.parametrize("content", [b"", b"\x0a", b"\x0a\xff\xff", b"\x0b", b"\xff" * 30, b"\x08"])
def test_metadata_that_are_damaged(tmp_path, content):
    with pytest.raises(ModelError, match=r"is damaged: its keras_metadata\.pb"):
        root_metadata(content, tmp_path)


def test_damaged_variables(folder):
    path = folder[0]
    (path / "variables" / "variables.index").write_bytes(b"nothing")
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
