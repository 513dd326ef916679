"""Sounds and tables: the numbers that they hold, where the model has its axes."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import batches, files_of, prepare
from layerscope.inputs.sounds import read_sound

LAST = InputSpec("x", (None, None, 1))
FIRST = InputSpec("x", (None, 2, None), layout="channels_first")
FLAT = InputSpec("x", (None, 6))
ROWS = InputSpec("x", (None, 3))
SEQUENCE = InputSpec("x", (None, None, 3))
TIME_FIRST = InputSpec("x", (None, None, 3), layout=("position", "sample", "channel"))
IMAGE = InputSpec("x", (None, 28, 28, 1))


def wav(
    values: Any, bits: int, *, coding: int = 1, channels: int = 1, extensible: bool = False
) -> bytes:
    """Return a file by the bytes that the format's description says, written one by one."""
    form = struct.pack(
        "<HHIIHH",
        0xFFFE if extensible else coding,
        channels,
        8000,
        8000 * channels * bits // 8,
        channels * bits // 8,
        bits,
    )
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, coding) + bytes(14)
    if coding == 3:
        data = b"".join(struct.pack("<f" if bits == 32 else "<d", v) for v in values)
    else:
        data = b"".join(int(v).to_bytes(bits // 8, "little", signed=bits > 8) for v in values)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"LIST" + struct.pack("<I", 3) + b"abc\0"  # of odd length: a byte is added
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("values", "bits", "coding", "wanted"),
    [
        ([0, 128, 255], 8, 1, [-1, 0, 127 / 128]),
        ([-32768, 0, 16384], 16, 1, [-1, 0, 0.5]),
        ([-(2**23), -1, 2**22], 24, 1, [-1, -(2**-23), 0.5]),
        ([-(2**31), 1, 2**30], 32, 1, [-1, 2**-31, 0.5]),
        ([-1.5, 0, 0.25], 32, 3, [-1.5, 0, 0.25]),
        ([-1.5, 0, 0.25], 64, 3, [-1.5, 0, 0.25]),
    ],
)
@pytest.mark.parametrize("extensible", [False, True])
def test_sounds_of_every_width(
    tmp_path: Path, values: list[float], bits: int, coding: int, wanted: list[float],
    extensible: bool,
) -> None:  # fmt: skip
    path = tmp_path / "x.wav"
    path.write_bytes(wav(values, bits, coding=coding, extensible=extensible))
    made = prepare(path, [LAST])
    assert made.value.shape == (1, 3, 1)
    assert made.value.dtype == np.float32
    assert made.value.ravel().tolist() == np.float32(wanted).tolist()
    assert made.samples == ("x.wav",)
    assert "0.000375 s at 8,000 Hz, 3 samples of 1 channel" in made.notes[0]
    assert "not resampled" in made.notes[0]
    raw = prepare(path, [LAST], input_range="raw").value
    assert raw.ravel().tolist() == values


def test_channels_stand_where_the_model_has_them(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav([0, 16384, -16384, 0, 16384, 16384], 16, channels=2))
    assert prepare(path, [FIRST]).value.tolist() == [[[0, -0.5, 0.5], [0.5, 0, 0.5]]]
    mono = prepare(path, [LAST])
    assert mono.value.ravel().tolist() == [0.25, -0.25, 0.5]
    assert mono.notes[0].endswith("the mean of its 2 channels")
    path.write_bytes(wav(range(6), 16))
    assert prepare(path, [FLAT]).value.shape == (1, 6)


def test_a_sound_that_does_not_fit_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav(range(5), 16))
    with pytest.raises(InputError, match="5 samples of 1 channel, 16-bit PCM, and the model expe"):
        prepare(path, [FLAT])
    with pytest.raises(InputError, match="such as a spectrogram, as an array"):
        prepare(path, [IMAGE])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"RIFF", "does not begin as one does"),
        (wav([1], 16)[:40], "it holds no sound"),
        (wav([], 16), "it holds no sound"),
        (wav([1], 16, channels=0), "0 channels"),
        (wav([1], 16).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", 7, 1)), "is mu-law"),
        (wav([1], 16)[:34] + struct.pack("<H", 12) + wav([1], 16)[36:], "is 12 bits a value"),
    ],
    ids=["no wav", "cut short", "empty", "no channels", "mu-law", "12 bits"],
)
def test_sounds_that_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        prepare(path, [LAST])


@given(st.binary(max_size=60), st.integers(0, 60))
def test_damaged_sounds_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, more: bytes, at: int
) -> None:
    whole = wav(range(9), 16, channels=3)
    path = tmp_path_factory.mktemp("sounds") / "x.wav"
    path.write_bytes(whole[:at] + more + whole[at + len(more) :])
    with contextlib.suppress(InputError):
        assert read_sound(path).values.ndim == 2


def test_rows_are_samples_and_their_names_are_noted(tmp_path: Path) -> None:
    made = prepare(text(tmp_path / "x.csv", "a,b,c\n1,2,3\n4,5,6.5\n\n"), [ROWS])
    assert made.value.tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert made.notes == ("x.csv: 2 rows as samples, columns 'a', 'b', 'c'",)
    assert made.samples == ("x.csv[0]", "x.csv[1]")


def test_other_ways_to_write_a_table(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    assert prepare(text(path, "1,5;2;3\n"), [ROWS]).value.tolist() == [[1.5, 2, 3]]
    path = text(tmp_path / "x.tsv", "1\t2\t3\n")
    assert prepare(path, [ROWS]).value.tolist() == [[1, 2, 3]]
    indexed = prepare(text(tmp_path / "y.csv", ",a,b,c\n0,1,,3\n"), [ROWS])
    assert np.isnan(indexed.value).tolist() == [[False, True, False]]
    assert "first column, which has no name, left out, 1 empty cell NaN" in indexed.notes[0]


def test_rows_are_positions_for_a_model_of_sequences(tmp_path: Path) -> None:
    path = text(tmp_path / "x.csv", "1,2,3\n4,5,6\n")
    assert prepare(path, [SEQUENCE]).value.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    assert prepare(path, [TIME_FIRST]).value.shape == (2, 1, 3)
    one = InputSpec("x", (None, 3, 1))
    assert prepare(path, [one]).value.shape == (2, 3, 1)
    single = text(tmp_path / "y.csv", "1\n2\n")
    assert prepare(single, [LAST]).value.tolist() == [[[1], [2]]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b,c\n1,2,oak\n", "holds 'oak' in row 2, column 'c', which is no number"),
        ("1,2,3\n1,2\n", "has 3 columns, and its row 2 has 2"),
        ("a,b\n1,2\n", "has 1 row and 2 columns: 'a', 'b', and the model expects"),
        ("a,b,c\n", "holds no rows of numbers"),
        ("", "holds no rows of numbers"),
    ],
    ids=["word", "ragged", "columns", "header", "empty"],
)
def test_tables_that_are_refused(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        prepare(text(tmp_path / "x.csv", content), [ROWS])


def test_a_binary_file_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="can't be read as a table"):
        prepare(path, [ROWS])


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for name in ("x.csv", "x.wav"):
        with pytest.raises(InputError, match="There is no file"):
            prepare(tmp_path / name, [ROWS])


def test_a_folder_of_sounds_is_a_batch(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.wav").write_bytes(wav(range(i, i + 6), 16))
    files = files_of(tmp_path)
    assert files is not None
    made = batches(files, [FLAT], chunk=2)
    values = [batch.value for batch in made]
    assert [len(value) for value in values] == [2, 2, 1]
    assert np.concatenate(values)[:, 0].tolist() == [i / 32768 for i in range(5)]
    assert any("8,000 Hz" in note for note in made.notes)
