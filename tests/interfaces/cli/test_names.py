"""Every command on models whose names were chosen by an enemy."""

import csv
import io
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

keras = pytest.importorskip("keras")

#: A name that steers terminals, breaks lines, turns text round and begins a formula of each kind.
EVIL = "=a\x1b[31m\x1b]0;owned\x07\n\u202e\u200b$x_1$<b>&\x9b2J"
SHOWN = r"=a\x1b[31m\x1b]0;owned\x07\n\u202e\u200b$x_1$<b>&\x9b2J"


@pytest.fixture(scope="module")
def evil_keras(tmp_path_factory):
    """A Keras model in which everything is called so."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((18, 18, 1), name=f"{EVIL}in"),
            layers.Conv2D(3, 3, activation="relu", name=EVIL),
            layers.MaxPooling2D(name="x" * 5_000),
            layers.Flatten(name="-1"),
            layers.Dense(4, name="@out"),
        ],
        name=EVIL,
    )
    path = tmp_path_factory.mktemp("evil") / "evil.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def evil_onnx(tmp_path_factory):
    """An ONNX file in which everything is called so, its producer too."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    kernel = np.ones((3, 1, 3, 3), np.float32)
    graph = onnx.helper.make_graph(
        [
            node("Conv", [f"{EVIL}x", f"{EVIL}w"], ["y"], EVIL),
            node("Relu", ["y"], [f"{EVIL}z"], "x" * 5_000, doc_string=EVIL),
        ],
        EVIL,
        [value(f"{EVIL}x", onnx.TensorProto.FLOAT, [1, 1, 18, 18])],
        [value(f"{EVIL}z", onnx.TensorProto.FLOAT, [1, 3, 16, 16])],
        [onnx.numpy_helper.from_array(kernel, f"{EVIL}w")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, producer_name=EVIL, producer_version=EVIL,
                                   opset_imports=opset, ir_version=8)  # fmt: skip
    path = tmp_path_factory.mktemp("evil") / "evil.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(params=["keras", pytest.param("onnx", marks=pytest.mark.side_by_side)])
def evil(request):
    """Each of them."""
    return request.getfixturevalue(f"evil_{request.param}")


def check_harmless(text):
    """Fail where a text could steer a terminal, or deceive who reads it."""
    unseen = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert unseen <= {"\n"}


def check_files(folder):
    """Fail where a file that was written is harmful; returns how many of each kind there are."""
    counts = {}
    for path in Path(folder).rglob("*"):
        if path.is_dir():
            continue
        counts[path.suffix] = counts.get(path.suffix, 0) + 1
        check_harmless(path.name)
        assert len(path.name.encode()) < 200
        if path.suffix == ".svg":
            check_harmless(path.read_text(encoding="utf-8"))
            ET.parse(path)
        elif path.suffix == ".csv":
            text = path.read_text(encoding="utf-8")
            check_harmless(text)
            head, *rows = csv.reader(io.StringIO(text))
            assert not any(row[0].startswith(("=", "+", "-", "@")) for row in rows)
            largest = head.index("value" if path.name == "answers.csv" else "max")
            assert all(float(row[largest] or 0) < 1e6 for row in rows)
        elif path.suffix == ".png":
            with Image.open(path) as image:
                assert max(image.size) < 5_000
                for key, value in image.text.items():
                    check_harmless(f"{key}{value}")
    return counts


def ran(shell, *argv):
    code, out, err = shell(*argv)
    check_harmless(out)
    check_harmless(err)
    assert code == 0, err
    assert len(out) < 100_000
    return out


def test_describe(shell, evil):
    out = ran(shell, "describe", evil)
    rows = [line for line in out.splitlines() if line.startswith(SHOWN)]
    assert len(rows) >= 1
    assert not any(line.startswith("owned") for line in out.splitlines())


def test_look_and_weights_and_diagram(shell, evil):
    out = ran(shell, "look", evil, "noise", "--out", "pictures")
    assert SHOWN in out
    counts = check_files("pictures")
    assert counts[".svg"] == 2
    tables = {path.name for path in Path("pictures").rglob("*.csv")}
    assert tables - {"answers.csv"} == {"summary.csv"}
    assert counts[".png"] >= 3
    ran(shell, "weights", evil, "--out", "kernels")
    assert check_files("kernels")[".csv"] == 1
    for kind in ("svg", "png", "pdf"):
        ran(shell, "diagram", evil, "--out", f"net.{kind}")
    check_files(".")


def test_a_layer_is_found_by_its_true_name_and_by_a_glob(shell, evil):
    out = ran(shell, "look", evil, "noise", "--layers", EVIL, "--out", "one")
    assert SHOWN in out
    out = ran(shell, "look", evil, "noise", "--layers", "=a?[31m*", "--out", "two")
    assert SHOWN in out


def test_a_recording_of_it(shell, evil_keras):
    ran(shell, "record", evil_keras, evil_keras, "--probe", "noise", "--out", "run.zarr")
    assert SHOWN in ran(shell, "timeline", "run.zarr")
    assert SHOWN in ran(shell, "fate", "run.zarr")
    ran(shell, "timeline", "run.zarr", f"{EVIL}:1", "--out", "unit.svg")
    ran(shell, "timeline", "run.zarr", "--out", "curves.svg")
    ran(shell, "film", "run.zarr", EVIL, "--out", "film.webp")
    ran(shell, "look", "run.zarr", "--out", "pictures")
    ran(shell, "export", "run.zarr", "files", "--format", "json")
    for path in (Path("unit.svg"), Path("curves.svg")):
        check_harmless(path.read_text(encoding="utf-8"))
        ET.parse(path)
    check_files("pictures")
    assert check_files("files")[".json"] >= 4


def test_what_is_said_of_what_is_wrong(shell, evil_keras, tmp_path):
    name = "no\x1b[31m\u202e"
    for argv in (
        ["look", evil_keras, "noise", "--layers", name],
        ["look", evil_keras, f"{name}.png"],
        ["describe", f"{name}.keras"],
        ["describe", evil_keras, f"--{name}"],
        [name],
        ["features", evil_keras, f"{name}:1"],
        ["timeline", f"{name}.zarr"],
    ):
        code, out, err = shell(*argv)
        assert code == 2
        assert out == ""
        check_harmless(err)
        assert len(err.splitlines()) == 1
        assert r"no\x1b[31m\u202e" in err


def test_files_named_by_an_enemy(shell, evil_keras):
    folder = Path("photos")
    folder.mkdir()
    for name in ("=a\x1b[31m.png", "b\n\u202e.png", "c\udcff.png"):
        Image.fromarray(np.zeros((18, 18), np.uint8)).save(folder / "plain.png")
        (folder / "plain.png").rename(folder / name)
    ran(shell, "look", evil_keras, "photos", "--out", "pictures")
    check_files("pictures")
