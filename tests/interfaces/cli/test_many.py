import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from layerscope.backends.opening import load_model
from layerscope.instruments.passes import Passes


@pytest.fixture
def photos(tmp_path):
    """Ten photographs, one of them broken, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(1, 11):
        pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "4.png").write_bytes(b"broken")
    (folder / "README.md").write_text("hello")
    return folder


def figures():
    with Path("out/summary.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_folder_is_looked_at_in_chunks(shell, tiny, photos, monkeypatch):
    monkeypatch.setattr("layerscope.instruments.passes._LARGEST_CHUNK", 4)
    code, out, err = shell("look", tiny, photos, "--out", "out")
    assert (code, err) == (0, "")
    assert "1 file was skipped: '" in out
    assert "1 other file is no image or array" in out
    assert "channels are for all 9 samples given." in out
    acts = ls.activations(load_model(tiny), photos)
    for row in figures():
        values = acts[row["address"]].values
        np.testing.assert_allclose(float(row["mean"]), values.mean(dtype=float), rtol=1e-5)
        assert float(row["max"]) == pytest.approx(values.max(), rel=1e-5)
    assert figures()[0]["blank"] == "1"


def test_the_answers_to_many_files(shell, tiny, photos, monkeypatch):
    monkeypatch.setattr("layerscope.instruments.passes._LARGEST_CHUNK", 4)
    monkeypatch.setattr("layerscope.interfaces.cli.looked._ANSWERED", 3)
    Path("names.txt").write_text("\n".join(f"kind {i}" for i in range(5)))
    _, out, _ = shell("look", tiny, photos, "--out", "out", "--classes", "names.txt")
    assert out.count("Answer to ") == 3
    assert "answers.csv has the answers to all 9 samples.\n" in out
    acts = ls.activations(load_model(tiny), photos)
    best = [f"kind {int(values.argmax())}" for values in acts["out"].values]
    with Path("out/answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    first = {row["sample"]: row["name"] for row in reversed(rows)}
    assert first == dict(zip(acts.samples, best, strict=True))
    counts = {name: best.count(name) for name in best}
    cells = figures()[-1]["answer"].split(", ")
    assert sorted(cells) == sorted(f"{name} × {count}" for name, count in counts.items())


@pytest.mark.parametrize(("sample", "number"), [(None, 1), ("0", 1), ("7", 9), ("9.png", 9)])
def test_the_pictures_are_of_one_file(shell, tiny, photos, monkeypatch, sample, number):
    monkeypatch.setattr("layerscope.instruments.passes._LARGEST_CHUNK", 4)
    option = () if sample is None else ("--sample", sample)
    assert shell("look", tiny, photos, *option, "--out", "out", "--layers", "first")[0] == 0
    assert (
        shell("look", tiny, photos / f"{number}.png", "--out", "one", "--layers", "first")[0] == 0
    )
    with Image.open("out/01-first.png") as many, Image.open("one/01-first.png") as one:
        np.testing.assert_array_equal(np.asarray(many), np.asarray(one))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("11.png", "There is no file '11.png' among the 10: did you mean '1.png'"),
        ("10", "There is no sample 10: there are 10, counted from 0."),
        ("9", "There is no sample 9: there are 9."),
    ],
)
def test_a_sample_that_is_not_there(shell, tiny, photos, sample, message):
    code, _, err = shell("look", tiny, photos, "--sample", sample, "--layers", "out")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_a_single_file_may_be_named(shell, tiny, image):
    assert shell("look", tiny, image, "--sample", "photo.png", "--layers", "out")[0] == 0
    code, _, err = shell("look", tiny, image, "--sample", "foto.png", "--out", "other")
    assert code == 2
    assert "There is no sample 'foto.png': did you mean 'photo.png'?" in err


def test_stopped_in_the_middle_it_says_over_how_many(shell, tiny, photos, monkeypatch):
    monkeypatch.setattr("layerscope.instruments.passes._LARGEST_CHUNK", 2)
    record, count = Passes.record, []

    def stopping(self, prepared):
        count.append(1)
        if len(count) == 3:
            raise KeyboardInterrupt
        return record(self, prepared)

    monkeypatch.setattr(Passes, "record", stopping)
    code, out, err = shell("look", tiny, photos, "--out", "out", "--layers", "first")
    assert code == 130
    assert "for the first 4 samples: it was stopped after 7 of 10 files." in out
    assert "stopped; the files written so far are complete." in err
    assert len(figures()) == 1
    assert Path("out/01-first.png").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing", "There is no file 'nothing'."),
        ("*.gif", "The glob '*.gif' finds no file."),
        ("empty", "The folder 'empty' holds no images or arrays."),
        ("digits:x", "'digits:x': write digits:0 to digits:9 for a digit"),
        ("./noise", "There is no file './noise'."),
        ("two.npz", "'two.npz' holds 2 arrays, 'a', 'b': name one, as in 'two.npz:a'."),
        ("two.npz:c", "'two.npz' has no array 'c': it holds 'a', 'b'."),
        ("broken.npz", "'broken.npz' can't be read as a .npz file of numbers"),
    ],
)
def test_nonsense_is_one_sentence(shell, tiny, given, message):
    Path("empty").mkdir()
    np.savez("two.npz", a=np.zeros(3), b=np.zeros(3))
    Path("broken.npz").write_bytes(b"PK")
    for command in ("look", "describe"):
        code, out, err = shell(command, tiny, given)
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("given", ["noise", "zeros", "digits:3"])
def test_inputs_by_name(shell, tiny, given):
    pytest.importorskip("sklearn")
    code, out, err = shell("look", tiny, given, "--layers", "out")
    assert (code, err) == (0, "")
    assert f"{given}" in out


def test_preprocessing_and_sizes(shell, tiny, image):
    name = "keras.applications.resnet50:preprocess_input"
    code, out, _ = shell("look", tiny, image, "--preprocess", name, "--resize", "pad")
    assert code == 0
    assert (
        "(bilinear, padded with black), scaled to 0..255, preprocessed by preprocess_input" in out
    )
    for option, value, message in (
        ("--preprocess", "keras:nothing", "'keras' has no 'nothing'"),
        ("--preprocess", "math:sin", "preprocess=sin raised TypeError"),
        ("--size", "5,5", "size=(5, 5) was asked for; the model expects (None, 20, 20, 3)."),
    ):
        code, _, err = shell("look", tiny, image, option, value, "--out", "other")
        assert code == 2
        assert message in err
        assert err.count("\n") == 1
    code, _, err = shell("look", tiny, image, "--resize", "fill")
    assert code == 2
    assert "argument --resize: 'fill' is none of stretch, crop, pad" in err


def test_a_folder_shows_describe_the_shapes(shell, tiny, photos):
    code, out, err = shell("describe", tiny, photos)
    assert (code, err) == (0, "")
    assert "(1, 18, 18, 4)" in out or "(None, 18, 18, 4)" in out or "18, 18, 4)" in out


def test_a_loader_is_named_as_a_model_is(shell, tiny):
    Path("my_data.py").write_text(
        "import numpy as np\n"
        "x = np.random.default_rng(0).random((7, 8, 8, 3), np.float32)\n"
        "def batches(size=3):\n"
        "    return ((x[i : i + size], None) for i in range(0, 7, size))\n"
    )
    model = load_model(tiny)
    shape = model.input_shape[1:]
    text = Path("my_data.py").read_text().replace("(7, 8, 8, 3)", str((7, *shape)))
    Path("my_data.py").write_text(text)
    for name in ("my_data:batches", "my_data:batches(size=2)", "my_data:x"):
        code, out, err = shell("look", tiny, name, "--out", "out", "--force")
        assert (code, err) == (0, "")
        assert "channels are for all 7 samples given." in out
        assert figures()[0]["address"]
    code, _, err = shell("look", tiny, "my_data:batch", "--out", "out", "--force")
    assert code == 2
    assert "'my_data' has no 'batch': did you mean 'batches'?" in err
    Path("my_data:x").write_bytes(b"no image")  # a file that is there is a file
    assert shell("look", tiny, "my_data:x", "--out", "out", "--force")[0] == 2
    code, out, err = shell("survey", tiny, "my_data:batches", "--out", "s.zarr")
    assert (code, "7 samples" in out) == (0, True), err
