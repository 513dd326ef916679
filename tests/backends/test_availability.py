"""Which frameworks are there, and what Keras runs on."""

import json
import os
import subprocess
import sys

import pytest

from layerscope.backends import availability
from layerscope.backends.availability import (
    choose_keras_backend,
    keras_backend_for_import,
    require_keras,
)
from layerscope.core.errors import MissingDependencyError, ModelError

pytestmark = pytest.mark.one_backend

keras = pytest.importorskip("keras")


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


@pytest.mark.parametrize("stated", [None, "", "torch"])
def test_what_an_import_did_not_need_is_open_again(tmp_path, monkeypatch, stated):
    chosen(tmp_path, monkeypatch)
    monkeypatch.delenv("KERAS_BACKEND")
    if stated is not None:
        monkeypatch.setenv("KERAS_BACKEND", stated)
    with keras_backend_for_import():
        assert os.environ["KERAS_BACKEND"] == (stated or "jax")
    assert os.environ.get("KERAS_BACKEND") == stated
    with keras_backend_for_import("tensorflow"):
        pass
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_what_keras_was_imported_on_stays(tmp_path, monkeypatch):
    chosen(tmp_path, monkeypatch)
    monkeypatch.delenv("KERAS_BACKEND")
    with keras_backend_for_import():
        monkeypatch.setitem(sys.modules, "keras", keras)
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_keras_that_runs_already_is_not_moved():
    running = keras.backend.backend()
    other = next(name for name in ("torch", "jax") if name != running)
    choose_keras_backend(running)
    with pytest.raises(ModelError, match=f"Keras already runs on {running} in this process"):
        choose_keras_backend(other)
    with pytest.raises(ModelError, match="backend 'theano': Keras runs on jax, tensorflow, torch"):
        choose_keras_backend("theano")


@pytest.mark.parametrize(
    ("here", "torch", "env", "expected"),
    [
        (("keras", "jax", "torch"), False, None, "jax"),
        (("keras", "jax", "torch"), True, None, "torch"),  # its own modules need it there
        (("keras", "jax", "torch"), True, "jax", "jax"),
        (("keras", "tensorflow"), False, None, "tensorflow"),
    ],
)
def test_what_keras_runs_on_for_another_framework(
    tmp_path, monkeypatch, here, torch, env, expected
):
    settle(tmp_path, monkeypatch, here, torch=torch, env=env)
    assert os.environ["KERAS_BACKEND"] == expected


@pytest.mark.parametrize(
    ("here", "env", "error", "sentence"),
    [
        (("jax",), None, MissingDependencyError,
         r"Keras is not installed, which features need: pip install 'layerscope\[features\]'\."),
        ((), None, MissingDependencyError,
         r"Keras is not installed, which features need: pip install 'layerscope\[keras-jax\]'\."),
        (("keras",), None, MissingDependencyError, "jax is not installed: pip install 'layerscope"),
        (("keras", "jax"), "torch", MissingDependencyError, "torch is not installed: pip install"),
        (("keras", "jax"), "numpy", ModelError,
         "KERAS_BACKEND is 'numpy', which has no gradients: set it to jax, tensorflow or torch."),
    ],
)  # fmt: skip
def test_what_another_framework_lacks(tmp_path, monkeypatch, here, env, error, sentence):
    with pytest.raises(error, match=sentence):
        settle(tmp_path, monkeypatch, here, env=env)


def settle(tmp_path, monkeypatch, here, *, torch=False, env=None):
    """Settle what Keras runs on for features, in a process that has not imported it."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    if torch:
        monkeypatch.setitem(sys.modules, "torch", object())
    monkeypatch.setattr(availability, "installed", lambda package: package in here)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", env or "")
    require_keras("features")


def test_choosing_imports_no_framework():
    code = (
        "import sys; from layerscope.backends.availability import choose_keras_backend as c; c();"
        "print({'keras', 'jax', 'tensorflow', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
