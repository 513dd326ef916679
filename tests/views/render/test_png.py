from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording, weights
from layerscope import across, pages, sheet
from layerscope.views.render.palette import BLACK, GROUND, INK, LEVELS, MARK, NAN, WHITE, table
from layerscope.views.render.panel import Panel
from layerscope.views.render.png import compose

VALUES = maps(20).values.copy()
VALUES[..., 3] = 0
VALUES[0, 1, 2, 7] = np.nan
ACTS = recording(
    {
        "conv": named(VALUES, MAPS),
        "large": maps(3, 40, 50),
        "dense": named(VALUES[:, 0, 0], VECTOR),
    },
    image=maps(3, 20, 20),
)
WEIGHTS = weights({"conv": {"conv/kernel": kernel(3, 20)}, "large": {"large/kernel": kernel(2, 3)}})

PANELS: dict[str, Any] = {
    "maps": lambda **more: sheet(ACTS, "conv", **more),
    "one to one": lambda **more: sheet(ACTS, "large", **more),
    "vector": lambda **more: sheet(ACTS, "dense", **more),
    "values": lambda **more: sheet(ACTS, "conv:7", values=True, **more),
    "kernels": lambda **more: sheet(ACTS, "large", kernels=WEIGHTS, **more),
    "zscore": lambda **more: sheet(ACTS, "conv", scale="zscore", **more),
    "coloured": lambda **more: sheet(ACTS, **more),
    "coloured kernels": lambda **more: sheet(ACTS, "conv", kernels=WEIGHTS, **more),
    "across": lambda **more: across(ACTS, 2, **more),
    "pages": lambda **more: pages(ACTS, min_size=(4, 4), **more)[0],
}


def read(panel: Panel) -> Image.Image:
    return Image.open(io.BytesIO(panel.png()))


def is_coloured(panel: Panel) -> bool:
    return any(tile["format"] == "rgb" for tile in panel.header["tiles"])


@pytest.mark.parametrize("ground", ["dark", "light"])
@pytest.mark.parametrize("name", PANELS)
def test_the_file_holds_what_was_composed(name: str, ground: str) -> None:
    panel = PANELS[name](ground=ground, palette="magma")
    image = read(panel)
    assert image.mode == ("RGB" if is_coloured(panel) else "P")
    assert list(image.size) == panel.header["size"]
    composed = compose(panel)
    assert (np.asarray(image) == composed).all()
    if image.mode == "P":
        assert image.palette is not None
        assert image.getpalette() == table("magma", ground).ravel().tolist()


@pytest.mark.parametrize("name", PANELS)
def test_every_pixel_of_every_map_is_a_square_of_its_colour(name: str) -> None:
    panel = PANELS[name]()
    colours = table("viridis", "dark")
    picture = np.asarray(read(panel).convert("RGB"))
    for i, tile in enumerate(panel.header["tiles"]):
        if tile["texts"]:
            continue
        x, y, w, h = tile["box"]
        pixels = panel.pixels(i)
        times = w // pixels.shape[1]
        expected = pixels if pixels.ndim == 3 else colours[pixels]
        for row in range(h):
            for column in range(0, w, max(1, times - 1)):
                shown = picture[y + row, x + column].tolist()
                assert shown == expected[row // times, column // times].tolist()


@given(st.integers(1, 40), st.integers(1, 70), st.integers(1, 70))
def test_any_size(channels: int, height: int, width: int) -> None:
    panel = sheet(recording({"a": maps(channels, height, width, 1)}), "a")
    canvas = np.asarray(read(panel))
    for i, tile in enumerate(panel.header["tiles"]):
        x, y, w, h = tile["box"]
        rows, columns = panel.pixels(i).shape  # of a single row, those of the line drawn of it
        shown = canvas[y : y + h : h // rows, x : x + w : w // columns]
        assert (shown == panel.pixels(i)).all()


def test_blank_maps_have_a_frame_and_nan_its_colour() -> None:
    panel = sheet(ACTS, "conv")
    canvas = compose(panel)
    for tile in panel.header["tiles"]:
        x, y, w, h = tile["box"]
        frame = np.concatenate([canvas[y - 1, x - 1 : x + w + 1], canvas[y - 1 : y + h + 1, x + w]])
        assert (frame == (MARK if tile["blank"] else GROUND)).all()
    assert (panel.pixels(7) == NAN).sum() == 1
    assert (canvas == NAN).sum() == (panel.header["tiles"][7]["box"][2] // 7) ** 2


def test_the_heading_shows_the_scale() -> None:
    panel = sheet(ACTS, "large")
    canvas = compose(panel)
    x, y, w, h = panel.header["bar"]
    bar = canvas[y : y + h, x : x + w]
    assert (bar == bar[0]).all()
    assert (np.diff(bar[0].astype(int)) >= 0).all()
    assert (bar[0, 0], bar[0, -1]) == (0, LEVELS - 1)
    assert INK in canvas[:y]
    without = compose(PANELS["zscore"]())
    assert (without[y : y + h, x : x + w] >= GROUND).all()


def test_labels_stand_above_their_maps() -> None:
    panel = sheet(ACTS, "conv")
    canvas, bare = compose(panel), compose(panel, annotate=False)
    for tile in panel.header["tiles"]:
        x, y, w, h = tile["box"]
        assert (canvas[y - 12 : y - 1, x : x + w] > GROUND).any()
        assert (bare[y - 12 : y - 1, x : x + w] == GROUND).all()
        assert (canvas[y : y + h, x : x + w] == bare[y : y + h, x : x + w]).all()


def test_values_are_black_on_light_and_white_on_dark() -> None:
    acts = recording({"a": named(np.array([[[0.0, 1.0]]])[..., None], MAPS)})
    panel = sheet(acts, "a", values=True)
    canvas = compose(panel)
    x, y, w, h = panel.header["tiles"][0]["box"]
    left, right = canvas[y : y + h, x : x + w // 2], canvas[y : y + h, x + w // 2 : x + w]
    assert set(np.unique(left)) == {0, WHITE}
    assert set(np.unique(right)) == {LEVELS - 1, BLACK}


def test_text_that_is_not_ascii_is_kept() -> None:
    metadata = {"Title": "conv", "layerscope:scale": "0 … 1", "layerscope:input": "Käse"}
    panel = sheet(ACTS, "conv")
    assert Image.open(io.BytesIO(panel.png(metadata))).info == metadata
