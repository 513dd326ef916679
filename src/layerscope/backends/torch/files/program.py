"""Exported programs: ``.pt2``, as ``torch.export.save`` writes them."""

from __future__ import annotations

import json
import logging
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from layerscope.backends.opening.files import Request
from layerscope.backends.origin import remember
from layerscope.backends.torch.files.pickles import check_pickles
from layerscope.backends.torch.files.program_check import untrusted
from layerscope.core.errors import ModelError
from layerscope.core.foreign_errors import first_sentence
from layerscope.core.network import Origin

_LOGGERS = ("torch.export", "torch.export.pt2_archive._package", "torch._export.serde.serialize")
_FORCE = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "0"}


def open_program(request: Request) -> Any:
    """Return the program, taken apart into the modules that it was exported from.

    ``torch.export.load`` runs what it finds in a file: pickles, expressions, names of functions.
    So all that it would run is looked at before, and nothing but operations of networks passes.

    Raises
    ------
    ModelError
        When it is damaged, was written by a PyTorch that this one does not read, or holds what
        could run code and is not trusted.
    """
    path = request.path
    program_text, others = _records(path)
    described = _parsed(path, program_text)
    written_by = f"PyTorch {str(described.get('torch_version', '')).partition('+')[0]}".strip()
    if not request.trust:
        danger = untrusted(described, others)
        if danger is not None:
            raise ModelError(
                f"{str(path)!r} holds {danger}, which could run code when it is opened: pass "
                "--trust if you made this file yourself."
            )
        check_pickles(path)
    with _quietly(), _only_weights(not request.trust):
        try:
            program = torch.export.load(path)
            model = torch.export.unflatten(program)
        # A damaged file may raise anything: what it says are arguments of PyTorch's own functions.
        except Exception as error:
            raise ModelError(_reason(path, written_by, error)) from error
    repairs = _switched_to_inference(model)
    return remember(model, Origin(str(path), "exported program", written_by, tuple(repairs)))


def _records(path: Path) -> tuple[bytes, dict[str, bytes]]:
    """Return the description of the program, and the other records that say what is to be loaded.

    Read as PyTorch reads them, by its own reader and, for files from before 2.8, by ``zipfile``:
    another reader might see other records in a forged archive.
    """
    programs: list[bytes] = []
    others: dict[str, bytes] = {}
    damage = "it holds no program"
    try:
        reader = torch._C.PyTorchFileReader(str(path))
        for name in reader.get_all_records():
            if name.startswith("models/"):
                programs.append(reader.get_record(name))
            else:
                others[name] = reader.get_record(name) if name.endswith(".json") else b""
    # Raised by the reader, in C++, for archives that are damaged, and for old ones; and for names
    # that are no text.
    except (RuntimeError, UnicodeError) as error:
        damage = first_sentence(str(error))
    try:
        with zipfile.ZipFile(path) as archive:
            old = "serialized_exported_program.json"
            programs += [archive.read(old)] if old in archive.namelist() else []
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError,
            RuntimeError) as error:  # fmt: skip
        damage = first_sentence(str(error))
    if not programs:
        raise ModelError(f"{str(path)!r} is damaged or no .pt2 file: {damage}.")
    if len(programs) > 1:
        raise ModelError(
            f"{str(path)!r} holds {len(programs)} programs, and one can be looked into: save it "
            "with torch.export.save."
        )
    return programs[0], others


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    try:
        described = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{str(path)!r} is damaged: its program is no JSON ({first_sentence(str(error))})."
        ) from error
    if not isinstance(described, dict):
        raise ModelError(f"{str(path)!r} is damaged: its program is no JSON object.")
    return described


def _reason(path: Path, written_by: str, error: Exception) -> str:
    if "Weights only load failed" in str(error):
        return (
            f"{str(path)!r} holds a pickle of more than weights, which could run code when it is "
            "opened: pass --trust if you made this file yourself."
        )
    here = torch.__version__.partition("+")[0]
    writer = f" (it was written by {written_by})" if written_by != "PyTorch" else ""
    text = first_sentence(str(error)) if str(error).strip() else type(error).__name__
    return f"PyTorch {here} can't open {str(path)!r}{writer}; it is damaged, or too old: {text}."


def _switched_to_inference(model: nn.Module) -> list[str]:
    """Switch dropout and normalization to inference: a graph has the mode written in it."""
    switched = []
    for module in model.modules():
        graph = getattr(module, "graph", None)
        for node in graph.nodes if graph is not None else ():
            if not isinstance(node.target, torch._ops.OpOverload):
                continue
            for i, argument in enumerate(node.target._schema.arguments):
                is_mode = argument.name in ("train", "training") and i < len(node.args)
                if is_mode and node.args[i] is True:
                    node.update_arg(i, False)
                    switched.append(node.target._schema.name.rpartition("::")[2])
    names = ", ".join(dict.fromkeys(switched))
    return [f"it was exported in training mode: {names} now run in inference mode"] if names else []


@contextmanager
def _only_weights(forced: bool) -> Iterator[None]:
    """Let ``torch.load`` read nothing but weights, whatever it is called with."""
    before = {name: os.environ.get(name) for name in _FORCE}
    try:
        if forced:
            os.environ.update(_FORCE)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quietly() -> Iterator[None]:
    """Hide what PyTorch logs on its way to an error, which becomes a sentence."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about PyTorch's own inner workings
            yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
