"""Errors of a forward pass that come of what the module was given, each said in a sentence."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from layerscope.backends.torch import tree
from layerscope.backends.torch.exported import is_exported, type_name
from layerscope.core.errors import InputError, ModelError
from layerscope.core.table import shape_text

#: What PyTorch raises for an input that does not fit.
_MISFITS = (RuntimeError, ValueError, IndexError, AssertionError)
#: What to do where the input is not the user's, but one that ``features`` made.
_FIT = ", to features as start= or samples="
_SEVERAL = "; a feature is visualized in one input, so fix the others in a module around it"
#: What PyTorch's own sentences about a wrong type have in common.
_OF_TYPES = re.compile(r"\b(dtypes?|types?)\b")


def explain(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> None:
    """Raise InputError or ModelError in place of an error that the arguments explain.

    Errors that the model's own code raises, and those that say nothing about its input, are left.
    """
    if isinstance(error, TypeError):
        _explain_call(model, args, kwargs, error)
    x = next((x for _, x in _tensors({**_numbered(args), **kwargs})), None)
    if x is None:
        return
    if type(error) in _MISFITS and _is_of_torch(error):
        _explain_type(model, args, kwargs, error)
    shape = tuple(x.shape)
    for spec in tree.input_specs(model)[:1]:
        stated = spec.shape or ()
        fixed = [(n, m) for n, m in zip(stated, shape, strict=False) if n is not None]
        if is_exported(model) and any(n != m for n, m in fixed):
            raise InputError(
                f"x has shape {shape_text(shape)}, and the program was exported for "
                f"{shape_text(stated)} and takes no other: export it with dynamic_shapes=."
            ) from error
        if len(stated) == 4 and len(shape) == 3:
            raise InputError(
                f"x has shape {shape_text(shape)}, the first convolution expects "
                f"{shape_text(stated)}: add the batch axis with x[None]."
            ) from error
        if spec.dtype == "int64" and x.is_floating_point() and type(error) in _MISFITS:
            raise InputError(
                f"x holds {_plain(x.dtype)} numbers, and an Embedding takes "
                "indices: pass whole numbers."
            ) from error
    if type(error) in _MISFITS and _is_of_torch(error):
        raise InputError(
            f"{type_name(model)} does not run on an input of shape {shape_text(shape)}, and a "
            f"module does not say what it takes ({_first_line(error)}): pass an array that fits.",
            for_features=_FIT,
        ) from error


def _explain_type(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> None:
    """Explain where PyTorch speaks of types, and a tensor has another than the parameters."""
    computes = {p.dtype for p in model.parameters() if p.is_floating_point() or p.is_complex()}
    given = list(_tensors({**_numbered(args), **kwargs}))
    others = [(name, x) for name, x in given if x.dtype not in computes]
    # Whole numbers are what embeddings take, so a tensor of floating numbers is suspected first.
    others.sort(key=lambda named: not named[1].is_floating_point())
    if not others or not computes or _OF_TYPES.search(str(error)) is None:
        return
    name, x = others[0]
    label = "x" if len(given) == 1 else f"Input {name!r}"
    types = " and ".join(sorted(map(_plain, computes)))
    fix = f"pass a tensor of {types}, or a NumPy array, which is cast"
    if x.is_floating_point() and len(computes) == 1:
        fix = f"pass it as .to({computes.pop()}), or as a NumPy array, which is cast"
    raise InputError(
        f"{label} holds {_plain(x.dtype)} numbers, and {type_name(model)} computes in {types} "
        f"({_first_line(error)}): {fix}."
    ) from error


def _numbered(args: Sequence[Any]) -> dict[str, Any]:
    return {str(i): value for i, value in enumerate(args)}


def _tensors(named: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors among the arguments, those in structures too, with where they are."""
    for name, value in named.items():
        if torch.is_tensor(value):
            yield f"{prefix}{name}", value
        elif isinstance(value, Mapping):
            yield from _tensors(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield from _tensors(_numbered(value), f"{prefix}{name}.")


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _explain_call(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], error: TypeError
) -> None:
    """Explain where the module is not called as it wants to be."""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):  # of compiled code
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
        parameters = signature.parameters.values()
        needed = [p.name for p in parameters if p.default is p.empty and p.kind in kinds]
        names = ", ".join(map(repr, needed))
        if len(needed) > 1:
            raise ModelError(
                f"{type_name(model)} takes several inputs, {names}, and x is "
                f"{len(args) + len(kwargs)}: pass a list of {len(needed)}.",
                for_features=_SEVERAL,
            ) from error
        raise InputError(
            f"{type_name(model)} takes {names or 'no input'}, and x is "
            f"{len(args) + len(kwargs)} inputs: pass what its forward() takes."
        ) from error


def _is_of_torch(error: Exception) -> bool:
    """Return whether PyTorch has raised it, rather than somebody's own code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    # What functions raise passes through the mode that watches them, which is ours.
    return where.partition(".")[0] in ("torch", "layerscope")


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    line = line.strip().rstrip(".")
    return line if len(line) <= 200 else line[:199] + "…"
