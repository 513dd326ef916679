"""``layerscope attribute``: what it writes, what it prints, and what it says of what can't be."""

from pathlib import Path

import numpy as np
import pytest

from layerscope.interfaces.cli import main


def test_it_writes_maps_arrays_and_a_report(tiny, image, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    methods = ("--method", "grad_cam", "--method", "occlusion")
    assert main(["attribute", tiny, image, *methods, "--classes", "a,b,c,d,e", "--check"]) == 0
    printed = capsys.readouterr().out
    folder = Path("layerscope-tiny-attribution")
    assert sorted(p.name for p in folder.iterdir()) == ["maps.npz", "maps.png", "report.txt"]
    assert (folder / "report.txt").read_text(encoding="utf-8") in printed
    assert "(out:" in printed
    assert "as its strongest places go" in printed
    assert "layer first" in printed
    with np.load(folder / "maps.npz") as arrays:
        assert arrays["grad_cam"].shape == arrays["occlusion"].shape == (1, 20, 20)
        assert arrays["grad_cam@layer"].shape == (1, 18, 18)
        assert arrays["input"].shape == (1, 20, 20, 3)
        assert arrays["scores"].shape == (1,)


def test_options_of_a_method_are_said(tiny, image, tmp_path, capsys):
    command = ["attribute", tiny, image, "--method", "lrp", "--gamma", "0.25"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert "γ 0.25" in capsys.readouterr().out


def test_a_target_is_a_class_or_an_address(tiny, image, tmp_path, capsys):
    for target, words in (("3", "out:3, its logit"), ("first:1", "first:1 = ")):
        out = str(tmp_path / target.replace(":", "-"))
        command = ["attribute", tiny, image, "--target", target, "--method", "saliency"]
        assert main([*command, "--style", "contour", "--out", out]) == 0
        assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "salience"], "There is no method 'salience': did you mean 'saliency'"),
        (["--target", "9"], "'out' has 5 along unit"),
        (["--target", "frist:1"], "did you mean 'first'"),
        (["--method", "grad_cam", "--layer", "out"], "name a layer that returns maps"),
        (["--strength", "3", "--method", "saliency"], "strength=3.0: pass a number from 0 to 1"),
        (["--words", "nosuch.txt", "--method", "saliency"], "'nosuch.txt' can't be read"),
        (["--method", "saliency", "--steps", "4"], "steps= says nothing to saliency"),
        (["--method", "saliency", "--gamma", "0.25"], "gamma= says nothing to saliency"),
    ],
)
def test_what_can_not_be_is_one_sentence_and_nothing_is_written(
    tiny, image, tmp_path, capsys, options, words
):
    out = tmp_path / "out"
    assert main(["attribute", tiny, image, "--out", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("layerscope: error: ")
    assert words in error
    assert error.count("\n") == 1
    assert not out.exists()
