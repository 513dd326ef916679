import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cases.amounts import examples
from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import prepare

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16", "F")


def picture(mode="RGB", height=6, width=8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray((pixels[..., 0].astype(np.uint16)) * 257)
    return Image.fromarray(pixels).convert("RGBA").convert(mode)


@settings(max_examples=examples(150), deadline=None)
@given(
    mode=st.sampled_from(MODES),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3, 4]),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    first=st.booleans(),
    resize=st.sampled_from(["stretch", "crop", "pad"]),
    low_high=st.sampled_from([(0, 1), (-1, 1), (0, 255)]),
)
def test_any_image_becomes_what_the_model_takes(
    mode, height, width, channels, size, first, resize, low_high
):
    shape = (None, channels, *size) if first else (None, *size, channels)
    layout = "channels_first" if first else "channels_last"
    spec = InputSpec("x", shape, layout=layout)
    image = picture(mode, height, width)
    if mode in ("I", "I;16", "F") and channels == 4:
        with pytest.raises(InputError, match="no RGBA images of more than 8 bits"):
            prepare(image, [spec])
        return
    prepared = prepare(image, [spec], input_range=low_high, resize=resize)
    value = prepared.value
    assert value.shape == (1, *shape[1:])
    assert value.dtype == np.float32
    assert value.min() >= low_high[0] - 1e-4
    assert value.max() <= low_high[1] + 1e-4
    assert len(prepared.notes) == 1


def test_an_image_of_the_right_size_is_its_pixels(tmp_path):
    image = picture("RGB", 6, 8)
    image.save(tmp_path / "a.png")
    spec = InputSpec("x", (None, 6, 8, 3))
    prepared = prepare(str(tmp_path / "a.png"), [spec])
    np.testing.assert_array_equal(prepared.value[0], np.asarray(image, np.float32) / 255)
    assert prepared.notes == ("a.png: scaled to 0..1",)
    centred = prepare(image, [spec], input_range=(-1, 1)).value
    np.testing.assert_array_equal(centred[0], np.asarray(image, np.float32) / 127.5 - 1)
    raw = prepare(image, [spec], input_range="raw")
    np.testing.assert_array_equal(raw.value[0], np.asarray(image, np.float32))
    assert raw.notes == ("image 0: pixel values as they are",)


def test_what_was_done_is_said(real):
    prepared = prepare(real / "images" / "chelsea.png", [InputSpec("x", (None, 299, 299, 3))])
    assert prepared.notes == (
        "chelsea.png: resized from 300×451 to 299×299 (bilinear, the whole image), scaled to 0..1",
    )
    grey = prepare(real / "images" / "horse.png", [InputSpec("x", (None, 64, 64, 1))])
    assert "made grey" in grey.notes[0]


def test_the_pixels_of_a_resized_image_are_pillow_s():
    image = picture("L", 20, 30)
    value = prepare(image, [InputSpec("x", (None, 7, 9, 1))], input_range="raw").value
    expected = image.resize((9, 7), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(value[0, :, :, 0], np.asarray(expected))


def test_crop_takes_the_centre_and_pad_keeps_the_whole():
    image = Image.new("L", (30, 10), 0)
    image.paste(200, (10, 0, 20, 10))
    spec = [InputSpec("x", (None, 10, 10, 1))]
    assert (prepare(image, spec, input_range="raw", resize="crop").value == 200).all()
    padded = prepare(image, spec, input_range="raw", resize="pad").value[0, :, :, 0]
    assert (padded[:3] == 0).all()
    assert padded[5, 5] == 200
    stretched = prepare(image, spec, input_range="raw").value[0, :, :, 0]
    assert stretched[0, 5] == 200
    assert stretched[0, 0] == 0


def test_transparent_parts_are_shown_on_white():
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    prepared = prepare(image, [InputSpec("x", (None, 1, 2, 3))], input_range="raw")
    np.testing.assert_array_equal(prepared.value[0, 0], [[255, 255, 255], [10, 20, 30]])
    assert prepared.notes == ("image 0: transparent parts on white, pixel values as they are",)


def test_sixteen_bits_keep_their_precision():
    values = np.array([[0, 1000, 65535]], np.uint16)
    spec = [InputSpec("x", (None, 1, 3, 1))]
    image = Image.fromarray(values)
    np.testing.assert_array_equal(
        prepare(image, spec).value.ravel(), values.ravel().astype(np.float32) / 65535
    )
    np.testing.assert_array_equal(
        prepare(image, spec, input_range="raw").value.ravel(), [0, 1000, 65535]
    )
    in_colour = prepare(image, [InputSpec("x", (None, 1, 3, 3))]).value
    np.testing.assert_array_equal(in_colour[0, 0, :, 1], prepare(image, spec).value.ravel())


def test_the_camera_s_turn_is_undone(tmp_path):
    image = picture("RGB", 4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    prepared = prepare(tmp_path / "turned.png", [InputSpec("x", (None, 6, 4, 3))])
    assert prepared.notes == ("turned.png: turned as its EXIF data says, scaled to 0..1",)
    expected = np.rot90(np.asarray(image), -1).astype(np.float32) / 255
    np.testing.assert_array_equal(prepared.value[0], expected)


def test_a_model_of_vectors_and_one_of_matrices():
    image = picture("L", 4, 6)
    flat = prepare(image, [InputSpec("x", (None, 16))])
    assert flat.value.shape == (1, 16)
    assert "flattened to 16 values" in flat.notes[0]
    matrix = prepare(image, [InputSpec("x", (None, 4, 4))]).value
    np.testing.assert_array_equal(matrix.reshape(1, 16), flat.value)
    assert prepare(image, [InputSpec("x", (None, 12))]).value.shape == (1, 12)  # 2×2 in RGB
    assert prepare(image, [InputSpec("x", (None, 24))], size=(4, 6)).value.shape == (1, 24)
    with pytest.raises(InputError, match=r"23 values are no square image: pass size="):
        prepare(image, [InputSpec("x", (None, 23))])


def test_a_model_that_takes_any_size_gets_the_image_s_own():
    image = picture("RGB", 5, 7)
    anything = InputSpec("x", (None, None, None, 3))
    assert prepare(image, [anything]).value.shape == (1, 5, 7, 3)
    assert prepare(image, [anything], size=(9, 4)).value.shape == (1, 9, 4, 3)
    assert prepare(image, []).value.shape == (1, 5, 7, 3)
    unsaid = InputSpec("x", layout="channels_first")
    assert prepare(image, [unsaid]).value.shape == (1, 3, 5, 7)
    assert prepare(picture("L", 5, 7), [unsaid]).value.shape == (1, 1, 5, 7)


def test_a_list_of_images_is_a_batch():
    images = [picture("RGB", 5, 7, seed) for seed in range(5)]
    spec = InputSpec("x", (None, 4, 4, 3))
    prepared = prepare(images, [spec])
    assert prepared.value.shape == (5, 4, 4, 3)
    np.testing.assert_array_equal(prepared.value[3:4], prepare(images[3], [spec]).value)
    assert prepared.notes == (
        "image 0, image 1, image 2 and 2 more: resized from 5×7 to 4×4 (bilinear, the whole "
        "image), scaled to 0..1",
    )
    with pytest.raises(InputError, match=r"The images differ in size, \(5, 7, 3\) and \(6, 7, 3\)"):
        prepare([picture("RGB", 5, 7), picture("RGB", 6, 7)], [InputSpec("x")])


def test_one_image_for_each_of_several_inputs():
    specs = [InputSpec("a", (None, 4, 4, 3)), InputSpec("b", (None, 2, 2, 1))]
    left, right = prepare([picture(), picture()], specs).value
    assert left.shape == (1, 4, 4, 3)
    assert right.shape == (1, 2, 2, 1)


def test_a_model_of_whole_numbers_gets_pixel_values():
    prepared = prepare(picture("RGB", 4, 4), [InputSpec("x", (None, 4, 4, 3), dtype="uint8")])
    assert prepared.value.dtype == np.uint8
    np.testing.assert_array_equal(prepared.value[0], np.asarray(picture("RGB", 4, 4)))
    with pytest.raises(InputError, match="takes int8, too small for pixels up to 255"):
        prepare(picture("RGB", 4, 4), [InputSpec("x", (None, 4, 4, 3), dtype="int8")])


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (InputSpec("x", (None, 4, 4, 2)), {}, "2 channels: an image has 1, 3 or 4"),
        (InputSpec("x", (None, 2, 4, 4, 3)), {}, "no image can be made into that"),
        (InputSpec("x", (None, None)), {}, "no image can be made into that"),
        (InputSpec("x", (None, 4, 4, 3)), {"size": (5, 5)}, "size=(5, 5) was asked for; the mo"),
        (InputSpec("x", (None, 16)), {"size": (5, 5)}, "size=(5, 5) was asked for; the model"),
        (InputSpec("x"), {"size": (0, 5)}, "size=(0, 5): pass height and width in pixels"),
        (InputSpec("x"), {"resize": "fill"}, "resize='fill': pass 'stretch', 'crop' or 'pad'"),
        (InputSpec("x"), {"input_range": (1, 0)}, "input_range=(1, 0): pass (0, 1), (-1, 1)"),
        (InputSpec("x"), {"input_range": "unit"}, "input_range='unit': pass (0, 1), (-1, 1)"),
    ],
)
def test_what_no_image_can_become(spec, options, message):
    with pytest.raises(InputError) as caught:
        prepare(picture(), [spec], **options)
    assert message in str(caught.value)


def bomb(side=20_000):
    """A PNG that says it is huge."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.png", b"hello", "is no image that opens"),
        ("empty.png", b"", "is no image that opens"),
        ("bomb.png", bomb(), "bomb.png has more than 65 million pixels"),
        ("large.png", bomb(10_000), "large.png has more than 65 million pixels"),
        ("more.png", bomb(8_063), "more.png has more than 65 million pixels"),
        ("cut.png", bomb(8_000), "cut.png can't be read as an image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        prepare(tmp_path / name, [])
    assert message in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"There is no file '.*none\.png'"):
        prepare(str(tmp_path / "none.png"), [])
    with pytest.raises(InputError, match="is a folder: pass the images in it"):
        prepare(tmp_path, [])


@settings(max_examples=examples(60), deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]),
    where=st.floats(0, 1),
    flip=st.integers(0, 255),
    cut=st.booleans(),
)
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, kind, where, flip, cut):
    buffer = io.BytesIO()
    picture("RGB", 16, 16).save(buffer, kind)
    data = bytearray(buffer.getvalue())
    at = int(where * (len(data) - 1))
    if cut:
        del data[at:]
    else:
        data[at] ^= flip
    path = tmp_path_factory.mktemp("damaged") / f"image.{kind.lower()}"
    path.write_bytes(data)
    try:
        value = prepare(path, [InputSpec("x", (None, 8, 8, 3))]).value
    except InputError:
        return
    assert value.shape == (1, 8, 8, 3)
