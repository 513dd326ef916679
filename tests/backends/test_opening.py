import json
import os
import pickle
import subprocess
import sys
import zipfile

import pytest

from layerscope.backends import availability
from layerscope.backends.availability import choose_keras_backend
from layerscope.backends.opening import open_model
from layerscope.errors import MissingDependencyError, ModelError

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
    model = open_model(str(saved))
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
        open_model(str(path))
    assert str(caught.value) == f"{str(path)!r} {message}"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"config": None}, "is damaged or no .keras file: There is no item named 'config.json'"),
        ({"config": lambda _: b"{not"}, "is damaged or no .keras file: Expecting property name"),
        ({"config": lambda _: b"[1, 2]"}, "Keras can't open"),
        ({"config": lambda c: c.replace(b'"Dense"', b'"Danse"')}, "Keras can't open"),
        ({"model": None}, "Expected a model.weights.h5"),
        ({"model": lambda c: c[: len(c) // 2]}, "is damaged or no .keras file: Unable to"),
        ({"config": lambda c: c.replace(b'"units": 3', b'"units": 4')}, "could not be loaded"),
    ],
)
def test_a_damaged_file_is_one_sentence(saved, tmp_path, parts, message):
    path = altered(saved, tmp_path, **parts)
    with pytest.raises(ModelError) as caught:
        open_model(str(path))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bit_flipped_in_storage_is_noticed(saved, tmp_path):
    content = bytearray(saved.read_bytes())
    content[content.find(b"HDF") + 30] ^= 0xFF
    path = tmp_path / "flipped.keras"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is damaged or no \.keras file: Bad CRC-32"):
        open_model(str(path))


def test_code_in_a_file_is_not_run(tmp_path):
    path = tmp_path / "lambda.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)]).save(path)
    with pytest.raises(
        ModelError, match=r"holds Python code \(a Lambda layer\), and opening a file"
    ):
        open_model(str(path))


def test_a_layer_of_somebody_s_own_is_named(tmp_path):
    @keras.saving.register_keras_serializable(package="somebody")
    class Doubled(keras.layers.Layer):
        def call(self, x):
            return x * 2

    path = tmp_path / "own.keras"
    keras.Sequential([keras.Input((4,)), Doubled()]).save(path)
    keras.saving.get_custom_objects().clear()
    with pytest.raises(ModelError, match=r"needs class '?.*Doubled'?, which Keras does not know"):
        open_model(str(path))


def test_other_files_are_named_for_what_they_are(tmp_path):
    for name, kind in [("m.h5", "an HDF5 file"), ("m.onnx", "an ONNX file"), ("m.txt", "no known")]:
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ModelError, match=f"is {kind}.*what opens is a .keras file"):
            open_model(str(tmp_path / name))
    with pytest.raises(ModelError, match="is a folder"):
        open_model(str(tmp_path))
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(ModelError, match=r"is a folder, not a \.keras file"):
        open_model(str(tmp_path / "folder.keras"))
    for name in ("none.keras", "none.h5", "none.pkl", "none"):
        with pytest.raises(ModelError, match="There is no file"):
            open_model(str(tmp_path / name))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with modules in it, which the shell stands in."""
    (tmp_path / "mynets.py").write_text(
        "import types\n"
        "def build(width=3, *, name='net'):\n"
        "    return types.SimpleNamespace(width=width, name=name)\n"
        "class Net:\n"
        "    pass\n"
        "model = build(7)\n"
        "holder = types.SimpleNamespace(build=build)\n"
        "def broken():\n"
        "    raise Exception('no network\\nhere')\n"
    )
    (tmp_path / "faulty.py").write_text("import a_package_nobody_has\n")
    (tmp_path / "raising.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    yield tmp_path
    for name in ("mynets", "faulty", "raising"):
        sys.modules.pop(name, None)


def test_an_importable_name_is_a_model_or_gives_one(here):
    assert open_model("mynets:model").width == 7
    assert open_model("mynets:build").width == 3
    assert open_model("mynets:build()").width == 3
    assert open_model("mynets:build(5)").width == 5
    assert open_model("mynets:build(width=(2, None), name='a:b')").name == "a:b"
    assert open_model("mynets:holder.build(2)").width == 2
    assert type(open_model("mynets:Net")).__name__ == "Net"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mynets:biuld", "'mynets' has no 'biuld': did you mean 'build'?"),
        ("mynet:build", "There is no module 'mynet' to import: did you mean 'mynets'?"),
        ("mynets.deeper:build", "There is no module 'mynets.deeper' to import."),
        ("mynets:", "'mynets:' can't be read: write package.module:name(arg=value)."),
        ("mynets:a b", "'mynets:a b' can't be read: write package.module:name(arg=value)."),
        ("mynets:build + 1", "can't be read: write package.module:name(arg=value)."),
        ("mynets:build(width=open('x'))", "only literal arguments are read, such as 3, 'a', None"),
        ("mynets:build(**{'width': 1})", "write the arguments out, without **."),
        ("mynets:build(depth=1)", "can't be called so: got an unexpected keyword argument 'depth'"),
        ("mynets:broken", "mynets:broken raised Exception: no network here"),
        ("mynets:types", "mynets:types is a module, not a model or a function."),
        ("raising:build", "'raising' can't be imported: ZeroDivisionError: division by zero"),
        ("mynets", "There is no file 'mynets': what opens is a .keras file, an importable"),
    ],
)
def test_a_name_that_gives_no_model(here, spec, message):
    with pytest.raises(ModelError) as caught:
        open_model(spec)
    assert message in str(caught.value)


def test_a_module_that_needs_what_is_not_installed(here):
    with pytest.raises(MissingDependencyError, match="'faulty' needs the module 'a_package_nobody"):
        open_model("faulty:build")


def test_a_missing_framework_names_its_extra(saved, monkeypatch):
    monkeypatch.setattr(availability, "installed", lambda package: package != "keras")
    with pytest.raises(MissingDependencyError, match=r"pip install 'layerscope\[keras-jax\]'"):
        open_model(str(saved))
    monkeypatch.setattr(availability, "installed", lambda package: package != "tensorflow")
    monkeypatch.delitem(sys.modules, "keras")
    with pytest.raises(MissingDependencyError, match=r"install 'layerscope\[keras-tensorflow\]'"):
        choose_keras_backend("tensorflow")


class Tripwire:
    """Unpickling this leaves a mark."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_is_opened_only_where_it_is_trusted(tmp_path):
    mark = tmp_path / "mark"
    for name in ("m.pkl", "m.joblib"):
        with (tmp_path / name).open("wb") as file:
            pickle.dump(Tripwire(str(mark)), file)
        with pytest.raises(ModelError, match="a pickle can run any code when it is opened: pass "):
            open_model(str(tmp_path / name))
    assert not mark.exists()


def test_a_trusted_pickle_opens(tmp_path):
    neural = pytest.importorskip("sklearn.neural_network")
    joblib = pytest.importorskip("joblib")
    model = neural.MLPClassifier((5,), tol=10.0).fit([[0, 1], [1, 0]], [0, 1])
    joblib.dump(model, tmp_path / "m.joblib")
    with (tmp_path / "m.pkl").open("wb") as file:
        pickle.dump(model, file)
    for name in ("m.joblib", "m.pkl"):
        assert open_model(str(tmp_path / name), trust=True).hidden_layer_sizes == (5,)
    (tmp_path / "bad.pkl").write_bytes(b"no pickle")
    with pytest.raises(ModelError, match="can't be opened as a pickle"):
        open_model(str(tmp_path / "bad.pkl"), trust=True)


def chosen(tmp_path, monkeypatch, *, here=("jax", "tensorflow", "torch"), env=None, file=None):
    """What Keras is told to run on, in a process that has not imported it."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(availability, "installed", lambda package: package in here)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", env or "")
    if file is not None:
        (tmp_path / "keras.json").write_text(file)
    choose_keras_backend()
    return os.environ["KERAS_BACKEND"] or None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"env": "torch", "file": json.dumps({"backend": "jax"})}, "torch"),
        ({"file": json.dumps({"backend": "tensorflow"})}, "tensorflow"),
        ({"file": json.dumps({"backend": "tensorflow"}), "here": ("torch",)}, "torch"),
        ({}, "jax"),
        ({"here": ("tensorflow", "torch")}, "tensorflow"),
        ({"file": "{broken"}, "jax"),
        ({"file": "[]"}, "jax"),
        ({"here": ()}, None),
    ],
)
def test_what_keras_runs_on(tmp_path, monkeypatch, given, expected):
    assert chosen(tmp_path, monkeypatch, **given) == expected


def test_keras_that_runs_already_is_not_moved():
    running = keras.backend.backend()
    other = next(name for name in ("torch", "jax") if name != running)
    choose_keras_backend(running)
    with pytest.raises(ModelError, match=f"Keras already runs on {running} in this process"):
        choose_keras_backend(other)
    with pytest.raises(ModelError, match="backend 'theano': Keras runs on jax, tensorflow, torch"):
        choose_keras_backend("theano")


def test_choosing_imports_no_framework():
    code = (
        "import sys; from layerscope.backends.availability import choose_keras_backend as c; c();"
        "print({'keras', 'jax', 'tensorflow', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
