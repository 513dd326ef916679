"""``layerscope site`` and ``layerscope quiz``, on surveys that the shell has made."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs in folders that are their labels."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(40):
        label = folder / ("dark" if number % 2 else "light")
        label.mkdir(exist_ok=True)
        pixels = random.integers(0, 128, (20, 20, 3)) + 127 * (number % 2 == 0)
        Image.fromarray(pixels.astype(np.uint8)).save(label / f"{number:02d}.png")
    return folder


@pytest.fixture
def survey(shell, tiny, photos):
    """A survey in the folder that one is in."""
    code, *_ = shell("survey", tiny, str(photos), "--out", "survey.zarr")
    assert code == 0
    return "survey.zarr"


def test_a_site_of_files_that_are_read_again(shell, survey):
    code, out, err = shell("site", survey, "-o", "out")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"Written to out/index\.html: \d+ files, [\d.]+ [kM]B\n", out)
    folders = sorted(path.name for path in Path("out/layers").iterdir())
    assert folders == ["000-first", "001-pool", "002-out"]
    scripts = Path("out/layers/000-first/0000.js").read_text(encoding="utf-8")
    assert '"light"' in scripts
    assert '.png"' in scripts
    (grid,) = Path("out/layers/000-first").glob("grid-*")
    with Image.open(grid) as image:
        assert np.asarray(image.convert("L")).std() > 10


def test_a_site_is_completed_and_that_of_another_survey_kept(shell, tiny, photos, survey):
    shell("site", survey)
    before = {path: path.stat().st_mtime_ns for path in Path("site/layers").rglob("*.*")}
    assert shell("site", survey)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    shell("survey", tiny, str(photos), "--samples", "30", "--out", "other.zarr")
    code, out, err = shell("site", "other.zarr")
    assert (code, out) == (2, "")
    assert err == (
        "layerscope: error: The folder 'site' holds the site of another survey, or of this one "
        "when it had other samples: name another with --out, or pass --force to replace it.\n"
    )
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert shell("site", "other.zarr", "--force")[0] == 0


def test_a_quiz(shell, survey):
    code, out, err = shell("quiz", survey, "first", "-o", "a.html", "-n", "3", "--seed", "1")
    assert (code, out, err) == (0, "Written to a.html\n", "")
    assert "<title>Quiz: first</title>" in Path("a.html").read_text(encoding="utf-8")
    code, _, err = shell("quiz", survey, "first", "-o", "a.html")
    assert code == 2
    assert "There is a file 'a.html' already: name another, or pass --force." in err


@pytest.mark.parametrize("command", [["site"], ["quiz", "first"]])
def test_what_is_no_survey(shell, command, photos):
    code, out, err = shell(command[0], str(photos), *command[1:])
    assert (code, out) == (2, "")
    assert "is no survey: that is a folder which survey has written." in err
    assert not Path("site").exists()
    assert not Path("quiz.html").exists()


def test_a_layer_that_is_not_there(shell, survey):
    code, _, err = shell("quiz", survey, "fist")
    assert code == 2
    assert "'fist'" in err
    assert "first" in err
    assert not Path("quiz.html").exists()
