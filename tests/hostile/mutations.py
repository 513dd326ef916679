"""Changes to the content of a file: of its bytes, and of what its format makes of them.

Each takes the content and a generator of random numbers and returns other content; ``mutated``
picks one that the content's own format allows.
"""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

#: Numbers at which code that computes sizes breaks.
_NUMBERS = (0, 1, 127, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
#: What no field of a description should be.
_NONSENSE: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2**31, 2**62, 10**30, -(10**12), 1e308, float("nan"),
    float("inf"), 0.5, "", "x" * 5000, "\x00", "../../outside/secret", "/etc/passwd", "é\ud7ff",
    "[[\n", "__import__('canary')", "os:mkdir", [], [[]], [None], {}, {"": {}}, [-1, 0],
    [10**12, 10**12], [[[[[[]]]]]], {"class_name": "x"}, {"class_name": None, "config": None},
)  # fmt: skip


# -- bytes -----------------------------------------------------------------------------------------


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Some bytes, few or many, are others."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncated(content: bytes, rng: random.Random) -> bytes:
    """The end, or the beginning, is missing."""
    at = rng.randrange(len(content))
    return content[:at] if rng.random() < 0.8 else content[at:]


def swapped(content: bytes, rng: random.Random) -> bytes:
    """Two parts stand in each other's place."""
    a, b, c, d = sorted(rng.randrange(len(content) + 1) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def doubled(content: bytes, rng: random.Random) -> bytes:
    """A part is there again, in its place or at the end."""
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    at = rng.choice((b, len(content)))
    return content[:at] + content[a:b] + content[at:]


def blanked(content: bytes, rng: random.Random) -> bytes:
    """A part is all zeros, or all ones."""
    a = rng.randrange(len(content))
    b = min(len(content), a + rng.choice((1, 4, 8, 64, 1024)))
    return content[:a] + rng.choice((b"\0", b"\xff")) * (b - a) + content[b:]


def numbered(content: bytes, rng: random.Random) -> bytes:
    """A number of some width is one at which sizes overflow."""
    width, code = rng.choice(((2, "H"), (4, "I"), (8, "Q")))
    at = rng.randrange(max(1, min(len(content) - width, rng.choice((256, len(content))))))
    number = rng.choice(_NUMBERS) % 2 ** (8 * width)
    packed = struct.pack(rng.choice("<>") + code, number)
    return content[:at] + packed + content[at + width :]


BYTES: tuple[Mutation, ...] = (flipped, truncated, swapped, doubled, blanked, numbered)


def any_bytes(content: bytes, rng: random.Random) -> bytes:
    """One of these; an empty content gets a byte."""
    return rng.choice(BYTES)(content, rng) if content else b"\0"


# -- JSON ------------------------------------------------------------------------------------------


def nonsense(config: Any, rng: random.Random) -> Any:
    """A document in which some values are nonsense, missing, or those of other places."""
    config = copy.deepcopy(config)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        places = list(_places(config))
        if not places:
            return rng.choice(_NONSENSE)
        holder, key = rng.choice(places)
        how = rng.randrange(6)
        if how == 0:
            del holder[key]
        elif how == 1:
            other, name = rng.choice(places)
            holder[key] = copy.deepcopy(other[name])
        elif how == 2 and isinstance(holder, dict):
            holder[rng.choice(("", "name", "class_name", f"{key}_"))] = holder.pop(key)
        elif how == 3 and isinstance(holder[key], int | float):
            holder[key] = rng.choice((*_NUMBERS, -1, -holder[key], holder[key] + 1))
        else:
            holder[key] = copy.deepcopy(rng.choice(_NONSENSE))
    return config


def json_text(content: bytes, rng: random.Random) -> bytes:
    """A JSON text with nonsense in it; other content gets other bytes."""
    try:
        config = json.loads(content)
    except ValueError:
        return any_bytes(content, rng)
    return json.dumps(nonsense(config, rng)).encode()


def _places(value: Any) -> Any:
    """Each value in a document, as what holds it and the key."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


# -- archives --------------------------------------------------------------------------------------


def archive(content: bytes, rng: random.Random) -> bytes:
    """A zip archive with members changed, missing, renamed, swapped, or there twice."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
        compression = old.infolist()[0].compress_type
    at, other = rng.randrange(len(members)), rng.randrange(len(members))
    name, held = members[at]
    how = rng.randrange(10)
    if how == 0:
        del members[at]
    elif how == 1:
        folder = name.rpartition("/")[0]
        renamed = rng.choice((name + "_", name.upper(), "x", "", f"{folder}/x", name + "/"))
        members[at] = (renamed, held)
    elif how == 2:
        members[at], members[other] = (name, members[other][1]), (members[other][0], held)
    elif how == 3:
        members.append((name, any_bytes(held, rng)))
    elif how == 4:
        members[at] = (name, b"")
    else:
        members[at] = (name, mutated(held, rng, PurePosixPath(name).suffix))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as new:
        for member, bytes_of_it in members:
            # The same name twice is meant.
            new.writestr(zipfile.ZipInfo(member or "_"), bytes_of_it, compression)
    return written.getvalue()


# -- protocol buffers ------------------------------------------------------------------------------


def protobuf(content: bytes, rng: random.Random) -> bytes:
    """A message with fields changed, missing, or there twice, whose lengths are right all the same.

    Which fields are messages themselves is guessed, as their types are not known.
    """
    fields = _fields(content)
    if not fields:
        return any_bytes(content, rng)
    at = rng.randrange(len(fields))
    number, kind, value = fields[at]
    how = rng.randrange(8)
    if how == 0:
        del fields[at]
    elif how == 1:
        fields.insert(rng.randrange(len(fields)), fields[at])
    elif how == 2:
        fields[at] = (rng.randrange(1, 30), kind, value)
    elif kind == 0:
        fields[at] = (number, 0, rng.choice(_NUMBERS))
    elif kind == 2 and isinstance(value, bytes):
        inner = _fields(value) if len(value) > 1 else None
        if inner and how < 7:
            fields[at] = (number, 2, protobuf(value, rng))
        else:
            fields[at] = (number, 2, rng.choice((b"", b"x", b"\xff\xfe", any_bytes(value, rng))))
    elif isinstance(value, bytes):
        fields[at] = (number, kind, any_bytes(value, rng)[: len(value)].ljust(len(value), b"\0"))
    return b"".join(map(_field, fields))


def _fields(content: bytes) -> list[tuple[int, int, int | bytes]] | None:
    """The fields of a message, by number and kind; None for what is none."""
    fields: list[tuple[int, int, int | bytes]] = []
    at = 0
    try:
        while at < len(content):
            tag, at = _varint(content, at)
            number, kind = tag >> 3, tag & 7
            if number == 0 or kind not in (0, 1, 2, 5):
                return None
            if kind == 0:
                value, at = _varint(content, at)
                fields.append((number, kind, value))
                continue
            length, at = _varint(content, at) if kind == 2 else (8 if kind == 1 else 4, at)
            if at + length > len(content):
                return None
            fields.append((number, kind, content[at : at + length]))
            at += length
    except IndexError:
        return None
    return fields


def _field(field: tuple[int, int, int | bytes]) -> bytes:
    number, kind, value = field
    head = varint(number << 3 | kind)
    if isinstance(value, int):
        return head + varint(value)
    return head + (varint(len(value)) if kind == 2 else b"") + value


def varint(number: int) -> bytes:
    """A whole number as protocol buffers write it."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = content[at]
        value |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            return value, at
    raise IndexError("no number is so long")


# -- others ----------------------------------------------------------------------------------------


def safetensors(content: bytes, rng: random.Random) -> bytes:
    """The header says something else, with the right length before it."""
    length = int.from_bytes(content[:8], "little")
    header = json_text(content[8 : 8 + length], rng)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def hdf5(content: bytes, rng: random.Random) -> bytes:
    """An HDF5 file whose groups, arrays and attributes are missing, renamed or of another kind."""
    import h5py
    import numpy as np

    held = io.BytesIO(content)
    with h5py.File(held, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names) if names else "/"
        item = file[name]
        attributes = file if rng.random() < 0.5 else item
        how = rng.randrange(9)
        if how == 0:
            del file[name]
        elif how == 1:
            file.move(name, name + "_")
        elif how == 2:
            del file[name]
            shape = rng.choice(((), (0,), (3,), (2, 3), (1, 1, 1, 1)))
            file[name] = np.zeros(shape, rng.choice(("f4", "i8", "S3", "c8", "f2", "bool")))
        elif how == 3:
            del file[name]
            file.create_group(name)
        elif how == 4:
            file[f"{name}_link"] = rng.choice(
                (h5py.SoftLink("/"), h5py.SoftLink("/none"), h5py.ExternalLink("other.h5", "/"))
            )
        elif attributes.attrs:
            _attribute(attributes.attrs, rng)
    return held.getvalue()


def _attribute(attributes: Any, rng: random.Random) -> None:
    import numpy as np

    name = rng.choice(sorted(attributes))
    value = attributes[name]
    how = rng.randrange(6)
    if how == 0:
        del attributes[name]
    elif how == 1:
        attributes[name] = np.zeros(3)
    elif how == 2:
        attributes[name] = rng.choice(("", "x", b"\xff\xfe", -1, [b"x", b"x"], np.empty(0, "S1")))
    else:
        text = value.encode() if isinstance(value, str) else value
        if isinstance(text, bytes):
            # HDF5 takes 64 KB, and no zeros in a text.
            attributes[name] = json_text(text, rng)[:60_000].replace(b"\0", b"0")
        elif isinstance(value, np.ndarray) and value.size:
            changed = list(value.ravel())
            rng.shuffle(changed)
            attributes[name] = np.array(changed[: rng.randrange(len(changed) + 1)], "S50")


#: The mutations that know a format, by the ending of the name.
_KNOWING: dict[str, Mutation] = {
    ".keras": archive, ".pt2": archive, ".npz": archive, ".skops": archive, ".zip": archive,
    ".json": json_text, ".safetensors": safetensors, ".h5": hdf5, ".hdf5": hdf5,
    ".onnx": protobuf, ".pb": protobuf,
}  # fmt: skip


def mutated(content: bytes, rng: random.Random, suffix: str) -> bytes:
    """The content with something changed: mostly knowing its format, where it is one known here."""
    knowing = _KNOWING.get(suffix.lower())
    if content.startswith(b"PK\x03\x04") and knowing is None:
        knowing = archive
    if knowing is None or not content or rng.random() < 0.3:
        return any_bytes(content, rng)
    return knowing(content, rng)
