"""Images that would start a program, take all memory, or are no images."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile.bombs import zeros
from hostile.crafted_arrays import no_files
from hostile.files import File

_POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    b"(OUTSIDE/canary) (w) file closefile\nshowpage\n%%EOF\n"
)
#: Each of these is a picture that another program would have to make.
_PROGRAMS = ("x.eps", "x.ps", "x.png", "x.jpg", "x.tiff")


def files(folder: Path, outside: Path) -> Iterator[File]:
    """All of them, in turn."""
    script = _POSTSCRIPT.replace(b"OUTSIDE", str(outside).encode())
    made = {f"PostScript called {name}": (name, script) for name in _PROGRAMS}
    made |= {f"{what} called {name}": (name, content)
             for what, content in _other_programs(script).items()
             for name in ("x.png", f"x.{what.split()[-1].lower()}")}  # fmt: skip
    made |= {what: ("x.png", content) for what, content in _png().items()}
    made |= {what: (f"x.{what.split()[0].lower()}", content) for what, content in _others().items()}
    for what, (name, content) in made.items():
        path = folder / name
        path.write_bytes(content)
        refused = "called" in what
        yield File("image", what, str(path), "image", opens=False if refused else None)
        path.unlink()
    yield from no_files(folder, ["x.png", "x.eps"], "image", "image")


def _other_programs(script: bytes) -> dict[str, bytes]:
    dos = b"\xc5\xd0\xd3\xc6" + struct.pack("<IIIIIIH", 32, len(script), 0, 0, 0, 0, 0xFFFF)
    placeable = b"\xd7\xcd\xc6\x9a" + struct.pack("<HhhhhHIH", 0, 0, 0, 9, 9, 72, 0, 0)
    return {
        "a DOS EPS": dos.ljust(32, b"\0") + script,
        "a PDF": b"%PDF-1.4\n1 0 obj<</OpenAction<</S/Launch/F(touch)>>>>endobj\n%%EOF",
        "a WMF": placeable + bytes(64),
        "an SVG":
            b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "a GRIB": b"GRIB" + bytes(60), "a BUFR": b"BUFR" + bytes(60),
        "an HDF5": b"\x89HDF\r\n\x1a\n" + bytes(60),
        "an MPEG": b"\0\0\1\xb3\xff\xff\xff\x13" + bytes(60),
        "an FPX": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
    }  # fmt: skip


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, *more: bytes, data: bytes = b"") -> bytes:
    """A PNG file of zeros of any size."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more)
        + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )  # fmt: skip


def _png() -> dict[str, bytes]:
    side = 8000  # as many pixels as are opened
    grey, colour = zeros(side * (side + 1)), zeros(side * (3 * side + 1))
    clear = zeros(side * (4 * side + 1))
    deep = zeros(side * (2 * side + 1))
    small = zlib.compress(bytes(4 * 13))
    text = zeros(1_000_000_000)
    turned = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    palette = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(256))
    return {
        "png of 64 million grey": png(side, side, 8, 0, data=grey),
        "png of 64 million colours": png(side, side, 8, 2, data=colour),
        "png of 64 million clear": png(side, side, 8, 6, data=clear),
        "png of 64 million deep": png(side, side, 16, 0, data=deep),
        "png of 64 million in a palette": png(side, side, 8, 3, palette, data=grey),
        "png of 64 million turned": png(
            side, side, 8, 6, chunk(b"eXIf", turned[6:]), data=clear
        ),
        "png of 10^9 rows": png(1, 10**9, 8, 0, data=small),
        "png of 2^31 by 2^31": png(2**31 - 1, 2**31 - 1, 16, 6, data=small),
        "png of 0 by 0": png(0, 0, 8, 0, data=small),
        "png with no data": png(4, 4, 8, 2),
        "png with a text of 1 GB": png(4, 4, 8, 2, chunk(b"zTXt", b"a\0\0" + text), data=small),
        "png with a profile of 1 GB": png(4, 4, 8, 2, chunk(b"iCCP", b"a\0\0" + text), data=small),
        "png with 300,000 parts": png(4, 4, 8, 2, *[chunk(b"tEXt", b"a\0b")] * 300_000, data=small),
        "png with a part of 2 GB that is not there":
            png(4, 4, 8, 2)[:-12] + b"\x7f\xff\xff\xffIDAT",
        "png with a billion frames": png(
            4, 4, 8, 2, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), data=small
        ),
    }  # fmt: skip


def _saved(format_: str, mode: str = "RGB", **options: Any) -> bytes:
    from PIL import Image

    held = io.BytesIO()
    Image.new(mode, (12, 10)).save(held, format_, **options)
    return held.getvalue()


def _set(content: bytes, at: int, data: bytes) -> bytes:
    return content[:at] + data + content[at + len(data) :]


def _others() -> dict[str, bytes]:
    gif, bmp, tga = _saved("GIF", "P"), _saved("BMP"), _saved("TGA")
    jpeg = _saved("JPEG")
    size = jpeg.index(b"\xff\xc0") + 5
    jp2 = _saved("JPEG2000")
    siz = jp2.index(b"\xff\x51") + 6
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    huge = struct.pack("<HH", 65535, 65535)
    return {
        "GIF of 65535 by 65535": _set(gif, 6, huge),
        "GIF with a frame of 65535 by 65535": gif[:13] + b"\x2c\0\0\0\0" + huge + gif[22:],
        "GIF of 600,000 frames": b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + frame * 600_000 + b";",
        "GIF of a comment of 9 MB": gif[:13] + b"!\xfe" + b"\xff" + b"a" * 9_000_000,
        "BMP of 2^31 by 2^31": _set(bmp, 18, struct.pack("<ii", 2**31 - 1, 2**31 - 1)),
        "BMP of a negative height": _set(bmp, 18, struct.pack("<ii", 9000, -(2**31))),
        "BMP of 9000 by 9000, run lengths": _set(
            _set(bmp, 18, struct.pack("<iiHHI", 9000, 9000, 1, 8, 1)), 10, b"\x36\4\0\0"
        ),
        "BMP with a palette of billions": _set(
            _set(bmp, 28, b"\x08\0"), 46, struct.pack("<I", 2**32 - 1)
        ),
        "BMP whose pixels begin beyond it": _set(bmp, 10, b"\xff\xff\xff\x7f"),
        "TGA of 65535 by 65535": _set(tga, 12, huge),
        "TGA with an identity that is not there": _set(tga, 0, b"\xff"),
        "JPEG of 65535 by 65535": _set(jpeg, size, struct.pack(">HH", 65535, 65535)),
        "JPEG of 9000 by 9000": _set(jpeg, size, struct.pack(">HH", 9000, 9000)),
        "JPEG of 0 by 0": _set(jpeg, size, bytes(4)),
        "JPEG with 100,000 markers": jpeg[:2] + b"\xff\xfe\0\3a" * 100_000 + jpeg[2:],
        "JP2 of 2^32 by 2^32": _set(jp2, siz, b"\xff" * 8),
        "JP2 of 9000 by 9000 in tiles of 1": _set(
            jp2, siz, struct.pack(">IIIIII", 9000, 9000, 0, 0, 1, 1)
        ),
        "PPM of 10^5 by 10^5": b"P6 100000 100000 255\n" + bytes(99),
        "PPM of a size of 10^5 digits": b"P6 " + b"9" * 100_000 + b" 1 255\n",
        "PPM of 9000 by 9000, plain": b"P3 9000 9000 255\n" + b"1 " * 99,
        "PPM of a range of 0": b"P5 4 4 0\n" + bytes(16),
        "PPM of -4 by -4": b"P5 -4 -4 255\n" + bytes(16),
        "PPM with a comment of 9 MB": b"P5 #" + b"a" * 9_000_000 + b"\n4 4 255\n" + bytes(16),
        "PFM of nothing": b"Pf\n4 4\n0\n" + bytes(64),
        "WEBP of 16383 by 16383": _webp(16383, 16383),
        "WEBP of 2^24 by 2^24": _webp(2**24, 2**24),
        "TIFF of a circle of directories": _tiff([], following=8),
        "TIFF of 2^32 by 2^32": _tiff([(256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1)]),
        "TIFF with 2^31 strips": _tiff([(273, 4, 2**31 - 1, 8), (279, 4, 2**31 - 1, 8)]),
        "TIFF with 2^30 samples": _tiff([(277, 3, 1, 65535)]),
        "TIFF with tiles of 2^31": _tiff([(322, 4, 1, 2**31), (323, 4, 1, 2**31), (324, 4, 1, 8)]),
        "TIFF with a rational of 0": _tiff([(282, 5, 1, 0)]),
        "TIFF with text of 2^32": _tiff([(270, 2, 2**32 - 1, 8)]),
        "TIFF of an unknown compression": _tiff([(259, 3, 1, 54321)]),
        "TIFF of a JPEG that is none": _tiff([(259, 3, 1, 7)]),
        "TIFF with a profile within itself": _tiff([(34665, 4, 1, 8), (34853, 4, 1, 8)]),
        "TIFF of 60,000 frames": _many_frames(60_000),
        "ICO of 255 pictures":
            b"\0\0\1\0\xff\0" + b"\0\0\0\0\1\0\x20\0\xff\xff\xff\x7f\6\0\0\0" * 255,
        "ICO within an ICO": b"\0\0\1\0\1\0" + b"\0\0\0\0\1\0\x20\0\xff\0\0\0\0\0\0\0",
        "PSD of 300,000 by 300,000":
            b"8BPS\0\1" + bytes(6) + b"\0\3\0\4\x93\xe0\0\4\x93\xe0\0\x08\0\3",
        "XPM of a name": b"/* XPM */\nstatic char *x[] = {\n\"99999 99999 9 1\",",
        "XBM of 99999 by 99999":
            b"#define a_width 99999\n#define a_height 99999\nstatic char a[]={",
    }  # fmt: skip


def _webp(width: int, height: int) -> bytes:
    head = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + head
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff(changes: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A TIFF file of 4 by 4 with some of its fields replaced."""
    fields = {
        256: (3, 1, 4), 257: (3, 1, 4), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, 1, 8), 277: (3, 1, 1), 278: (3, 1, 4), 279: (4, 1, 16),
    }  # fmt: skip
    fields |= {tag: (kind, count, value) for tag, kind, count, value in changes}
    packed = b"".join(struct.pack("<HHII", tag, *fields[tag]) for tag in sorted(fields))
    return (
        b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + packed
        + struct.pack("<I", following) + bytes(64)
    )  # fmt: skip


def _many_frames(count: int) -> bytes:
    one = struct.pack("<H", 9)
    for tag, value in ((256, 4), (257, 4), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1),
                       (278, 4), (279, 16)):  # fmt: skip
        one += struct.pack("<HHII", tag, 3, 1, value)
    length = len(one) + 4
    ends = [8 + length * (i + 1) for i in range(count - 1)] + [0]
    return b"II*\0\x08\0\0\0" + b"".join(one + struct.pack("<I", end) for end in ends)
