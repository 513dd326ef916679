"""How large pictures and their text are, and files of them."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from cases.recordings import MAPS, named, recording
from layerscope import curves, sheet
from layerscope.core.errors import ViewError
from layerscope.views.render.panel import Panel
from layerscope.views.render.png import compose, enlarged


def about(path: Path) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the size of an image, and its resolution."""
    with Image.open(path) as image:
        return image.size, image.info.get("dpi", (0, 0))


def drawn(channels: int, size: int) -> Panel:
    values = np.random.default_rng(0).random((1, size, size, channels))
    return sheet(recording({"conv": named(values, MAPS)}), "conv")


@pytest.mark.parametrize(("size", "grown"), [(10, 1), (100, 1), (130, 1.5), (160, 1.5)])
def test_text_grows_with_wide_pictures(size: int, grown: float) -> None:
    header = drawn(16, size).header
    assert header["label_size"] == round(9 * grown)
    assert [line["size"] for line in header["lines"]] == [round(15 * grown), round(11 * grown)]
    assert header["value_size"] == 9
    for tile in header["tiles"]:
        assert tile["box"][1] >= header["label_height"]


def test_a_larger_file_has_the_same_maps_and_sharper_text(tmp_path: Path) -> None:
    panel = drawn(4, 12)
    once, twice = (about(panel.save(tmp_path / f"{n}.png", scale=n))[0] for n in (1, 2))
    assert twice == (2 * once[0], 2 * once[1])
    small, large = compose(panel), compose(enlarged(panel, 2))
    for tile in panel.header["tiles"]:
        x, y, w, h = tile["box"]
        part = small[y : y + h, x : x + w]
        double = large[2 * y : 2 * (y + h), 2 * x : 2 * (x + w)]
        assert (double == part.repeat(2, axis=0).repeat(2, axis=1)).all()
    above = panel.header["tiles"][0]["box"][1] - 2
    assert (large[: 2 * above] != small[:above].repeat(2, axis=0).repeat(2, axis=1)).any()


def test_the_resolution_is_in_the_file_and_figures_are_drawn_at_it(tmp_path: Path) -> None:
    panel = drawn(4, 12)
    size, dpi = about(panel.save(tmp_path / "maps.png", dpi=300))
    assert size == tuple(panel.header["size"])
    assert dpi == pytest.approx((300, 300), abs=0.1)
    chart = curves({"loss": [3, 2, 1]})
    sizes = [about(chart.save(tmp_path / f"{n}.png", dpi=n))[0] for n in (100, 200)]
    assert sizes[1] == (2 * sizes[0][0], 2 * sizes[0][1])
    assert about(chart.save(tmp_path / "s.png", scale=2))[0] == sizes[1]


@pytest.mark.parametrize(
    ("name", "how", "says"),
    [
        ("x.png", {"scale": 0}, "scale=0: pass a number above 0, up to 20"),
        ("x.png", {"dpi": "300"}, "dpi='300': pass a number above 0, up to 2400"),
        ("x.png", {"scale": 1.5}, "maps are enlarged in whole steps"),
        ("x.svg", {"scale": 2}, r"scale= and dpi= are for \.png: \.svg files are sharp"),
    ],
)
def test_sizes_that_are_refused(tmp_path: Path, name: str, how: dict, says: str) -> None:
    with pytest.raises(ViewError, match=says):
        drawn(4, 12).save(tmp_path / name, **how)
    assert not list(tmp_path.iterdir())


def test_a_picture_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match=r"the picture would have .* pixels; the most are"):
        drawn(64, 100).save(tmp_path / "x.png", scale=20)


def test_colour_bars_leave_other_axes_alone() -> None:
    panel = drawn(1, 20)
    figure, (left, right) = plt.subplots(1, 2)
    panel.figure(ax=left)
    panel.figure(ax=right)
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert not one.overlaps(other)
    plt.close(figure)
