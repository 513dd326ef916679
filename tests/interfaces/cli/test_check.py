"""``layerscope check``: words, JSON, pictures and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.broken_networks import (
    BROKEN_TRAININGS,
    healthy,
    images,
    keras_network,
    labels,
    learning,
    set_keras_weights,
)
from layerscope.interfaces.cli import main

pytest.importorskip("keras")


def recording(where: Path, steps: list[Any]) -> Path:
    model = keras_network(steps[0])
    with ls.Recorder(where, model, probe=images(), quiet=True) as recorder:
        for step, weights in enumerate(steps):
            set_keras_weights(model, weights)
            recorder.snap(step)
    return where


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A network that is well with its data and its training, and a training that goes wrong."""
    folder = tmp_path_factory.mktemp("check")
    keras_network(healthy()).save(folder / "well.keras")
    np.save(folder / "x.npy", images())
    np.save(folder / "large.npy", images() * 255)
    np.save(folder / "y.npy", labels())
    sick = next(training for training in BROKEN_TRAININGS if training.kind == "dying")
    recording(folder / "sick.zarr", sick.steps())
    recording(folder / "well.zarr", learning(3))
    return {path.name: str(path) for path in folder.iterdir()}


def test_what_is_well_is_exit_code_0(files: dict[str, str], capsys: Any) -> None:
    code = main(["check", files["well.keras"], files["x.npy"], "--run", files["well.zarr"]])
    printed = capsys.readouterr().out
    assert code == 0
    assert "Checked and clean: nan," in printed
    assert "Not checked:" in printed


def test_what_fails_is_exit_code_1_and_is_said(
    files: dict[str, str], tmp_path: Path, capsys: Any
) -> None:
    where = tmp_path / "findings.json"
    pictures = tmp_path / "pictures"
    command = ["check", files["sick.zarr"], "--json", str(where), "--pictures", str(pictures)]
    assert main(command) == 1
    printed = capsys.readouterr().out
    assert "failing: dying" in printed
    assert "second: all 12 units died at epoch 3" in printed
    written = json.loads(where.read_text())
    dying = next(f for f in written["findings"] if f["kind"] == "dying" and f["state"] == "found")
    assert (dying["layer"], dying["step"], len(dying["units"])) == ("second", 3, 12)
    assert list(pictures.glob("01-*.png"))


def test_fail_on_decides_what_the_exit_code_is_for(files: dict[str, str], capsys: Any) -> None:
    assert main(["check", files["sick.zarr"], "--fail-on", "nan,frozen"]) == 0
    assert main(["check", files["sick.zarr"], "--fail-on", "dying"]) == 1
    assert main(["check", files["sick.zarr"], "--fail-on", "none"]) == 0
    assert main(["check", files["well.zarr"], "--against", files["sick.zarr"], "--json", "-"]) == 0
    last = capsys.readouterr().out
    assert json.loads(last[last.index("\n{") :])["samples"] == 96


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["{sick.zarr}", "--check"], "dying"),
        (["{well.keras}", "{x.npy}", "--run", "{sick.zarr}", "--check"], "dying"),
        (
            ["{well.keras}", "{x.npy}", "--check", "{large.npy}", "--run", "{well.zarr}"],
            "input-scale",
        ),
    ],
)
def test_a_page_lists_what_was_found(
    files: dict[str, str], monkeypatch: Any, words: list[str], kind: str
) -> None:
    from layerscope.interfaces.cli import open as open_command

    pages: list[Any] = []
    monkeypatch.setattr(open_command, "show_page", lambda subject, **_: pages.append(subject))
    assert main(["open", *(files.get(word.strip("{}"), word) for word in words)]) == 0
    assert kind in {finding["kind"] for finding in pages[0].outline()["findings"]}


def test_a_page_that_nothing_can_be_found_for_is_said(
    files: dict[str, str], tmp_path: Path, capsys: Any
) -> None:
    page = str(tmp_path / "page.html")
    well, x = files["well.keras"], files["x.npy"]
    assert main(["report", well, x, "-o", page, "--check"]) == 2
    assert "a model is examined on data" in capsys.readouterr().err
    assert main(["report", files["well.zarr"], "-o", page, "--check", x]) == 2
    assert "is a recording, which has samples of its own" in capsys.readouterr().err
    assert not Path(page).exists()
    assert main(["report", files["sick.zarr"], "-o", page, "--check"]) == 0
    assert Path(page).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{well.keras}"], "A model is examined on data"),
        (["{well.zarr}", "{x.npy}"], "is a recording, which has samples of its own"),
        (["{well.zarr}", "--fail-on", "dieing"], "there is no such finding; did you mean 'dying'"),
        (["{well.zarr}", "--loss", ""], "loss='': pass the loss"),
        (["nothing.zarr"], "nothing.zarr"),
        (["{well.zarr}", "--json", "x.txt"], "ends in none of .json"),
    ],
)
def test_what_can_not_be_examined_is_exit_code_2(
    files: dict[str, str], capsys: Any, words: list[str], said: str
) -> None:
    given = [files.get(word.strip("{}"), word) for word in words]
    assert main(["check", *given]) == 2
    assert said in capsys.readouterr().err
