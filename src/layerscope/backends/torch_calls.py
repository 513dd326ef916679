"""Intercepting what a PyTorch model calls: its modules, and the functions between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from layerscope.backends.torch_tensors import Originals
from layerscope.backends.trace import Subject, Trace

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
#: What gives a tensor's memory to others, who may write to it unseen.
_ESCAPES = frozenset({"numpy", "__array__", "__dlpack__", "data_ptr", "untyped_storage", "storage"})
_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "matmul"})
_SPELLINGS = {"truediv": "div", "concat": "cat", "view": "flatten", "reshape": "flatten"}


@contextmanager
def intercepted(
    trace: Trace,
    subjects: Mapping[nn.Module, Subject],
    prefix_of: Callable[[], str | None],
    originals: Originals,
) -> Iterator[None]:
    """Report to the trace the calls of these modules, and of functions between them.

    Modules get a hook before and one after, for as long as the pass lasts. They come last, so what
    is seen is what the user's own hooks have made of it. ``prefix_of`` gives the address prefix for
    functions called by the module that runs now, None where they are its own affair.
    """
    owner = threading.get_ident()

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        if threading.get_ident() == owner:
            trace.enter(subjects[module])

    def after(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        # Called with None where the module raised: then it leaves, and has returned nothing.
        if threading.get_ident() == owner:
            # Even a look at a tensor's shape is a function to a function mode.
            with torch._C.DisableTorchFunction():
                trace.leave([args, kwargs], unpacked(result))

    with ExitStack() as stack:
        for module in subjects:
            if isinstance(module, torch.jit.ScriptModule):
                continue  # takes no hooks
            enter = module.register_forward_pre_hook(before, with_kwargs=True)
            stack.callback(enter.remove)
            leave = module.register_forward_hook(after, with_kwargs=True, always_call=True)
            stack.callback(leave.remove)
        addresses = {subject.address for subject in subjects.values()}
        stack.enter_context(_Functions(trace, prefix_of, addresses, originals))
        yield


class _Functions(TorchFunctionMode):
    """Reports the calls of functions such as ``F.relu`` and ``x + y``."""

    def __init__(
        self,
        trace: Trace,
        prefix_of: Callable[[], str | None],
        modules: Collection[str],
        originals: Originals,
    ) -> None:
        super().__init__()
        self._originals = originals
        self._trace = trace
        self._modules = modules
        self._prefix_of = prefix_of

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _ESCAPES and args:
            self._originals.detach_from([args[0]])
        name = _name(func, args)
        prefix = None if name is None else self._prefix_of()
        if name is None or prefix is None:
            result = func(*args, **kwargs)
            self._carry(func, args, kwargs, result)
            return result
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
            self._carry(func, args, kwargs, result)
            return result
        return self._trace.leave([args, kwargs], result)

    def _carry(self, func: Any, args: tuple[Any, ...], kwargs: Any, result: Any) -> None:
        """Tell the trace of a function that is no step of its own."""
        name = _own_name(func)
        if name in _FRESH:
            return
        if name == "__setitem__" or (name.endswith("_") and args and result is args[0]):
            self._trace.write([args[1:], kwargs], args[0])
            return
        for part in result if isinstance(result, tuple | list) else (result,):
            if isinstance(part, torch.Tensor):
                self._trace.carry([args, kwargs], part, _order(func, args, part.ndim))


#: Functions whose result has the shape of an argument, and nothing else of it.
_FRESH = frozenset({
    "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like",
    "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor",
})  # fmt: skip
_LAYOUTS: dict[str, Any] = {
    "linear": "channels_last", "layer_norm": "channels_last", "embedding": "channels_last",
    "scaled_dot_product_attention": "default", "matmul": "default", "bmm": "default",
    "einsum": "default", "stack": "default",
}  # fmt: skip


def unpacked(result: Any) -> Any:
    """A result without the book-keeping of packed sequences."""
    if isinstance(result, nn.utils.rnn.PackedSequence):
        return result.data
    if type(result) is tuple:
        return tuple(unpacked(item) for item in result)
    return result


def _order(func: Any, args: tuple[Any, ...], rank: int) -> list[int] | None:
    """In which order a function puts the axes of its argument; None where it leaves them."""
    name = _own_name(func)
    places = [p for p in args[1:] if isinstance(p, int)]
    order = list(range(rank))
    if name in ("transpose", "swapaxes", "swapdims") and len(places) == 2:
        one, other = (place % rank for place in places)
        order[one], order[other] = order[other], order[one]
        return order
    if name == "permute":
        listed = args[1] if len(args) > 1 and isinstance(args[1], tuple | list) else places
        return [place % rank for place in listed] if len(listed) == rank else None
    return None


def _name(func: Any, args: tuple[Any, ...]) -> str | None:
    """The name to report a function by; None for one that is no step of a network."""
    name = _own_name(func)
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


def _own_name(func: Any) -> str:
    """``add`` also for ``aten.add.Tensor``, which exported programs call."""
    name: str = getattr(func, "__name__", "")
    return name.partition(".")[0] if isinstance(func, torch._ops.OpOverload) else name


def _flattens(before: Any, after: Any) -> bool:
    """Whether maps became vectors: ``x.view(n, -1)`` is a flatten, other views are not."""
    return isinstance(after, torch.Tensor) and after.ndim == 2 and before.ndim > 2
