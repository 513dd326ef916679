from __future__ import annotations

import itertools
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from cases.recordings import maps, recording
from cases.runs import MAPS, changing_maps, learner, run_of
from layerscope import film
from layerscope.core.errors import AddressError, MissingDependencyError, OutputError, ViewError
from layerscope.views.moments import steps_of
from layerscope.views.render import encoding
from layerscope.views.render import text as texts
from layerscope.views.render.frames import FrameLayout
from layerscope.views.render.grid import LABEL, MARGIN, SMALL
from layerscope.views.render.palette import table
from layerscope.views.render.panel import Panel
from layerscope.views.scenes import layer_scene, passage_scene


def frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("address", ["conv:2", "conv", "dense", "dense:3", "passage"])
def test_a_frame_for_each_step_all_of_one_size(address: str, tmp_path: Path) -> None:
    written = film(learner(), address, tmp_path / "film.webp")
    seen = frames(tmp_path / "film.webp")
    # Frames that are the same are shown for longer; here the epoch in each is another.
    assert len(seen) == written.frames == 5
    assert {frame.shape for frame in seen} == {(written.size[1], written.size[0], 3)}


def test_webp_and_gif_keep_every_pixel(tmp_path: Path) -> None:
    film(learner(), "conv", tmp_path / "film.webp")
    film(learner(), "conv", tmp_path / "film.gif")
    for one, other in zip(
        frames(tmp_path / "film.webp"), frames(tmp_path / "film.gif"), strict=True
    ):
        assert (one == other).all()


def test_one_value_has_one_colour_in_the_whole_film(tmp_path: Path) -> None:
    values = np.zeros((3, 1, 8, 8, 1), np.float32)
    for step, level in enumerate((1.0, 2.0, 4.0)):
        values[step, 0, :, :4] = level
    film(run_of({"conv": (MAPS, values)}), "conv:0", tmp_path / "film.webp")
    seen = frames(tmp_path / "film.webp")
    colours = table("viridis", "dark")
    middle, left = seen[0].shape[0] // 2, 40
    assert [tuple(f[middle, left]) for f in seen] == [
        tuple(colours[round(238 * level / 4)]) for level in (1, 2, 4)
    ]


def test_each_unit_on_its_own_range_over_the_film(tmp_path: Path) -> None:
    run = learner()
    film(run, "conv", tmp_path / "unit.webp", scale="unit")
    film(run, "conv", tmp_path / "layer.webp")
    film(run, "conv", tmp_path / "given.webp", scale=(0.0, 1.0))
    film(run, "conv", tmp_path / "network.webp", scale="network", palette="diverging")
    named = ("unit", "layer", "given", "network")
    found = [np.stack(frames(tmp_path / f"{name}.webp")) for name in named]
    assert all(
        one.shape != two.shape or (one != two).any()
        for one, two in itertools.combinations(found, 2)
    )


def test_over_the_samples_of_a_step(tmp_path: Path) -> None:
    run = learner()
    assert film(run, "conv:1", tmp_path / "a.gif", along="sample", step=2).frames == 3
    assert film(run, "passage", tmp_path / "b.gif", along="sample").frames == 3
    acts = recording({"a": maps(3, 9, 9, samples=4)}, image=maps(3, 9, 9, samples=4))
    assert film(acts, "a", tmp_path / "c.gif", along="sample").frames == 4
    assert film(acts, "input", tmp_path / "d.gif", along="sample").frames == 4
    with pytest.raises(ViewError, match="This recording has no samples"):
        film(run.weights, "conv/kernel", tmp_path / "e.gif", along="sample")


def test_weights_and_vectors_that_are_images(tmp_path: Path) -> None:
    weights = learner().weights
    assert film(weights, "conv/kernel", tmp_path / "a.webp", palette="diverging").frames == 5
    strokes = film(weights, "dense/kernel", tmp_path / "b.webp", reshape=(3, 4), columns=5)
    assert strokes.frames == 5


def test_a_single_step_is_a_picture(tmp_path: Path) -> None:
    for kind in ("webp", "gif"):
        film(learner(), "conv:1", tmp_path / f"one.{kind}", steps=[3])
        assert len(frames(tmp_path / f"one.{kind}")) == 1


def test_nothing_changes_and_still_every_frame_is_there(tmp_path: Path) -> None:
    run = run_of({"conv": (MAPS, np.ones((4, 1, 5, 5, 1), np.float32))})
    assert film(run, "conv", tmp_path / "a.gif").frames == 4


def test_times(tmp_path: Path) -> None:
    for kind in ("webp", "gif"):
        film(learner(), "conv:1", tmp_path / f"a.{kind}", fps=4)
        with Image.open(tmp_path / f"a.{kind}") as image:
            shown = []
            for i in range(image.n_frames):
                image.seek(i)
                image.load()
                shown.append(image.info["duration"])
            assert shown == [250, 250, 250, 250, 1000]
            assert image.info["loop"] == 0


def test_the_file_says_what_it_shows(tmp_path: Path) -> None:
    film(learner(), "conv:1", tmp_path / "a.gif")
    film(learner(), "conv:1", tmp_path / "a.webp")
    with Image.open(tmp_path / "a.gif") as image:
        assert b"conv:1 (6, 8); model: abc" in image.info["comment"]
    with Image.open(tmp_path / "a.webp") as image:
        assert "conv:1 (6, 8); model: abc" in image.getexif()[0x010E]


# imageio-ffmpeg leaves the closing of its pipes to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_mp4(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    written = film(learner(), "conv", tmp_path / "a.mp4", fps=5)
    reader = ffmpeg.read_frames(str(tmp_path / "a.mp4"))
    about = next(reader)
    assert about["size"] == tuple(n + n % 2 for n in written.size)
    assert about["fps"] == 5
    assert len(list(reader)) == 5


def test_mp4_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'layerscope\[film\]'"):
        film(learner(), "conv", tmp_path / "a.mp4")


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_frames_are_drawn_one_by_one(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is asked for when the one before it has been encoded, and few are in memory."""
    told: list[int] = []
    seen: list[weakref.ref[np.ndarray]] = []
    image = encoding._image

    def watched(canvas: np.ndarray, palette: np.ndarray) -> Any:
        assert len(told) == len(seen)
        seen.append(weakref.ref(canvas))
        assert sum(ref() is not None for ref in seen) <= 3  # the first is held to the end
        return image(canvas, palette)

    monkeypatch.setattr(encoding, "_image", watched)
    film(learner(), "conv", tmp_path / f"a.{kind}", progress=lambda done, _: told.append(done))
    assert len(seen) == 5


def test_the_frames_of_a_gif_are_no_more_than_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(encoding, "_LARGEST_GIF", 100_000)
    with pytest.raises(ViewError, match=r"5 frames of \d+×\d+ takes .* kB of memory.* an \.mp4"):
        film(learner(), "conv", tmp_path / "a.gif", progress=lambda done, _: drawn.append(done))
    assert list(tmp_path.iterdir()) == drawn == []
    film(learner(), "conv", tmp_path / "a.webp")


def test_a_film_is_whole_or_not_there(tmp_path: Path) -> None:
    def stop(done: int, count: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    for kind in ("webp", "gif"):
        with pytest.raises(KeyboardInterrupt):
            film(learner(), "conv", tmp_path / f"a.{kind}", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"There is a file .*overwrite=True"):
        film(learner(), "conv", path)
    assert path.read_bytes() == b"mine"
    film(learner(), "conv", path, overwrite=True)
    assert path.read_bytes()[:4] == b"RIFF"
    with pytest.raises(OutputError, match="is a folder: name a file"):
        film(learner(), "conv", _folder(tmp_path / "b.webp"))
    with pytest.raises(OutputError, match=r"can't be written \(No such file"):
        film(learner(), "conv", tmp_path / "none" / "a.webp")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    film(learner(), "conv", tmp_path / "a.gif", progress=lambda *done: told.append(done))
    assert told == [(i, 5) for i in range(1, 6)]


def test_it_shows_itself_and_knows_its_path(tmp_path: Path) -> None:
    written = film(learner(), "conv:1", tmp_path / "a.webp")
    assert Path(written) == tmp_path / "a.webp"
    assert 'src="data:image/webp;base64,' in written._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"address": "conw"}, AddressError, "did you mean 'conv'"),
        ({"path": "a.avi"}, ViewError, "'a.avi' ends in '.avi': a film is .webp, .gif or .mp4"),
        ({"path": "a"}, ViewError, "'a' has no ending: a film is .webp"),
        ({"path": 3}, ViewError, "path=3: pass the name of a file"),
        ({"path": ""}, ViewError, "path='': pass the name of a file"),
        ({"address": "input"}, ViewError, "'input' is the same at every step"),
        ({"steps": [0, 1, 0]}, ViewError, "steps= names step 0 more than once"),
        ({"along": "sample", "steps": [1]}, ViewError, "steps= is for a film along='step'"),
        ({"fps": 0}, ViewError, "fps=0: pass how many frames"),
        ({"fps": "fast"}, ViewError, "fps='fast'"),
        ({"fps": 55, "path": "a.gif"}, ViewError, "a GIF shows up to 50"),
        ({"along": "time"}, ViewError, "along='time': pass 'step' or 'sample'"),
        ({"step": 3}, ViewError, "A step is for a film along='sample'"),
        ({"along": "sample", "step": 9}, AddressError, "There is no step 9"),
        ({"scale": "zscore"}, ViewError, "another one in each frame"),
        ({"palette": "virids"}, ViewError, "did you mean 'viridis'"),
        ({"ground": "red"}, ViewError, "There is no ground 'red'"),
        ({"sample": -1}, ViewError, "There is no sample -1"),
    ],
)
def test_bad_arguments(
    arguments: dict[str, Any],
    error: type,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        film(learner(), **{"address": "conv", "path": "a.webp", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_a_single_moment_has_no_steps(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match="This recording is of a single moment"):
        film(recording({"a": maps(2)}), "a", tmp_path / "a.webp")
    small = run_of({"dense": (("sample", "unit"), changing_maps()[:, :, 0, 0])})
    with pytest.raises(ViewError, match="No layer's pattern is 4 by 4 or larger"):
        film(small, "passage", tmp_path / "a.webp")


def scene(run: Any, address: str, palette: str | None = None) -> Panel:
    make = passage_scene if address == "passage" else layer_scene
    return next(make(run, address, steps_of(run, 0), "layer", palette, "dark", None, None)())


def deep(sizes: dict[str, int]) -> Any:
    return run_of({name: (MAPS, changing_maps(2, 1, (n, n), 3)) for name, n in sizes.items()})


def test_in_a_passage_all_patterns_are_about_as_large_and_no_larger_one_is_smaller() -> None:
    sizes = {f"layer{n}": n for n in (4, 5, 9, 13, 20, 31, 40, 50, 62)} | {"dense": 1}
    panel = scene(deep(sizes), "passage")
    shown = {tile["shape"][0]: tile["box"][2] for tile in panel.header["tiles"]}
    lengths = [shown[n] for n in sorted(shown)]
    assert lengths == sorted(lengths)
    assert lengths[-1] < 2 * lengths[0]
    assert panel.header["note"] == "sample 0, 1 layer has no pattern and is left out"
    for tile in panel.header["tiles"]:
        assert tile["label"].split("\n")[1].startswith("(")


def test_in_a_passage_no_label_reaches_the_next() -> None:
    names = {f"a_block_of_{'many_' * 8}words_{i}": 20 for i in range(40)}
    tiles = scene(deep(names), "passage").header["tiles"]
    for one, following in itertools.pairwise(tiles):
        if one["box"][1] == following["box"][1]:
            ends = max(texts.width(line, LABEL) for line in one["label"].split("\n"))
            assert one["box"][0] + ends < following["box"][0]
    assert all(tile["label"].startswith("a_b") and "…" in tile["label"] for tile in tiles)
    assert len({tile["label"] for tile in tiles[:10]}) == 10


def test_every_metric_is_written_whatever_the_width() -> None:
    panel = scene(learner(), "conv:0")
    words = [f"metric{i} 0.123" for i in range(40)]
    few, many = (FrameLayout.of(panel, [("epoch 0", own)]) for own in (words[:1], words))
    room = few.size[0] - 2 * MARGIN
    needed = sum(texts.width(word, SMALL) for word in words) // room
    lines = (many.size[1] - few.size[1]) // texts.line_height(SMALL)
    assert many.size[0] == few.size[0]
    assert lines >= needed - 1


def test_weights_of_both_signs_have_a_plain_zero() -> None:
    weights = learner().weights
    panel = scene(weights, "conv/kernel")
    assert panel.header["palette"] == "diverging"
    assert panel.header["scale"]["low"] == -panel.header["scale"]["high"]
    assert scene(weights, "conv/kernel", "gray").header["palette"] == "gray"
    assert scene(learner(), "conv").header["palette"] == "viridis"
