"""Arrays in files that claim what they do not hold, and things that are no files."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile.bombs import archive, deflated
from hostile.files import File


class Canary:
    """Whoever unpickles it writes a file."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def canary(outside: Path) -> Canary:
    """A pickle of it, unpickled, touches a file in ``outside``."""
    return Canary(f"touch {outside}/canary")


def npy(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """A ``.npy`` file with any header."""
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


def described(dtype: str, shape: str, order: str = "False") -> str:
    """The header of an array."""
    return f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}}}"


_SHAPES = {
    "a trillion values": "(1000000000000,)", "a square of millions": "(1000000, 1000000)",
    "more than 64 bits": "(18446744073709551616,)", "product overflows": "(4294967296, 4294967296)",
    "negative": "(-1,)", "negative twice": "(-3, -4)", "empty and giant": "(1000000000000, 0)",
    "giant and empty": "(0, 9223372036854775807)", "no tuple": "3", "texts": "('a', 'b')",
    "floats": "(1.5, 2)", "bools": "(True, False)", "nested": "((3,), 4)", "none": "None",
    "a hundred axes": "(" + "1, " * 100 + ")",
}  # fmt: skip
_DTYPES = {
    "objects": "'|O'", "objects in a record": "[('a', '|O'), ('b', '<f4')]",
    "text of a billion": "'<U1000000000'", "bytes of a billion": "'|S1000000000'",
    "void of a billion": "'|V1000000000'", "nothing": "'|V0'", "no bytes": "'|S0'",
    "no such type": "'<x9'", "a subarray of a billion": "('<f4', (1000000000,))",
    "a date": "'<M8[s]'",
    "a record": "[('a', '<f4'), ('b', '<i4')]", "a call": "__import__('os').getcwd()",
    "a list": "[]",
    "complex": "'<c16'", "a number": "3", "a comma list": "'f4,' * 3",
}  # fmt: skip


def files(folder: Path, outside: Path) -> Iterator[File]:
    """All of them, in turn."""
    for name, content in {**_npy(outside), **_npz(outside)}.items():
        path = folder / ("x.npz" if name.startswith("npz") else "x.npy")
        path.write_bytes(content)
        yield File("array", name, str(path), "array")
        path.unlink()
    yield from no_files(folder, ["x.npy", "x.npz"], "array", "array")


def no_files(folder: Path, names: list[str], format_: str, way: str) -> Iterator[File]:
    """A device, a pipe, a folder, and links that lead nowhere, under each of these names."""
    for name in names:
        path = folder / name
        for what, target in (("/dev/zero", "/dev/zero"), ("/dev/urandom", "/dev/urandom"),
                             ("itself", name), ("nothing", "not-there")):  # fmt: skip
            path.symlink_to(target)
            yield File(format_, f"{name} is a link to {what}", str(path), way, opens=False)
            path.unlink()
        os.mkfifo(path)
        yield File(format_, f"{name} is a pipe", str(path), way, opens=False)
        path.unlink()
        path.mkdir()
        yield File(format_, f"{name} is a folder", str(path), way, opens=False)
        path.rmdir()


def _npy(outside: Path) -> dict[str, bytes]:
    made = {
        f"npy of shape {name}": npy(described("'<f4'", shape), bytes(48))
        for name, shape in _SHAPES.items()
    }
    made |= {
        f"npy of type {name}": npy(described(dtype, "(3, 4)"), bytes(48))
        for name, dtype in _DTYPES.items()
    }
    made |= {
        f"npy of nothing, {name}": npy(described(dtype, "(1000000000000,)"))
        for name, dtype in (("void", "'|V0'"), ("bytes", "'|S0'"), ("text", "'<U0'"))
    }
    deep = "(" * 5000 + ")" * 5000
    return made | {
        "npy with brackets 5,000 deep": npy(described("'<f4'", deep), version=(2, 0)),
        "npy with a header of 9 MB": npy(" " * 9_000_000, version=(2, 0)),
        "npy with more keys": npy("{'descr': '<f4', 'shape': (3,), 'x': 1}", bytes(12)),
        "npy of a version to come": npy(described("'<f4'", "(3,)"), version=(9, 9)),
        "npy whose header is not there": b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        "npy that is a pickle": pickle.dumps(canary(outside)),
        "npy of objects that write": _object_array(outside),
        "npy that is empty": b"",
        "npy that is an archive": _archive({"a.npy": npy(described("'<f4'", "(3,)"), bytes(12))}),
    }


def _object_array(outside: Path) -> bytes:
    return npy(described("'|O'", "(1,)")) + pickle.dumps([canary(outside)])


def _npz(outside: Path) -> dict[str, bytes]:
    sound = npy(described("'<f4'", "(3, 4)"), bytes(48))
    big = npy(described("'|u1'", "(3000000000,)"))
    giant = deflated(3_000_000_000, big), 3_000_000_000 + len(big)
    small = npy(described("'|u1'", "(100000000, 2)"))
    half = deflated(200_000_000, small), 200_000_000 + len(small)
    made = {
        f"npz of shape {name}": _archive({"a.npy": npy(described("'<f4'", shape), bytes(48))})
        for name, shape in _SHAPES.items()
    }
    return made | {
        "npz of 3 GB": archive({"a.npy": giant}),
        "npz of 3 GB that says 128 bytes": archive({"a.npy": (giant[0], 128)}),
        "npz of two times 200 MB": archive({"x.npy": half, "y.npy": half}),
        "npz of 200 MB": archive({"x.npy": half}),
        "npz of objects": _archive({"a.npy": _object_array(outside)}),
        "npz with a way out": _archive({"../../outside/secret.npy": sound}),
        "npz with an absolute name": _archive({str(outside / "secret.npy"): sound}),
        "npz with no members": _archive({}),
        "npz with no arrays": _archive({"a.txt": b"x", "b/": b""}),
        "npz with 20,000 members": _archive({f"{i}.npy": b"" for i in range(20_000)}),
        "npz with a member of no name": _archive({"": sound}),
        "npz in an npz": _archive({"a.npy": _archive({"a.npy": sound})}),
        "npz with lzma": _archive({"a.npy": sound}, zipfile.ZIP_LZMA),
        "npz with a nonsense method": _archive({"a.npy": sound}).replace(
            b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x63\0"
        ),
        "npz with control characters": _archive({"\x1b[31ma\n.npy": sound, "b.npy": sound}),
        "npz that is an npy": sound,
        "npz that is cut": _archive({"a.npy": sound})[:-30],
    }


def _archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name or "_"), content, method)
    return held.getvalue()
