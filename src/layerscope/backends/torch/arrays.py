"""What a pass has kept, as named arrays: made at once, or when they are first asked for."""

from __future__ import annotations

import dataclasses
import operator
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from layerscope.backends.parts import is_record
from layerscope.backends.torch.attention import FusedCall
from layerscope.backends.torch.calls import unpacked
from layerscope.backends.torch.tensors import are_plain, is_readable, read
from layerscope.core.axes import LazyArrays, NamedArray, named_axes


def named_arrays(
    values: Mapping[str, Any], axes: Mapping[str, tuple[str, ...] | None]
) -> LazyArrays:
    """Return the values as arrays: made at once where that frees memory, else when asked for.

    Attention weights are computed when they are asked for, where a pass has kept what they are
    computed from.
    """
    tensors = {a: v for a, v in values.items() if not isinstance(v, FusedCall)}
    readable = tensors if are_plain(tensors.values()) else _readable(tensors)
    # Of the same memory, with a shape of its own: the model's own hooks may keep the value, too.
    detached = dict(readable)
    for address in _held_by_others(readable):
        detached[address] = readable[address].detach()
    later = detached if len(detached) == len(values) else {**values, **detached}
    process = os.getpid()
    made = {a: named_array(v, axes[a]) for a, v in tensors.items() if a not in detached}

    def make(address: str) -> NamedArray:
        value = later[address]
        with torch._C.DisableTorchFunction():  # where a model's own code reads what it looked at
            if isinstance(value, FusedCall):
                with _as_at_the_look(process):
                    value = value.weights()
            return named_array(value, axes[address])

    return LazyArrays(values, make, made)


def _readable(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {address: tensor for address, tensor in tensors.items() if is_readable(tensor)}


def _held_by_others(tensors: dict[str, torch.Tensor]) -> list[str]:
    """Return the addresses of values that somebody may hold, or that gradients go through."""
    counts = list(map(sys.getrefcount, tensors.values()))
    wanting = map(operator.attrgetter("requires_grad"), tensors.values())
    return [
        address
        for address, count, wants_gradient in zip(tensors, counts, wanting, strict=True)
        if count > _HELD_BY_US or wants_gradient
    ]


def _references() -> int:
    """Return how many references there are to what is in three dicts alone, as it is counted."""
    one: dict[int, object] = {0: object()}
    others = dict(one), dict(one)
    (count,) = map(sys.getrefcount, one.values())
    return count if len(others) == 2 else 0


#: References to a value that a pass has kept: those of a pass's own dict, and of two made of it.
_HELD_BY_US = _references()


@contextmanager
def _as_at_the_look(process: int) -> Iterator[None]:
    """Compute as a look does, whatever the reader is in the midst of; in a forked process, too."""
    threads = torch.get_num_threads()
    if os.getpid() != process:
        torch.set_num_threads(1)  # OpenMP's others were not forked, and would be waited for
    try:
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast("cpu", enabled=False),
            _disable_current_modes(),
        ):
            yield
    finally:
        if os.getpid() != process:
            torch.set_num_threads(threads)


def named_array(value: Any, axes: tuple[str, ...] | None) -> NamedArray:
    values, was = read(value)
    return NamedArray(values, axes or named_axes(values.shape), {"dtype": was} if was else {})


def output_arrays(output: Any) -> Any:
    if isinstance(output, torch.Tensor):
        return read(unpacked(output))[0]
    if isinstance(output, dict):
        return {key: output_arrays(value) for key, value in output.items()}
    if isinstance(output, tuple | list):
        return [output_arrays(value) for value in output]
    if is_record(output):
        return {f.name: output_arrays(getattr(output, f.name)) for f in dataclasses.fields(output)}
    return output
