"""Which module opens which file, and what is said of the others."""

import os
import sys

import pytest

from layerscope.backends import availability
from layerscope.backends.availability import choose_keras_backend
from layerscope.backends.opening import load_model
from layerscope.core.errors import MissingDependencyError, ModelError

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m.h5", "is no HDF5 file."),
        ("m.json", "is damaged: its JSON can't be read"),
        ("m.keras", "is no .keras file: it is not a whole zip archive."),
        ("m.txt", "is no known kind of model file: what opens is a file of Keras (.keras, .h5, a"),
        ("m.gguf", "AutoModelForCausalLM.from_pretrained('"),
        ("m.gguf", "', gguf_file='m.gguf')"),
        ("m.tflite", "is a TensorFlow Lite file: convert it to ONNX, python -m tf2onnx"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, name, message):
    pytest.importorskip("keras")
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelError) as caught:
        load_model(str(tmp_path / name))
    assert message in str(caught.value)


def test_folders_and_files_that_are_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"is a folder without a saved_model\.pb: what opens is"):
        load_model(str(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "zarr.json").write_text("{}")
    with pytest.raises(ModelError, match=r"is a recording, not a model: ls\.open_recording opens"):
        load_model(tmp_path / "run")
    (tmp_path / "folder.keras").mkdir()
    for name in ("none.keras", "none.h5", "none.pkl", "none"):
        with pytest.raises(ModelError, match="There is no file"):
            load_model(str(tmp_path / name))
    (tmp_path / "digits.keras").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"did you mean '.*digits\.keras'\?"):
        load_model(str(tmp_path / "digits"))
    with pytest.raises(ModelError, match="load_model takes a path, not a int"):
        load_model(3)


@pytest.mark.parametrize(
    "name",
    ["m.keras", "m.h5", "m.json", "m.pt", "m.safetensors", "m.onnx", "m.pkl", "m.skops", "m"],
)
def test_what_is_no_file_is_not_waited_for(tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(ModelError, match=r"is no regular file\.$"):
        load_model(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ModelError, match=r"is no regular file\.$"):
        load_model(path)
    path.unlink()
    path.symlink_to(name)
    with pytest.raises(ModelError, match="There is no file"):
        load_model(path)


def test_a_missing_framework_names_its_extra(tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    saved = tmp_path / "tiny.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(saved)
    monkeypatch.setattr(availability, "installed", lambda package: package != "keras")
    with pytest.raises(MissingDependencyError, match=r"pip install 'layerscope\[keras-jax\]'"):
        load_model(str(saved))
    monkeypatch.setattr(availability, "installed", lambda package: package != "tensorflow")
    monkeypatch.delitem(sys.modules, "keras")
    with pytest.raises(MissingDependencyError, match=r"install 'layerscope\[keras-tensorflow\]'"):
        choose_keras_backend("tensorflow")
