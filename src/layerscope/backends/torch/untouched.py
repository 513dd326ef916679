"""A PyTorch model is left as it was found: modes, parameters, buffers, attributes, flags."""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from layerscope.backends.torch.object_state import ObjectState
from layerscope.backends.torch.tensors import Originals
from layerscope.core.console import warn
from layerscope.core.errors import ModelError

#: What a module keeps its parameters, its buffers or its other attributes in.
Attributes = dict[str, Any]


@contextmanager
def inference(model: nn.Module, training: Sequence[nn.Module] | None = None) -> Iterator[None]:
    """Have every module evaluate, by its own Python code; all is as before afterwards.

    A module that switches in its own ``train()`` is switched by it, and back. ``training`` are the
    modules that are in training mode, where that is known; then the mode of others, which the pass
    may switch, is left to whoever puts back the model's attributes.
    """
    every: Sequence[nn.Module] = ()
    if training is None:
        every = list(model.modules())
        training = [module for module in every if module.training]
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_switched(training))
        if training:
            stack.enter_context(_others_told(model))
        try:
            for module in training:
                module.training = False
            # The fused attention kernel never calls the layers that it stands for.
            torch.backends.mha.set_fastpath_enabled(False)
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_attention)
            for module in every:
                if module.training:
                    module.training = False
            for module in training:
                module.training = True


@contextmanager
def _switched(training: Sequence[nn.Module]) -> Iterator[None]:
    """Have modules that are in training mode, and say themselves what that means, leave it."""
    switching = [
        module
        for module in training
        if (type(module).train, type(module).eval) != (nn.Module.train, nn.Module.eval)
    ]
    if not switching:
        yield
        return
    try:
        for module in switching:
            module.eval()
        yield
    finally:
        for module in reversed(switching):
            module.train()


@contextmanager
def _others_told(model: nn.Module) -> Iterator[None]:
    """Warn where another thread calls a model while it is in evaluation mode for a look.

    Its mode is the model's: a thread that trains it meanwhile can't be given another.
    """
    owner, calls = threading.get_ident(), []

    def note(module: nn.Module, *_: Any) -> None:
        if module is model and threading.get_ident() != owner:
            calls.append(threading.get_ident())

    handle = model.register_forward_pre_hook(note)
    try:
        yield
    finally:
        handle.remove()
        if calls:
            warn(
                f"{type(model).__name__} was called by another thread while it was looked at, and "
                "so in evaluation mode: a model is in one mode for all threads. Let its training "
                "and the looks at it take turns.",
                stacklevel=2,
            )


@contextmanager
def frozen(parameters: Iterable[torch.Tensor]) -> Iterator[None]:
    """Take no gradients for these: what only they would need is not computed nor kept."""
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
    """What a pass has written to: which objects, and into which tensors."""

    tensors: Sequence[torch.Tensor] = ()  #: all that may be written to
    objects: list[Any] = field(default_factory=list)  #: dicts, lists and sets
    written: list[torch.Tensor] = field(default_factory=list)
    memory: bool = False  #: whether a tensor was given other memory
    gradients: bool = False  #: whether the pass ran backward
    complete: bool = True  #: whether all of the model's objects were looked at


def state_of(model: nn.Module, others: Sequence[Any] = ()) -> ObjectState:
    """Note what is reachable from a model; its leaves are the tensors, and random generators.

    ``others`` are objects that it is given, and may write to.
    """
    root = (model, *others) if others else model
    state = ObjectState(root, (torch.Tensor, torch.Generator), (nn.Module,))
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):  # its tensors are not among its attributes
            state.leaves += [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return state


def lazy_attributes(model: nn.Module) -> Iterator[Attributes]:
    """Yield what a first call fills in of lazy modules, which can't be taken back."""
    for module in model.modules():
        lazy = any(map(nn.parameter.is_lazy, module.parameters(recurse=False)))
        lazy = lazy or any(map(nn.parameter.is_lazy, module.buffers(recurse=False)))
        if lazy:
            yield vars(module)
            yield from (held for held in vars(module).values() if isinstance(held, dict))


@contextmanager
def unchanged(state: ObjectState, originals: Originals) -> Iterator[Writes]:
    """Take back afterwards what the pass writes to tensors and objects of the model.

    Entering it gives what tells, after it, what that was.
    """
    tensors = {str(i): tensor for i, tensor in enumerate(tensors_of(state))}
    memory = [(t, t.detach()) for t in tensors.values() if _has_plain_memory(t)]
    before: dict[str, Any] = {}
    for name, tensor in tensors.items():
        if tensor.layout is torch.strided:
            originals.watch(before, name, tensor)
        else:
            before[name] = tensor
    generators = [leaf for leaf in state.leaves if isinstance(leaf, torch.Generator)]
    every = [leaf for leaf in state.leaves if isinstance(leaf, torch.Tensor)]
    writes = Writes(tuple(tensors_of(state)), complete=state.complete)
    try:
        with _flags_kept(every, generators), _gradients_kept(tensors.values(), writes):
            yield writes
    finally:
        writes.objects += state.restore()
        for tensor, alias in memory:
            if tensor.data_ptr() != alias.data_ptr():
                writes.memory = True
                tensor.data = alias  # it was given other memory
        for name, tensor in tensors.items():
            if before[name] is not tensor:
                writes.written.append(tensor)
                _write(tensor, before[name])


@contextmanager
def restored(
    state: ObjectState,
    tensors: Sequence[torch.Tensor],
    flags: Sequence[bool],
    generators: Iterable[torch.Generator],
    written: Sequence[int],
) -> Iterator[None]:
    """Take back what a pass writes to, where it is known which tensors these are.

    ``flags`` tell of each tensor whether it wants gradients. Raises ModelError where another one
    was written to: it can't be put back.
    """
    versions = list(map(_version, tensors))
    copies = [(tensors[i], tensors[i].detach().clone()) for i in written]
    try:
        with _flags_kept(tensors, generators, flags):
            yield
    finally:
        state.restore()
        now = list(map(_version, tensors))
        for tensor, copy in copies:
            _write(tensor, copy)
        changed = now != versions and {i for i, was in enumerate(versions) if now[i] != was}
        if changed and not changed <= frozenset(written):
            raise ModelError(
                "The model's weights were written to while it was looked at: by another thread, "
                "which is to train it before or after, or by itself, in a way that could not be "
                "foreseen from an earlier pass and can't be taken back; then load them again."
            )


def tensors_of(state: ObjectState) -> list[torch.Tensor]:
    """Return the tensors that a model holds, those aside that have no shape yet."""
    tensors = [leaf for leaf in state.leaves if isinstance(leaf, torch.Tensor)]
    return [tensor for tensor in tensors if not nn.parameter.is_lazy(tensor)]


@contextmanager
def _gradients_kept(tensors: Iterable[torch.Tensor], writes: Writes) -> Iterator[None]:
    """Have a pass that runs backward add to copies of the gradients that are there."""
    leaves = [tensor for tensor in tensors if tensor.is_leaf]
    grads = [tensor.grad for tensor in leaves]
    copies = [None if grad is None else grad.detach().clone() for grad in grads]
    for tensor, copy in zip(leaves, copies, strict=True):
        if copy is not None:
            tensor.grad = copy
    versions = [None if copy is None else copy._version for copy in copies]
    try:
        yield
    finally:
        for i, tensor in enumerate(leaves):
            copy = copies[i]
            if tensor.grad is not copy or (copy is not None and copy._version != versions[i]):
                writes.gradients = True
            if tensor.grad is not grads[i]:
                tensor.grad = grads[i]


@contextmanager
def _flags_kept(
    tensors: Sequence[torch.Tensor],
    generators: Iterable[torch.Generator],
    flags: Sequence[bool] | None = None,
) -> Iterator[None]:
    """Put back which tensors want gradients, and the state of random generators."""
    states = [(generator, generator.get_state()) for generator in generators]
    flags = list(map(_wants_gradient, tensors) if flags is None else flags)
    try:
        yield
    finally:
        for generator, random_state in states:
            generator.set_state(random_state)
        if list(map(_wants_gradient, tensors)) != flags:
            for tensor, needed in zip(tensors, flags, strict=True):
                if tensor.is_leaf and tensor.requires_grad is not needed:
                    tensor.requires_grad_(needed)


_version = operator.attrgetter("_version")
_wants_gradient = operator.attrgetter("requires_grad")


def _has_plain_memory(tensor: torch.Tensor) -> bool:
    return (
        type(tensor) in (torch.Tensor, nn.Parameter, nn.Buffer) and tensor.layout is torch.strided
    )


def _write(tensor: torch.Tensor, values: torch.Tensor) -> None:
    # A tensor made in inference mode may only be written to in it.
    with torch.inference_mode() if tensor.is_inference() else torch.no_grad():
        strides = tensor.stride() if tensor.layout is torch.strided else ()
        for axis, stride in enumerate(strides):
            if stride == 0:  # the same memory again and again
                tensor, values = tensor.narrow(axis, 0, 1), values.narrow(axis, 0, 1)
        tensor.copy_(values)


@contextmanager
def on_copies(model: nn.Module, writes: Writes) -> Iterator[None]:
    """Let a pass write to copies of what one like it was seen to write to.

    Cheaper than watching for it, and nothing that the model holds becomes part of a graph of
    gradients.
    """
    if not writes.objects and not writes.written:
        yield
        return
    state = state_of(model)
    copies = {id(tensor): tensor.detach().clone() for tensor in writes.written}
    try:
        for attributes in _attributes(model):
            given = {k: copies[id(v)] for k, v in attributes.items() if id(v) in copies}
            attributes.update(given)
        yield
    finally:
        state.restore()


@dataclass(frozen=True)
class Kernel:
    """A convolution's kernel, and the same numbers with the channels last in memory."""

    module: nn.Module
    original: torch.Tensor
    version: int
    copy: torch.Tensor


def kernels(model: nn.Module) -> tuple[Kernel, ...]:
    """Return those that PyTorch would bring into that order in each pass over such images."""
    convolutions = []
    for module in model.modules():
        kernel = module._parameters.get("weight") if isinstance(module, nn.Conv2d) else None
        if kernel is None or kernel.is_contiguous(memory_format=torch.channels_last):
            continue
        with torch.inference_mode(False):  # gradients go through it
            copy = kernel.detach().contiguous(memory_format=torch.channels_last)
        convolutions.append(Kernel(module, kernel, kernel._version, copy))
    return tuple(convolutions)


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
        for attributes, kernel in held:
            attributes["weight"] = kernel.copy
        yield
    finally:
        for attributes, kernel in held:
            attributes["weight"] = kernel.original


def _attributes(model: nn.Module) -> list[Attributes]:
    plain = [m for m in model.modules() if not isinstance(m, torch.jit.ScriptModule)]
    return [attributes for m in plain for attributes in (vars(m), m._parameters, m._buffers)]
