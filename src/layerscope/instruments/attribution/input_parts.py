"""One input of a model, and how several of them lie in one vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray, presented
from layerscope.core.network import Layer
from layerscope.instruments.attribution.several_inputs import SeveralInputs

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class InputPart:
    """One of the inputs of a model that has maps."""

    name: str
    input: NamedArray  #: in the model's own layout
    given: Array  #: the same, presented; whole numbers where the model takes indices
    entry: Layer | None  #: the embedding where gradients begin; None for the input itself
    values: Array  #: what stands there, presented, of float32
    axes: tuple[str, ...]  #: of that
    is_indices: bool  #: whether it is indices of a table's rows, as words are

    @property
    def is_tokens(self) -> bool:
        """Whether it is indices whose vectors maps are made of."""
        return self.entry is not None

    @property
    def size(self) -> int:
        """How many values a sample has."""
        return int(np.prod(self.values.shape[1:]))

    def to_model(self, values: Array) -> Array:
        """Return presented inputs in the model's own layout and type."""
        dtype = self.input.values.dtype
        if dtype.kind in "iu" and not self.is_tokens:
            values = np.rint(values)
        order = inward_order(self.input)
        return np.ascontiguousarray(values.transpose(order).astype(dtype, copy=False))

    def presented(self, given: Any) -> Any:
        """Return an array in the layout of this input with its axes in the presented order.

        One for a sample, or several for as many; anything else is returned as it is.
        """
        if given is None or isinstance(given, str | int | float) or self.is_tokens:
            return given
        if hasattr(given, "detach"):
            given = given.detach().cpu().numpy()
        order, array = presented(self.input.axes), np.asarray(given)
        places = [self.input.axes.index(axis) for axis in order]
        shape = self.input.values.shape
        where = sample_axis(self.input)
        if places == sorted(places) or where != 0:
            return given
        if array.shape == shape[1:]:
            return array.transpose([place - 1 for place in places if place])
        if array.ndim == len(shape) and array.shape[1:] == shape[1:]:
            return array.transpose(places)
        return given

    def rows(self, which: Array) -> InputPart:
        """Return the same of some samples."""
        where = sample_axis(self.input)
        return replace(
            self,
            input=replace(self.input, values=self.input.values.take(which, axis=where)),
            given=self.given[which],
            values=self.values[which],
        )

    def moved(self, values: Array) -> InputPart:
        """Return the same with other values; of tokens, as they are."""
        return self if self.is_tokens else replace(self, given=values, values=values)


@dataclass(frozen=True)
class InputLayouts:
    """How several inputs lie in one vector, and in the model's own layout."""

    shapes: Mapping[str, tuple[int, ...]]  #: of a sample of each that has a map
    orders: Mapping[str, list[int]]  #: of the presented axes, as the model has them
    tokens: tuple[str, ...]  #: those that are indices of an embedding
    structure: SeveralInputs | None

    def split(self, ops: Any, values: Any) -> dict[str, Any]:
        """Return tensors of each input, presented, of one that holds them all."""
        pieces, begin = {}, 0
        for name, shape in self.shapes.items():
            end = begin + int(np.prod(shape))
            pieces[name] = ops.reshape(values[:, begin:end], (-1, *shape))
            begin = end
        return pieces

    def inward(self, ops: Any, given: Mapping[str, Any]) -> Any:
        """Return presented tensors as the model takes them."""
        if self.structure is None:
            raise AssertionError("one input is given to the model as it is presented")
        moved = {}
        for name in self.structure.names:
            order = self.orders[name]
            kept = order == sorted(order)
            moved[name] = given[name] if kept else ops.transpose(given[name], order)
        return self.structure.filled(moved)


def inward_order(array: NamedArray) -> list[int]:
    """Return the presented axes' places in the model's own layout."""
    shown = array.presented().axes
    return [shown.index(name) for name in array.axes]


def sample_axis(array: NamedArray) -> int:
    """Return where the samples of an input lie."""
    return array.axes.index("sample") if "sample" in array.axes else 0
