"""Which files are told by what is in them, whatever their names: nothing is unpacked or run."""

from __future__ import annotations

import zipfile
from pathlib import Path

from layerscope.backends.opening.files import HDF5, ZIP

_HDF5 = "layerscope.backends.keras.files.hdf5"
_KERAS = "layerscope.backends.keras.files.archive"
_TORCH = "layerscope.backends.torch.files.opening"
_SKLEARN = "layerscope.backends.sklearn.opening"

#: How a pickle begins that ``torch.save`` wrote before it wrote archives: a number of its own.
_TORCH_PICKLE = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
#: Members by which an archive is known, the likeliest first; all of a row have to be there.
_MEMBERS = (
    (_KERAS, ("config.json", "model.weights.h5")),
    (_SKLEARN, ("schema.json",)),
    (_TORCH, ("data", "policy.pth")),  # of stable-baselines3
)
#: In PyTorch's archives everything is in one folder, which bears some name.
_TORCH_MEMBERS = frozenset({"data.pkl", "constants.pkl", "archive_format",
                            "serialized_exported_program.json"})  # fmt: skip


def opener_of(path: Path, start: bytes) -> str | None:
    """Return the module that opens a file which begins so; None where that does not tell."""
    if start.startswith(HDF5):
        return _HDF5
    if start.startswith(ZIP):
        return _of_archive(path)
    if start[:1] == b"\x80" and start[2:].startswith(_TORCH_PICKLE):
        return _TORCH
    return _TORCH if is_safetensors(path, start) else None


def is_safetensors(path: Path, start: bytes) -> bool:
    """Return whether a file begins as safetensors do: the length of a JSON object, and that."""
    length = int.from_bytes(start[:8], "little")
    return start[8:9] == b"{" and 2 <= length <= path.stat().st_size - 8


def is_pickle(start: bytes) -> bool:
    """Return whether a file begins as pickles have begun since Python 2.3."""
    return start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _of_archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = frozenset(archive.namelist())
    # What zipfile raises for archives that are damaged, or of a kind that it does not know: what
    # the name promises says so.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError):
        return None
    for opener, members in _MEMBERS:
        if names.issuperset(members):
            return opener
    inner = {name.partition("/")[2] for name in names} | names
    return None if inner.isdisjoint(_TORCH_MEMBERS) else _TORCH
