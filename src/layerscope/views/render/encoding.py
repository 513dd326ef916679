"""Frames into a film: an animated WebP or GIF by Pillow, an MP4 by the ffmpeg of imageio-ffmpeg.

Each frame is asked for when the one before it was taken. One is in memory at a time, but of a GIF,
whose frames Pillow holds until the last, a byte for each pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import MissingDependencyError, OutputError, ViewError
from layerscope.core.table import size_text

KINDS = (".webp", ".gif", ".mp4")
MIME = {".webp": "image/webp", ".gif": "image/gif", ".mp4": "video/mp4"}

Canvas = npt.NDArray[np.uint8]

#: How hard WebP tries: more takes longer and hardly makes films smaller.
_METHOD, _EFFORT = 2, 75
_HOLD = 1000  #: milliseconds for which the last frame stays before the film begins again
_FASTEST_GIF = 50
_LARGEST_GIF = 2 * 10**9  #: bytes of all its frames, which are in memory together
_H264 = ("-crf", "12", "-f", "mp4", "-movflags", "+faststart")
_DESCRIPTION = 0x010E  #: the field of EXIF for what an image shows


@dataclass(frozen=True)
class Reel:
    """The frames of a film: palette indexes ``(height, width)``, or colours with RGB last."""

    frames: Iterator[Canvas]
    count: int
    size: tuple[int, int]  #: width and height
    palette: npt.NDArray[np.uint8]  #: (256, 3)
    fps: float
    about: str  #: what is shown, and of which model: kept in the file

    def durations(self) -> list[int]:
        """Return for how many milliseconds each frame is shown."""
        each = max(1, round(1000 / self.fps))
        return [each] * (self.count - 1) + [max(each, _HOLD)]


def check_kind(path: Path, fps: Any) -> None:
    """Raise what is wrong with the name of a film or its frames per second.

    Raises
    ------
    ViewError
        When the name ends in something else, or it is no number of frames.
    MissingDependencyError
        When it is to be an MP4 and imageio-ffmpeg is not installed.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        ends = f"ends in {kind!r}" if kind else "has no ending"
        raise ViewError(f"{path.name!r} {ends}: a film is {_kinds()}.")
    number = isinstance(fps, int | float | np.number) and not isinstance(fps, bool)
    if not number or not 0.1 <= float(fps) <= 60:
        raise ViewError(f"fps={fps!r}: pass how many frames a second, 0.1 to 60.")
    if kind == ".gif" and fps > _FASTEST_GIF:
        raise ViewError(f"fps={fps!r}: a GIF shows up to {_FASTEST_GIF} frames a second.")
    if kind == ".mp4":
        _ffmpeg()


def write(reel: Reel, path: Path, kind: str) -> None:
    """Write the film to a file; ``kind`` is how its name is to end."""
    {".webp": _webp, ".gif": _gif, ".mp4": _mp4}[kind](reel, path)


def _kinds() -> str:
    return f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"


def _image(canvas: Canvas, palette: npt.NDArray[np.uint8]) -> Any:
    from PIL import Image

    height, width = canvas.shape[:2]
    mode = "P" if canvas.ndim == 2 else "RGB"
    image = Image.frombuffer(mode, (width, height), canvas, "raw", mode, 0, 1)
    if mode == "P":
        image.putpalette(palette.tobytes())
    return image


class _Frames:
    """The frames after the first, as an image of many frames that Pillow may append.

    Each is made as Pillow comes to it, and is what this object is until the next one.
    """

    def __init__(self, images: Iterator[Any], count: int) -> None:
        self.n_frames = count
        self._images = images
        self._image: Any = None

    def seek(self, frame: int) -> None:
        """Make the next frame: Pillow goes through them once."""
        self._image = next(self._images)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._image, name)


def _webp(reel: Reel, path: Path) -> None:
    from PIL import Image

    about = Image.Exif()
    about[_DESCRIPTION] = reel.about
    options: dict[str, Any] = {"lossless": True, "method": _METHOD, "quality": _EFFORT}
    images = (_image(canvas, reel.palette).convert("RGB") for canvas in reel.frames)
    first = next(images)
    if reel.count > 1:
        rest = _Frames(images, reel.count - 1)
        options |= {"append_images": [rest], "duration": reel.durations(), "loop": 0}
    with path.open("wb") as file:
        first.save(file, "WEBP", save_all=True, exif=about, **options)


def _gif(reel: Reel, path: Path) -> None:
    _check_memory(reel)
    images = (_image(canvas, reel.palette) for canvas in reel.frames)
    first = next(images)
    options: dict[str, Any] = {"duration": reel.durations(), "loop": 0, "comment": reel.about}
    if first.mode == "P":
        options["palette"] = reel.palette.tobytes()  # once, and not with every frame
    with path.open("wb") as file:  # optimized: a frame leaves out what stays as it was
        first.save(file, "GIF", save_all=True, append_images=images, optimize=True, **options)


def _check_memory(reel: Reel) -> None:
    """Raise ViewError for a GIF whose frames would take too much memory."""
    width, height = reel.size
    needed = reel.count * width * height
    if needed > _LARGEST_GIF:
        raise ViewError(
            f"A GIF of {reel.count:,} frames of {width}×{height} takes {size_text(needed)} of "
            f"memory, and up to {size_text(_LARGEST_GIF)} are taken: name a .webp or an .mp4, or "
            "show fewer steps."
        )


def _mp4(reel: Reel, path: Path) -> None:
    width, height = reel.size
    size = width + width % 2, height + height % 2  # H.264 wants even sides
    writer = _ffmpeg().write_frames(
        str(path),
        size,
        fps=reel.fps,
        codec="libx264",
        macro_block_size=2,
        quality=None,
        output_params=[*_H264, "-metadata", f"comment={reel.about}"],
        ffmpeg_log_level="error",
    )
    try:
        writer.send(None)
        for canvas in reel.frames:
            colours = reel.palette[canvas] if canvas.ndim == 2 else canvas
            even = ((0, size[1] - height), (0, size[0] - width), (0, 0))
            writer.send(np.ascontiguousarray(np.pad(colours, even, mode="edge")))
    except OSError as error:  # it says on several lines what ffmpeg said
        raise OutputError(f"ffmpeg stopped: {' '.join(str(error).split())}") from error
    finally:
        writer.close()


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise MissingDependencyError(
            "An .mp4 needs imageio-ffmpeg: pip install 'layerscope[film]', or name a .webp or .gif."
        ) from None
    return imageio_ffmpeg
