"""What of a layer's value some positions of a later one are computed from, axis by axis.

Positions are kept one by one, not as stretches: what lies between two that are reached may be
reached by neither, behind strides, dilation and transposed convolutions. Several questions are
answered at once, a row of the masks for each.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES
from layerscope.core.reads import Move
from layerscope.core.windows import ALL, Positions, Window, reads, span

Mask = npt.NDArray[np.bool_]
Ends = npt.NDArray[np.int64]  #: the first and the last position of each question, as (question, 2)
#: How an axis is read, as ``Reach.along`` says.
Way = int | tuple[int, Window] | Mask | None
#: More values than are looked at one by one where a reshaping mixes axes.
_MANY = 2**26
#: Lengths whose product is more are no short ones.
_SMALL = 2**20


@dataclass(frozen=True)
class Sizes:
    """The axes of a value and their lengths, samples aside, in its framework's own order."""

    names: tuple[str, ...]
    lengths: tuple[int, ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """Which axes are of positions: not of channels, units or heads."""
        return tuple(i for i, name in enumerate(self.names) if name not in UNIT_AXES)

    @property
    def channels(self) -> int | None:
        """Which axis is of channels or units."""
        return next((i for i, name in enumerate(self.names) if name in UNIT_AXES), None)


@dataclass(frozen=True, eq=False)
class Reach:
    """Positions of one value, by axis.

    ``causes`` name the layer that has mixed all along an axis; ``ends`` are the first and the last
    position where nothing is cut off at the border, None where that makes no sense.
    """

    sizes: Sizes
    count: int  #: how many questions
    masks: tuple[Mask, ...]
    causes: tuple[str | None, ...]
    ends: tuple[Ends | None, ...]

    @classmethod
    def at(cls, sizes: Sizes, places: Sequence[Sequence[int | None]]) -> Reach:
        """Return single positions, one for each question; None for all along an axis."""
        masks, ends = [], []
        for axis, length in enumerate(sizes.lengths):
            mask = np.zeros((len(places), length), bool)
            limits = np.zeros((len(places), 2), np.int64)
            for row, end, place in zip(mask, limits, places, strict=True):
                where = place[axis]
                row[slice(None) if where is None else where] = True
                end[:] = (0, length - 1) if where is None else where
            masks.append(mask)
            ends.append(limits)
        return cls(sizes, len(places), tuple(masks), (None,) * len(masks), tuple(ends))

    @property
    def alive(self) -> Mask:
        """Which questions reach anything here, as a column."""
        every = np.ones((self.count, 1), bool)
        return functools.reduce(
            np.logical_and, (m.any(1, keepdims=True) for m in self.masks), every
        )

    def cause(self, axes: Sequence[int]) -> str | None:
        """Return the layer that mixes all along these axes; None where along one nothing does."""
        causes = [self.causes[axis] for axis in axes]
        return causes[0] if causes and all(causes) else None

    def joined(self, other: Reach) -> Reach:
        """Return what this reaches and what the other does."""
        dead, new = ~self.alive, ~other.alive
        masks = tuple(
            (a & ~dead) | (b & ~new) for a, b in zip(self.masks, other.masks, strict=True)
        )
        causes = tuple(a or b for a, b in zip(self.causes, other.causes, strict=True))
        ends = tuple(_widened(a, b, dead, new) for a, b in zip(self.ends, other.ends, strict=True))
        return replace(self, masks=masks, causes=causes, ends=ends)

    def everything(self, sizes: Sizes, cause: str) -> Reach:
        """Return all of a value, where anything is reached."""
        return self.along(sizes, [None] * len(sizes.lengths), cause)

    def along(self, sizes: Sizes, axes: Sequence[Way], cause: str) -> Reach:
        """Return what is reached of a value, given for each of its axes how it is read.

        None for all of it; the number of an axis here, read in its place; or that and a window; or
        a mask that is ready.
        """
        alive = self.alive
        before = next((self.causes[i] for i in self.sizes.positions if self.causes[i]), None)
        masks: list[Mask] = []
        causes: list[str | None] = []
        ends: list[Ends | None] = []
        for i, (way, length) in enumerate(zip(axes, sizes.lengths, strict=True)):
            named = (before if i in sizes.positions else None) or cause
            if way is None:
                masks.append(np.broadcast_to(alive, (self.count, length)))
                causes.append(named)
                ends.append(_whole(self.count, length))
            elif isinstance(way, np.ndarray):
                masks.append(way & alive)
                causes.append(None)
                ends.append(None)
            else:
                axis, window = way if isinstance(way, tuple) else (way, Window())
                if _is_too_large(window, self.sizes.lengths[axis]):
                    window = ALL
                if window.way != "all":
                    masks.append(_through(self.masks[axis], window, length) & alive)
                    if self.sizes.lengths[axis] == 1 < length and (masks[-1] == alive).all():
                        window = ALL  # one that covers them, as a global pool
                else:
                    masks.append(np.broadcast_to(alive, (self.count, length)))
                causes.append(named if window.way == "all" else self.causes[axis])
                ends.append(_reached(self.ends[axis], window, length, self.masks[axis].shape[1]))
        alive = functools.reduce(np.logical_and, (m.any(1, keepdims=True) for m in masks), alive)
        masks = [mask & alive for mask in masks]
        return Reach(sizes, self.count, tuple(masks), tuple(causes), tuple(ends))

    def unmoved(self, move: Move, sizes: Sizes) -> Reach | None:
        """Return where what is reached stood before it was moved; None where that is not known."""
        axes = range(len(sizes.names))
        if move.by == "shape":
            return self.reshaped(sizes)
        if len(self.masks) != len(axes):
            return None
        if move.by == "order":
            known = sorted(move.numbers) == list(axes)
            return self.along(sizes, [move.numbers.index(i) for i in axes], "") if known else None
        if move.by == "slice":
            pairs = list(zip(move.numbers[::2], move.numbers[1::2], strict=False))
            windows = [Window(stride=step, before=-start) for start, step in pairs]
            known = len(move.numbers) == 2 * len(axes)
            return self.along(sizes, list(enumerate(windows)), "") if known else None
        return self._untaken(move, sizes)

    def _untaken(self, move: Move, sizes: Sizes) -> Reach | None:
        """Return where what was taken along an axis stood there."""
        axis, *places = move.numbers or (-1,)
        if axis not in range(len(sizes.names)) or len(places) != self.masks[axis].shape[1]:
            return None
        length = sizes.lengths[axis]
        if not all(0 <= place < length for place in places):
            return None
        mask = np.zeros((self.count, length), bool)
        for i, place in enumerate(places):
            mask[:, place] |= self.masks[axis][:, i]
        ways: list[Way] = list(range(len(sizes.names)))
        ways[axis] = mask
        return self.along(sizes, ways, "")

    def reshaped(self, sizes: Sizes) -> Reach | None:
        """Return the same values in the shape in which they were before; None where it is not."""
        here, there = self.sizes.lengths, sizes.lengths
        if math.prod(here) != math.prod(there) or 0 in here:
            return None
        least = min(len(here), len(there))
        front = next((i for i in range(least) if here[i] != there[i]), least)
        rest = least - front
        back = next((i for i in range(rest) if here[-1 - i] != there[-1 - i]), rest)
        middle, source = range(front, len(here) - back), range(front, len(there) - back)
        if math.prod(there[i] for i in source) * self.count > _MANY:
            return None
        ways: list[Way] = [*range(front), *[0] * len(source), *range(len(here) - back, len(here))]
        mixed = self._merged([self.masks[i] for i in middle], [there[i] for i in source])
        for axis, mask in zip(source, mixed, strict=True):
            ways[axis] = mask
        moved = self.along(sizes, ways, "")
        named = next((self.causes[i] for i in middle if self.causes[i]), None)
        causes = [named if i in source else cause for i, cause in enumerate(moved.causes)]
        return replace(moved, causes=tuple(causes))

    def _merged(self, masks: Sequence[Mask], shape: Sequence[int]) -> list[Mask]:
        """Return the masks of axes of this shape that hold the same values as those axes."""
        result = [np.zeros((self.count, length), bool) for length in shape]
        for question in range(self.count):
            rows = [mask[question] for mask in masks]
            values = functools.reduce(np.logical_and.outer, rows, np.ones((), bool))
            values = values.reshape(tuple(shape))
            for axis, mask in enumerate(result):
                others = tuple(i for i in range(len(shape)) if i != axis)
                mask[question] = values.any(others)
        return result


def _is_too_large(window: Window, returned: int) -> bool:
    """Return whether a window is none of a layer that there is."""
    numbers = (window.stride, window.dilation, window.before)
    far = any(abs(number) > _MANY for number in numbers if not isinstance(number, str))
    return far or window.size * returned > _MANY


def _through(mask: Mask, window: Window, length: int) -> Mask:
    """Return which positions are read; ``length`` is how many there are."""
    returned = mask.shape[1]
    if length == returned and window.is_plain:
        return mask
    few = length * returned <= _SMALL
    table = _table(window, length, returned) if few else reads(window, length, returned)
    result = np.zeros((len(mask), length + 1), bool)
    for row, reached in zip(result, mask, strict=True):
        row[table[reached]] = True  # -1, for none, is the last
    return result[:, :length]


@functools.lru_cache(maxsize=256)
def _table(window: Window, received: int, returned: int) -> Positions:
    """Return what each position is computed from; of short axes it is asked for again and again."""
    return reads(window, received, returned)


def _reached(ends: Ends | None, window: Window, received: int, returned: int) -> Ends | None:
    if ends is None or window.is_plain:
        return ends
    limits = [span(window, received, returned, int(a), int(b)) for a, b in ends]
    return np.array(limits, np.int64).reshape(-1, 2)


def _whole(count: int, length: int) -> Ends:
    return np.tile(np.array([[0, length - 1]], np.int64), (count, 1))


def _widened(one: Ends | None, other: Ends | None, dead: Mask, new: Mask) -> Ends | None:
    """Return the ends of both stretches; of one, where the other reaches nothing."""
    if one is None or other is None:
        return None
    both = np.stack([np.minimum(one[:, 0], other[:, 0]), np.maximum(one[:, 1], other[:, 1])], 1)
    return np.where(new, one, np.where(dead, other, both))
