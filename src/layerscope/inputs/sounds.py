"""Sound in ``.wav`` files: PCM of 8, 16, 24 and 32 bits, and floats of 32 and 64.

``(samples, channels)`` at the rate that the file has: nothing is resampled. PCM is divided by what
its type can hold, which gives -1 to 1, unless the input range is ``"raw"``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.files import kind_of
from layerscope.core.network import InputSpec
from layerscope.inputs.array_files import check_size
from layerscope.inputs.arrays import fit_array
from layerscope.inputs.series import along_positions, expected_text, fits
from layerscope.inputs.settings import Fitted, InputSettings

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODINGS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x55: "MP3"}
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}
_MOST_CHANNELS = 1024


@dataclass(frozen=True, slots=True)
class Sound:
    """What a file holds."""

    values: npt.NDArray[Any]  #: (samples, channels), as they are stored
    rate: int  #: samples in a second
    bits: int
    is_float: bool

    @property
    def text(self) -> str:
        """Its length and its type in words."""
        count, channels = self.values.shape
        kind = f"{self.bits}-bit {'floats' if self.is_float else 'PCM'}"
        plural = "s" * (channels != 1)
        return (
            f"{count / self.rate:.4g} s at {self.rate:,} Hz, {count:,} samples of {channels} "
            f"channel{plural}, {kind}"
        )

    @property
    def scaled(self) -> npt.NDArray[Any]:
        """The values from -1 to 1, as floats."""
        if self.is_float:
            return self.values
        wide = np.dtype("f8" if self.bits > 24 else "f4")
        middle = 128 if self.bits == 8 else 0  # 8 bits are without a sign
        scaled: npt.NDArray[Any] = (self.values.astype(wide) - middle) / 2 ** (self.bits - 1)
        return scaled


def fit_sound(path: str | Path, spec: InputSpec, settings: InputSettings) -> Fitted:
    """Return the sound of a file as a batch of one, its axes where the model has them.

    Raises InputError when it can't be read, or does not fit.
    """
    sound = read_sound(Path(path))
    name = Path(path).name
    raw = settings.input_range == "raw"
    values = sound.values if raw else sound.scaled
    notes = [f"{name}: {sound.text}, {_scaling(sound, raw)}, not resampled"]
    one = along_positions(values, spec)
    if one is None or not fits(one, spec):
        mono = along_positions(values.mean(axis=1, keepdims=True), spec)
        if values.shape[1] > 1 and mono is not None and fits(mono, spec):
            notes = [f"{notes[0]}, the mean of its {values.shape[1]} channels"]
            one = mono
    if one is None or not fits(one, spec):
        hint = "pass a file, or an array, of that length and so many channels"
        if along_positions(values[:, :1], spec) is None:
            hint = "pass what it takes, such as a spectrogram, as an array"
        raise InputError(
            f"{str(path)!r} is {sound.text}, and the model expects {expected_text(spec)}: {hint}."
        )
    value, more = fit_array(one.astype(np.float32) if not raw else one, spec, name)
    return Fitted(value, (*notes, *more), (name,))


def _scaling(sound: Sound, raw: bool) -> str:
    if sound.is_float or raw:
        return "its values as they are"
    return f"divided by {2 ** (sound.bits - 1):,}"


def read_sound(path: Path) -> Sound:
    """Read a ``.wav`` file.

    Raises InputError when there is none, when it is damaged, or coded in another way.
    """
    if kind_of(path) != "file":
        raise InputError(f"There is no file {str(path)!r}.")
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            check_size(str(path), 4 * size)
            content = stream.read(size)
        return _parsed(memoryview(content), path)
    except (OSError, struct.error, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{str(path)!r} can't be read as a .wav file ({reason}).") from error


def _parsed(content: memoryview, path: Path) -> Sound:
    begins = bytes(content[:12])
    if begins[:4] not in (b"RIFF", b"RF64") or begins[8:] != b"WAVE":
        raise ValueError("it does not begin as one does")
    form: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(content):
        name, length = bytes(content[at : at + 4]), struct.unpack_from("<I", content, at + 4)[0]
        body = content[at + 8 : at + 8 + length]  # what was cut short ends where the file does
        if name == b"fmt ":
            form = _format(body)
        elif name == b"data":
            if form is None:
                raise ValueError("its sound comes before its format")
            return _sound(body, form, path)
        at += 8 + length + length % 2
    raise ValueError("it holds no sound")


def _format(body: memoryview) -> tuple[int, int, int, int]:
    """Return the coding, the channels, the rate and the bits of each value."""
    coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if coding == _EXTENSIBLE and len(body) >= 26:
        (coding,) = struct.unpack_from("<H", body, 24)
    return coding, channels, rate, bits


def _sound(body: memoryview, form: tuple[int, int, int, int], path: Path) -> Sound:
    coding, channels, rate, bits = form
    if bits not in _BITS.get(coding, ()):
        named = _CODINGS.get(coding, f"coding {coding}") if coding not in _BITS else ""
        raise InputError(
            f"{str(path)!r} is {named or f'{bits} bits a value'}: .wav files of PCM (8, 16, 24 or "
            "32 bits) and of floats open; convert it, for instance with ffmpeg -i x -c:a "
            "pcm_s16le y.wav."
        )
    if not 1 <= channels <= _MOST_CHANNELS or not rate:
        raise ValueError(f"it says that it has {channels} channels at {rate} Hz")
    width = bits // 8
    count = len(body) // (width * channels)
    if not count:
        raise ValueError("it holds no sound")
    body = body[: count * width * channels]
    if coding == _FLOAT:
        values: npt.NDArray[Any] = np.frombuffer(body, f"<f{width}")
    elif width == 3:
        padded = np.zeros((count * channels, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        values = padded.view("<i4")[:, 0] >> 8
    else:
        values = np.frombuffer(body, "u1" if width == 1 else f"<i{width}")
    return Sound(values.reshape(count, channels), int(rate), bits, coding == _FLOAT)
