"""A pass through a PyTorch model that is known already: seen at the cost of its hooks.

The first pass for an input of some shape watches every operation, to learn what the model calls,
what comes from what, and what is written to. What follows from that is the same the next time, as
long as the same calls are made in the same order, on values that come from the same calls. So a
``Plan`` of these calls is made, and the next pass only checks that it follows it, and keeps values:
by reference, with the version that PyTorch counts for each tensor, since few are ever written to.

Whatever is otherwise than planned raises ``Diverged``, before anything is written that could not be
taken back; then the model is watched again. A value that was written to behind our back shows by
its version; it is copied at once from then on, and the pass is made once more.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from layerscope.backends import torch_attention as attention
from layerscope.backends import torch_functions as functions
from layerscope.backends.parts import named_parts
from layerscope.backends.torch_calls import Seen, unpacked
from layerscope.backends.trace import MOST_WEIGHTS, PassComplete, Returned
from layerscope.network import Layer, Network
from layerscope.selection import Selection


class Diverged(BaseException):
    """The pass is not the one that was planned.

    Not an Exception, so that no ``except Exception`` of the model's own swallows it.
    """


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a pass, in the order in which calls end."""

    what: Any  #: a weak reference to a module, or the function
    is_module: bool
    returned: tuple[Returned, ...]
    shapes: tuple[tuple[int, ...], ...]  #: of what it returned
    attention: str | None  #: the address of the weights that it computes within
    marks: bool  #: whether what it returns are attention weights, masked places to be marked
    sources: tuple[int, ...]  #: the calls that its arguments come from, -1 for no call


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass through this model was, and will be again."""

    calls: tuple[Call, ...]
    functions: frozenset[Any]  #: those that are calls of the plan
    sealed: frozenset[int]  #: ids of the modules whose functions are their own affair
    network: Network
    aliases: Mapping[str, str]
    axes: Mapping[str, tuple[str, ...] | None]
    input_axes: Mapping[str, tuple[str, ...]]
    may_stop: bool
    complete: bool  #: whether it runs to the pass's end; else, to where one stopped
    written: tuple[int, ...]  #: which of the model's tensors the pass writes to
    handed_on: frozenset[str]  #: addresses of what containers hand on
    copied: set[str]  #: addresses whose values are copied at once, since they are written to later
    kinds: dict[Any, str] = field(default_factory=dict)  #: what is to be done about a function


class Log:
    """Notes the calls of a watched pass, to make a plan of them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._producers = Producers()
        self._storages: dict[str, int] = {}  #: of every value, whether it is kept or not
        self._shared: set[int] = set()  #: storages that others may write to uncounted

    def written_uncounted(self) -> set[str]:
        """Return the addresses of values whose memory may be written to without being counted."""
        return {address for address, held in self._storages.items() if held in self._shared}

    def memory_given(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note that the memory of these may be written to uncounted from now on."""
        self._shared.update(map(functions.storage_of, tensors))

    def module_ended(self, module: nn.Module, args: Any, result: Any, seen: Seen) -> None:
        """Note that a module has returned."""
        self._note(weakref.ref(module), True, args, unpacked(result), seen)

    def function_ended(self, func: Any, args: Any, result: Any, seen: Seen) -> None:
        """Note that a function has returned."""
        self._note(func, False, args, result, seen)

    def _note(self, what: Any, is_module: bool, args: Any, result: Any, seen: Seen) -> None:
        parts = [value for _, value in named_parts(result)] if seen.returned else []
        call = Call(
            what,
            is_module,
            seen.returned,
            tuple(tuple(part.shape) for part in parts),
            seen.attention,
            seen.marks,
            self._producers.of(args),
        )
        for part, became in zip(parts, seen.returned, strict=True):
            self._producers.note(part, len(self.calls))
            self._storages[became.address] = functions.storage_of(part)
        self.calls.append(call)

    def steps(self) -> tuple[tuple[Call, ...], frozenset[Any]]:
        """Return the calls that a replay has to see, and the functions among them."""
        wanted = frozenset(
            call.what
            for call in self.calls
            if not call.is_module
            and (call.returned or call.attention or functions.gives_memory(call.what))
        )
        numbers = {}
        kept: list[Call] = []
        for number, call in enumerate(self.calls):
            if call.is_module or call.what in wanted:
                numbers[number] = len(kept)
                kept.append(call)
        renumbered = [
            Call(
                call.what, call.is_module, call.returned, call.shapes, call.attention, call.marks,
                tuple(numbers.get(source, -1) for source in call.sources),
            )
            for call in kept
        ]  # fmt: skip
        return tuple(renumbered), wanted


class Producers:
    """Which call has returned a tensor."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[weakref.ref[Any], int]] = {}

    def note(self, tensor: Any, call: int) -> None:
        self._by_id[id(tensor)] = (weakref.ref(tensor), call)

    def of(self, args: Sequence[Any]) -> tuple[int, ...]:
        """The calls that arguments come from, also those in lists, one deep."""
        producers = self._by_id
        sources = []
        for arg in args:
            for value in arg if type(arg) in (list, tuple) else (arg,):
                entry = producers.get(id(value))
                if entry is not None and entry[0]() is value:
                    sources.append(entry[1])
                elif isinstance(value, torch.Tensor):
                    sources.append(-1)
        return tuple(sources)


@dataclass(slots=True)
class Choice:
    """What to keep of a plan's calls, for one selection."""

    parts: dict[int, list[tuple[int, str]]] = field(default_factory=dict)  #: by call
    weights: dict[int, str] = field(default_factory=dict)  #: attention weights, by call
    addresses: tuple[str, ...] = ()  #: all that is kept, in the order of the plan
    last: int | None = None  #: the call after which everything is there; None to run to the end


def choose(plan: Plan, selection: Selection) -> Choice | None:
    """Decide what to keep, as ``Trace`` decides it while a pass is watched.

    None where what is selected may come after the plan's end.
    """
    rows = {layer.address: i for i, layer in enumerate(plan.network.layers)}
    kept: dict[str, tuple[int, int]] = {}
    listed: dict[str, set[str]] = {}
    for number, call in enumerate(plan.calls):
        if call.attention is not None:
            layer = plan.network.layers[rows[call.attention]]
            unasked = selection.everything and _size(layer) > MOST_WEIGHTS
            if selection.wants(layer, rows[call.attention]) and not unasked:
                kept[call.attention] = (number, -1)
        for index, part in enumerate(call.returned):
            _choose_part(plan, selection, part, (number, index), kept, listed)
    choice = Choice(addresses=tuple(kept))
    for address, (number, index) in kept.items():
        if index < 0:
            choice.weights[number] = address
        else:
            choice.parts.setdefault(number, []).append((index, address))
    if not plan.complete and not selection.is_complete(kept, len(plan.network.layers) - 1):
        return None
    if plan.may_stop and not selection.everything:
        choice.last = max((number for number, _ in kept.values()), default=None)
    return choice


def _choose_part(
    plan: Plan,
    selection: Selection,
    part: Returned,
    place: tuple[int, int],
    kept: dict[str, tuple[int, int]],
    listed: dict[str, set[str]],
) -> None:
    layers = plan.network.layers
    if part.handed_on is None:
        if part.row is not None and selection.wants(layers[part.row], part.row):
            kept[part.address] = place
        return
    if part.row is not None:
        layer = layers[part.row]
    else:
        layer = Layer(part.address, "", "container", inputs=(part.handed_on,))
    wanted = selection.wants_handed_on(layer, part.row, kept, listed=part.listed)
    if part.listed:
        names = listed.setdefault(part.handed_on, {part.handed_on})
        if wanted:
            for name in names - selection.exact:
                kept.pop(name, None)
        names.add(part.address)
    if wanted:
        kept[part.address] = place


def _size(layer: Layer) -> int:
    size = 1
    for length in layer.shape or ():
        size *= length or 1
    return size


class Replay(TorchFunctionMode):
    """One pass that is to keep to a plan.

    Parameters
    ----------
    plan, choice
        What the pass is, and what to keep of it.
    lasting
        Ids of the tensors that the model holds: what shares their memory is copied.
    guarded
        Those among them that a pass is not known to write to, and of which no copy was made.
    received
        The network's inputs, by name.
    """

    def __init__(
        self,
        plan: Plan,
        choice: Choice,
        lasting: frozenset[int],
        guarded: frozenset[int],
        received: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__()
        self.values: dict[str, torch.Tensor] = {}
        self._plan = plan
        self._calls = plan.calls
        self._choice = choice
        self._lasting = lasting
        self._guarded = guarded
        self._versions: list[tuple[str, torch.Tensor, int]] = []
        self._handed: dict[str, tuple[Any, int]] = {
            name: (weakref.ref(value), value._version) for name, value in received.items()
        }
        self._producers = Producers()
        self._unsealed: list[nn.Module] = []
        self._cursor = 0
        self._owner = threading.get_ident()

    def overwritten(self) -> set[str]:
        """Return the addresses whose values were written to since they were kept."""
        return {address for address, value, was in self._versions if value._version != was}

    @contextmanager
    def watching(self, modules: Sequence[nn.Module]) -> Iterator[None]:
        """See the calls of these modules, and of functions, for as long as this lasts."""
        sealed = self._plan.sealed
        with ExitStack() as stack:
            for module in modules:
                if isinstance(module, nn.MultiheadAttention):
                    handle = module.register_forward_hook(
                        self._attention_ended, with_kwargs=True, always_call=True
                    )
                elif id(module) in sealed:
                    stack.callback(module.register_forward_pre_hook(self._seal).remove)
                    handle = module.register_forward_hook(self._sealed_ended, always_call=True)
                else:
                    handle = module.register_forward_hook(self._ended, always_call=True)
                stack.callback(handle.remove)
            stack.enter_context(self)
            stack.callback(self._unseal)
            yield

    def ordered(self) -> dict[str, torch.Tensor]:
        """Return the values that were kept, in the order of the plan."""
        return {a: self.values[a] for a in self._choice.addresses if a in self.values}

    def finish(self) -> None:
        """Raise Diverged where not every call of the plan was made."""
        if self._cursor != len(self._calls):
            raise Diverged

    def _seal(self, module: nn.Module, args: Any) -> None:
        # What PyTorch's own layers call is their affair, and need not pass by here.
        if threading.get_ident() == self._owner and _is_innermost(self):
            torch._C._pop_torch_function_stack()
            self._unsealed.append(module)

    def _unseal(self) -> None:
        if self._unsealed:
            self._unsealed.clear()
            torch._C._push_on_torch_function_stack(self)

    def _sealed_ended(self, module: nn.Module, args: Any, result: Any) -> None:
        if self._unsealed and self._unsealed[-1] is module:
            self._unseal()
        self._ended(module, args, result)

    def _attention_ended(self, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        address = self._choice.weights.get(self._cursor)
        if address is not None and result is not None:
            with torch._C.DisableTorchFunction():
                self.values[address] = attention.module_weights(module, args, kwargs)  # type: ignore[arg-type]
        self._ended(module, args, result)

    def _ended(self, module: nn.Module, args: Any, result: Any) -> None:
        if threading.get_ident() != self._owner:
            self._cursor = -1  # no pass that was planned calls modules in other threads
            return
        number = self._cursor
        call = self._calls[number] if 0 <= number < len(self._calls) else None
        if call is None or not call.is_module or call.what() is not module:
            raise Diverged
        with torch._C.DisableTorchFunction():
            self._check(number, call, args, unpacked(result))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kinds = self._plan.kinds
        kind = kinds.get(func)
        if kind is None:
            kind = kinds[func] = functions.kind(func, self._plan.functions)
        if kwargs is None:
            kwargs = {}
        if kind == "plain" and "out" not in kwargs:
            return func(*args, **kwargs)
        if kind == "memory":
            raise Diverged
        if kind != "step":
            self._guard(func, args, kwargs)
            if kind != "writing step":
                return func(*args, **kwargs)
        result = func(*args, **kwargs)
        number = self._cursor
        call = self._calls[number] if 0 <= number < len(self._calls) else None
        if call is None or call.is_module or call.what != func:
            raise Diverged
        address = self._choice.weights.get(number)
        if address is not None:
            self.values[address] = attention.FusedCall(args, kwargs).weights()
        self._check(number, call, args, result)
        return result

    def _guard(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise Diverged before something is written to that could not be put back."""
        for tensor in functions.written_by(func, args, kwargs):
            base = tensor._base
            if id(tensor) in self._guarded or (base is not None and id(base) in self._guarded):
                raise Diverged

    def _check(self, number: int, call: Call, args: Sequence[Any], result: Any) -> None:
        """Hold what a call was given and has returned against the plan; keep what is chosen."""
        if self._producers.of(args) != call.sources:
            raise Diverged
        self._cursor = number + 1
        if call.returned:
            whole = type(result) is torch.Tensor
            parts = [result] if whole else [value for _, value in named_parts(result)]
            if len(parts) != len(call.shapes):
                raise Diverged
            for part, shape, returned in zip(parts, call.shapes, call.returned, strict=True):
                if part.shape != shape or part.is_inference():
                    raise Diverged
                self._producers.note(part, number)
                if returned.handed_on is not None:
                    self._check_handed_on(part, returned.handed_on)
                elif returned.address in self._plan.handed_on:
                    self._handed[returned.address] = (weakref.ref(part), part._version)
            for index, address in self._choice.parts.get(number, ()):
                self._keep(address, parts[index], args[0] if call.marks else None)
        if number == self._choice.last:
            raise PassComplete

    def _check_handed_on(self, value: torch.Tensor, address: str) -> None:
        reference, version = self._handed.get(address, (None, -1))
        if reference is None or reference() is not value or version != value._version:
            raise Diverged

    def _keep(self, address: str, value: torch.Tensor, scores: torch.Tensor | None) -> None:
        base = value._base
        if scores is not None:
            value = attention.marking(scores)(value)
        elif (
            address in self._plan.copied
            or id(value) in self._lasting
            or (base is not None and id(base) in self._lasting)
        ):
            value = value.clone()
        else:
            self._versions.append((address, value, value._version))
        self.values[address] = value


def _is_innermost(mode: TorchFunctionMode) -> bool:
    depth = torch._C._len_torch_function_stack()
    return bool(depth) and torch._C._get_function_stack_at(depth - 1) is mode
