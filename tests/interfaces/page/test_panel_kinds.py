"""Every kind of panel that the page may be handed has a module that draws it."""

from __future__ import annotations

import ast
from pathlib import Path

from layerscope.views.render import kinds

SOURCE = Path(kinds.__file__).parents[2]
#: A card is a picture to save or to print; a page shows what is on it as panels of their own.
ONLY_PICTURES = {"board"}


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_the_page_draws_every_kind_but_that_of_cards() -> None:
    drawn = {path.stem for path in (SOURCE / "interfaces" / "web" / "panels").glob("*.js")}
    assert set(kinds._MODULES) - drawn == ONLY_PICTURES


def test_no_panel_of_the_page_is_a_card() -> None:
    boards = {"layerscope.views.render.board", "layerscope.views.survey.card"}
    folders = ("views/explorer", "interfaces/page", "interfaces/server", "interfaces/site")
    pages = [path for folder in folders for path in (SOURCE / folder).rglob("*.py")]
    assert len(pages) > 30
    assert [path for path in pages if imported(path) & boards] == []
