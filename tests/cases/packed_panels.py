"""Panels as bytes, read by the words of the docstring of ``page/wire.py``."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from layerscope.interfaces.page.wire import USUAL


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The header and buffers, read step by step."""
    (length,) = struct.unpack("<I", data[:4])
    text = json.loads(data[4 : 4 + length].decode("utf-8"), parse_constant=pytest.fail)
    start = 4 + length
    while start % 8:
        assert data[start] == 0
        start += 1
    buffers = {}
    for name, (offset, size) in text["buffers"].items():
        assert (start + offset) % 8 == 0  # where a typed array may begin
        buffers[name] = data[start + offset : start + offset + size]
    assert len(data) % 8 == 0
    for name in {"low", "high"} & set(buffers):
        offset, size = text["buffers"][name]
        first, length = text.get("planes", [0, 0])
        weights, count = data[start + first : start + first + length], length // 4
        places = range(offset - first, offset - first + size)
        buffers[name] = bytes(weights[(3 - i % 4) * count + i // 4] for i in places)
    if "rows" in text:
        pixels, row = bytearray(buffers["pixels"]), text["rows"]
        for i in range(row, len(pixels)):
            pixels[i] = (pixels[i] + pixels[i - row]) % 256
        buffers["pixels"] = bytes(pixels)
    return {**USUAL.get(text["header"].get("kind"), {}), **text["header"]}, buffers
