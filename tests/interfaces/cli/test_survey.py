"""``layerscope survey``: kept in a folder, gone on with, and in JSON."""

from __future__ import annotations

import json

import numpy as np

import layerscope as ls


def test_a_survey_of_a_folder_is_kept_and_printed(shell, tiny, tmp_path):
    x = np.random.default_rng(0).random((12, 20, 20, 3), np.float32)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "labels.csv").write_text("\n".join("ab"[i % 2] for i in range(12)))
    labels = "--labels", tmp_path / "labels.csv"
    code, out, _ = shell("survey", tiny, tmp_path / "x.npy", *labels, "--top", 4)
    assert code == 0
    assert "Survey of tiny, 12 samples\n" in out
    assert "first" in out
    assert "A unit that never fired in 12 samples fires on fewer than 25 % of such data" in out
    kept = ls.open_recording("survey.zarr")
    assert (kept.count, kept.labels, list(kept)) == (12, ("a", "b"), ["first", "pool", "out"])
    assert kept.never_fired("first") == [2]
    # The same command has nothing left to do; another one does not take its place.
    code, again, _ = shell("survey", tiny, tmp_path / "x.npy", *labels, "--top", 4)
    assert (code, again) == (0, out)
    code, _, err = shell("survey", tiny, tmp_path / "x.npy", "--top", 5)
    assert code == 2
    assert "begun with another top" in err
    code, out, _ = shell(
        "survey", tiny, tmp_path / "x.npy", *labels, "--layers", "first", "--json", "-o", "one.zarr"
    )
    figures = json.loads(out)
    assert figures["samples"] == 12
    assert figures["layers"]["first"]["never_fired"] == [2]
    assert len(figures["layers"]["first"]["mean"]) == 4


def test_labels_that_are_none_are_refused(shell, tiny, tmp_path):
    (tmp_path / "labels.csv").write_text("a,b,c\n")
    code, _, err = shell("survey", tiny, "noise", "--labels", tmp_path / "labels.csv")
    assert code == 2
    assert "holds no labels: write one on each line, or 'name,label'" in err
    code, _, err = shell("survey", tiny, "noise", "--labels", tmp_path / "nothing.csv")
    assert code == 2
    assert "can't be read" in err
