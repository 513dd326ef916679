"""Which frameworks are there, and what Keras runs on."""

import json
import os
import subprocess
import sys

import pytest

from layerscope.backends import availability
from layerscope.backends.availability import choose_keras_backend
from layerscope.core.errors import ModelError

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
