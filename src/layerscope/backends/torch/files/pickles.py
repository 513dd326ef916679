"""What PyTorch's reader of weights would call, though it is no part of weights."""

from __future__ import annotations

import io
import mmap
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

from layerscope.backends.opening.files import ZIP
from layerscope.core.errors import ModelError
from layerscope.core.foreign_errors import first_sentence

#: ``bytearray``, as PyTorch lets a pickle name it: called with a number, it takes as much memory.
_BYTEARRAY = re.compile(rb"c(__builtin__|builtins)\nbytearray\n")

#: What to say of a scripted or traced module, and which ways there are.
TORCHSCRIPT = (
    "is TorchScript, which hides its layers: save torch.jit.load(file).state_dict() and open that "
    "with --architecture package.module:Class(args), or export it to ONNX, "
    "torch.onnx.export(torch.jit.load(file), (example,), 'model.onnx', dynamo=False)."
)


def check_pickles(path: Path, shown: Path | None = None) -> None:
    """Raise ModelError where a file of ``torch.save`` could fill memory as its weights are read.

    It names the file ``shown``, which the other may have been unpacked from.
    """
    shown = shown or path
    try:
        with path.open("rb") as file:
            if file.read(len(ZIP)) == ZIP:
                with zipfile.ZipFile(path) as archive:
                    holds_bytearray = _in_archive(archive)
            else:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    holds_bytearray = _BYTEARRAY.search(content) is not None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError,
            RuntimeError) as error:  # fmt: skip
        raise ModelError(f"{str(shown)!r} is damaged: {first_sentence(str(error))}.") from error
    if holds_bytearray:
        raise ModelError(more_than_weights(shown, " (builtins.bytearray)"))


def more_than_weights(path: Path, what: str) -> str:
    """Return the sentence about a pickle of more than weights."""
    return (
        f"{str(path)!r} holds more than weights{what}, and such a pickle can run any code when it "
        "is opened: pass --trust if you made this file yourself, or save only the state_dict."
    )


def _in_archive(archive: Any) -> bool:
    for name in archive.namelist():
        # Also the files of torch.save within an exported program.
        if name.endswith((".pkl", ".pt", ".pth", ".bin")) or "/weights/" in name:
            content = archive.read(name)
            if _BYTEARRAY.search(content):
                return True
            if content.startswith(ZIP):
                with zipfile.ZipFile(io.BytesIO(content)) as inner:
                    if _in_archive(inner):
                        return True
    return False
