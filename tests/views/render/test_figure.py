from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording, weights
from layerscope import __version__, across, pages, sheet
from layerscope.views.render.palette import LEVELS, table

ACTS = recording(
    {"conv": maps(20), "one": maps(1, 30, 20), "dense": named([[0.0, 1, 2]], VECTOR),
     "constant": named(np.full((1, 4, 4, 2), 5.0), MAPS), "$a$ $b$": maps(2)},
    image=maps(3, 20, 20),
    digest=lambda: {"model": "abc & <d>"},
)  # fmt: skip


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("figsize", [None, (6.0, 3.0)])
def test_a_figure_with_title_ticks_and_colour_bar(figsize: tuple[float, float] | None) -> None:
    figure = sheet(ACTS, "conv", columns=8).figure(figsize=figsize)
    assert isinstance(figure, Figure)
    if figsize:
        assert tuple(figure.get_size_inches()) == figsize
    axes, bar = figure.axes
    assert axes.get_title() == "conv (5, 7, 20)"
    assert axes.get_xlabel() == "channel"
    assert [t.get_text() for t in axes.get_xticklabels()] == [str(i) for i in range(8)]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0", "8", "16"]
    low, high = float(ACTS["conv"][0].min()), float(ACTS["conv"][0].max())
    assert bar.get_ylim() == pytest.approx((low, high))
    figure.draw_without_rendering()


def test_in_axes_of_the_users_own() -> None:
    figure, both = plt.subplots(1, 2)
    assert sheet(ACTS, "conv").figure(ax=both[1]) is figure
    assert len(both[1].images) == 1
    assert not both[0].images
    assert both[1].get_title() == "conv (5, 7, 20)"
    assert len(figure.axes) == 3
    plt.close(figure)


def test_the_figure_shows_the_pictures_own_pixels() -> None:
    panel = sheet(ACTS, "conv", palette="magma")
    (image,) = panel.figure().axes[0].images
    shown = np.asarray(image.get_array())
    first = panel.header["tiles"][0]["box"]
    left, top = first[0] - 4, first[1] - 4
    for i, tile in enumerate(panel.header["tiles"]):
        x, y, w, h = tile["box"]
        part = shown[y - top : y - top + h, x - left : x - left + w]
        times = w // 7
        assert (part[::times, ::times, :3] == table("magma", "dark")[panel.pixels(i)]).all()
        assert (part[..., 3] == 255).all()
    assert shown[0, 0, 3] == 0  # transparent between maps


def test_a_single_map_counts_its_own_rows_and_columns() -> None:
    axes = sheet(ACTS, "one").figure().axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == [str(i) for i in range(0, 20, 2)]
    assert [t.get_text() for t in axes.get_yticklabels()] == [str(i) for i in range(0, 30, 4)]
    first = sheet(recording({"m": named(np.eye(3)[None], ("sample", "position", "channel"))}), "m")
    axes = first.figure().axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1", "2"]


def test_units_are_called_units() -> None:
    assert sheet(ACTS, "dense").figure().axes[0].get_xlabel() == "unit"


@pytest.mark.parametrize(
    "view",
    [lambda: across(ACTS, 1), lambda: pages(ACTS, min_size=(5, 5))[0]],
    ids=["across", "pages"],
)
def test_titled_pictures_have_their_titles_above_them(view: Any) -> None:
    panel = view()
    axes = panel.figure().axes[0]
    titles = [tile["label"] for tile in panel.header["tiles"]]
    assert texts(axes) == [*titles, panel.header["scale"]["text"]]
    assert not axes.axison


def test_short_titles_are_titles_all_the_same() -> None:
    acts = recording({"a": maps(2, 3, 3), "b": maps(2, 3, 3)})
    panel = across(acts, 0)
    assert texts(panel.figure().axes[0])[:2] == ["a (3, 3)", "b (3, 3)"]


@pytest.mark.parametrize("scale", ["unit", "zscore"])
def test_where_there_is_no_one_range_the_scale_is_written(scale: str) -> None:
    panel = sheet(ACTS, "conv", scale=scale)
    figure = panel.figure()
    assert len(figure.axes) == 1
    assert texts(figure.axes[0]) == [panel.header["scale"]["text"]]


@pytest.mark.parametrize("address", ["constant", "conv:1@0,0", "input", "$a$ $b$"])
@pytest.mark.parametrize("name", ["viridis", "diverging"])
def test_any_of_them_can_be_drawn(address: str, name: str) -> None:
    panel = sheet(ACTS, address, palette=name)
    figure = panel.figure()
    figure.draw_without_rendering()
    assert figure.axes[0].get_title().startswith(panel.header["title"])


def test_what_is_noted_is_in_the_title() -> None:
    title = sheet(ACTS, "constant").figure().axes[0].get_title()
    assert title == "constant (4, 4, 2)\n2 of 2 constant"


def test_the_colours_of_the_bar_are_those_of_the_picture() -> None:
    bar = sheet(ACTS, "conv", palette="diverging").figure().axes[1]
    colours = bar.collections[-1].get_cmap()(np.linspace(0, 1, LEVELS))[:, :3]
    assert np.abs(colours * 255 - table("diverging", "dark")[:LEVELS]).max() < 1


def test_kernels_and_values() -> None:
    acts = recording({"conv": maps(4)})
    own = weights({"conv": {"conv/kernel": kernel(3, 4)}})
    sheet(acts, "conv", kernels=own).figure().draw_without_rendering()
    sheet(acts, "conv:1", values=True).figure().draw_without_rendering()


def test_svg_files_carry_provenance(tmp_path: Path) -> None:
    text = sheet(ACTS, "conv").save(tmp_path / "x.svg").read_text()
    assert "<dc:title>conv (5, 7, 20)</dc:title>" in text
    assert f"layerscope {__version__}" in text
    assert "address: conv" in text
    assert "model: abc &amp; &lt;d&gt;" in text


def test_pdf_files_carry_provenance(tmp_path: Path) -> None:
    data = sheet(ACTS, "conv").save(tmp_path / "x.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert re.search(rb"/Title \(conv \\\(5, 7, 20\\\)\)", data)
    assert f"/Creator (layerscope {__version__})".encode() in data
