"""Files of the kinds that people have, and what their pixels become."""

import os
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import files_of, pixels, prepare

RAMP = np.tile(np.linspace(0, 255, 8).round().astype(np.uint8), (6, 1))
COLOUR = np.stack([RAMP, RAMP[:, ::-1], np.full_like(RAMP, 90)], axis=-1)


def read(path, channels=3, **options):
    prepared = prepare(path, [InputSpec("x", (None, 6, 8, channels))], **options)
    (note,) = prepared.notes
    assert prepared.value.dtype == np.float32
    return prepared.value[0], note


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "gif", "ppm", "tga"])
def test_files_without_loss_are_their_pixels(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(COLOUR).save(path, **({"lossless": True} if suffix == "webp" else {}))
    values, _ = read(path, input_range="raw")
    np.testing.assert_array_equal(values, COLOUR)


def test_one_bit_and_grey_with_transparency(tmp_path):
    Image.fromarray(RAMP > 100).save(tmp_path / "bits.png")
    values, note = read(tmp_path / "bits.png", 1)
    np.testing.assert_array_equal(values[..., 0], RAMP > 100)
    assert note == "bits.png: scaled to 0..1"
    clear = np.stack([RAMP, np.where(RAMP > 100, 255, 0).astype(np.uint8)], axis=-1)
    Image.fromarray(clear, "LA").save(tmp_path / "la.png")
    values, note = read(tmp_path / "la.png", 1, input_range="raw")
    np.testing.assert_array_equal(values[..., 0], np.where(RAMP > 100, RAMP, 255))
    assert note == "la.png: transparent parts on white, pixel values as they are"


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.fromarray((RAMP > 100).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.save(tmp_path / "x.png", transparency=0)
    values, note = read(tmp_path / "x.png", input_range="raw")
    np.testing.assert_array_equal(values[0, 0], [255, 255, 255])
    np.testing.assert_array_equal(values[0, -1], [200, 0, 0])
    assert "transparent parts on white" in note


def sixteen_bits(path):
    """A PNG in colour of 16 bits, which Pillow itself does not write."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in COLOUR)
    head = struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_sixteen_bits(tmp_path):
    sixteen_bits(tmp_path / "colour.png")
    np.testing.assert_allclose(read(tmp_path / "colour.png")[0], COLOUR / 255, atol=1e-6)
    deep = RAMP.astype(np.uint16) * 257 + 3 * (RAMP > 0) * (RAMP < 255)
    for suffix in ("png", "tiff"):
        Image.fromarray(deep.astype(np.uint16)).save(tmp_path / f"grey.{suffix}")
        values, _ = read(tmp_path / f"grey.{suffix}", 1)
        np.testing.assert_allclose(values[..., 0], deep / 65535, atol=1e-7)


def test_floats(tmp_path):
    for highest in (1.0, 255.0):
        Image.fromarray((RAMP / 255 * highest).astype(np.float32)).save(tmp_path / "x.tiff")
        np.testing.assert_allclose(read(tmp_path / "x.tiff", 1)[0][..., 0], RAMP / 255, atol=1e-6)
    for wrong in (-1.0, np.nan, 1e6):
        Image.fromarray(np.full((6, 8), wrong, np.float32)).save(tmp_path / "x.tiff")
        with pytest.raises(InputError, match=r"x\.tiff \(F\) holds values from .*: pass an array"):
            read(tmp_path / "x.tiff", 1)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_spaces_of_colour_become_rgb(tmp_path, mode):
    path = tmp_path / "x.jpg"
    Image.fromarray(np.full((6, 8, 3), [200, 100, 50], np.uint8)).convert(mode).save(path)
    values, _ = read(path, input_range="raw")
    np.testing.assert_allclose(values, np.broadcast_to([200, 100, 50], values.shape), atol=6)


@pytest.mark.parametrize("suffix", ["gif", "webp", "tiff", "png"])
def test_of_several_frames_the_first(tmp_path, suffix):
    first, second = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    options = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"x.{suffix}", save_all=True, append_images=[second, first], **options)
    values, note = read(tmp_path / f"x.{suffix}", input_range="raw")
    np.testing.assert_array_equal(values, COLOUR)
    assert note == f"x.{suffix}: the first of its 3 frames, pixel values as they are"


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_truncated_files_are_one_sentence(tmp_path, suffix, share):
    path = tmp_path / f"x.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError) as caught:
        read(path)
    assert "x." in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_real_images(real, channels):
    paths = sorted((real / "images").iterdir())
    assert len(paths) > 5
    for path in paths:
        values, note = read(path, channels)
        assert 0 <= values.min() < values.max() <= 1
        assert note.startswith(f"{path.name}: ")


def test_the_frames_of_a_tiff_are_counted_no_further_than_is_of_use(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "_MOST_FRAMES", 4)
    image = Image.fromarray(COLOUR)
    for count, text in ((4, "its 4 frames"), (5, "more than 4 frames"), (9, "more than 4 frames")):
        image.save(tmp_path / "x.tiff", save_all=True, append_images=[image] * (count - 1))
        assert read(tmp_path / "x.tiff")[1].startswith(f"x.tiff: the first of {text}, ")


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("name", ["x.eps", "x.ps", "x.png", "x.jpg"])
def test_no_program_is_started_for_an_image(tmp_path, monkeypatch, name):
    def started(*args, **options):
        raise AssertionError(f"{args} was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(os, "system", started)
    (tmp_path / name).write_bytes(POSTSCRIPT)
    with pytest.raises(InputError, match=r"is no image that opens: PNG, JPEG, GIF, WebP, .* do\.$"):
        prepare(tmp_path / name, [])


def test_a_folder_is_of_the_kinds_that_open(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    (tmp_path / "b.eps").write_bytes(POSTSCRIPT)
    files = files_of(tmp_path)
    assert files.names == ("a.png",)
    assert files.notes == (f"{tmp_path}: 1 other file is no image or array",)


@pytest.mark.parametrize("name", ["x.png", "x.npy", "x.npz"])
def test_what_is_no_file_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=r"' is no regular file\.$"):
        prepare(tmp_path / name, [])
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"is no regular file\.$"):
        prepare(tmp_path / name, [])
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(name)
    with pytest.raises(InputError, match="There is no file"):
        prepare(tmp_path / name, [])
    with pytest.raises(InputError, match="There is no file"):
        prepare("y" * 5000 + name, [])
