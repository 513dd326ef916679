"""``layerscope record``, from checkpoints of a training made here and of a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import layerscope as ls

pytest.importorskip("zarr")
keras = pytest.importorskip("keras")


@pytest.fixture
def checkpoints(tmp_path: Path) -> list[str]:
    """Three files of one network, whose names are not in the order of their epochs."""
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2, name="out")],
        name="tiny",
    )
    paths = []
    for epoch in (2, 10, 1):
        model.get_layer("out").bias.assign([epoch, -epoch])
        path = tmp_path / f"w.{epoch}-0.{epoch}.keras"
        model.save(path)
        paths.append(str(path))
    return paths


def test_checkpoints_become_a_recording_in_the_order_of_their_epochs(
    shell: Any, image: str, checkpoints: list[str]
) -> None:
    code, out, err = shell("record", *checkpoints, "--probe", image, "-o", "run.zarr")
    assert (code, err) == (0, "")
    assert out.startswith("Recorded 3 steps × 1 sample × ")
    run = ls.open_recording("run.zarr")
    assert run.epochs.tolist() == [1, 2, 10]
    assert run.samples == (Path(image).name,)
    for path, epoch in zip(checkpoints, (2, 10, 1), strict=True):
        acts = ls.activations(ls.load_model(path), image)
        np.testing.assert_allclose(run["out"].sel(epoch=epoch), acts["out"], rtol=2e-3)


@pytest.mark.slow
def test_what_is_there_is_kept(shell: Any, image: str, checkpoints: list[str]) -> None:
    arguments = ("record", *checkpoints, "--probe", image, "--out", "run.zarr")
    assert shell(*arguments)[0] == 0
    code, _, err = shell(*arguments[:2], *arguments[4:])
    assert code == 2
    assert "There is a recording 'run.zarr' already" in err
    assert len(ls.open_recording("run.zarr").steps) == 3
    assert shell(*arguments[:2], *arguments[4:], "--force")[0] == 0
    assert len(ls.open_recording("run.zarr").steps) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.keras", "--probe", "zeros"], "There is no file 'none.keras'"),
        (["CHECKPOINT", "--probe", "none.png"], "none.png"),
        (["CHECKPOINT", "--probe", "zeros", "--budget", "lots"], "lots"),
        (["CHECKPOINT", "--probe", "zeros", "--classes", "a,b,c"], "3"),
        (["CHECKPOINT", "--probe", "zeros", "--layers", "nothing*"], "nothing*"),
    ],
)
def test_nonsense_is_one_sentence(
    shell: Any, checkpoints: list[str], arguments: list[str], message: str
) -> None:
    given = [checkpoints[0] if word == "CHECKPOINT" else word for word in arguments]
    code, _, err = shell("record", *given, "-o", "run.zarr")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_the_five_checkpoints_of_a_real_training(shell: Any, real: Path) -> None:
    with Image.open(real / "images/astronaut.png") as astronaut:
        astronaut.crop((130, 0, 330, 200)).save("face.png")
    files = sorted(map(str, (real / "emotion_checkpoints").glob("*.hdf5")))
    classes = "angry,disgust,fear,happy,sad,surprise,neutral"
    code, _, err = shell(
        *("record", *files, "--probe", "face.png", "--input-range", "-1,1"),
        *("--classes", classes, "-o", "faces.zarr"),
    )
    assert (code, err) == (0, "")
    run = ls.open_recording("faces.zarr")
    assert run.epochs.tolist() == [0, 5, 15, 43, 110]
    happy = run.metrics["P(happy)"]
    assert happy[-1] > 0.8
    assert max(run.metrics[f"P({name})"][-1] for name in classes.split(",")) == happy[-1]
    code, _, _ = shell("film", "faces.zarr", "conv2d_2", "-o", "faces.webp")
    assert code == 0
    with Image.open("faces.webp") as film:
        assert film.n_frames == 5
