"""Intercepting what a PyTorch model calls: its modules, and the functions between them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from layerscope.backends.trace import Subject, Trace

#: One interception at a time: two threads that put the method back in another order than they
#: replaced it would leave the wrong one behind.
_ONE_AT_A_TIME = threading.RLock()

#: Functions that a person would call a layer or an operation of the network, by PyTorch's names.
_FUNCTIONS = frozenset({
    "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "hardswish", "hardsigmoid", "hardtanh", "sigmoid", "logsigmoid", "tanh", "softplus", "softsign",
    "softmax", "log_softmax", "glu",
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "linear", "bilinear", "embedding", "scaled_dot_product_attention",
    "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "batch_norm", "layer_norm", "group_norm", "instance_norm", "normalize",
    "interpolate", "pixel_shuffle", "pad",
    "add", "sub", "mul", "div", "matmul", "bmm", "einsum", "cat", "stack",
    "mean", "sum", "amax", "flatten",
})  # fmt: skip
_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "matmul"})
_SPELLINGS = {"truediv": "div", "concat": "cat", "view": "flatten", "reshape": "flatten"}


@contextmanager
def intercepted(
    trace: Trace,
    subject_of: Callable[[nn.Module], Subject],
    prefix_of: Callable[[], str | None],
    modules: Collection[str],
) -> Iterator[None]:
    """Report to the trace every module that this thread calls, and functions called between them.

    Modules are all called through ``nn.Module.__call__``; it is replaced for as long as the pass
    lasts, so hooks, the user's own among them, stay as they are. ``prefix_of`` gives the address
    prefix for functions called by the module that runs now, None where they are its own affair;
    ``modules`` are the addresses that modules have.
    """
    original = nn.Module.__call__
    owner = threading.get_ident()

    @functools.wraps(original)
    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != owner:
            return original(module, *args, **kwargs)
        trace.enter(subject_of(module))
        try:
            result = original(module, *args, **kwargs)
        except BaseException:
            trace.abandon()
            raise
        return trace.leave([args, kwargs], result)

    with _ONE_AT_A_TIME:
        original = nn.Module.__call__
        nn.Module.__call__ = call  # type: ignore[method-assign]
        try:
            with _Functions(trace, prefix_of, modules):
                yield
        finally:
            nn.Module.__call__ = original  # type: ignore[method-assign]


class _Functions(TorchFunctionMode):
    """Reports the calls of functions such as ``F.relu`` and ``x + y``."""

    def __init__(
        self, trace: Trace, prefix_of: Callable[[], str | None], modules: Collection[str]
    ) -> None:
        super().__init__()
        self._trace = trace
        self._modules = modules
        self._prefix_of = prefix_of

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = _name(func, args)
        prefix = None if name is None else self._prefix_of()
        if name is None or prefix is None:
            return func(*args, **kwargs)
        address = prefix + name
        if address in self._modules:
            address += "_op"  # a module of this name is another thing
        self._trace.enter(Subject(address, name, "operation", _LAYOUTS.get(name, "inherit")))
        try:
            result = func(*args, **kwargs)
        except BaseException:
            self._trace.abandon()
            raise
        if name == "flatten" and not _flattens(args[0], result):
            self._trace.abandon()
            return result
        return self._trace.leave([args, kwargs], result)


_LAYOUTS: dict[str, Any] = {
    "linear": "channels_last", "layer_norm": "channels_last", "embedding": "channels_last",
    "scaled_dot_product_attention": "default", "matmul": "default", "bmm": "default",
    "einsum": "default", "stack": "default",
}  # fmt: skip


def _name(func: Any, args: tuple[Any, ...]) -> str | None:
    """The name to report a function by; None for one that is no step of a network."""
    name = getattr(func, "__name__", "")
    bare = name.strip("_")
    if name.startswith("__") and bare[:1] in "ir" and bare[1:] in _ARITHMETIC | {"truediv"}:
        bare = bare[1:]  # __iadd__, __radd__
    if bare in ("view", "reshape"):
        return "flatten"
    bare = _SPELLINGS.get(bare, bare)
    if bare not in _FUNCTIONS:
        return None
    if bare in _ARITHMETIC and not all(isinstance(a, torch.Tensor) and a.ndim for a in args[:2]):
        return None  # scaling by a number is no node of its own
    return bare


def _flattens(before: Any, after: Any) -> bool:
    """Whether maps became vectors: ``x.view(n, -1)`` is a flatten, other views are not."""
    return isinstance(after, torch.Tensor) and after.ndim == 2 and before.ndim > 2
