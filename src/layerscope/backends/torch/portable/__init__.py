"""A PyTorch model's pass written down as operations, call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from layerscope.backends.operations import NotExpressibleError, OperationWriter, Symbol, refusal
from layerscope.backends.parts import named_parts
from layerscope.backends.torch.arguments import Given
from layerscope.backends.torch.calls import CallOutcome, unpacked
from layerscope.backends.torch.functions import bare_name, tensors_in
from layerscope.backends.torch.portable.calls import FunctionCall
from layerscope.backends.torch.portable.functions import translated
from layerscope.backends.torch.portable.modules import module_call
from layerscope.backends.torch.watching import Watching
from layerscope.backends.trace import Returned
from layerscope.core.errors import ModelError
from layerscope.core.network import Network
from layerscope.core.operations import OperationGraph


def operations_of(model: nn.Module, watching: Watching, given: Given) -> OperationGraph:
    """Return what a pass on this input computes.

    Raises ModelError where it takes several inputs, or a layer is no operation; it names the layer.
    """
    if len(given.received) != 1:
        raise ModelError(
            f"The network can't be computed in a page: it takes {len(given.received)} inputs, and "
            "one is what a page can give it."
        )
    log = _CallList()
    run = watching.logged(given, log)
    ((name, received),) = given.received.items()
    writing = _TorchWriting(name, received, run.inputs[name].axes, run.network)
    for call in log.calls:
        writing.write(call)
    return writing.graph(log.calls[-1].result)


@dataclass(frozen=True, slots=True)
class _WatchedCall:
    what: Any  #: a module or a function
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any
    returned: tuple[Returned, ...]
    is_sealed: bool = False  #: a module whose functions are not in the list


class _CallList:
    """Holds all calls of a pass, and with them every tensor, so that none takes another's place."""

    def __init__(self) -> None:
        self.calls: list[_WatchedCall] = []

    def memory_given(self, tensors: Iterable[torch.Tensor]) -> None:
        """Do nothing: what NumPy makes of them is no value of the network."""

    def module_ended(
        self, module: nn.Module, args: Any, kwargs: Any, result: Any, seen: CallOutcome
    ) -> None:
        """Note that a module has returned."""
        call = _WatchedCall(
            module, tuple(args), kwargs, unpacked(result), seen.returned, seen.is_sealed
        )
        self.calls.append(call)

    def function_ended(
        self, func: Any, args: Any, kwargs: Any, result: Any, seen: CallOutcome
    ) -> None:
        """Note that a function has returned."""
        self.calls.append(_WatchedCall(func, tuple(args), kwargs, result, seen.returned))


@dataclass(frozen=True, slots=True)
class _Unknown:
    """What nothing can be computed from in a page, and why: the end of a sentence."""

    reason: str


class _TorchWriting:
    """Writes calls down, one after the other."""

    def __init__(
        self, name: str, received: torch.Tensor, axes: Sequence[str], network: Network
    ) -> None:
        self._writer = OperationWriter(name, tuple(received.shape[1:]), axes[1:])
        self._batch = received.shape[0]
        self._axes = {layer.address: layer.axes for layer in network}
        self._types = {layer.address: layer.type for layer in network}
        self._values: dict[int, Symbol | _Unknown] = {id(received): self._writer.input}

    def write(self, call: _WatchedCall) -> None:
        """Write down a call, and under which address its value stands."""
        is_module = isinstance(call.what, nn.Module)
        if not is_module or call.is_sealed:
            self._compute(call)
        parts = [value for _, value in named_parts(call.result)] if call.returned else []
        for value, returned in zip(parts, call.returned, strict=True):
            self._name(value, returned)

    def graph(self, result: Any) -> OperationGraph:
        """Return all operations; the network's answer is the first value of its result."""
        first = next(tensors_in(result), None)
        answer = self._values.get(id(first))
        if not isinstance(answer, Symbol):
            raise ModelError(
                "The network can't be computed in a page: what it returns is not made of what it "
                "receives alone."
            )
        return self._writer.graph(answer)

    def _name(self, value: Any, returned: Returned) -> None:
        symbol = self._values.get(id(value))
        address = returned.address
        if returned.row is None or (returned.handed_on is not None and not returned.listed):
            return
        if not isinstance(symbol, Symbol):
            unseen = "computes in a way that a page can't follow"
            reason = unseen if symbol is None else symbol.reason
            raise refusal(address, self._types[address], reason)
        if returned.handed_on is not None:
            self._writer.renamed(symbol, address)
        else:
            axes = self._axes[address]
            named = self._writer.named(symbol, address, None if axes is None else axes[1:])
            self._values[id(value)] = named

    def _compute(self, call: _WatchedCall) -> None:
        """Note what the value of a call is, or why nobody can tell."""
        name = bare_name(call.what)
        is_module = isinstance(call.what, nn.Module)
        given = [*tensors_in(call.args), *tensors_in(call.kwargs)]
        received = [self._values[id(value)] for value in given if id(value) in self._values]
        if not received:
            return  # made of the model's own numbers, and no value of the network
        unknown = next((one for one in received if isinstance(one, _Unknown)), None)
        if name == "setitem":
            self._values[id(call.args[0])] = _Unknown("is written into, part by part")
            return
        results = list(tensors_in(call.result))
        if unknown is not None:
            made: Symbol | _Unknown = unknown
        elif is_module or (len(results) == 1 and results[0].is_floating_point()):
            try:
                made = self._translated(call, name, results[0])
            except NotExpressibleError as error:
                made = _Unknown(
                    str(error) if call.returned else f"is given a value by {name!r}, which {error}"
                )
        else:
            made = _Unknown(f"is given what {name!r} returns, which a page does not know")
        for value in results:
            self._values[id(value)] = made

    def _translated(self, call: _WatchedCall, name: str, result: torch.Tensor) -> Symbol:
        if not result.ndim or result.shape[0] != self._batch:
            raise NotExpressibleError("works across samples")
        if call.kwargs.get("out") is not None:
            raise NotExpressibleError("writes its result into another value")
        args, kwargs = self._symbols(call.args), self._symbols(call.kwargs)
        if isinstance(call.what, nn.Module):
            name, settings = module_call(call.what)
            kwargs = {**settings, **kwargs}
        shape = tuple(result.shape[1:])
        return translated(FunctionCall(self._writer, call.what, name, args, kwargs, shape))

    def _symbols(self, value: Any) -> Any:
        """Return arguments with symbols in place of the network's values."""
        return _mapped(value, lambda tensor: self._values.get(id(tensor), tensor))


def _mapped(value: Any, made: Callable[[torch.Tensor], Any]) -> Any:
    if isinstance(value, torch.Tensor):
        return made(value)
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, made) for item in value)
    if isinstance(value, dict):
        return {key: _mapped(item, made) for key, item in value.items()}
    return value
