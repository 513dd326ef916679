"""A panel as bytes: a header in JSON and the buffers, each where a typed array may begin."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.views.render.panel import Panel

MEDIA_TYPE = "application/vnd.layerscope.panel"
_ALIGNED = 8  #: bytes: typed arrays of the browser begin at multiples of their items' length


def packed(panel: Panel) -> bytes:
    """Return a panel's wire form.

    Four bytes hold the length of the JSON text that follows, ``{"header": …, "buffers": {name:
    [offset, length]}}``, little-endian; offsets count from the next multiple of 8 bytes.
    """
    return packed_parts(panel.header, panel.buffers)


def packed_parts(header: Mapping[str, Any], buffers: Mapping[str, bytes]) -> bytes:
    """Return the wire form of a header and its buffers."""
    places: dict[str, list[int]] = {}
    parts: list[bytes] = []
    offset = 0
    for name, buffer in buffers.items():
        places[name] = [offset, len(buffer)]
        parts.append(_filled(buffer))
        offset += len(parts[-1])
    text = plain_json({"header": header, "buffers": places}).encode("utf-8")
    head = struct.pack("<I", len(text)) + text
    return b"".join([_filled(head), *parts])


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
