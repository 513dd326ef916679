"""A panel as bytes: a header in JSON and the buffers, each where a typed array may begin.

What compresses badly is sent in another order, so that a layer takes little more than its pixels:
the ends of the maps' ranges by the weight of their bytes, the exponents first. Of large maps each
row is sent as its difference from the one above, a fifth less. What most headers of a kind hold is
not sent.
"""

from __future__ import annotations

import itertools
import json
import math
import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from layerscope.views.render.panel import Panel

MEDIA_TYPE = "application/vnd.layerscope.panel"
_ALIGNED = 8  #: bytes: typed arrays of the browser begin at multiples of their items' length
_PLANES = ("low", "high")  #: buffers of float32 that are sent by the weight of their bytes
_LARGE = 16  #: pixels of a row from which on rows are alike
_GZIP = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  #: how a stream of gzip begins
_RAW = -15  #: zlib's number for a stream without such a beginning
_STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE)  #: noise is shorter without looking for words

#: What a header holds unless it says otherwise; wire.js has the same.
USUAL: Mapping[str, Mapping[str, Any]] = {
    "stack": {
        "version": 1, "note": "", "ground": "dark", "palette": "viridis",
        "scale": {"mode": "unit", "text": "each map on its own range", "low": None, "high": None},
        "form": "maps", "labels": [], "counts": "channel", "silences": False, "whole": False,
        "thinned": 1, "left_out": 0, "over_steps": None, "not_finite": 0,
    },
}  # fmt: skip


def packed(panel: Panel) -> bytes:
    """Return a panel's wire form.

    Four bytes hold the length of the JSON text that follows, ``{"header": …, "buffers": {name:
    [offset, length]}}``, little-endian; offsets count from the next multiple of 8 bytes. Where it
    has ``"planes": [offset, length]``, this part holds numbers of four bytes each: first the
    fourth bytes of all of them, then the third, the second, the first. Where it has ``"rows":
    length``, each byte of the buffer ``pixels`` from this one on is its difference, modulo 256,
    from the byte that many before it. What `USUAL` holds for the header's kind is left out.
    """
    return packed_parts(panel.header, panel.buffers)


def packed_parts(header: Mapping[str, Any], buffers: Mapping[str, bytes]) -> bytes:
    """Return the wire form of a header and its buffers."""
    row = _row_length(header, buffers.get("pixels", b""))
    if row:
        buffers = {**buffers, "pixels": _from_above(buffers["pixels"], row)}
    first = [name for name in _PLANES if name in buffers]
    places: dict[str, list[int]] = {}
    parts: list[bytes] = []
    offset = planes = 0
    for name in [*first, *(name for name in buffers if name not in first)]:
        places[name] = [offset, len(buffers[name])]
        parts.append(_filled(buffers[name]))
        offset += len(parts[-1])
        planes = offset if name in first else planes
    usual = USUAL.get(str(header.get("kind")), {})
    unusual = {k: v for k, v in header.items() if k not in usual or usual[k] != v}
    front: dict[str, Any] = {
        "header": unusual,
        "buffers": places,
        **({"planes": [0, planes]} if planes else {}),
    }
    if row:
        front["rows"] = row
    text = plain_json(front).encode("utf-8")
    parts[: len(first)] = [_by_weight(b"".join(parts[: len(first)]))]
    return b"".join([_filled(struct.pack("<I", len(text)) + text), *parts])


def _row_length(header: Mapping[str, Any], pixels: bytes) -> int:
    """Return how many bytes a row of most maps has, where rows are alike; else 0."""
    if header.get("kind") == "stack":
        colours = 3 if header.get("form") == "colour" else 1
        length = colours * header["shape"][2] if len(header.get("shape", ())) == 3 else 0
    elif header.get("kind") == "maps" and header.get("tiles"):
        bytes_of = Counter[int]()
        for tile in header["tiles"]:
            row = tile["shape"][1] * (3 if tile["format"] == "rgb" else 1)
            bytes_of[row] += row * tile["shape"][0]
        length = bytes_of.most_common(1)[0][0]
    else:
        return 0
    return length if _LARGE <= length < len(pixels) else 0


def _from_above(pixels: bytes, row: int) -> bytes:
    """Return each byte as its difference from the one a row before."""
    values = np.frombuffer(pixels, np.uint8)
    return values[:row].tobytes() + (values[row:] - values[:-row]).tobytes()


def _by_weight(numbers: bytes) -> bytes:
    """Return the bytes of numbers of four: all fourth ones, then all third ones, and so on."""
    return np.frombuffer(numbers, np.uint8).reshape(-1, 4).T[::-1].tobytes()


def squeezed(data: bytes, level: int = 1) -> bytes:
    """Return a packed panel as gzip; bytes that are not alike are compressed apart."""
    parts = _unlike(data)
    strategies = _STRATEGIES if len(parts) > 1 else _STRATEGIES[:1]
    deflated = [
        min((_deflated(part, level, each, part is parts[-1]) for each in strategies), key=len)
        for part in parts
    ]
    return b"".join([_GZIP, *deflated, struct.pack("<II", zlib.crc32(data), len(data) % 2**32)])


def _deflated(part: bytes, level: int, strategy: int, last: bool) -> bytes:
    """Return a part of a deflated stream, which no other part refers to."""
    squeezer = zlib.compressobj(level, zlib.DEFLATED, _RAW, zlib.DEF_MEM_LEVEL, strategy)
    end = zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH
    return squeezer.compress(part) + squeezer.flush(end)


def _unlike(data: bytes) -> list[bytes]:
    """Return packed data in parts: the header, exponents, digits of two weights, all else."""
    length = struct.unpack("<I", data[:4])[0]
    planes = json.loads(data[4 : 4 + length]).get("planes")
    if not planes:
        return [data]
    start = -(-(4 + length) // _ALIGNED) * _ALIGNED + planes[0]
    cuts = [0, *(start + planes[1] * quarters // 4 for quarters in (0, 1, 2, 4)), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(cuts)]


def plain_json(value: Any) -> str:
    """Return JSON as browsers read it: what is no finite number becomes null."""
    return json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _plain(value.item()) if hasattr(value, "item") else value


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNED)
