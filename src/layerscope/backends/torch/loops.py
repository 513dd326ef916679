"""States and gates of PyTorch's recurrent modules at every step, computed where they are asked for.

The framework runs all steps at once and hands out what the last layer's states were. So the
recurrence is computed once more from the module's weights, and held against what it returned.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from math import nan
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from layerscope.backends.trace import Trace
from layerscope.core.errors import ModelError

#: What a value at every step has for axes.
_AXES = ("sample", "position", "channel")
#: What there is of each kind of module, in the order in which a step computes it.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("state", "cell_state", "input_gate", "forget_gate", "candidate", "output_gate"),
    "GRU": ("state", "reset_gate", "update_gate", "candidate"),
    "RNN_TANH": ("state",),
    "RNN_RELU": ("state",),
}
#: How far states may be from what the module returned, in half and in whole precision.
_APART = {torch.float16: 2e-2, torch.bfloat16: 1e-1}

Values = dict[str, torch.Tensor]


def offer_steps(
    trace: Trace, module: nn.RNNBase, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> None:
    """Tell what ran inside a recurrent module that has just returned.

    Not of a single sequence without an axis of samples. Packed ones are padded: after a sequence's
    end values are NaN.
    """
    given = dict(zip(("input", "hx"), args, strict=False)) | dict(kwargs)
    inputs = given["input"]
    packed = isinstance(inputs, PackedSequence)
    single = not packed and (not isinstance(inputs, torch.Tensor) or inputs.ndim != 3)
    if single or module.mode not in _NAMES:
        return
    address = trace.returned[0].address.partition("[")[0]
    run = _RecurrentSteps(module, inputs, given.get("hx"), result[0])
    for inside, name in run.names():
        compute = functools.partial(run.value, inside, name)
        trace.offer("/".join(filter(None, (address, inside, name))), compute, _AXES)


class _RecurrentSteps:
    """One call of a recurrent module, computed once more where something of it is asked for."""

    def __init__(self, module: nn.RNNBase, inputs: Any, hx: Any, output: Any) -> None:
        self._module, self._inputs, self._hx, self._output = module, inputs, hx, output
        self._lengths: torch.Tensor | None = None  #: of packed sequences
        self._directions = ("forward", "backward") if module.bidirectional else ("",)

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the place within the module, empty where there is one, and the value's name."""
        for layer in range(self._module.num_layers):
            for direction in self._directions:
                for name in _NAMES[self._module.mode]:
                    yield self._place(layer, direction), name

    def value(self, inside: str, name: str) -> torch.Tensor:
        """Return a value at every step, in the order of the input, samples first."""
        return self._values[inside][name]

    def _place(self, layer: int, direction: str) -> str:
        number = str(layer) if self._module.num_layers > 1 else ""
        return "/".join(filter(None, (number, direction)))

    @functools.cached_property
    def _values(self) -> dict[str, Values]:
        """Everything, by the place within the module."""
        module = self._module
        values: dict[str, Values] = {}
        below = self._samples_first(self._inputs)
        within = None if self._lengths is None else self._within(below.shape[1])
        for layer in range(module.num_layers):
            states = []
            for number, direction in enumerate(self._directions):
                at = layer * len(self._directions) + number
                steps = self._steps(below, at, within, backward=direction == "backward")
                values[self._place(layer, direction)] = steps
                states.append(steps["state"])
            below = torch.cat(states, -1)
        output = self._samples_first(self._output)
        if within is not None:
            below = below.where(within, 0)
            for steps in values.values():
                steps.update({name: value.where(within, nan) for name, value in steps.items()})
        apart = _APART.get(output.dtype, 1e-3)
        if not torch.allclose(
            below, output.to(below.dtype), rtol=apart, atol=apart, equal_nan=True
        ):
            raise ModelError(
                f"The states of this {type(module).__name__} can't be had: computed once more from "
                "its weights, they are not what it returned."
            )
        return values

    def _samples_first(self, sequences: Any) -> torch.Tensor:
        """Return sequences with the samples first, padded where they were packed."""
        if isinstance(sequences, PackedSequence):
            padded, self._lengths = pad_packed_sequence(sequences, batch_first=True)
            return padded
        whole: torch.Tensor = sequences
        return whole if self._module.batch_first else whole.transpose(0, 1)

    def _within(self, steps: int) -> torch.Tensor:
        """Return which positions lie within each packed sequence, as (sample, position, 1)."""
        assert self._lengths is not None
        return (torch.arange(steps) < self._lengths[:, None])[..., None].to(self._device)

    @property
    def _device(self) -> torch.device:
        return self._module.all_weights[0][0].device

    def _steps(
        self, inputs: torch.Tensor, at: int, within: torch.Tensor | None, *, backward: bool
    ) -> Values:
        """Return the values of one layer in one direction."""
        module = self._module
        weights = [weight.detach() for weight in module.all_weights[at]]
        biases = weights[2:4] if module.bias else [None, None]
        project = weights[-1] if module.proj_size else None
        step = _STEPS[module.mode]
        given = functional.linear(inputs, weights[0], biases[0])
        hidden, cell = self._first(inputs, at)
        made: dict[str, list[torch.Tensor]] = {name: [] for name in _NAMES[module.mode]}
        order = range(inputs.shape[1])
        for position in reversed(order) if backward else order:
            inner = functional.linear(hidden, weights[1], biases[1])
            one = step(given[:, position], inner, hidden, cell)
            if project is not None:
                one["state"] = functional.linear(one["state"], project)
            new = one["state"], one.get("cell_state", cell)
            if within is not None:  # backwards a sequence begins at its own end
                alive = within[:, position]
                new = new[0].where(alive, hidden), new[1].where(alive, cell)
            hidden, cell = new
            for name, value in one.items():
                made[name].append(value)
        return {n: torch.stack(v[::-1] if backward else v, 1) for n, v in made.items()}

    def _first(self, inputs: torch.Tensor, at: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the states that a layer begins with; of all but an LSTM the second is none."""
        module, samples = self._module, len(inputs)
        if self._hx is None:
            hidden = inputs.new_zeros(samples, module.proj_size or module.hidden_size)
            return hidden, inputs.new_zeros(samples, module.hidden_size)
        first = self._hx if isinstance(self._hx, tuple | list) else (self._hx, self._hx)
        return first[0][at], first[1][at]


def _lstm(given: Any, inner: Any, hidden: Any, cell: torch.Tensor) -> Values:
    i, f, g, o = (given + inner).chunk(4, -1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    cell = f * cell + i * g
    return {
        "state": o * cell.tanh(),
        "cell_state": cell,
        "input_gate": i,
        "forget_gate": f,
        "candidate": g,
        "output_gate": o,
    }


def _gru(given: torch.Tensor, inner: torch.Tensor, hidden: torch.Tensor, cell: Any) -> Values:
    (gr, gz, gn), (ir, iz, inn) = given.chunk(3, -1), inner.chunk(3, -1)
    r, z = (gr + ir).sigmoid(), (gz + iz).sigmoid()
    n = (gn + r * inn).tanh()
    state = n + z * (hidden - n)
    return {"state": state, "reset_gate": r, "update_gate": z, "candidate": n}


def _tanh(given: torch.Tensor, inner: torch.Tensor, hidden: Any, cell: Any) -> Values:
    return {"state": (given + inner).tanh()}


def _relu(given: torch.Tensor, inner: torch.Tensor, hidden: Any, cell: Any) -> Values:
    return {"state": (given + inner).relu()}


#: What computes a step: from the input's and the state's part of its sums, and the states before.
_STEPS: Mapping[str, Callable[..., Values]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN_TANH": _tanh,
    "RNN_RELU": _relu,
}
