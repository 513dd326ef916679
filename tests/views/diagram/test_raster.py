from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cases.networks import chain, wired
from cases.recordings import maps, recording
from layerscope.views.diagram import diagram
from layerscope.views.render.panel import Panel


def opened(picture: Panel, **metadata: str) -> Image.Image:
    return Image.open(io.BytesIO(picture.png(metadata)))


@pytest.mark.parametrize("style", ["vertical", "horizontal"])
def test_two_pixels_for_each_of_the_drawing_s(style: str) -> None:
    picture = diagram(wired([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]), style=style)
    width, height = picture.header["size"]
    assert opened(picture).size == (2 * width, 2 * height)


@pytest.mark.slow
def test_no_side_is_longer_than_programs_show() -> None:
    picture = diagram(chain(1000), wrap=1)
    assert picture.header["size"][1] > 30_000
    with opened(picture) as image:
        assert max(image.size) == 30_000
        across, along = picture.header["size"]
        assert abs(image.size[0] - across * 30_000 / along) <= 1


def test_metadata_are_chunks() -> None:
    with opened(diagram(chain(2)), Title="Käse", model="a\ud800b", Software="x") as image:
        assert image.info == {
            "Title": "Käse",
            "model": r"a\ud800b",
            "Software": "x",
        }


def test_a_pdf_says_what_it_is(tmp_path: Path) -> None:
    path = diagram(chain(2)).save(tmp_path / "net.pdf")
    assert b"layerscope" in path.read_bytes()


@pytest.mark.parametrize(("ground", "colour"), [("light", (255,) * 3), ("dark", (18, 18, 22))])
def test_boxes_and_texts_are_where_the_header_says(
    ground: str, colour: tuple[int, int, int]
) -> None:
    picture = diagram(chain(3), ground=ground)
    with opened(picture) as image:
        pixels = np.asarray(image)
    assert tuple(pixels[2, 2]) == colour
    for text in picture.header["texts"]:
        if text["anchor"] == "start" and text["text"]:
            x, y, width = (round(2 * text[key]) for key in ("x", "y", "width"))
            area = pixels[y - 2 * text["size"] : y, x : x + width].astype(int)
            assert np.ptp(area.sum(axis=-1)) > 150  # ink on paper
    for box in picture.header["boxes"]:
        left, top, width, height = (round(2 * n) for n in box["box"])
        assert tuple(pixels[top + height // 2, left + width - 6]) != colour


def test_maps_are_drawn_in_their_places() -> None:
    acts = recording({"conv": maps(3)})
    picture = diagram(acts.network, acts)
    with opened(picture) as image:
        pixels = np.asarray(image)
    for tile in picture.header["tiles"]:
        x, y, width, height = (round(2 * n) for n in tile["box"])
        inside = pixels[y + 2 : y + height - 2, x + 2 : x + width - 2].reshape(-1, 3)
        assert len(np.unique(inside, axis=0)) > 10


def test_a_figure_of_its_own_or_axes_of_yours() -> None:
    from matplotlib.figure import Figure

    picture = diagram(chain(3))
    figure = picture.figure()
    assert tuple(figure.get_size_inches() * 100) == pytest.approx(picture.header["size"])
    assert tuple(picture.figure(figsize=(3, 4)).get_size_inches()) == (3, 4)
    mine = Figure()
    left, right = mine.subplots(1, 2)
    assert picture.figure(ax=right) is mine
    assert len(right.texts) == len(picture.header["texts"])
    assert not left.texts
    assert not left.collections
    mine.savefig(io.BytesIO())
