"""Frames into a film: an animated WebP or GIF by Pillow, an MP4 by the ffmpeg of imageio-ffmpeg.

One frame is in memory at a time: each is asked for when the one before it was encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import MissingDependencyError, OutputError, ViewError

KINDS = (".webp", ".gif", ".mp4")
MIME = {".webp": "image/webp", ".gif": "image/gif", ".mp4": "video/mp4"}

Canvas = npt.NDArray[np.uint8]

#: How hard WebP tries: more takes longer and hardly makes films smaller.
_METHOD, _EFFORT = 2, 75
_HOLD = 1000  #: milliseconds for which the last frame stays before the film begins again
_FASTEST_GIF = 50
_CLEAR = np.uint8(255)  #: an index that no palette uses: what it covers stays as it was
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
        """How long each frame is shown, in milliseconds."""
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


def _webp(reel: Reel, path: Path) -> None:
    from PIL import Image

    class Frames(Image.Image):
        """An image of many frames, each made as Pillow comes to it."""

        n_frames = reel.count

        def __init__(self) -> None:
            super().__init__()
            self._mode, self._size = "RGB", reel.size
            self._next = 0

        def seek(self, frame: int) -> None:
            if frame == self._next:  # Pillow goes through them once, and in the end back to 0
                self._next += 1
                self.im = _image(next(reel.frames), reel.palette).convert("RGB").im

        def tell(self) -> int:
            return max(0, self._next - 1)

    about = Image.Exif()
    about[_DESCRIPTION] = reel.about
    options = {"lossless": True, "method": _METHOD, "quality": _EFFORT, "exif": about}
    with path.open("wb") as file:
        if reel.count == 1:
            _image(next(reel.frames), reel.palette).convert("RGB").save(file, "WEBP", **options)
        else:
            timing = {"duration": reel.durations(), "loop": 0}
            Frames().save(file, "WEBP", save_all=True, **timing, **options)


def _gif(reel: Reel, path: Path) -> None:
    """Pillow would keep all frames until the last; so it is asked for each frame's own bytes."""
    from PIL import GifImagePlugin

    before: Canvas | None = None
    with path.open("wb") as file:
        for canvas, duration in zip(reel.frames, reel.durations(), strict=True):
            x, y, part = _changed(before, canvas)
            coloured = canvas.ndim == 3
            image = _image(part, reel.palette)
            look: dict[str, Any] = {"include_color_table": coloured}
            if coloured:
                image = image.quantize(256)
            elif before is not None:  # what stays is left out, which takes a third less
                look = {"transparency": int(_CLEAR), "disposal": 1}
            if before is None:
                blocks, _ = GifImagePlugin.getheader(
                    image, info={"loop": 0, "optimize": False, "comment": reel.about}
                )
                file.writelines(blocks)
            file.writelines(GifImagePlugin.getdata(image, (x, y), duration=duration, **look))
            before = canvas
        file.write(b";")


def _changed(before: Canvas | None, canvas: Canvas) -> tuple[int, int, Canvas]:
    """The rectangle in which a frame is other than the one before it, and where it lies.

    Of palette indexes, those that are as before are clear.
    """
    if before is None:
        return 0, 0, canvas
    other = before != canvas
    if other.ndim == 3:
        other = other.any(axis=2)
    rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
    if not len(rows):
        return 0, 0, np.ascontiguousarray(canvas[:1, :1])
    top, left = int(rows[0]), int(columns[0])
    area = (slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1))
    part = np.ascontiguousarray(canvas[area])
    return left, top, part if part.ndim == 3 else np.where(other[area], part, _CLEAR)


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
