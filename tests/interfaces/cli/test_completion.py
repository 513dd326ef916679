"""What the Tab key completes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argcomplete")
pytestmark = pytest.mark.slow


def completed(line, folder):
    """What could come at the end of a line, as the shell is answered."""
    answer = folder / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    code = "from layerscope.interfaces.cli import run; run()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    return {word.strip() for word in answer.read_text(encoding="utf-8").split("\n")}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("layerscope lo", {"look"}),
        ("layerscope help ti", {"timeline"}),
        ("layerscope look model x --input", {"--input-range"}),
        ("layerscope look model x --resize ", {"stretch", "crop", "pad"}),
        ("layerscope describe digits.k", {"digits.keras"}),
    ],
)
def test_the_tab_key_completes(line, words, tmp_path):
    Path(tmp_path, "digits.keras").touch()
    assert completed(line, tmp_path) == words
