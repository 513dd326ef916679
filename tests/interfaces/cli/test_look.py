import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from layerscope.backends.opening import load_model

SHEETS = ["01-first.png", "02-pool.png", "03-flat.png", "04-out.png"]


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_look_writes_every_layer_and_says_where(shell, tiny, image):
    code, out, err = shell("look", tiny, image)
    assert (code, err) == (0, "")
    diagrams = ["tiny-passage.svg", "tiny.svg"]
    pictures = ["00-input.png", *SHEETS, "pages-01.png"]
    assert names("layerscope-tiny") == sorted([*pictures, "answers.csv", "summary.csv", *diagrams])
    for name in pictures:
        with Image.open(Path("layerscope-tiny", name)) as picture:
            picture.verify()
    assert "Note: photo.png: resized from 30×40 to 20×20 (bilinear, the whole image), sc" in out
    assert "for this sample." in out
    assert out.rstrip().endswith("Written to layerscope-tiny/")


def test_the_table_and_the_file_hold_the_figures(shell, tiny, image):
    _, out, _ = shell("look", tiny, image)
    acts = ls.activations(load_model(tiny), image)
    with Path("layerscope-tiny/summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["address"] for row in rows] == list(acts)
    for row in rows:
        values = acts[row["address"]].values
        assert row["shape"] == "x".join(map(str, values.shape[1:]))
        np.testing.assert_allclose(float(row["max"]), values.max())
        np.testing.assert_allclose(float(row["mean"]), values.mean(), rtol=1e-5)
    assert (rows[0]["type"], rows[0]["units"], rows[0]["blank"]) == ("Conv2D", "4", "1")
    (line,) = [line for line in out.splitlines() if line.startswith("first")]
    assert line.split() == ["first", "Conv2D", "(18,", "18,", "4)", "0", *line.split()[6:8], "25%"]


def test_the_answer_is_printed_by_name(shell, tiny, image):
    _, out, _ = shell("look", tiny, image)
    values = ls.activations(load_model(tiny), image)["out"].values[0]
    (line,) = [line for line in out.splitlines() if line.startswith("Answer to ")]
    best = int(values.argmax())
    assert f"{best} (" in line or f"{best} = {values[best]:.4g}" in line
    Path("names.txt").write_text("\n".join(f"kind {i}" for i in range(len(values))))
    _, out, _ = shell("look", tiny, image, image, "--classes", "names.txt", "--out", "named")
    lines = [line for line in out.splitlines() if line.startswith("Answer to ")]
    assert len(lines) == 2
    assert all(f": kind {best} " in line for line in lines)
    with Path("named/answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["sample"] for row in rows[:5]] == ["photo.png"] * 5
    assert {row["output"] for row in rows} == {"out"}
    assert rows[0]["name"] == f"kind {best}"
    assert float(rows[0]["value"]) == pytest.approx(values[best], rel=1e-5)
    with Path("named/summary.csv").open() as file:
        (*others, last) = csv.DictReader(file)
    assert not any(row["answer"] for row in others)
    assert last["answer"].count(f"kind {best} ") == 2
    code, out, err = shell("look", tiny, image, "--classes", "none.txt", "--out", "third")
    assert (code, out) == (2, "")
    assert "'none.txt' can't be read" in err
    assert not Path("third").exists()


def test_the_answer_stands_above_the_first_page(shell, tiny, image, monkeypatch):
    Path("names.txt").write_text("\n".join(f"kind {i}" for i in range(5)))
    drawn, draw = [], ls.pages
    monkeypatch.setattr(
        "layerscope.views.pages.pages", lambda *a, **k: drawn.extend(draw(*a, **k)) or drawn
    )
    assert shell("look", tiny, image, "--classes", "names.txt", "--grid", "1,1")[0] == 0
    assert "answer: kind " in drawn[0].header["note"]
    assert not any("answer" in page.header["note"] for page in drawn[1:])


def test_the_table_as_json(shell, tiny, image):
    code, out, err = shell("look", tiny, image, "--json", "--layers", "first", "--layers", "out")
    assert (code, err) == (0, "")
    seen = json.loads(out)
    assert [row["address"] for row in seen["layers"]] == ["first", "out"]
    acts = ls.activations(load_model(tiny), image)
    assert seen["layers"][0]["max"] == pytest.approx(float(acts["first"].max()), rel=1e-6)
    assert seen["layers"][0]["blank_share"] == 0.25
    assert seen["answers"][0]["sample"] == "photo.png"
    assert seen["answers"][0]["output"] == "out"
    assert seen["written"] == "layerscope-tiny"
    assert seen["notes"][0].startswith("photo.png: resized")


def test_only_the_layers_asked_for(shell, tiny, image):
    assert shell("look", tiny, image, "--layers", "fi*", "--layers", "out")[0] == 0
    assert names("layerscope-tiny")[:3] == ["00-input.png", "01-first.png", "02-out.png"]


def test_several_images_are_a_batch(shell, tiny, image):
    _, out, _ = shell("look", tiny, image, image, image)
    assert "for all 3 samples given." in out
    code, out, _ = shell("look", tiny, image, image, "--sample", "1", "--out", "second")
    assert code == 0
    assert "for all 2 samples given." in out
    code, _, err = shell("look", tiny, image, image, "--sample", "2", "--out", "third")
    assert code == 2
    assert "There is no sample 2: there are 2, counted from 0." in err


def test_every_option(shell, tiny, image):
    code, _, err = shell(
        *("look", tiny, image, "--input-range", "-1,1", "--scale", "0,1", "--columns", "3"),
        *("--grid", "1,2", "--min-size", "5,5", "--palette", "gray", "--ground", "light"),
        *("--out", "deep/er", "--backend", os.environ["KERAS_BACKEND"]),
    )
    assert (code, err) == (0, "")
    assert (Path("deep/er") / "pages-02.png").exists()  # input, 18×18 and 9×9
    for scale in ("unit", "layer", "network", "zscore"):
        assert shell("look", tiny, image, "--scale", scale, "--out", scale)[0] == 0


def test_the_input_range_is_the_network_s(shell, tiny, image):
    _, out, _ = shell("look", tiny, image, "--input-range", "-1,1")
    assert "scaled to -1..1" in out
    _, out, _ = shell("look", tiny, image, "--input-range", "raw", "--out", "raw")
    assert "pixel values as they are" in out


def test_nothing_is_overwritten_unless_forced(shell, tiny, image):
    folder = Path("layerscope-tiny")
    folder.mkdir()
    (folder / "01-first.png").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    code, out, err = shell("look", tiny, image)
    assert (code, out) == (2, "")
    assert err == (
        "layerscope: error: The folder 'layerscope-tiny' is not empty: name another with --out, "
        "or pass --force to replace the files of the same names.\n"
    )
    assert names(folder) == ["01-first.png", "notes.txt"]
    assert shell("look", tiny, image, "--force")[0] == 0
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "01-first.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_that_fails_leaves_no_folder(shell, tiny):
    code, _, err = shell("look", tiny, "none.png")
    assert code == 2
    assert err == "layerscope: error: There is no file 'none.png'.\n"
    assert names(".") == []


def test_an_output_that_cannot_be_written(shell, tiny, image):
    Path("file").write_text("")
    code, _, err = shell("look", tiny, image, "--out", "file")
    assert code == 2
    assert err.startswith("layerscope: error: The folder 'file' can't be written (Not a directory)")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["MODEL", "IMAGE", "--layers", "frist"], "There is no layer 'frist': did you mean 'fir"),
        (["MODEL", "IMAGE", "--layers", "conv*"], "No layer matches"),
        (["MODEL", "MODEL"], "is no image that opens: PNG, JPEG"),
        (["IMAGE", "IMAGE"], "is no known kind of model file: what opens is a file of Keras"),
        (["os:getcwd", "IMAGE"], "layerscope can't look into a str: pass a Keras 3 model"),
        (["MODEL", "SMALL"], "x has shape (1, 4), the model expects (None, 20, 20, 3)."),
    ],
)
def test_bad_input_is_one_sentence(shell, tiny, image, argv, message):
    np.save("small.npy", np.zeros((1, 4)))
    given = {"MODEL": tiny, "IMAGE": image, "SMALL": "small.npy"}
    code, out, err = shell("look", *(given.get(argument, argument) for argument in argv))
    assert (code, out) == (2, "")
    assert err.startswith("layerscope: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert names(".") == ["small.npy"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--input-range", "1,0"),
        ("--input-range", "unit"),
        ("--scale", "0"),
        ("--columns", "0"),
        ("--grid", "3"),
        ("--min-size", "a,b"),
        ("--sample", "-1"),
        ("--backend", "theano"),
        ("--ground", "blue"),
    ],
)
def test_an_option_that_cannot_be_read(shell, tiny, image, option, value):
    code, _, err = shell("look", tiny, image, f"{option}={value}")
    assert code == 2
    assert f"argument {option}: " in err


def test_a_flat_input_is_shown_as_an_image(shell, tmp_path):
    keras = pytest.importorskip("keras")
    keras.Sequential([keras.Input((64,)), keras.layers.Dense(3)]).save(tmp_path / "mlp.keras")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((1, 64)))
    code, _, err = shell(
        "look", tmp_path / "mlp.keras", tmp_path / "x.npy", "--reshape", "8,8", "--out", "out"
    )
    assert (code, err) == (0, "")
    assert (Path("out") / "00-input.png").exists()


def test_what_the_model_itself_raises_is_one_sentence(shell):
    torch = pytest.importorskip("torch")
    del torch
    Path("nets.py").write_text("import torch\ndef dense(): return torch.nn.Linear(3, 2)\n")
    np.save("x.npy", np.zeros((1, 7)))
    code, _, err = shell("look", "nets:dense", "x.npy", "--out", "out")
    assert code == 2
    assert err.startswith("layerscope: error: ")
    assert err.count("\n") == 1


def test_what_an_autoencoder_returns_is_an_image_where_its_input_is(shell, tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    inputs = keras.Input((64,))
    code = keras.layers.Dense(4, name="code")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(64, name="decoded")(code))
    model.save(tmp_path / "ae.keras")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((1, 64), np.float32))
    drawn, draw = [], ls.sheet
    monkeypatch.setattr(
        "layerscope.views.sheet.sheet", lambda *a, **k: drawn.append(draw(*a, **k)) or drawn[-1]
    )
    how = ("--reshape", "8,8", "--out", "out")
    assert shell("look", tmp_path / "ae.keras", tmp_path / "x.npy", *how)[0] == 0
    shapes = [panel.header["tiles"][0]["shape"] for panel in drawn]
    assert shapes == [[8, 8], [1, 1], [8, 8]]  # the input, code, decoded
