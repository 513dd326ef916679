from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import layerscope as ls
from cases.recordings import MAPS, maps, recording
from cases.runs import run_of
from layerscope.core.errors import InputError, OutputError, ViewError

ACTS = recording({"conv": maps(4)}, image=maps(3))


def test_activations_as_one_file(tmp_path):
    path = ls.report(ACTS, path=tmp_path / "a.html")
    assert path == tmp_path / "a.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["a.html"]


def test_a_run_as_one_file(tmp_path):
    values = np.random.default_rng(0).normal(size=(4, 2, 6, 6, 3)).astype(np.float32)
    run = run_of({"conv": (MAPS, values)}, image=values[0, ..., :1])
    seen = []
    path = ls.report(
        run, path=tmp_path / "a.html", progress=lambda done, total: seen.append((done, total))
    )
    assert (8, 8) in seen
    assert '"steps":[0,1,2,3]' in path.read_text(encoding="utf-8")


def test_names_of_classes_are_in_it(tmp_path):
    path = ls.report(ACTS, path=tmp_path / "a.html")
    ls.report(ACTS, path=path, classes=["cat", "dog"], overwrite=True)


def test_a_file_that_is_there_is_kept(tmp_path):
    path = tmp_path / "a.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="There is a file"):
        ls.report(ACTS, path=path)
    assert path.read_text() == "mine"
    with pytest.raises(ViewError, match=r"more than the 1\.0 kB that it may take"):
        ls.report(ACTS, path=path, max_size=1000, overwrite=True)
    assert path.read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.parametrize(
    ("model", "x", "says"),
    [
        (ACTS, "noise", "This is a recording, which has its own input, and x is a str"),
        (recording({"conv": maps(4)}, kind="weights"), None, "a Recording of weights"),
        (object(), None, "pass input, too"),
    ],
)
def test_what_has_no_page(tmp_path, model, x, says):
    with pytest.raises(InputError, match=says):
        ls.report(model, x, tmp_path / "a.html")
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.parametrize(("name", "size"), [("a.pdf", 10**7), ("a", 10**7), ("a.html", "10")])
def test_what_can_not_be_written(tmp_path, name, size):
    with pytest.raises(ViewError):
        ls.report(ACTS, path=tmp_path / name, max_size=size)
    assert not list(Path(tmp_path).iterdir())
