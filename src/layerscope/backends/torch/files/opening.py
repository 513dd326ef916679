"""PyTorch's files: exported programs, weights, and pickles, told apart by what is in them.

::

    file ──► exported program ──► program    checked, loaded, taken apart into modules
         ├─► weights           ──► state      read without running code, put into a model
         ├─► a model of stable-baselines3 ──► policies    its policy, of the weights in it
         ├─► pickled module    ──► opened where it is trusted
         └─► TorchScript, compiled package ──► a sentence
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from layerscope.backends.availability import needs
from layerscope.backends.opening.contents import is_safetensors
from layerscope.backends.opening.files import ZIP, Request, check_archive, start_of
from layerscope.backends.opening.imported import import_module, look_here
from layerscope.backends.torch.files.pickles import TORCHSCRIPT
from layerscope.core.errors import ModelError


def open_file(request: Request) -> Any:
    """Return the module in a PyTorch file, on the CPU, or the architecture with its weights.

    Raises
    ------
    ModelError
        When the file is damaged, holds only weights and no architecture was given, holds code and
        is not trusted, or hides its layers.
    """
    path = request.path
    start = start_of(path)
    if path.suffix.lower() == ".safetensors" or is_safetensors(path, start):
        needs("safetensors")
        kind = "weights"
    elif start.startswith(ZIP) or path.suffix.lower() == ".pt2":
        check_archive(path, f"{path.suffix} file")
        kind = _kind_of_archive(path)
    else:
        kind = "weights"
    needs("torch")
    for name in request.imports:
        import_module(name)
    if request.trust:
        look_here()  # for the classes that it names
    if kind == "program":
        from layerscope.backends.torch.files.program import open_program

        return open_program(request)
    if kind == "weights":
        from layerscope.backends.torch.files.state import open_state

        return open_state(request)
    if kind == "policy":
        from layerscope.backends.torch.files.policies import open_policy

        return open_policy(request)
    raise ModelError(f"{str(path)!r} {kind}")


def _kind_of_archive(path: Path) -> str:
    """Return ``program``, ``weights``, ``policy``, or what to say of what does not open."""
    with zipfile.ZipFile(path) as archive:
        # PyTorch puts everything into one folder, which bears the name of the file.
        names = archive.namelist()
    if {"data", "policy.pth"} <= set(names):
        return "policy"
    inner = {name.partition("/")[2] for name in names} | set(names)
    if any(name.startswith("data/aotinductor/") for name in inner):
        return (
            "is compiled by AOTInductor, which leaves machine code and no layers: open the program "
            "that it was made from, saved with torch.export.save."
        )
    if "archive_format" in inner or "serialized_exported_program.json" in inner:
        return "program"
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return TORCHSCRIPT
    if "data.pkl" in inner:
        return "weights"
    return (
        f"is a zip archive, but no {path.suffix or 'PyTorch'} file: what opens is what "
        "torch.save, "
        "torch.export.save or safetensors wrote."
    )
