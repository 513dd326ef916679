"""Draws the pictures of features.md, by running the page: ``python docs/make_features.py``."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "features.md"
IMAGES = ROOT / "docs" / "images" / "features"

_WIDEST = 1000


def make_images() -> None:
    """Write all that the page shows."""
    from layerscope.interfaces.cli import main

    page = PAGE.read_text(encoding="utf-8")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        if main(["demo"]) != 0:
            raise SystemExit("layerscope demo failed")
        draw_textures()
        namespace: dict[str, object] = {"__name__": "__main__"}
        for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            exec(compile(block, PAGE, "exec"), namespace)
        for picture in re.findall(r"\(images/features/([^)]+)\)", page):
            save(Path(picture), IMAGES / picture)


def draw_textures() -> None:
    """What the proof of colour is about: the textures, and the images of their classes."""
    sys.path.insert(0, str(ROOT / "tests"))
    import layerscope as ls
    from cases.textures import CLASSES, texture_network, textures

    classes = range(len(CLASSES))
    units = ls.objectives.units("dense", classes)
    found = ls.features(texture_network(), units, recipe="tutorial", start="zeros")
    images = np.stack([found.image(f"dense:{label}") for label in classes])
    grid(textures(classes, np.random.default_rng(0))).save("textures.png")
    grid(images).save("colour.png")


def grid(images: np.ndarray, columns: int = 5, side: int = 80, gap: int = 4) -> Image.Image:
    """Images ``(n, y, x, 3)`` in rows."""
    step = side + gap
    picture = Image.new("RGB", (columns * step - gap, -(-len(images) // columns) * step - gap))
    for i, image in enumerate(images):
        tile = Image.fromarray(np.round(image * 255).astype(np.uint8))
        tile = tile.resize((side, side), Image.Resampling.NEAREST)
        picture.paste(tile, (i % columns * step, i // columns * step))
    return picture


def save(written: Path, path: Path) -> None:
    """As a PNG with a palette, no wider than a page shows it; a film as it is."""
    if written.suffix != ".png":
        shutil.copy(written, path)
        return
    picture = Image.open(written).convert("RGB")
    if picture.width > _WIDEST:
        height = round(picture.height * _WIDEST / picture.width)
        picture = picture.resize((_WIDEST, height), Image.Resampling.LANCZOS)
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    make_images()
