from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from cases.recordings import named, recording
from cases.visualizations import STEPS, UNITS, coloured, growing
from layerscope import film, sheet, timeline
from layerscope.core.errors import AddressError, LayerscopeError, ViewError
from layerscope.views.moments import steps_of
from layerscope.views.scenes import layer_scene


def panels(address: str, scale: Any = "input", palette: str | None = None) -> list[Any]:
    features = growing()
    moments = steps_of(features, None)
    return list(layer_scene(features, address, moments, scale, palette, "dark", None, None)())


def test_a_frame_for_each_step_as_sheet_draws_it() -> None:
    for step, panel in zip(STEPS, panels("deep"), strict=True):
        alone = sheet(growing(), "deep", step=step)
        assert panel.buffers == alone.buffers
        assert panel.header["scale"] == alone.header["scale"]


def test_a_range_is_that_of_all_steps() -> None:
    first, *_, last = panels("deep", "unit")
    assert first.header["tiles"][1]["range"] == last.header["tiles"][1]["range"] == [-1, 1]
    assert (first.pixels(1) == first.pixels(1)[0, 0, 0]).all()
    assert last.pixels(1).max() == 255
    assert last.header["scale"]["text"] == "in colour, each map on its own range over the film"
    assert panels("deep", "layer")[0].header["scale"]["text"].startswith("in colour, one range: -1")


def test_a_film_of_how_images_were_made(tmp_path: Path) -> None:
    written = film(growing((42,)), "deep:42", tmp_path / "film.webp")
    with Image.open(written.path) as image:
        frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    assert len(frames) == written.frames == len(STEPS)
    x, _, width, height = sheet(growing((42,)), "deep:42", step=9).header["tiles"][0]["box"]
    times = width // 12
    inner = frames[1][:, x : x + width][::-1]
    picture = sheet(growing((42,)), "deep:42", step=9).pixels(0).repeat(times, 0).repeat(times, 1)
    rows = [
        i for i in range(len(inner) - height + 1) if (inner[i : i + height][::-1] == picture).all()
    ]
    assert len(rows) == 1


def test_what_is_written_below_a_frame() -> None:
    moments = steps_of(growing(), None, [0, 18])
    assert moments.label(1) == "step 18"
    assert moments.metrics(1) == ["deep:3 3.65", "deep:42 7.3", "deep:57 10.9"]
    assert moments.span == "2 steps"
    assert steps_of(growing(range(5)), None).metrics(0) == []


def test_one_image_at_every_step_side_by_side() -> None:
    panel = timeline(growing(), "deep:42")
    assert [tile["label"] for tile in panel.header["tiles"]] == [f"step {n}" for n in STEPS]
    for i, step in enumerate(STEPS):
        assert (panel.pixels(i) == sheet(growing(), "deep:42", step=step).pixels(0)).all()
    assert panel.header["title"] == "feature visualization of deep:42 (12, 12, 3) over 4 steps"
    rows = timeline(growing(), "deep", steps=[0, 20])
    assert [t["label"] for t in rows.header["tiles"]] == [
        f"{u} · {n}" for u in UNITS for n in (0, 20)
    ]
    assert rows.header["columns"] == 2


def test_any_recording_in_memory_has_its_steps() -> None:
    values = np.arange(24.0).reshape(3, 2, 2, 2, 1)
    axes = ("step", "sample", "y", "x", "channel")
    held = recording({"conv": named(values, axes, steps=(5, 10, 20))})
    panel = timeline(held, "conv:0", sample=1)
    assert [tile["label"] for tile in panel.header["tiles"]] == ["step 5", "step 10", "step 20"]
    assert panel.header["note"] == "sample 1"
    assert panel.header["palette"] == "viridis"
    assert panel.header["scale"]["low"] == values[:, 1].min()
    assert steps_of(held, 0).metrics(0) == []


@pytest.mark.parametrize(
    ("features", "how", "kind", "message"),
    [
        (coloured(), {}, ViewError, "single moment: make it with every=9, which keeps images"),
        (growing(), {"steps": [3]}, AddressError, r"There is no step 3: there are 0, 9, 18, 20\."),
        (growing(), {"steps": [9, 9]}, ViewError, "steps= names step 9 more than once"),
        (growing(), {"sample": 1}, ViewError, "There is no sample 1"),
        (growing(), {"scale": "zscore"}, ViewError, "scale='zscore' would be another"),
        (growing(), {"along": "sample"}, ViewError, "This recording has no samples"),
    ],
)
def test_what_can_not_be_filmed(
    features: Any, how: dict[str, Any], kind: type[LayerscopeError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        film(features, "deep", tmp_path / "film.webp", **how)
    assert not (tmp_path / "film.webp").exists()


def test_nothing_passes_through_layers_of_images(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match="these are images made for units: draw them with sheet"):
        film(growing(), "passage", tmp_path / "film.webp")
