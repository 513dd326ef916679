from __future__ import annotations

import html
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cases.recordings import MAPS, maps, named, recording
from layerscope import __version__, across, pages, sheet
from layerscope.core.errors import OutputError, ViewError
from layerscope.views.render.panel import Pages, Panel


@pytest.fixture
def panel() -> Panel:
    return sheet(recording({"conv": maps(3)}), "conv")


def test_a_saved_picture_carries_its_provenance(tmp_path: Path) -> None:
    acts = recording({"conv": maps(3)}, digest=lambda: {"model": "abc", "input": "Käse.png"})
    saved = sheet(acts, "conv").save(tmp_path / "conv.png")
    with Image.open(saved) as image:
        assert image.info == {
            "Title": "conv (5, 7, 3)",
            "Software": f"layerscope {__version__}",
            "layerscope:address": "conv",
            "layerscope:scale": sheet(acts, "conv").header["scale"]["text"],
            "layerscope:model": "abc",
            "layerscope:input": "Käse.png",
        }


@pytest.mark.parametrize(
    "view",
    [lambda a: sheet(a, "conv"), lambda a: across(a, 1), None],
    ids=["sheet", "across", "pages"],
)
def test_digests_are_computed_only_when_a_picture_is_saved(view: Any, tmp_path: Path) -> None:
    calls: list[int] = []

    def digest() -> dict[str, str]:
        calls.append(1)
        return {"model": "abc"}

    acts = recording({"conv": maps(3, 15, 15)}, digest=digest)
    panel = view(acts) if view else pages(acts)[0]
    panel.png()
    panel.figure()
    repr(panel)
    assert not calls
    for name in ("a.png", "b.svg", "c.pdf", "d.png"):
        panel.save(tmp_path / name)
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["x.png", "X.PNG", "x.svg", "x.pdf"])
def test_saved_where_asked(panel: Panel, name: str, tmp_path: Path) -> None:
    assert panel.save(str(tmp_path / name)) == tmp_path / name
    assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "ending"), [("x.jpg", "'.jpg'"), ("x", "'nothing'"), ("png", "'nothing'")]
)
def test_other_kinds_of_files(panel: Panel, name: str, ending: str, tmp_path: Path) -> None:
    message = f"'{name}' ends in {ending}: save to .png, .svg or .pdf"
    with pytest.raises(ViewError, match=message):
        panel.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.png", "x.svg", "x.pdf"])
def test_where_nothing_can_be_written(panel: Panel, name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"can't be written \(No such file or directory\)"):
        panel.save(tmp_path / "absent" / name)
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match="is a folder: name a file"):
        panel.save(tmp_path / name)


def test_panels_show_themselves_in_a_notebook(panel: Panel) -> None:
    assert panel._repr_png_() == panel.png()
    assert panel.png().startswith(b"\x89PNG")
    assert len(panel) == 3


def test_pages_show_themselves_too() -> None:
    panels = pages(recording({f"l{i}": maps(2, 15, 15) for i in range(3)}), grid=(1, 2))
    assert isinstance(panels, Pages)
    assert isinstance(panels, list)
    shown = panels._repr_html_()
    assert shown.count("<img ") == len(panels) == 2
    assert 'alt="the passage through test, page 1 of 2" src="data:image/png;base64,' in shown


def test_titles_are_text_not_markup() -> None:
    title = '"><script>'
    acts = recording({title: maps(2)})
    shown = Pages([sheet(acts, title)])._repr_html_()
    assert "<script>" not in shown
    assert html.escape(title) in shown


def test_show_in_a_script_opens_a_window(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    monkeypatch.setitem(sys.modules, "IPython", None)
    shown: list[str] = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf().axes[0].get_title()))
    panel.show()
    plt.close("all")
    assert shown == ["conv (5, 7, 3)"]


def test_show_in_a_notebook_displays(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = type("ZMQInteractiveShell", (), {})()
    shown: list[Panel] = []
    display = types.SimpleNamespace(display=shown.append)
    notebook = types.SimpleNamespace(get_ipython=lambda: shell, display=display)
    monkeypatch.setitem(sys.modules, "IPython", notebook)  # type: ignore[arg-type]
    panel.show()
    assert shown == [panel]


def test_pixels_are_read_only_views(panel: Panel) -> None:
    with pytest.raises(ValueError, match="read-only"):
        panel.pixels(0)[0] = 0
    assert np.shares_memory(panel.pixels(0), np.frombuffer(panel.buffers["pixels"], np.uint8))


def test_the_picture_of_one_value() -> None:
    acts = recording({"a": named(np.full((1, 1, 1, 1), 5.0), MAPS)})
    assert sheet(acts, "a").pixels(0).tolist() == [[0]]


def test_who_saves_it_as_a_figure_reads_how_it_is_saved() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'savefig': a picture is saved by save"):
        Panel({"kind": "maps"}).savefig("a.png")
    assert not hasattr(Panel({"kind": "maps"}), "other")
