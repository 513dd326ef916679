"""Weights of PyTorch: a ``state_dict`` in a file, found and read."""

from __future__ import annotations

import pickle
import pickletools
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from layerscope.backends.opening.contents import is_safetensors
from layerscope.backends.opening.files import Request, start_of
from layerscope.backends.origin import remember
from layerscope.backends.torch.files.fitting import State, few, fitted
from layerscope.backends.torch.files.pickles import TORCHSCRIPT, check_pickles, more_than_weights
from layerscope.core.errors import MissingDependencyError, ModelError
from layerscope.core.foreign_errors import first_sentence
from layerscope.core.network import Origin

#: Under which of its keys a checkpoint keeps the weights, the likeliest first.
_NESTED = (
    "state_dict", "model_state_dict", "model_state", "model", "net", "network", "module",
    "ema_state_dict", "ema", "model_ema", "state_dict_ema", "params_ema", "params", "weights",
    "generator", "teacher", "student",
)  # fmt: skip
_SHARD = re.compile(r"(.*-)(\d{5})(-of-)(\d{5})(\.\w+)$")


def open_state(request: Request) -> Any:
    """Return the architecture with the file's weights, or the module that a pickle holds."""
    path = request.path
    held: dict[str, Any] = {}
    paths = _shards(path)
    for shard in paths:
        content = read(shard, request.trust, shard)
        if isinstance(content, nn.Module):
            if isinstance(content, torch.jit.ScriptModule):
                raise ModelError(f"{str(path)!r} {TORCHSCRIPT}")
            origin = Origin(str(path), "PyTorch pickle")
            return remember(content, origin)
        if not isinstance(content, Mapping):
            raise ModelError(
                f"{str(path)!r} holds a {type(content).__name__}, neither a module nor weights by "
                "name."
            )
        held |= content
    if request.architecture is None:
        key, module = _held_module(held)
        if module is not None:
            taken = f"the module was taken from {key!r} in the checkpoint"
            return remember(module, Origin(str(path), "PyTorch pickle", repairs=(taken,)))
    state, repairs = weights(held, path)
    if len(paths) > 1:
        repairs.insert(0, f"the weights were put together from {len(paths)} files")
    if request.architecture is None:
        raise ModelError(
            f"{str(path)!r} holds only weights ({_counted(state, 'array')}: {few(state)}): pass "
            "--architecture package.module:Class(args) to say what they belong to."
        )
    model, fitting = fitted(request.architecture, state, path)
    repairs += fitting
    kind = "safetensors" if _is_safetensors(path, start_of(path)) else "PyTorch state_dict"
    return remember(model, Origin(str(path), kind, repairs=tuple(repairs)))


def _shards(path: Path) -> list[Path]:
    """Return the files that ``name-00001-of-00003.safetensors`` is one of; else the file alone."""
    match = _SHARD.fullmatch(path.name)
    if match is None:
        return [path]
    before, _, of, count, after = match.groups()
    if int(count) > 1000:
        return [path]
    paths = [path.with_name(f"{before}{i:05}{of}{count}{after}") for i in range(1, int(count) + 1)]
    missing = [shard.name for shard in paths if not shard.exists()]
    if missing:
        raise ModelError(
            f"{str(path)!r} is one of {len(paths)} files, of which {few(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing."
        )
    return paths


def read(path: Path, trust: bool, shown: Path) -> Any:
    """Return what is in a file; no code is run unless it is trusted.

    ``shown`` is the file that errors name, which the other may have been unpacked from.
    """
    start = start_of(path)
    try:
        if _is_safetensors(path, start):
            from safetensors.torch import load_file

            return load_file(path, device="cpu")
        if not trust:
            check_pickles(path, shown)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how the file was written, long ago
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except ModelError:
        raise
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{str(shown)!r} needs the module {error.name!r}, which is not installed."
        ) from error
    # A damaged file may raise anything: its bytes are the arguments of PyTorch's own functions.
    except Exception as error:
        raise ModelError(_reason(shown, _is_safetensors(path, start), error)) from error


def _is_safetensors(path: Path, start: bytes) -> bool:
    return path.suffix.lower() == ".safetensors" or is_safetensors(path, start)


def _held_module(content: Mapping[Any, Any]) -> tuple[Any, nn.Module | None]:
    """Return the module that a checkpoint holds whole, and under which of its keys."""
    modules = {key: value for key, value in content.items() if isinstance(value, nn.Module)}
    likely = [key for key in _NESTED if key in modules] or list(modules)[:1]
    return (likely[0], modules[likely[0]]) if likely else (None, None)


def _reason(path: Path, safetensors: bool, error: Exception) -> str:
    text = str(error)
    if safetensors:
        return f"{str(path)!r} is damaged or no .safetensors file: {first_sentence(text)}."
    if isinstance(error, AttributeError) and "Can't get attribute" in text:
        return (
            f"{str(path)!r} is a pickled module, and its class is not there "
            f"({first_sentence(text)}): name the module that defines it with --import."
        )
    what = _more_than_weights(text) if isinstance(error, pickle.UnpicklingError) else None
    if what is not None:
        return more_than_weights(path, what)
    if "legacy .tar format" in text:
        return (
            f"{str(path)!r} was written by a PyTorch before 0.1.10, whose files can run any code "
            "when they are opened: pass --trust if you made this file yourself."
        )
    return f"{str(path)!r} is damaged or no file of torch.save: {_plain_reason(error)}."


def _more_than_weights(text: str) -> str | None:
    """Return what PyTorch would not unpickle, in brackets; None where the pickle is damaged."""
    named = re.search(r"GLOBAL ([\w.]+)", text) or re.search(
        r"(?:GLOBAL|function|class|type) <?`?([\w.]+\.\w+)", text
    )
    if named and not re.search(r"Unsupported operand", text):
        return f" ({named[1]})"
    operand = re.search(r"Unsupported operand (\d+)", text)
    is_opcode = operand and chr(int(operand[1])) in {op.code for op in pickletools.opcodes}
    is_refused = "unrecognized" in text or "not allowed" in text or "Unsupported class" in text
    return "" if is_opcode or is_refused else None


def _plain_reason(error: Exception) -> str:
    text = str(error)
    text = (
        text.rpartition("Check the documentation")[0] if "WeightsUnpickler error:" in text else text
    )
    text = text.rpartition("WeightsUnpickler error:")[2].strip()
    return first_sentence(text) if text else type(error).__name__


def weights(content: Mapping[Any, Any], path: Path) -> tuple[State, list[str]]:
    """Return the weights by name, and what had to be done to get them."""
    repairs: list[str] = []
    state = _state(content)
    if state is None:
        key, state = _nested(content, path)
        repairs.append(f"the weights were taken from {key!r} in the checkpoint")
        others = [str(k) for k in content if k != key and _state(content[k]) is not None]
        if others:
            repairs[-1] += f", which also has {', '.join(map(repr, others))}"
    return state, repairs


def _state(content: Any) -> State | None:
    """Return the weights by name, if that is what it is: names, and at least one array."""
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        return None
    arrays = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
    others = [value for key, value in content.items() if key not in arrays]
    if not arrays or any(isinstance(value, Mapping | nn.Module) and value for value in others):
        return None
    return arrays


def _nested(content: Mapping[Any, Any], path: Path) -> tuple[str, State]:
    tensors = {key: state for key in content if (state := _state(content[key])) is not None}
    likely = [key for key in _NESTED if key in tensors] or (
        list(tensors) if len(tensors) == 1 else []
    )
    if likely:
        return likely[0], tensors[likely[0]]
    keys = f"its keys are {few(content)}" if content else "it is empty"
    raise ModelError(f"{str(path)!r} holds no weights by name: {keys}.")


def _counted(things: Mapping[str, Any], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
