"""Draws the pictures of the README, by running the README: ``python docs/make_images.py``."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from layerscope.interfaces.cli import main

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
REAL = ROOT.parent / "shared" / "real"

#: By the name of a picture, the file that the README's code writes.
PICTURES = {
    "emotions.png": "emotions.png",
    "sheet.png": "conv2d.png",
    "across.png": "across.png",
    "page.png": "passage.png",
    "kernels.png": "kernels.png",
    "beside.png": "beside.png",
    "mlp.png": "mlp.png",
    "torch.png": "torch.png",
    "passage.png": "passage-poster.png",
    "volumes.png": "volumes.png",
    "timeline.png": "timeline.png",
    "features/digits.png": "classes.png",  # the others in that folder: make_features.py
}
_WIDEST = 1400


def make_images() -> None:
    """Write all of them."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (IMAGES / "features").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shell(["demo"])
        for name in re.findall(r"^<!-- file: (\S+) -->$", readme, re.MULTILINE):
            shutil.copy(next(REAL.rglob(name)), name)
        namespace: dict[str, object] = {}
        for block in re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL):
            exec(compile(block, "README.md", "exec"), namespace)
        for picture, written in PICTURES.items():
            save(Image.open(written), IMAGES / picture)
        look = next(line for line in readme.splitlines() if line.startswith("layerscope look"))
        text = f"$ {look}\n{shell(shlex.split(look)[1:])}"
        save(printed(text), IMAGES / "shell.png")


def shell(arguments: list[str]) -> str:
    """What a ``layerscope`` command prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if main(arguments) != 0:
            raise SystemExit(f"layerscope {shlex.join(arguments)} failed")
    return out.getvalue()


def printed(text: str, size: int = 22) -> Image.Image:
    """Text as a terminal shows it."""
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans Mono"), size)
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    _, _, right, bottom = draw.multiline_textbbox((0, 0), text, font, spacing=8)
    picture = Image.new("L", (int(right) + 2 * size, int(bottom) + 2 * size), 24)
    ImageDraw.Draw(picture).multiline_text((size, size), text, 220, font, spacing=8)
    return picture


def save(picture: Image.Image, path: Path) -> None:
    """As a PNG with a palette, no wider than a page shows it."""
    if picture.width > _WIDEST:
        height = round(picture.height * _WIDEST / picture.width)
        picture = picture.convert("RGB").resize((_WIDEST, height), Image.Resampling.LANCZOS)
    if picture.mode != "P":
        picture = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    for picture in IMAGES.glob("*.png"):
        picture.unlink()
    make_images()
