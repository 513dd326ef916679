"""Values that are replaced while a model runs: what is asked for, and how a value is made of it.

A backend has each layer that is edited hand its value over, and goes on with what it gets back.
What that is, is computed here once for all frameworks, with the few operations of ``Arrays``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from layerscope.backends.parts import named_parts, substituted
from layerscope.core.axes import presented
from layerscope.core.errors import AddressError, InputError, ModelError
from layerscope.core.table import a_kind, shape_text
from layerscope.core.text import message

#: The axes of a layer's value in the framework's own order, by address.
AxesByAddress = Mapping[str, tuple[str, ...]]


class Arrays(Protocol):
    """What an edit needs of a tensor library."""

    def ordered(self, value: Any, order: Sequence[int]) -> Any:
        """Return the value with its axes in another order."""

    def like(self, new: Any, value: Any) -> Any:
        """Return a number, an array or a tensor as a tensor of the type of ``value``."""

    def shaped(self, value: Any, shape: tuple[int, ...]) -> Any:
        """Return the value in another shape; -1 for the length that is left."""

    def where(self, mask: Any, new: Any, value: Any) -> Any:
        """Return ``new`` where the mask, an array of truth values, holds, else ``value``.

        All three are broadcast against one another.
        """
        ...


class NumpyArrays:
    """NumPy's own."""

    def ordered(self, value: Any, order: Sequence[int]) -> Any:
        return np.transpose(value, order)

    def like(self, new: Any, value: Any) -> Any:
        return np.asarray(new, value.dtype)

    def shaped(self, value: Any, shape: tuple[int, ...]) -> Any:
        return np.reshape(value, shape)

    def where(self, mask: Any, new: Any, value: Any) -> Any:
        return np.where(mask, new, value)


@dataclass(frozen=True)
class Change:
    """What one unit, one neuron or the whole of a layer becomes."""

    written: str  #: the address as it was written
    new: Any  #: a number, an array, or a function of the values that are there
    unit: int | None = None
    position: tuple[int, ...] | None = None


@dataclass(frozen=True)
class LayerEdit:
    """What the value of one layer becomes."""

    address: str
    changes: tuple[Change, ...]

    def of(self, value: Any, axes: tuple[str, ...], arrays: Arrays) -> Any:
        """Return the edited value, in the order of axes in which it came.

        Raises InputError where what is asked for does not fit, AddressError where there is no such
        unit or position.
        """
        order = presented(axes)
        there = [axes.index(name) for name in order]
        shown = arrays.ordered(value, there)
        for change in self.changes:
            shown = _changed(change, shown, order, arrays)
        return arrays.ordered(shown, [there.index(i) for i in range(len(axes))])


def _changed(change: Change, value: Any, axes: tuple[str, ...], arrays: Arrays) -> Any:
    """Return a value, its axes in the presented order, after one change."""
    shape = tuple(value.shape)  # None for a number of samples that is not known yet
    if change.unit is None:
        return _new(change, value, shape, arrays)
    if axes[-1] not in ("channel", "unit"):
        raise AddressError(
            f"{change.written!r}: the last axis of this layer is {axes[-1]!r}, which numbers no "
            "units; edit it whole."
        )
    if change.unit >= shape[-1]:
        raise AddressError(
            f"{change.written!r}: the layer has {shape[-1]} units, 0 to {shape[-1] - 1}."
        )
    where = change.position or ()
    space = shape[1:-1] if axes[0] == "sample" else shape[:-1]
    if where and (len(where) != len(space) or any(map(operator.ge, where, space))):
        raise AddressError(
            f"{change.written!r}: the maps of this layer are {shape_text(space)}, and a position "
            f"in them is {len(space)} numbers."
        )
    before = (slice(None),) if axes[0] == "sample" else ()
    index = (*before, *(where or (slice(None),) * len(space)), change.unit)
    part = value[index]
    new = _new(change, part, tuple(part.shape), arrays)
    mask = np.zeros((*(1 for _ in before), *shape[len(before) :]), bool)
    mask[index] = True
    samples = (-1,) * len(before)
    return arrays.where(mask, arrays.shaped(new, (*samples, *_space_of(space, where), 1)), value)


def _space_of(space: tuple[int, ...], position: tuple[int, ...]) -> tuple[int, ...]:
    """Return the lengths of a unit's map, or of one position in it."""
    return (1,) * len(space) if position else space


def _new(change: Change, part: Any, shape: tuple[int, ...], arrays: Arrays) -> Any:
    """Return what a part of a value becomes, in the shape of the part."""
    new = change.new
    if callable(new):
        try:
            new = new(part)
        except Exception as error:  # the user's own code may raise anything
            raise InputError(
                f"The function that edits {change.written!r} raised {type(error).__name__}: "
                f"{message(str(error))}"
            ) from error
        if not hasattr(new, "shape") and not isinstance(new, int | float | np.number):
            raise InputError(
                f"edits={{{change.written!r}: …}} is a function that returned {a_kind(new)}: it is "
                f"given {shape_text(shape)} values, and is to return as many, or one number."
            )
    given = tuple(getattr(new, "shape", ()))
    if given != shape and not _spreads(given, shape):
        raise InputError(
            f"edits={{{change.written!r}: …}} has the shape {shape_text(given)}, and what it is to "
            f"replace {shape_text(shape)}."
        )
    made = arrays.like(new, part)
    return made if given == shape else arrays.where(np.ones((1,) * len(shape), bool), made, part)


def _spreads(given: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    """Return whether an array of the one shape stands for one of the other, as NumPy has it."""
    known = tuple(1 if length is None else length for length in shape)
    try:
        return np.broadcast_shapes(given, known) == known
    except ValueError:
        return False


@dataclass
class _Progress:
    """Where a call of the model is."""

    axes: AxesByAddress | None = None
    calls: dict[str, int] = field(default_factory=dict)  #: how often each layer was called
    applied: set[str] = field(default_factory=set)
    is_finding: bool = False


class Editing:
    """The edits of one model, as long as they last: which call of a layer is the one that is meant.

    Parameters
    ----------
    edits
        What becomes of which layers.
    arrays
        Of the framework.
    axes
        Returns the axes of these layers, given the arguments of a call of the model: asked for at
        its first call. Of those that it does not know, they are ``guessed``.
    guessed
        Returns the axes of a value of a layer; None where they can't be told from it.
    """

    def __init__(
        self,
        edits: Iterable[LayerEdit],
        arrays: Arrays,
        axes: Callable[..., AxesByAddress],
        guessed: Callable[[str, Any], tuple[str, ...] | None] = lambda address, value: None,
    ) -> None:
        self._edits = {edit.address: edit for edit in edits}
        self._arrays = arrays
        self._axes_of = axes
        self._guessed = guessed
        # Out of sight of whoever reads a model's settings, in which this stands: it changes at
        # every call, and what is compiled stays what it is.
        self._progress: ContextVar[_Progress] = ContextVar("editing", default=_Progress())  # noqa: B039  # for all threads

    @property
    def layers(self) -> set[str]:
        """The addresses of the layers, by their first calls."""
        return {_ADDRESS.fullmatch(address)["layer"] for address in self._edits}  # type: ignore[index]

    @property
    def was_called(self) -> bool:
        """Whether the model was called since."""
        return self._progress.get().axes is not None

    @property
    def unmet(self) -> list[str]:
        """The addresses whose values were not met yet."""
        applied = self._progress.get().applied
        return [address for address in self._edits if address not in applied]

    def check(self, layers: Collection[str]) -> None:
        """Raise ModelError where something is to be edited that is none of these layers."""
        for address in sorted(self.layers):
            if address not in layers:
                raise ModelError(
                    f"{address!r} is no layer of its own but what code between layers makes, and "
                    "can't be edited: edit a layer before it."
                )

    def begin(self, *args: Any, **kwargs: Any) -> None:
        """Note that the model is called anew, with these arguments."""
        progress = self._progress.get()
        if progress.is_finding:
            return
        progress.calls.clear()
        if progress.axes is None:
            progress.is_finding = True
            try:
                progress.axes = self._axes_of(*args, **kwargs)
            finally:
                progress.is_finding = False

    def returned(self, layer: str, result: Any) -> Any:
        """Return what a call of a layer is to return, for what it has returned.

        ``layer`` is the address of its first call.
        """
        progress = self._progress.get()
        if progress.is_finding:
            return result
        count = progress.calls[layer] = progress.calls.get(layer, 0) + 1
        called = layer if count == 1 else f"{layer}#{count}"
        replaced = {}
        for suffix, value in named_parts(result):
            edit = self._edits.get(called + suffix)
            if edit is not None:
                axes = (progress.axes or {}).get(edit.address) or self._guessed(layer, value)
                if axes is None or len(axes) != len(value.shape):
                    raise ModelError(
                        f"What the axes of {edit.address!r} are is known once the model itself was "
                        "called, and not a layer of it alone: call the model."
                    )
                replaced[id(value)] = edit.of(value, axes, self._arrays)
                progress.applied.add(edit.address)
        return substituted(result, replaced) if replaced else result


#: An address: the layer, which of its calls, and which of the values that this returned.
_ADDRESS = re.compile(r"(?P<layer>.+?)(#\d+)?(\[[^\]]*\])?", re.DOTALL)
