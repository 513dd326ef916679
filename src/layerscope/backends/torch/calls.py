"""Intercepting what a PyTorch model calls: its modules, and the functions between them."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from layerscope.backends.torch import attention, functions, loops
from layerscope.backends.torch.kinds import kind_of_function
from layerscope.backends.torch.moves import moves_of
from layerscope.backends.torch.reads import reads_of_function
from layerscope.backends.torch.tensors import Originals
from layerscope.backends.trace import PassComplete, Returned, Subject, Trace
from layerscope.backends.turns import in_turn

_Method = TypeVar("_Method", bound=Callable[..., Any])


class Pass(TorchFunctionMode):
    """One pass that is being seen: a function mode, and hooks that are of use while it is active.

    A model's own code may look at a part of it. What such a look calls is no part of the pass
    around it, which is set aside meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_active = False


#: The passes that run now, the innermost last; used by the one thread whose turn it is.
_RUNNING: list[Pass] = []


@contextmanager
def running(seen: Pass) -> Iterator[None]:
    """Have a pass see what is called, for as long as this lasts."""
    _RUNNING.append(seen)
    seen.is_active = True
    try:
        yield
    finally:
        seen.is_active = False
        _RUNNING.remove(seen)


@contextmanager
def outer_aside() -> Iterator[None]:
    """Have the pass whose model looks, where there is one, see nothing of this look."""
    outer = _RUNNING[-1] if _RUNNING else None
    if outer is None or not outer.is_active:
        yield
        return
    modes: list[Any] = []
    while torch._C._len_torch_function_stack():
        modes.insert(0, torch._C._pop_torch_function_stack())
    outer.is_active = False
    for mode in modes:
        if mode is not outer:
            torch._C._push_on_torch_function_stack(mode)
    try:
        yield
    finally:
        while torch._C._len_torch_function_stack():
            torch._C._pop_torch_function_stack()
        for mode in modes:
            torch._C._push_on_torch_function_stack(mode)
        outer.is_active = True


def looking(method: _Method) -> _Method:
    """Have a method run while no other look does, in another thread or around it."""

    @in_turn
    @functools.wraps(method)
    def alone(*args: Any, **kwargs: Any) -> Any:
        if not _RUNNING:
            return method(*args, **kwargs)
        with outer_aside():
            return method(*args, **kwargs)

    return alone  # type: ignore[return-value]


class CallLog(Protocol):
    """Is told of each call in the order in which they end, to be able to replay the pass."""

    def memory_given(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note that the memory of these may be written to by other names from now on."""

    def module_ended(
        self, module: nn.Module, args: Any, kwargs: Any, result: Any, seen: CallOutcome
    ) -> None:
        """Note that a module has returned."""

    def function_ended(
        self, func: Any, args: Any, kwargs: Any, result: Any, seen: CallOutcome
    ) -> None:
        """Note the end of a function that is a step of the network, or may be one another time."""


class CallOutcome:
    """What became of a call: the values that it returned, and the weights of its attention."""

    __slots__ = ("attention", "is_sealed", "marks", "returned")

    def __init__(
        self,
        returned: tuple[Returned, ...] = (),
        attention: str | None = None,
        marks: bool = False,
        is_sealed: bool = False,
    ) -> None:
        self.returned = returned
        self.attention = attention  #: the address of weights that are computed within the call
        self.marks = marks  #: whether it returns attention weights
        self.is_sealed = is_sealed  #: whether the log was not told of the functions in it


@contextmanager
def intercepted(
    trace: Trace,
    subjects: Mapping[nn.Module, Subject],
    prefix_of: Callable[[], str | None],
    originals: Originals,
    log: CallLog | None = None,
    sealed: Collection[str] = (),
    attention_shifts: Mapping[str, torch.Tensor] | None = None,
) -> Iterator[None]:
    """Report to the trace the calls of these modules, and of functions between them.

    Modules get a hook before and one after, for as long as the pass lasts. They come last, so what
    is seen is what the user's own hooks have made of it. ``prefix_of`` gives the address prefix for
    functions called by the module that runs now, None where they are its own affair; ``sealed`` are
    the addresses of modules whose functions the log is not told of. ``attention_shifts`` are added
    to attention weights, by their addresses.
    """
    owner = threading.get_ident()
    entered: list[nn.Module] = []

    # Another thread may call a module while its hooks come and go, one entry after the other: then
    # they are called as hooks that take no arguments by name.
    def before(module: nn.Module, *_: Any) -> None:
        if not functions_seen.is_active:
            return  # for the length of a look of the model's own
        if threading.get_ident() == owner and module in subjects:
            entered.append(module)
            trace.enter(subjects[module])

    def after(module: nn.Module, args: Any, *rest: Any) -> Any:
        if module not in subjects or not functions_seen.is_active:
            return None  # a copy that the model has made of one of its own, hooks and all
        if threading.get_ident() != owner:
            trace.note_in_thread(subjects[module].address)
            return None
        # The result is None where the module raised: then it leaves, and has returned nothing.
        kwargs, result = rest
        if not entered or entered[-1] is not module:
            return None  # a hook of the user's own has raised before ours was reached
        entered.pop()
        as_it_was = result
        # Even a look at a tensor's shape is a function to a function mode.
        with torch._C.DisableTorchFunction():
            weights = marks = None
            if isinstance(module, nn.MultiheadAttention) and result is not None:
                weights = _attend_in(module, args, kwargs, trace)
                if weights is not None and weights in shifts:
                    added = attention.module_applied(module, shifts[weights], args, kwargs)
                    result = (result[0] + added, *result[1:])
            elif isinstance(module, nn.Softmax) and functions_seen.is_attention(
                args, {"dim": module.dim}
            ):
                weights = marks = _attend_by(args[0], result, trace)
                if weights is not None and weights in shifts:
                    result = attention.moved(result, shifts[weights])
            try:
                trace.leave([args, kwargs], unpacked(result))
                if isinstance(module, nn.RNNBase) and trace.returned:
                    loops.offer_steps(trace, module, args, kwargs, result)
            finally:  # also where the pass ends with it
                if log is not None:
                    log.module_ended(
                        module,
                        args,
                        kwargs,
                        result,
                        CallOutcome(
                            trace.returned,
                            weights,
                            bool(marks),
                            subjects[module].address in sealed,
                        ),
                    )
        return None if result is as_it_was else result

    shifts = attention_shifts or {}
    addresses = {subject.address for subject in subjects.values()}
    functions_seen = _Functions(trace, prefix_of, addresses, originals, log, sealed, shifts)
    with ExitStack() as stack:
        for module in subjects:
            if isinstance(module, torch.jit.ScriptModule):
                continue  # takes no hooks
            enter = module.register_forward_pre_hook(before, with_kwargs=True)
            stack.callback(enter.remove)
            leave = module.register_forward_hook(after, with_kwargs=True, always_call=True)
            stack.callback(leave.remove)
        stack.enter_context(functions_seen)
        stack.enter_context(running(functions_seen))
        yield


def _attend_in(module: nn.MultiheadAttention, args: Any, kwargs: Any, trace: Trace) -> str | None:
    known = attention.module_shape(module, args, kwargs)
    if known is None:
        return None
    shape, sources = known
    return trace.attend(shape, sources, lambda: attention.module_weights(module, args, kwargs))


def _attend_by(scores: torch.Tensor, weights: torch.Tensor, trace: Trace) -> str | None:
    """Note what a softmax that is a module has made, for the module around it."""
    compute = functools.partial(attention.marking(scores), weights)
    return trace.attend(weights.shape, [scores], compute, value=weights, around=True)


class _Functions(Pass):
    """Reports the calls of functions such as ``F.relu`` and ``x + y``."""

    def __init__(
        self,
        trace: Trace,
        prefix_of: Callable[[], str | None],
        modules: Collection[str],
        originals: Originals,
        log: CallLog | None,
        sealed: Collection[str],
        attention_shifts: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__()
        self._shifts = attention_shifts
        self._sealed = frozenset(sealed)
        self._originals = originals
        self._trace = trace
        self._modules = modules
        self._prefix_of = prefix_of
        self._log = log
        self._scores: dict[int, weakref.ref[torch.Tensor]] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if functions.gives_memory(func):
            if functions.writes_unseen(func):
                self._originals.give_away(functions.tensors_in(args[:1]))
            if self._log is not None:
                self._log.memory_given(functions.tensors_in(args[:1]))
        inside = self._trace.inside()
        if functions.is_over_batch(func, args, kwargs):
            self._trace.note_over_batch("batch_norm")
        prefix = self._prefix_of()
        name = functions.step_name(func, args)
        seen = CallOutcome()
        if name is None or prefix is None:
            result = func(*args, **kwargs)
            self._carry(func, args, kwargs, result)
            bare = functions.bare_name(func)
            if prefix is not None and functions.is_scaling(bare, args):
                self._trace.scale(bare, [args, kwargs])
        else:
            shift = None
            if self._shifts and name == "scaled_dot_product_attention":
                shift = self._shifts.get(self._trace.next_attention())
            called = func if shift is None else attention.fused_moved(func, shift)
            result, seen = self._step(prefix, name, called, args, kwargs)
        if name == "scaled_dot_product_attention":
            call = attention.FusedCall(args, kwargs)
            seen.attention = self._trace.attend(call.shape, call.sources, call.weights)
        self._follow_scores(func, [args, kwargs], result)
        sealed = inside is not None and inside.address in self._sealed
        if self._log is not None and not sealed:
            self._log.function_ended(func, args, kwargs, result, seen)
        return result

    def _step(
        self, prefix: str, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, CallOutcome]:
        """Call what may be a step; report it where it has made new numbers of the layers'."""
        of_attention = name == "softmax" and self.is_attention(args, kwargs)
        address = prefix + name
        if of_attention:
            address = f"{prefix[:-1]}/attention" if prefix else "attention"
        elif address in self._modules:
            address += "_op"  # a module of this name is another thing
        layout: Any = "attention" if of_attention else functions.LAYOUTS.get(name, "inherit")
        kind, activation = kind_of_function(name, args, kwargs)
        reads = reads_of_function(name, kind, args, kwargs)
        subject = Subject(
            address, name, "operation", layout, kind=kind, activation=activation, reads=reads
        )
        self._trace.enter(subject, [args, kwargs])
        try:
            result = func(*args, **kwargs)
        except BaseException:
            self._trace.abandon()
            raise
        if not self._is_step(name, func, args, kwargs, result):
            self._trace.abandon()
            self._carry(func, args, kwargs, result)
            return result, CallOutcome()
        stored = attention.marking(args[0]) if of_attention else None
        shift = self._shifts.get(self._trace.next_address(address)) if self._shifts else None
        if of_attention and shift is not None:
            result = attention.moved(result, shift)
        seen = CallOutcome(marks=of_attention)
        try:
            return self._trace.leave([args, kwargs], result, stored=stored), seen
        except PassComplete:
            if self._log is not None:
                seen.returned = self._trace.returned
                self._log.function_ended(func, args, kwargs, result, seen)
            raise
        finally:
            seen.returned = self._trace.returned

    def _is_step(
        self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> bool:
        if name == "flatten":
            return functions.flattens(args[0], result)
        return self._trace.has_sources() and functions.is_new(args, kwargs, result, func)

    def _carry(self, func: Any, args: tuple[Any, ...], kwargs: Any, result: Any) -> None:
        """Tell the trace of a function that is no step of its own."""
        name = functions.plain_name(func)
        if name in functions.FRESH:
            return
        if name == "__setitem__" or (name.endswith("_") and args and result is args[0]):
            self._trace.lineage.write([args[1:], kwargs], args[0])
            return
        for part in result if isinstance(result, tuple | list) else (result,):
            if isinstance(part, torch.Tensor):
                order = functions.moved_axes(func, args, part.ndim)
                moves = moves_of(func, args, kwargs, part)
                self._trace.lineage.carry([args, kwargs], part, order, moves)

    def _follow_scores(self, func: Any, arguments: Any, result: Any) -> None:
        """Note which values are products of queries and keys, or come of such."""
        if not isinstance(result, torch.Tensor) or result.ndim not in (3, 4, 5):
            return
        bare = functions.bare_name(func)
        given = [arg for arg in functions.tensors_in(arguments) if arg.ndim >= 3]
        product = bare in functions.PRODUCTS and len(given) >= 2
        if product or (bare in functions.KEEPS_SCORES and any(map(self._has_scores, given))):
            self._scores[id(result)] = weakref.ref(result)

    def _has_scores(self, value: torch.Tensor) -> bool:
        reference = self._scores.get(id(value))
        return reference is not None and reference() is value

    def is_attention(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Return whether a softmax makes attention weights of its argument."""
        scores = args[0] if args else None
        if not isinstance(scores, torch.Tensor) or not self._has_scores(scores):
            return False
        if scores.ndim not in (3, 4):
            return False
        axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
        return isinstance(axis, int) and axis % scores.ndim == scores.ndim - 1


def unpacked(result: Any) -> Any:
    """Return a result without the book-keeping of packed sequences, and nested tensors padded.

    With NaN, as what is missing; with 0 where the numbers are whole.
    """
    if isinstance(result, nn.utils.rnn.PackedSequence):
        return result.data
    if isinstance(result, torch.Tensor) and result.is_nested:
        return torch.nested.to_padded_tensor(result, torch.nan if result.is_floating_point() else 0)
    if type(result) is tuple:
        return tuple(unpacked(item) for item in result)
    return result
