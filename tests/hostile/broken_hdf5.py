"""HDF5 files whose heaps of texts have the HDF5 library run in circles, or take all memory.

A heap is ``GCOL``, its size, and objects: number, references, length, text. The library goes from
one object to the next by their lengths; what is stored elsewhere says length, heap and number.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

Breakage = Callable[[bytearray], None]

_HEAP, _HEAD = b"GCOL", 16
#: A length that, with the head of the object and rounded up, becomes a step of nothing.
_NO_STEP = 2**64 - _HEAD


def endless_end(content: bytearray) -> None:
    """The room that is left in each heap is an object of no length."""
    for heap in _heaps(content):
        *_, last = _objects(content, heap)
        if content[last : last + 2] == b"\0\0":
            struct.pack_into("<Q", content, last + 8, 0)


def endless_text(content: bytearray) -> None:
    """The first text in each heap is so long that the next one is where it is itself."""
    for heap in _heaps(content):
        struct.pack_into("<Q", content, next(_objects(content, heap)) + 8, _NO_STEP)


def blanked_heap(content: bytearray) -> None:
    """Ones stand in place of each heap's texts but the first, and zeros where its room was."""
    for heap in _heaps(content):
        _, second, *_, last = _objects(content, heap)
        start = second + 3
        content[start:last] = b"\xff" * (last - start)
        content[last : last + 64] = bytes(64)


def one_text_for_all(content: bytearray) -> None:
    """Every text of one letter is the longest text there is."""
    places = list(_references(content))
    longest = max(places, key=lambda at: int(struct.unpack_from("<I", content, at)[0]))
    for at in places:
        if struct.unpack_from("<I", content, at)[0] == 1:
            content[at : at + 16] = content[longest : longest + 16]


ENDLESS: tuple[Breakage, ...] = (endless_end, endless_text, blanked_heap)


def _heaps(content: bytearray) -> Iterator[int]:
    at = content.find(_HEAP)
    while at >= 0:
        yield at
        at = content.find(_HEAP, at + 1)


def _objects(content: bytearray, heap: int) -> Iterator[int]:
    """Where each object begins; the last one is the room that is left, if there is any."""
    (size,) = struct.unpack_from("<Q", content, heap + 8)
    at, number = heap + 16, 1
    while number and at < heap + size:
        number, _, _, length = struct.unpack_from("<HHIQ", content, at)
        yield at
        at += _HEAD + -(-length // 8) * 8


def _references(content: bytearray) -> Iterator[int]:
    """Where it says a text's length, its heap, and its number in there."""
    for heap in _heaps(content):
        texts = set()
        for at in _objects(content, heap):
            number, _, _, length = struct.unpack_from("<HHIQ", content, at)
            texts.add((length, number))
        address = struct.pack("<Q", heap)
        at = content.find(address)
        while at >= 0:
            length, _, number = struct.unpack_from("<IQI", content, at - 4)
            if (length, number) in texts:
                yield at - 4
            at = content.find(address, at + 1)
