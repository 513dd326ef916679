"""``layerscope examples``: pictures of a stored survey, one sentence for what can't be drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cases.surveys import spots
from layerscope.interfaces.cli import main
from layerscope.recordings.survey.store import SurveyProgress, write_survey


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    write_survey(tmp_path / "s.zarr", spots(), SurveyProgress(20, complete=True))
    monkeypatch.chdir(tmp_path)
    return "s.zarr"


def test_a_unit_a_layer_and_a_card_are_drawn(stored: str, capsys: Any) -> None:
    assert main(["examples", stored, "conv:0"]) == 0
    assert capsys.readouterr().out == "Written to conv_0.png\n"
    with Image.open("conv_0.png") as image:
        assert image.text["Title"] == "conv:0: strongest"  # type: ignore[attr-defined]
    assert main(["examples", stored, "conv:0", "-n", "3", "--which", "weak", "-o", "w.svg"]) == 0
    assert "conv:0: weakest" in Path("w.svg").read_text(encoding="utf-8")
    assert main(["examples", stored, "conv", "-o", "layer.png"]) == 0
    assert main(["examples", stored, "conv:0", "--card", "-o", "card.svg"]) == 0
    assert "prefers odd" in Path("card.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["conv:9"], "has 3 units"),
        (["conf:0"], "no layer 'conf'"),
        (["conv", "--card"], "--card and --model are for a unit"),
        (["conv:0", "-o", "x.gif"], "ends in none of"),
        (["conv:0", "--words", "none.txt"], "can't be read"),
        (["conv:0", "--model", "none.keras"], "none.keras"),
    ],
)
def test_what_can_t_be_drawn_is_one_sentence(
    stored: str, more: list[str], message: str, capsys: Any
) -> None:
    assert main(["examples", stored, *more]) == 2
    assert message in capsys.readouterr().err
    assert not list(Path.cwd().glob("*.png"))


def test_a_file_that_is_there_stays(stored: str, capsys: Any) -> None:
    Path("mine.png").write_text("mine", encoding="utf-8")
    assert main(["examples", stored, "conv:0", "-o", "mine.png"]) == 2
    assert Path("mine.png").read_text(encoding="utf-8") == "mine"
    assert main(["examples", stored, "conv:0", "-o", "mine.png", "--force"]) == 0
    assert main(["examples", "nothing.zarr", "conv:0"]) == 2
    assert "there is no survey" in capsys.readouterr().err
