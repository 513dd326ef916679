from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cases.runs import learner, run_of

pytest.importorskip("zarr")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A recording on disk."""
    from layerscope.recordings.store.writer import Writer

    known = learner()
    url = str(tmp_path_factory.mktemp("recorded") / "run.zarr")
    reader = known._reader
    writer = Writer.create(url, reader.schema, constants={"input": known.input.values})
    for i in range(5):
        here = {key: values[i] for key, values in reader.arrays.items() if key[0] != "input"}
        metrics = {name: float(own[i]) for name, own in known.metrics.items()}
        writer.append(i, epoch=float(i), wall_time=1.0, metrics=metrics, arrays=here)
    writer.close()
    return url


def test_timeline_prints_tables_and_findings(shell, run):
    code, out, err = shell("timeline", run)
    assert (code, err) == (0, "")
    assert out.startswith("learner: 5 steps, 2 layers\n")
    assert "\nNo unit was silent in 2 layers.\n" in out
    for title in ("metric", "mean activation", "change of weights"):
        assert f"\n{title} " in out
    assert "epoch 4" in out
    first = "learner: 5 steps, 2 layers\nNote: made by hand\n"
    assert out.startswith(f"{first}val_loss was lowest at epoch 2: 0.2, 0.6 at the end.\n")


def test_timeline_prints_json(shell, run):
    code, out, err = shell("timeline", run, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["steps"] == [0, 1, 2, 3, 4]
    assert told["notes"] == ["made by hand"]
    assert told["findings"][0]["text"].startswith("val_loss was lowest at epoch 2")
    assert min(told["metrics"]["val_loss"]) == 0.2
    assert told["layers"][0]["address"] == "conv"
    assert len(told["layers"][0]["mean"]) == 5
    code, _, err = shell("timeline", run, "conv", "--json")
    assert (code, err[:37]) == (2, "layerscope: error: --json is for the ")


def test_timeline_draws(shell, run):
    assert shell("timeline", run, "conv:2", "--sample", "b.png")[:2] == (
        0, "Written to conv_2-timeline.png\n",
    )  # fmt: skip
    assert shell("timeline", run, "conv/kernel:1", "-o", "k.svg")[0] == 0
    code, out, _ = shell("timeline", run, "-o", "curves.png")
    assert code == 0
    assert out.endswith("Written to curves.png\n")
    assert Path("curves.png").stat().st_size > 10_000
    assert shell("timeline", run, "-o", "curves.png")[0] == 2
    assert shell("timeline", run, "-o", "curves.png", "--force")[0] == 0


@pytest.fixture(scope="module")
def silent_run(tmp_path_factory):
    """A recording on disk of units that wake and die."""
    from layerscope.recordings.store.writer import Writer

    courses = np.array([list("1100"), list("0011"), list("1111"), list("0000")], np.float32).T
    known = run_of({"relu": (("sample", "unit"), courses[:, None])}, probed=300)
    reader = known._reader
    url = str(tmp_path_factory.mktemp("silent") / "run.zarr")
    writer = Writer.create(url, reader.schema)
    for i in range(4):
        here = {key: values[i] for key, values in reader.arrays.items()}
        writer.append(i, epoch=float(i), wall_time=1.0, metrics={"loss": 4.0 - i}, arrays=here)
    writer.close()
    return url


def test_fate_prints_a_table_and_the_units(shell, silent_run):
    code, out, err = shell("fate", silent_run)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == (
        "learner: the fate of every unit over 4 steps (epoch 0 to epoch 3), on 300 samples"
    )
    assert any(line.split()[:2] == ["relu", "4"] for line in lines)
    assert "became of it" not in out
    _, out, _ = shell("fate", silent_run, "re*")
    assert out.splitlines()[-3:] == [
        "relu:0   fires when first seen, died in epoch 2",
        "relu:1   silent when first seen, woke in epoch 2",
        "relu:3   never fired on 300 samples at 4 steps",
    ]
    assert shell("fate", silent_run, "relu:1") == (
        0, "relu:1: silent when first seen, woke in epoch 2\n", "",
    )  # fmt: skip


def test_fate_prints_json(shell, silent_run):
    told = json.loads(shell("fate", silent_run, "--json")[1])
    assert told["layers"]["relu"]["died"] == 1
    assert [unit["fate"] for unit in told["units"]] == [
        "died", "woke", "fires throughout", "never fired",
    ]  # fmt: skip
    assert told["units"][2]["died"] is None
    assert [event["loss"] for event in told["events"]] == [2, 2]
    code, out, _ = shell("fate", silent_run, "relu:1", "--json", "-o", "fate.png")
    assert (code, [event["event"] for event in json.loads(out)["events"]]) == (0, ["woke"])
    assert Path("fate.png").is_file()


def test_fate_draws(shell, silent_run):
    code, out, _ = shell("fate", silent_run, "-o", "fate.png")
    assert code == 0
    assert out.endswith("Written to fate.png\n")
    assert shell("fate", silent_run, "-o", "fate.png")[0] == 2
    assert shell("fate", silent_run, "relu:0", "-o", "fate.png", "--force")[0] == 0
    assert shell("fate", silent_run, "relu", "-o", "fate.svg")[0] == 0


def test_film(shell, run):
    code, out, err = shell("film", run, "conv:2")
    assert (code, err) == (0, "")
    assert out.startswith("Written to conv_2.webp: 5 frames of ")
    assert shell("film", run, "conv:2")[0] == 2
    assert shell("film", run, "conv:2", "--force", "--fps", "2.5")[0] == 0
    assert shell("film", run, "conv", "-o", "a.gif", "--along", "sample", "--step", 2)[0] == 0
    assert shell("film", run, "dense/kernel", "-o", "b.gif", "--reshape", "3,4")[0] == 0
    assert sorted(path.name for path in Path().iterdir()) == ["a.gif", "b.gif", "conv_2.webp"]


def test_look_at_a_step(shell, run):
    code, out, err = shell("look", run, "--step", 2, "--layers", "c*")
    assert (code, err) == (0, "")
    assert out.startswith("Note: made by hand\n")
    folder = Path("layerscope-learner-step-2")
    names = sorted(path.name for path in folder.iterdir())
    assert names[:2] == ["00-input.png", "01-conv.png"]
    assert "summary.csv" in names
    values = learner()["conv"].values[2]
    assert f"{values.max():.4g}" in out
    assert shell("look", run, "--sample", "c.png", "--out", "last")[0] == 0


def test_export(shell, run):
    code, out, err = shell("export", run, "out")
    assert (code, err) == (0, "")
    assert out == "Written to out/: 6 files, recording.json says what is where\n"
    with np.load("out/activations-01-conv.npz") as file:
        assert (file["values"] == learner()["conv"].values).all()
    assert shell("export", run, "out")[0] == 2
    assert shell("export", run, "out", "--force", "--format", "json")[0] == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["film", "RUN", "conw"], "There is no layer 'conw': did you mean 'conv'?"),
        (["film", "RUN", "conv", "-o", "a.avi"], "ends in none of .webp, .gif, .mp4"),
        (["film", "RUN", "conv", "--fps", "99"], "fps=99.0: pass how many frames"),
        (["film", "RUN", "conv", "--sample", "d.png"], "There is no sample 'd.png': did you mean"),
        (["film", "RUN", "conv", "--sample", "7"], "There is no sample 7: there are 3"),
        (
            ["film", "RUN", "conv", "--step", "2"],
            "--step is for a film over samples: pass",
        ),
        (["timeline", "RUN", "--sample", "foo"], "--sample is for an ADDRESS"),
        (["film", "none.zarr", "conv"], "none.zarr: there is no recording"),
        (["fate", "RUN", "conw"], "There is no layer 'conw': did you mean 'conv'?"),
        (["fate", "RUN", "conv:9"], "There is no unit 9 in 'conv': it has 4, counted from 0."),
        (["fate", "RUN", "-o", "a.txt"], "ends in none of .png, .svg, .pdf"),
        (["fate", "none.zarr"], "none.zarr: there is no recording"),
        (["timeline", "none.zarr"], "none.zarr: there is no recording"),
        (["timeline", "RUN", "conv:9"], "'conv' has 4 along channel"),
        (["export", "none.zarr", "out"], "there is no recording"),
        (["look", "RUN", "--step", "9"], "There is no step 9 in this recording"),
        (["look", "RUN", "photo.png"], "is a recording and has its own input: leave out"),
        (["look", "RUN", "--layers", "x*"], "No layer matches"),
        (["look", "net.keras"], "There is no INPUT to run 'net.keras' on"),
        (["look", "net.keras", "a.png", "--step", "2"], "--step is for a recording"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(shell, run, command, said):
    code, out, err = shell(*(run if word == "RUN" else word for word in command))
    assert (code, out) == (2, "")
    assert err.startswith("layerscope: error: ")
    assert said in err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_folder_that_is_not_empty(shell, run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = shell("export", run, tmp_path)
    assert code == 2
    assert "is not empty: name another, or pass --force" in err


def test_a_weight_matrix_whose_rows_are_squares(shell, run):
    assert "--reshape" not in shell("film", run, "conv/kernel", "-o", "a.gif")[1]
    assert "--reshape" not in shell("film", run, "dense/kernel", "-o", "b.gif")[1]  # 12 inputs
