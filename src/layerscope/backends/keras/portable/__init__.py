"""A Keras model's pass written down as operations, call by call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from layerscope.backends.keras import tree
from layerscope.backends.keras.calls import intercepted
from layerscope.backends.keras.engines import Engine
from layerscope.backends.keras.forward import leaves, subject_lookup
from layerscope.backends.keras.inputs import input_layers, inputs_by_name
from layerscope.backends.keras.portable.calls import LayerCall
from layerscope.backends.keras.portable.layers import is_known, translated
from layerscope.backends.operations import NotExpressibleError, OperationWriter, Symbol, refusal
from layerscope.backends.trace import Returned, Subject, Trace
from layerscope.core.errors import ModelError
from layerscope.core.operations import OperationGraph
from layerscope.core.selection import Selection


def operations_of(model: Any, x: Any, engine: Engine) -> OperationGraph:
    """Return what a pass on this input computes.

    Raises ModelError where it takes several inputs, or a layer is no operation; it names the layer.
    """
    received = inputs_by_name(model, x)
    if len(received) != 1:
        raise ModelError(
            f"The network can't be computed in a page: it takes {len(received)} inputs, and one is "
            "what a page can give it."
        )
    trace = _CallTrace(
        Selection(everything=True),
        batch=leaves(x)[0].shape[0],
        is_value=engine.value_test(),
        default_layout=engine.default_layout,
        values={},
        may_stop=False,
    )
    listed = {layer.address: layer for layer in input_layers(model)}
    ((name, value),) = received.items()
    trace.receive(name, value, listed=listed.get(name))
    subject_of = subject_lookup(trace, model, tree.subjects(model))

    def noted(operation: Any) -> Subject | None:
        trace.called = operation
        return subject_of(operation)

    with engine.eager(model, trace.values), intercepted(trace, noted):
        output = model(x, training=False)
    writing = _KerasWriting(trace, name, tuple(value.shape), engine)
    for call in trace.calls:
        writing.write(call)
    return writing.graph(trace.address_of(leaves(output)[0]))


@dataclass(frozen=True, slots=True)
class Received:
    """A value of the network among the arguments of a call."""

    address: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _TracedCall:
    operation: Any
    arguments: Any  #: positional and named ones, with Received in place of the network's values
    shape: tuple[int, ...] | None  #: of what it returned; None where that is no single tensor
    returned: tuple[Returned, ...]
    has_layers: bool  #: whether it called others


@dataclass(slots=True)
class _OpenCall:
    operation: Any
    has_layers: bool = False


class _CallTrace(Trace):
    """A trace that holds each call with what it was given, and from which layers that came."""

    def __init__(self, selection: Selection, **settings: Any) -> None:
        super().__init__(selection, **settings)
        self.called: Any = None  #: the operation that is entered next
        self.calls: list[_TracedCall] = []
        self._running: list[_OpenCall] = []
        self._is_tensor = settings["is_value"]
        self._held: list[Any] = []  #: so that no tensor takes the place of another

    def enter(self, subject: Subject, arguments: Sequence[Any] = ()) -> None:
        """Note that a layer is being called, and by which object."""
        if self._running:
            self._running[-1].has_layers = True
        self._running.append(_OpenCall(self.called))
        super().enter(subject, arguments)

    def abandon(self) -> None:
        """Forget the call that runs now."""
        self._running.pop()
        super().abandon()

    def leave(self, arguments: Sequence[Any], result: Any, **settings: Any) -> Any:
        """Note that the layer entered last has returned, and what it was given."""
        running = self._running.pop()
        given = keras.tree.map_structure(self._received, list(arguments))
        self._held += leaves([*arguments, result])
        result = super().leave(arguments, result, **settings)
        shape = tuple(result.shape) if self._is_tensor(result) else None
        self.calls.append(
            _TracedCall(running.operation, given, shape, self.returned, running.has_layers)
        )
        return result

    def address_of(self, value: Any) -> str | None:
        """Return the address of the layer that has returned a value; None for any other.

        What Keras makes of one, of another type or with an axis of length one, stands for it.
        """
        sources = self.lineage.sources(value)
        return sources[0] if len(sources) == 1 else None

    def _received(self, value: Any) -> Any:
        address = self.address_of(value) if self._is_tensor(value) else None
        return value if address is None else Received(address, tuple(value.shape))


@dataclass(slots=True)
class _KerasWriting:
    """Writes calls down, one after the other."""

    trace: _CallTrace
    name: str
    shape: tuple[int, ...]
    engine: Engine
    writer: OperationWriter = field(init=False)
    symbols: dict[str, Symbol] = field(init=False)
    refused: dict[str, str] = field(default_factory=dict)  #: the ends of sentences, by address

    def __post_init__(self) -> None:
        self.writer = OperationWriter(
            self.name, self.shape[1:], self.trace.input_axes[self.name][1:]
        )
        self.symbols = {self.name: self.writer.input}

    def write(self, call: _TracedCall) -> None:
        """Write down a call, and under which address its value stands."""
        (returned, *others) = call.returned or (None,)
        if returned is None:
            return
        handed_on = returned.handed_on
        if handed_on is None or (handed_on in self.refused and is_known(call.operation)):
            address = returned.address if handed_on is None or returned.listed else handed_on
            self.refused.pop(handed_on or "", None)
            if others:
                self.refused[address] = "returns several values"
                return
            self._compute(call, address)
            if handed_on is not None and address in self.symbols:
                self.symbols[handed_on] = self.symbols[address]
        elif returned.listed and handed_on in self.symbols:
            self.writer.renamed(self.symbols[handed_on], returned.address)

    def graph(self, output: str | None) -> OperationGraph:
        """Return all operations; raise ModelError for the first layer that is none."""
        types = {layer.address: layer.type for layer in self.trace.layers}
        for address, reason in self.refused.items():
            raise refusal(address, types[address], reason)
        if output is None or output not in self.symbols:
            raise ModelError(
                "The network can't be computed in a page: what it returns is computed from its "
                "layers' values by code of the model's own."
            )
        return self.writer.graph(self.symbols[output])

    def _compute(self, call: _TracedCall, address: str) -> None:
        axes = next(layer.axes for layer in self.trace.layers if layer.address == address)
        try:
            symbol = self._translated(call)
            self.symbols[address] = self.writer.named(
                symbol, address, None if axes is None else axes[1:]
            )
        except NotExpressibleError as error:
            self.refused[address] = str(error)

    def _translated(self, call: _TracedCall) -> Symbol:
        if call.has_layers and not is_known(call.operation):
            raise NotExpressibleError("computes with code of its own between the layers in it")
        if call.shape is None or call.shape[:1] != self.shape[:1]:
            raise NotExpressibleError("works across samples")
        unread = [one for one in _received_in(call.arguments) if one.address in self.refused]
        if unread:
            raise NotExpressibleError(f"comes after {unread[0].address!r}")
        args, kwargs = keras.tree.map_structure(self._symbol, call.arguments)
        made = LayerCall(
            self.writer, call.operation, tuple(args), kwargs, call.shape[1:], self._array
        )
        return translated(made)

    def _symbol(self, value: Any) -> Any:
        if not isinstance(value, Received):
            return value
        symbol = self.symbols[value.address]
        # A model of layers adds or drops an axis of length one of what it receives.
        return self.writer.reshaped(symbol, value.shape[1:])

    def _array(self, value: Any) -> Any:
        """Return a variable's or a tensor's numbers."""
        return self.engine.read(keras.ops.convert_to_tensor(value))[0]


def _received_in(arguments: Any) -> list[Received]:
    return [leaf for leaf in keras.tree.flatten(arguments) if isinstance(leaf, Received)]
