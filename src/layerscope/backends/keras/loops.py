"""What runs inside Keras' loops, step by step: states and gates of recurrent layers, inner maps.

A recurrent layer hands out its last state, and what a loop of the backend computes in between can't
be seen. So where it is asked for, the recurrence is run once more by the layer's own cell, in the
same loop of the backend, with all states for its output, and held against what the layer returned.
The gates follow from the states, of all
steps at once. A ``TimeDistributed`` layer loops in Python: what the layers in it return is kept as
they are called.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from keras.src import backend as keras_backend

from layerscope.backends.keras.graph import has_steps
from layerscope.backends.trace import Subject, Trace
from layerscope.core.errors import ModelError

_LSTM, _GRU = keras.layers.LSTMCell, keras.layers.GRUCell
#: What the gates of a cell are called, in the order in which its kernel has them.
GATES = {
    _LSTM: ("input_gate", "forget_gate", "candidate", "output_gate"),
    _GRU: ("update_gate", "reset_gate", "candidate"),
}
#: Cells that return their first state.
_SHOWING_STATE = (_LSTM, _GRU, keras.layers.SimpleRNNCell)
#: How far what is computed once more may be from what the layer returned.
_APART = {"float16": 2e-2, "bfloat16": 1e-1}
#: In the place of each value of a recurrence that was another one; no state is this throughout.
_REFUSED = -np.inf


def begun(layer: Any) -> Any:
    """Return the states that a layer keeps from one batch to the next, before it is called."""
    if not isinstance(layer, keras.layers.RNN) or not layer.stateful:
        return None
    return keras.tree.map_structure(lambda state: state.value, layer.states)


def note(trace: Trace, layer: Any, args: Any, kwargs: Any, result: Any, states: Any) -> None:
    """Tell what ran inside a layer that has just returned; ``states`` are those it began with."""
    if not trace.returned:
        return  # inside another loop
    address = trace.returned[0].address.partition("[")[0]
    if has_steps(layer):
        _, _, number = address.partition("#")
        for name, values in trace.take_steps().items():
            calls = len(values) // result.shape[1]  # in each step
            for call in range(calls):
                at = (int(number or 1) - 1) * calls + call + 1
                called = name if at == 1 else f"{name}#{at}"
                steps = values[call::calls]
                trace.offer(called, functools.partial(ops.stack, steps, axis=1))
    elif isinstance(layer, keras.layers.RNN):
        run = _Recurrence(trace, layer, args, kwargs, states, result)
        for name, compute in run.offers():
            trace.offer(f"{address}/{name}", compute)


def check_steps(values: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise ModelError where what was computed once more is not what the layer returned."""
    for address, array in values.items():
        if array.size and array.flat[0] == _REFUSED and (array == _REFUSED).all():
            raise ModelError(
                f"{address!r} can't be had: computed once more by the layer's own cell, the "
                "outputs are not what the layer returned."
            )


class _Recurrence:
    """One call of a recurrent layer, run once more where something of it is asked for."""

    def __init__(
        self, trace: Trace, layer: Any, args: Any, kwargs: Any, states: Any, result: Any
    ) -> None:
        self._trace, self._layer, self._begun, self._result = trace, layer, states, result
        bound = inspect.signature(layer.call).bind(*args, **kwargs)
        self._passed = bound.arguments
        self._series: list[Any] | None = None
        self._alike: Any = None  # a truth value of the backend's; None where it can't be told

    def offers(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Yield the name of each state and gate, and what computes it at every step."""
        cells = getattr(self._layer.cell, "cells", None)
        at = 0
        for number, cell in enumerate(cells or [self._layer.cell]):
            inside = f"{number}/" if cells else ""
            for name in _state_names(cell):
                yield inside + name, functools.partial(self._state, at)
                at += 1
            for gate, name in enumerate(GATES.get(type(cell), ()) if not cells else ()):
                yield name, functools.partial(self._gate, gate)

    def _state(self, number: int) -> Any:
        return self._upright(self._trusted(self.series[number]))

    def _gate(self, number: int) -> Any:
        return self._upright(self._trusted(self._gates()[number]))

    def _trusted(self, series: Any) -> Any:
        """Return values that :func:`check_steps` refuses where the recurrence was another one."""
        return series if self._alike is None else ops.where(self._alike, series, _REFUSED)

    @property
    def series(self) -> list[Any]:
        """All states at every step, in the order of processing."""
        if self._series is None:
            # What the cell calls is no part of the pass.
            self._trace.enter(Subject("", "", opaque=True))
            try:
                self._series = self._run()
            finally:
                self._trace.abandon()
        return self._series

    def _inputs(self) -> tuple[Any, list[Any], Any]:
        """Return the sequences, the first states and the mask."""
        layer, passed = self._layer, self._passed
        sequences: Any = passed["sequences"]
        mask = passed.get("mask")
        states = passed.get("initial_state")
        if mask is None and states is None:  # Keras hands on the mask of a sole tensor
            mask = keras_backend.get_keras_mask(sequences)
        if states is None:
            states = self._begun
        if states is None:
            states = layer.get_initial_state(batch_size=sequences.shape[0])
        states = list(states) if keras.tree.is_nested(states) else [states]

        def cast(value: Any) -> Any:
            return ops.cast(value, layer.cell.compute_dtype)

        return cast(sequences), keras.tree.map_structure(cast, states), mask

    def _run(self) -> list[Any]:
        layer = self._layer
        sequences, states, mask = self._inputs()
        known = {"training": False} if getattr(layer.cell, "_call_has_training_arg", False) else {}

        cell = layer.cell
        shows_state = type(cell) in _SHOWING_STATE  # what it returns is its first state

        def step(inputs: Any, before: Any) -> Any:
            output, after = cell.call(inputs[0], before, **known)
            after = after if keras.tree.is_nested(after) else [after]
            if len(inputs) > 1:  # a masked step hands on the states
                pairs = zip(*map(keras.tree.flatten, (after, before)), strict=True)
                kept = [ops.where(_like(inputs[1], new), new, old) for new, old in pairs]
                after = keras.tree.pack_sequence_as(after, kept)
            shown = [] if shows_state else keras.tree.flatten(output)
            return ops.concatenate([*keras.tree.flatten(after), *shown], axis=-1), after

        # Not the loop's own mask: on JAX the output would have to be as large as a state.
        inputs = (sequences,) if mask is None else (sequences, ops.cast(mask, "bool")[..., None])
        _, series, _ = keras_backend.rnn(
            step,
            inputs,
            states,
            go_backwards=layer.go_backwards,
            input_length=sequences.shape[1],
            return_all_outputs=True,
        )
        widths = [state.shape[-1] for state in keras.tree.flatten(states)]
        ends = list(itertools.accumulate(widths))
        ends = ends[:-1] if shows_state else ends
        parts = list(ops.split(series, ends, axis=-1)) if ends else [series]
        states, output = (parts, parts[0]) if shows_state else (parts[:-1], parts[-1])
        if shows_state or mask is None:  # a masked step of another cell shows what it will
            self._alike = self._is_returned(output, masked=mask is not None)
        return states

    def _is_returned(self, series: Any, *, masked: bool) -> Any:
        """Return whether the layer returned these outputs; None where that can't be told."""
        layer, result = self._layer, self._result
        result = result[0] if isinstance(result, list | tuple) else result
        every = layer.return_sequences
        if every and masked and layer.zero_output_for_mask:
            return None
        computed = series if every else series[:, -1]
        if tuple(computed.shape) != tuple(result.shape):
            return ops.convert_to_tensor(False)
        computed, result = (ops.cast(value, "float32") for value in (computed, result))
        apart = _APART.get(layer.compute_dtype, 1e-3)
        return ops.all(ops.isclose(computed, result, rtol=apart, atol=apart, equal_nan=True))

    def _gates(self) -> list[Any]:
        """Return the gates at every step, from the states before it."""
        cell = self._layer.cell
        sequences, states, _ = self._inputs()
        if self._layer.go_backwards:
            sequences = ops.flip(sequences, axis=1)
        states = ops.concatenate([states[0][:, None], self.series[0][:, :-1]], axis=1)
        make = _lstm_gates if type(cell) is _LSTM else _gru_gates
        return make(cell, sequences, states)

    def _upright(self, series: Any) -> Any:
        """Return values in the order of the input."""
        return ops.flip(series, axis=1) if self._layer.go_backwards else series


def _like(mask: Any, value: Any) -> Any:
    """Return a mask of samples with as many axes as a value."""
    return ops.reshape(mask, (mask.shape[0], *[1] * (len(value.shape) - 1)))


def _state_names(cell: Any) -> list[str]:
    count = len(keras.tree.flatten(cell.state_size))
    if count == 2 and "LSTM" in type(cell).__name__:
        return ["state", "cell_state"]
    return ["state", *(f"state_{number}" for number in range(2, count + 1))]


def _lstm_gates(cell: Any, x: Any, before: Any) -> list[Any]:
    total = ops.matmul(x, cell.kernel) + ops.matmul(before, cell.recurrent_kernel)
    if cell.use_bias:
        total = total + cell.bias
    i, f, c, o = ops.split(total, 4, axis=-1)
    gate = cell.recurrent_activation
    return [gate(i), gate(f), cell.activation(c), gate(o)]


def _gru_gates(cell: Any, x: Any, before: Any) -> list[Any]:
    bias = inner_bias = 0.0
    if cell.use_bias:
        bias, inner_bias = cell.bias, 0.0
        if cell.reset_after:
            bias, inner_bias = cell.bias[0], cell.bias[1]
    xz, xr, xh = ops.split(ops.matmul(x, cell.kernel) + bias, 3, axis=-1)
    gate, units = cell.recurrent_activation, cell.units
    if cell.reset_after:
        inner = ops.matmul(before, cell.recurrent_kernel) + inner_bias
        hz, hr, hh = ops.split(inner, 3, axis=-1)
        z, r = gate(xz + hz), gate(xr + hr)
        return [z, r, cell.activation(xh + r * hh)]
    hz, hr = ops.split(ops.matmul(before, cell.recurrent_kernel[:, : 2 * units]), 2, axis=-1)
    z, r = gate(xz + hz), gate(xr + hr)
    return [
        z,
        r,
        cell.activation(xh + ops.matmul(r * before, cell.recurrent_kernel[:, 2 * units :])),
    ]
