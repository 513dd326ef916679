import sys

import numpy as np
import pytest
from PIL import Image

from layerscope.backends.keras.files import hdf5_contents
from layerscope.interfaces.cli import main

keras = pytest.importorskip("keras")


@pytest.fixture(autouse=True)
def files_are_read_in_this_process(monkeypatch):
    """No file of these tests is a stranger's: each needs no process that reads it."""
    monkeypatch.setattr(hdf5_contents, "_python", lambda: None)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A saved network: 20×20×3, two convolutions, one of them with a dead channel."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((20, 20, 3)),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(5, name="out"),
        ],
        name="tiny",
    )
    kernel, bias = model.get_layer("first").get_weights()
    kernel = abs(kernel)  # on each of Keras' backends every channel but one responds
    kernel[..., 2] = 0
    model.get_layer("first").set_weights([kernel, bias])
    path = tmp_path_factory.mktemp("model") / "tiny.keras"
    model.save(path)
    return str(path)


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder: its exit code, stdout and stderr."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])

    def run(*argv):
        code = main([str(argument) for argument in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return run
