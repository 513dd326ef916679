"""A PyTorch model is left as it was found: modes, parameters, buffers, attributes, flags."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from layerscope.backends.torch_tensors import Originals, lasting_tensors

#: What a module keeps its parameters, its buffers or its other attributes in.
Attributes = dict[str, Any]


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, every module run by its own Python code; all as before afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            for module, training in modes:
                if training:
                    module.training = False
            # The fused attention kernel never calls the layers that it stands for.
            torch.backends.mha.set_fastpath_enabled(False)
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_attention)
            for module, training in modes:
                if module.training is not training:
                    module.training = training


@contextmanager
def frozen(parameters: Iterable[torch.Tensor]) -> Iterator[None]:
    """No gradients for these: what only they would need is neither computed nor kept."""
    trained = [p for p in parameters if p.requires_grad and p.is_leaf]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@dataclass
class Writes:
    """What a pass has written to: which attributes, and into which tensors."""

    tensors: Sequence[torch.Tensor] = ()  #: all that may be written to
    attributes: list[Attributes] = field(default_factory=list)
    written: list[torch.Tensor] = field(default_factory=list)


@contextmanager
def unchanged(model: nn.Module, originals: Originals) -> Iterator[Writes]:
    """What the pass writes to parameters, buffers and attributes is taken back afterwards.

    Entering it gives what tells, after it, what that was.
    """
    held = [(own, dict(own)) for own in _attributes(model)]
    tensors = {str(i): tensor for i, tensor in enumerate(lasting_tensors(model))}
    before: dict[str, Any] = {}
    for name, tensor in tensors.items():
        originals.watch(before, name, tensor)
    writes = Writes(tuple(tensors.values()))
    try:
        yield writes
    finally:
        for own, entries in held:
            if own.keys() != entries.keys() or any(own[k] is not entries[k] for k in entries):
                writes.attributes.append(own)
            own.clear()
            own.update(entries)
        for name, tensor in tensors.items():
            if before[name] is not tensor:
                writes.written.append(tensor)
                tensor.copy_(before[name])


@contextmanager
def on_copies(model: nn.Module, writes: Writes) -> Iterator[None]:
    """Let a pass write to copies of what one like it was seen to write to.

    Cheaper than watching for it, and nothing that the model holds becomes part of a graph of
    gradients.
    """
    if not writes.attributes and not writes.written:
        yield
        return
    copies = {id(tensor): tensor.detach().clone() for tensor in writes.written}
    changed = {id(own) for own in writes.attributes}
    held = [
        (own, dict(own))
        for own in _attributes(model)
        if id(own) in changed or any(id(value) in copies for value in own.values())
    ]
    try:
        for own, entries in held:
            own.update({k: copies[id(v)] for k, v in entries.items() if id(v) in copies})
        yield
    finally:
        for own, entries in held:
            own.clear()
            own.update(entries)


@dataclass(frozen=True)
class Kernel:
    """A convolution's kernel, and the same numbers with the channels last in memory."""

    module: nn.Module
    original: torch.Tensor
    version: int
    copy: torch.Tensor


def kernels(model: nn.Module) -> tuple[Kernel, ...]:
    """Those that PyTorch would bring into that order in each pass over images that have it."""
    found = []
    for module in model.modules():
        kernel = module._parameters.get("weight") if isinstance(module, nn.Conv2d) else None
        if kernel is None or kernel.is_contiguous(memory_format=torch.channels_last):
            continue
        with torch.inference_mode(False):  # gradients go through it
            copy = kernel.detach().contiguous(memory_format=torch.channels_last)
        found.append(Kernel(module, kernel, kernel._version, copy))
    return tuple(found)


@contextmanager
def channels_last(kernels: Sequence[Kernel]) -> Iterator[None]:
    """Convolve with these copies, those aside whose kernels have changed since."""
    current = [
        kernel
        for kernel in kernels
        if kernel.module._parameters.get("weight") is kernel.original
        and kernel.original._version == kernel.version
    ]
    held: list[tuple[Attributes, Kernel]] = [(k.module._parameters, k) for k in current]
    try:
        for own, kernel in held:
            own["weight"] = kernel.copy
        yield
    finally:
        for own, kernel in held:
            own["weight"] = kernel.original


def _attributes(model: nn.Module) -> list[Attributes]:
    plain = [m for m in model.modules() if not isinstance(m, torch.jit.ScriptModule)]
    return [own for m in plain for own in (vars(m), m._parameters, m._buffers)]
