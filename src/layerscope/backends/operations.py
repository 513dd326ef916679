"""Writing networks down as operations: what all backends share.

A backend goes through the calls of one pass and adds the operations that a call comes to. What the
framework lays out in its own way is a ``Symbol``: it knows the names of its axes in the framework's
order, and its operations are written in the one order of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import named_axes, presented
from layerscope.core.errors import ModelError
from layerscope.core.operations import Operation, OperationGraph, OperationKind

Array = npt.NDArray[Any]


class NotExpressibleError(Exception):
    """Raised where a call is no operation; its message is the end of a sentence on the layer."""


def refusal(address: str, type_name: str, reason: str) -> ModelError:
    """Return the error that names the layer in the way."""
    return ModelError(
        f"The network can't be computed in a page: the layer {address!r} ({type_name}) {reason}."
    )


@dataclass(frozen=True, slots=True)
class Symbol:
    """A value of the network, as a framework lays it out.

    Attributes
    ----------
    index
        Which operation makes it; -1 for what the network receives.
    shape
        In the framework's order, without the samples.
    axes
        The names of these axes.
    """

    index: int
    shape: tuple[int, ...]
    axes: tuple[str, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """Which of the framework's axes each of the operation's axes is."""
        return tuple(self.axes.index(name) for name in presented(self.axes))

    def place(self, axis: int) -> int:
        """Return which of the operation's axes one of the framework's is, counted with samples."""
        rank = len(self.shape) + 1
        if not -rank <= axis < rank or axis % rank == 0:
            raise NotExpressibleError("works across samples")
        return self.order.index(axis % rank - 1)

    def arranged(self, values: Array) -> Array:
        """Return an array that is to be broadcast with it in the order of operations."""
        values = values.reshape((1,) * (len(self.shape) + 1 - values.ndim) + values.shape)
        if values.shape[0] != 1:
            raise NotExpressibleError("has numbers of its own for each sample")
        arranged: Array = values[0].transpose(self.order)
        return arranged


@dataclass(slots=True)
class _Written:
    kind: OperationKind
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    settings: Mapping[str, Any]
    arrays: dict[str, npt.NDArray[np.float32]]
    address: str | None = None


class OperationWriter:
    """Collects the operations of a network.

    Parameters
    ----------
    input
        The address of what the network receives.
    shape
        Its shape in the framework's order, without the samples.
    axes
        The names of these axes.
    """

    def __init__(self, input: str, shape: Sequence[int], axes: Sequence[str]) -> None:  # noqa: A002
        self.input = Symbol(-1, tuple(shape), tuple(axes))
        self._name = input
        self._written: list[_Written] = []

    def add(
        self,
        kind: OperationKind,
        inputs: Sequence[Symbol],
        shape: Sequence[int],
        axes: Sequence[str] | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        arrays: Mapping[str, Array | None] | None = None,
    ) -> Symbol:
        """Add an operation whose value has this shape and these axes in the framework's order.

        The axes are those of its first input where none are given. Arrays that are None are absent.
        """
        names = inputs[0].axes if axes is None else tuple(axes)
        symbol = Symbol(len(self._written), tuple(shape), names)
        given = {
            name: np.array(values, np.float32)
            for name, values in (arrays or {}).items()
            if values is not None
        }
        if not all(np.isfinite(values).all() for values in given.values()):
            raise NotExpressibleError("has weights that are not finite")
        written = _Written(
            kind,
            tuple(each.index for each in inputs),
            tuple(symbol.shape[axis] for axis in symbol.order),
            settings or {},
            given,
        )
        self._written.append(written)
        return symbol

    def like(
        self, kind: OperationKind, x: Symbol, arrays: Mapping[str, Array | None] | None = None
    ) -> Symbol:
        """Add an operation without settings that keeps shape and axes."""
        return self.add(kind, [x], x.shape, arrays=arrays)

    def applied(
        self, function: str, x: Symbol, arrays: Mapping[str, Array] | None = None, **settings: Any
    ) -> Symbol:
        """Add an activation; the settings are the function's own parameters."""
        settings = {"function": function, **settings}
        return self.add("activation", [x], x.shape, settings=settings, arrays=arrays)

    def unpermuted(self, x: Symbol) -> Symbol:
        """Return the value with its axes named so that both orders are the same."""
        order = x.order
        names = _in_order(len(x.shape))
        if order == tuple(range(len(order))):
            return Symbol(x.index, x.shape, names)
        back = [order.index(axis) for axis in range(len(order))]
        return self.add("transpose", [x], x.shape, names, settings={"order": back})

    def permuted(self, x: Symbol, axes: Sequence[str]) -> Symbol:
        """Return the value with its axes named otherwise, in the framework's same order."""
        names = tuple(axes)
        renamed = Symbol(x.index, x.shape, names)
        if renamed.order == x.order:
            return renamed
        turned = self._transposed(self.unpermuted(x), list(renamed.order))
        return Symbol(turned.index, x.shape, names)

    def reshaped(
        self, x: Symbol, shape: Sequence[int], axes: Sequence[str] | None = None
    ) -> Symbol:
        """Return the value in another shape, as the framework would count its numbers."""
        shape = tuple(shape)
        if math.prod(shape) != math.prod(x.shape):
            raise NotExpressibleError("works across samples")
        names = default_axes(len(shape)) if axes is None else tuple(axes)
        if shape == x.shape:
            return self.permuted(x, names) if axes is not None else x
        flat = self.unpermuted(x)
        reshaped = self.add("reshape", [flat], shape, _in_order(len(shape)))
        return self.permuted(reshaped, names)

    def along_last(self, x: Symbol, place: int, add: Callable[[Symbol], Symbol]) -> Symbol:
        """Return what ``add`` makes of the value with one of the operation's axes put last."""
        rank = len(x.shape)
        names = tuple(f"axis{i}" for i in range(rank))
        straight = Symbol(x.index, tuple(x.shape[axis] for axis in x.order), names)
        order = [*(axis for axis in range(rank) if axis != place), place]
        made = add(self._transposed(straight, order))
        back = self._transposed(made, [order.index(axis) for axis in range(rank)])
        return Symbol(back.index, x.shape, x.axes)

    def _transposed(self, x: Symbol, order: list[int]) -> Symbol:
        """Return a value, whose axes stand in the order of operations, in another order."""
        if order == sorted(order):
            return x
        shape = [x.shape[axis] for axis in order]
        return self.add("transpose", [x], shape, x.axes, settings={"order": order})

    def combined(
        self, kind: OperationKind, sides: Sequence[Symbol | float | Array], shape: Sequence[int]
    ) -> Symbol:
        """Return arithmetic with two values, of which one may be the model's own numbers."""
        one, other = sides
        x = one if isinstance(one, Symbol) else other
        if not isinstance(x, Symbol):
            raise NotExpressibleError("is given no value of the network")
        number = other if x is one else one
        if isinstance(number, int | float):
            scaled = self._with_number(kind, x, float(number), is_first=x is one)
            if scaled is not None:
                return scaled
        return self.add(kind, [self._alike(side, x) for side in sides], shape, x.axes)

    def _with_number(
        self, kind: OperationKind, x: Symbol, number: float, *, is_first: bool
    ) -> Symbol | None:
        """Return arithmetic with a plain number as a factor and a shift; None where it is none."""
        if kind == "multiply":
            return self.scaled(x, number)
        if kind == "add":
            return self.scaled(x, 1.0, number)
        if kind == "subtract":
            return self.scaled(x, 1.0, -number) if is_first else self.scaled(x, -1.0, number)
        if kind == "divide" and is_first and number:
            return self.scaled(x, 1 / number)
        return None

    def _alike(self, side: Symbol | float | Array, first: Symbol) -> Symbol:
        """Return a value with its axes in the order of another's."""
        if not isinstance(side, Symbol):
            return self.constant(np.asarray(side), first)
        if len(side.shape) != len(first.shape):
            raise NotExpressibleError("brings together values of different numbers of axes")
        return self.permuted(side, first.axes)

    def merged(
        self, kind: OperationKind, values: Sequence[Symbol], shape: Sequence[int], **settings: Any
    ) -> Symbol:
        """Return what brings values together, with their axes in the order of the first's."""
        alike = [self._alike(value, values[0]) for value in values]
        return self.add(kind, alike, shape, settings=settings)

    def constant(self, values: Array, like: Symbol) -> Symbol:
        """Return numbers of the model's own, to be broadcast with a value of the network."""
        arranged = like.arranged(values)
        shape = [arranged.shape[like.order.index(axis)] for axis in range(len(like.shape))]
        return self.add("constant", [], shape, like.axes, arrays={"value": arranged})

    def scaled(self, x: Symbol, scale: Any = 1.0, shift: Any = 0.0) -> Symbol:
        """Return the value times a number and plus one, or one for each channel."""
        arrays = {"scale": np.ravel(scale), "shift": np.ravel(shift)}
        return self.like("rescale", x, arrays)

    def standardized(self, x: Symbol, centre: Any, spread: Any) -> Symbol:
        """Return the value less a number and divided by one, or by one for each channel.

        In this order: as a factor and a shift, values far from 0 would lose their last digits.
        """
        return self.scaled(self.scaled(x, 1.0, -np.asarray(centre)), 1 / np.asarray(spread))

    def named(self, x: Symbol, address: str, axes: Sequence[str] | None) -> Symbol:
        """Let a value be that of a layer, with its axes as the layer has them."""
        if axes is not None:
            x = self.permuted(x, axes)
        if x.index < 0 or self._written[x.index].address is not None:
            x = self.like("identity", x)
        self._written[x.index].address = address
        return x

    def renamed(self, x: Symbol, address: str) -> None:
        """Let a value stand under another address from now on."""
        self._written[x.index].address = address

    def graph(self, output: Symbol) -> OperationGraph:
        """Return all operations that were added."""
        names = self._names()
        operations = tuple(
            Operation(
                names[i],
                each.kind,
                tuple(names[index] for index in each.inputs),
                each.shape,
                each.settings,
                each.arrays,
                each.address is not None,
            )
            for i, each in enumerate(self._written)
        )
        received = tuple(self.input.shape[axis] for axis in self.input.order)
        return OperationGraph(self._name, received, names[output.index], operations)

    def _names(self) -> dict[int, str]:
        taken = {each.address for each in self._written} | {self._name}
        names = {-1: self._name}
        for i, each in enumerate(self._written):
            name = f"step {i}" if each.address is None else each.address
            while each.address is None and name in taken:
                name += "'"
            names[i] = name
        return names


def default_axes(rank: int) -> tuple[str, ...]:
    """Return the names of axes that nothing else tells, without the samples."""
    return named_axes((None,) * (rank + 1))[1:]


def _in_order(rank: int) -> tuple[str, ...]:
    """Return names of axes that stand in the order of operations."""
    names = default_axes(rank)
    return names if presented(names) == names else tuple(f"axis{i}" for i in range(rank))


def same_padding(
    size: Sequence[int], window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[list[int]]:
    """Return what ``padding="same"`` comes to: as many results as strides begin, centred.

    Of an odd number the larger part comes after.
    """
    padding = []
    for length, width, stride, step in zip(size, window, strides, dilation, strict=True):
        reach = (width - 1) * step + 1
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        padding.append([total // 2, total - total // 2])
    return padding


def batch_norm_arrays(
    mean: Array, variance: Array, epsilon: float, gamma: Array | None, beta: Array | None
) -> dict[str, Array]:
    """Return the factor and the shift of each channel that batch normalization comes to."""
    scale = 1 / np.sqrt(variance.astype(np.float64) + epsilon)
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale if beta is None else beta - mean * scale
    return {"scale": scale, "shift": shift}
