from __future__ import annotations

import re
from pathlib import Path


def test_the_page_is_one_file_whose_size_is_told_before(shell, tiny, image):
    code, out, err = shell("report", tiny, image)
    assert (code, err) == (0, "")
    assert re.fullmatch(
        r"1 sample, about \d\d\d\.\d kB\nWritten to report\.html: \d\d\d\.\d kB\n", out
    )
    assert [path.name for path in Path().iterdir()] == ["report.html"]
    assert "<title>tiny</title>" in Path("report.html").read_text(encoding="utf-8")


def test_what_is_left_out_is_told(shell, tiny):
    code, out, err = shell("report", tiny, "noise", "-o", "a.html", "--max-size", "0.1")
    assert (code, out) == (2, "")
    assert "with as little as it may hold" in err
    assert not Path("a.html").exists()


def test_a_file_that_is_there_is_kept(shell, tiny):
    Path("report.html").write_text("mine")
    code, out, err = shell("report", tiny, "noise")
    assert (code, out) == (2, "")
    assert err == (
        "layerscope: error: There is a file 'report.html' already: name another, or pass --force.\n"
    )
    assert Path("report.html").read_text() == "mine"
    assert shell("report", tiny, "noise", "--force")[0] == 0
    assert Path("report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_without_an_input(shell, tiny):
    code, _, err = shell("report", tiny)
    assert code == 2
    assert err == (
        f"layerscope: error: There is no INPUT to run {tiny!r} on: name an image, an array, "
        "digits:7 or noise.\n"
    )


def test_another_name(shell, tiny):
    code, _, err = shell("report", tiny, "noise", "-o", "a.pdf")
    assert code == 2
    assert err == (
        "layerscope: error: 'a.pdf' ends in none of .html, .htm: name a file that does.\n"
    )
