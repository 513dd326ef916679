"""One image: opened, brought to the channels, the size and the range of values that are wanted."""

from __future__ import annotations

import functools
import io
import struct
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.files import kind_of
from layerscope.inputs.settings import InputRange

if TYPE_CHECKING:
    from PIL import Image

#: What Pillow calls an image of so many channels.
MODES = {1: "L", 3: "RGB", 4: "RGBA"}

#: What Pillow opens by itself. Others start a program (EPS: Ghostscript) or need one, or are
#: formats that nobody keeps photos in, each a reader written in C of its own.
_FORMATS = frozenset({"AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM",
                      "SGI", "TGA", "TIFF", "WEBP"})  # fmt: skip
KINDS = "PNG, JPEG, GIF, WebP, AVIF, BMP, TIFF, PPM, JPEG 2000, TGA, SGI, PCX and ICO do"

#: A file of some kilobytes can hold so many; as numbers for a network they take 2 GB.
_MOST_PIXELS = 65_000_000
#: So many frames are counted, where counting takes longer the more there are.
_MOST_FRAMES = 1000

#: The EXIF field that says which way up the camera was held.
_ORIENTATION = 0x0112


@functools.cache
def formats() -> frozenset[str]:
    """Return the kinds of images that are opened, as Pillow calls them."""
    from PIL import Image

    Image.init()
    return _FORMATS & set(Image.OPEN)  # some are missing where Pillow was built without


def opened(item: Any, label: str, *, quiet: bool = True) -> tuple[Image.Image, list[str]]:
    """Return the image, the right way up, and what was done to it.

    ``item`` is a path, the bytes of a file, or an image that Pillow has opened. Pillow's warnings
    are filtered where it is to be ``quiet``; not beside other threads, since filters belong to the
    process.

    Raises InputError when there is no such file, when Pillow can't read it, or refuses to.
    """
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings() if quiet else nullcontext():
        if quiet:
            # Pillow warns of an image too large before it refuses one twice as large.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        try:
            if not isinstance(item, str | Path | bytes):
                return _upright(item)
            if not isinstance(item, bytes):
                _check_there(item)
            file = io.BytesIO(item) if isinstance(item, bytes) else item
            with Image.open(file, formats=tuple(formats())) as image:
                _check_size(image, label)
                return _upright(image)
        except InputError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_large(label) from error
        except UnidentifiedImageError:
            name = label if isinstance(item, bytes) else str(item)
            raise InputError(f"{name!r} is no image that opens: {KINDS}.") from None
        # What Pillow's decoders raise for damaged files, format by format.
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, OverflowError,
                TypeError, AttributeError, MemoryError, struct.error) as error:  # fmt: skip
            raise InputError(f"{label} can't be read as an image ({error}).") from error


def _check_there(path: str | Path) -> None:
    kind = kind_of(path)
    if kind is None:
        raise InputError(f"There is no file {str(path)!r}.")
    if kind == "folder":
        raise InputError(f"{str(path)!r} is a folder: pass the images in it.")
    if kind == "device":  # which Pillow would wait for, or read without end
        raise InputError(f"{str(path)!r} is no regular file.")


def _check_size(image: Image.Image, label: str) -> None:
    if image.width * image.height > _MOST_PIXELS:
        raise _too_large(label)


def _too_large(label: str) -> InputError:
    return InputError(
        f"{label} has more than {_MOST_PIXELS / 1e6:.0f} million pixels, which are not opened in "
        "safety: make it smaller first, or pass it as an array."
    )


def _upright(image: Image.Image) -> tuple[Image.Image, list[str]]:
    from PIL import ImageOps

    steps = []
    frames = _frames(image)
    if frames > 1:
        more = f"more than {_MOST_FRAMES:,}" if frames > _MOST_FRAMES else f"its {frames}"
        steps.append(f"the first of {more} frames")
        image.seek(0)
    image.load()
    if image.getexif().get(_ORIENTATION, 1) == 1:
        return image, steps  # its pixels outlive the file
    return ImageOps.exif_transpose(image), [*steps, "turned as its EXIF data says"]


def _frames(image: Image.Image) -> int:
    """Count the frames; of a TIFF no further than is of use."""
    if image.format != "TIFF":
        return int(getattr(image, "n_frames", 1))
    count = 1
    try:
        # Pillow compares each frame's place with those of all before it.
        while count <= _MOST_FRAMES:
            image.seek(count)
            count += 1
    except EOFError:
        pass
    return count


def is_grey(image: Image.Image) -> bool:
    """Return whether the image has one channel, of however many bits, transparency aside."""
    return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;")


def levels(image: Image.Image, label: str) -> tuple[Image.Image, float]:
    """Return the image in a mode that can be resized, and the value of full brightness.

    Raises InputError when that value can't be told.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;"):
        return image, 255.0
    from PIL import Image

    values = np.asarray(image).astype(np.float32)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise InputError(
            f"{label} ({image.mode}) holds values from {values.min():g} to {values.max():g}: "
            "pass an array, whose range is its own."
        )
    if image.mode == "F" and values.max() <= 255:
        highest = 1.0 if values.max() <= 1 else 255.0
    else:
        highest = 65535.0 if image.mode.startswith("I;") or values.max() > 255 else 255.0
    return Image.fromarray(values), highest


def in_channels(image: Image.Image, channels: int) -> tuple[Image.Image, list[str]]:
    """Return the image in 1 (grey), 3 (RGB) or 4 (RGBA) channels, and what was done to it."""
    from PIL import Image

    wanted, steps = MODES[channels], []
    if image.has_transparency_data and wanted != "RGBA":
        clear = image.convert("RGBA")
        lowest = clear.getchannel("A").getextrema()[0]
        if lowest != 255:
            steps.append("transparent parts on white")
        white = Image.new("RGBA", clear.size, "white")
        image = Image.alpha_composite(white, clear).convert("L" if is_grey(image) else "RGB")
    if is_grey(image) != (channels == 1):
        steps.append("made grey" if channels == 1 else f"made {wanted}")
    if image.mode != "F":
        return image if image.mode == wanted else image.convert(wanted), steps
    if channels == 4:
        raise ValueError("Pillow has no RGBA images of more than 8 bits: pass an array")
    return image, steps  # one channel still: Pillow has no colour images of floats either


def in_size(
    image: Image.Image, height: int, width: int, resize: str
) -> tuple[Image.Image, list[str]]:
    """Return the image at this size, and what was done to it."""
    from PIL import Image, ImageOps

    if (width, height) == image.size:
        return image, []
    how = {"stretch": "the whole image", "crop": "its centre", "pad": "padded with black"}[resize]
    if image.width * height == image.height * width:
        how = "the whole image"
    steps = [f"resized from {image.height}×{image.width} to {height}×{width} (bilinear, {how})"]
    method = Image.Resampling.BILINEAR
    if resize == "crop":
        return ImageOps.fit(image, (width, height), method), steps
    if resize == "pad":
        return ImageOps.pad(image, (width, height), method), steps
    return image.resize((width, height), method), steps


def in_range(
    values: npt.NDArray[Any], highest: float, dtype: str, input_range: InputRange
) -> tuple[npt.NDArray[Any], list[str]]:
    """Scale pixel values, 0 to ``highest``, to the range and type wanted; say what was done.

    Raises InputError when the model takes whole numbers too small to hold them.
    """
    if dtype.startswith(("int", "uint")):
        if np.iinfo(dtype).max < highest:
            raise InputError(f"The model takes {dtype}, too small for pixels up to {highest:g}.")
        return np.rint(values).astype(dtype), [
            "pixel values as they are: the model takes whole numbers"
        ]
    array = values.astype(dtype if dtype in ("float16", "float64") else "float32")
    if isinstance(input_range, str):
        return array, ["pixel values as they are"]
    low, high = input_range
    # Divided as people write it, v / 127.5 - 1, so that the numbers are the same to the last bit.
    # In place: of a large picture there is no room for another copy of so many bytes.
    array /= array.dtype.type(highest / (high - low))
    if low:
        array += array.dtype.type(low)
    return array, [f"scaled to {low:g}..{high:g}"]
