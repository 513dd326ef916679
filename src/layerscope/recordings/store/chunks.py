"""The bytes of a chunk and of a shard, as the codecs named in the metadata define them.

Written here and not by zarr's own pipelines: those write many small arrays slowly (a millisecond
each), and into the file that a reader may have open. Chunks are compressed in threads.
"""

from __future__ import annotations

import math
import struct
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import MissingDependencyError

try:
    from google_crc32c import value as crc32c
    from numcodecs.zstd import Zstd
except ImportError as error:  # both come with zarr
    raise MissingDependencyError(
        "zarr is not installed: pip install 'layerscope[record]'."
    ) from error

#: Measured in benchmarks/bench_store.py; shuffled bytes or bits gain nothing on maps with zeros.
ZSTD_LEVEL = 1
_ZSTD = b"\x28\xb5\x2f\xfd"
#: Of a shard's index: how many bytes a chunk's place takes, and the checksum after all of them.
INDEX_ENTRY, INDEX_CHECKSUM = 16, 4
ABSENT = 2**64 - 1  #: where a chunk that is not there begins
_BLOCK = 512  # pixels transposed at once: what the cache holds


def encode_chunk(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    """Encode one chunk: little-endian, in C order, compressed."""
    return bytes(Zstd(level=ZSTD_LEVEL, checksum=True).encode(_little(values, dtype)))


def decode_chunk(data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return what ``encode_chunk`` was given; take no memory beyond its shape.

    Raises ValueError or RuntimeError where it is damaged.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    if not nbytes:
        return np.empty(shape, dtype)
    if content_size(data) != nbytes:
        raise ValueError(f"it is no chunk of {nbytes} bytes")
    decoded = np.empty(nbytes, np.uint8)
    Zstd().decode(data, decoded)
    if dtype.kind == "b":
        return np.asarray(decoded != 0).reshape(shape)
    return decoded.view(dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def content_size(data: bytes) -> int | None:
    """Return how many bytes a frame of zstd declares (RFC 8878, 3.1.1); None where none.

    Decoders take as much memory as a frame asks for.
    """
    if len(data) < 5 or data[:4] != _ZSTD:
        return None
    descriptor = data[4]
    is_single, flag = descriptor >> 5 & 1, descriptor >> 6
    at = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    length = (is_single, 2, 4, 8)[flag]
    field = data[at : at + length]
    if not length or len(field) < length:
        return None
    return int.from_bytes(field, "little") + (256 if flag == 1 else 0)


def shard_index(data: bytes) -> npt.NDArray[np.uint64]:
    """Return where each chunk of a shard begins and how long it is, from the last bytes.

    Raises ValueError where it is damaged.
    """
    if len(data) < 4 or struct.pack("<I", crc32c(data[:-4])) != data[-4:]:
        raise ValueError("its index is damaged")
    return np.frombuffer(data[:-4], "<u8").reshape(-1, 2)


def encode_shard(
    values: npt.NDArray[Any], inner: tuple[int, ...], dtype: np.dtype[Any], fill: float
) -> bytes:
    """Encode one shard: its chunks in a row, then where each begins and how long it is."""
    counts = [-(-size // chunk) for size, chunk in zip(values.shape, inner, strict=True)]
    pick = _units_first(values, inner, dtype)
    parts, index, offset = [], [], 0
    for position in product(*map(range, counts)):
        bounds = tuple(slice(p * c, (p + 1) * c) for p, c in zip(position, inner, strict=True))
        chunk = pick(bounds) if pick else values[bounds]
        if chunk.size != np.prod(inner):  # at the edge: a chunk is always whole
            whole = np.full(inner, fill, dtype)
            whole[tuple(slice(size) for size in chunk.shape)] = chunk
            chunk = whole
        part = encode_chunk(chunk, dtype)
        parts.append(part)
        index += [offset, len(part)]
        offset += len(part)
    table = struct.pack(f"<{len(index)}Q", *index)
    return b"".join([*parts, table, struct.pack("<I", crc32c(table))])


def _units_first(values: npt.NDArray[Any], inner: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Pick chunks from a copy with units in front, where a chunk is one unit of the last axis.

    Picking a channel out of channels-last values touches every cache line of them, once for each
    channel; so they are transposed once, in blocks.
    """
    units = values.shape[-1]
    if inner[-1] != 1 or units == 1 or not values.flags.c_contiguous:
        return None
    table = values.reshape(-1, units)
    turned = np.empty((units, len(table)), dtype)
    for start in range(0, len(table), _BLOCK):
        turned[:, start : start + _BLOCK] = table[start : start + _BLOCK].T
    turned = turned.reshape(units, *values.shape[:-1])
    return lambda bounds: turned[(bounds[-1].start, *bounds[:-1], np.newaxis)]


def _little(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):  # beyond float16 is infinite
        return np.ascontiguousarray(values, dtype.newbyteorder("<"))
