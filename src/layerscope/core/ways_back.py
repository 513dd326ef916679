"""How one gets from what is reached of a layer's value to what of its sources that is made of.

A rule for each kind of layer; where a layer is not what its kind promises, or says too little,
everything that it receives is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerscope.core.layer_kinds import Kind
from layerscope.core.network import Layer
from layerscope.core.reach import Mask, Reach, Sizes, Way
from layerscope.core.reads import Move, ReceivedValue
from layerscope.core.windows import Window

#: Activations that mix the values along an axis.
_MIXING = frozenset({"softmax", "log_softmax", "softmin", "sparsemax", "hardmax"})


@dataclass(frozen=True)
class StepBack:
    """One source of a layer, beside the others, and what is reached of the layer's value."""

    layer: Layer
    reach: Reach
    sources: Sequence[Sizes]  #: as the layer received them, in the order of its inputs
    index: int

    @property
    def source(self) -> Sizes:
        """The axes of this source."""
        return self.sources[self.index]

    @property
    def returned(self) -> Sizes:
        """The axes of what the layer returns."""
        return self.reach.sizes

    def along(self, axes: Sequence[Way]) -> Reach:
        """Return what is reached of the source, given how each of its axes is read."""
        return self.reach.along(self.source, axes, self.layer.address)


def way_back(
    layer: Layer, reach: Reach, sizes_of: Callable[[str], Sizes], *, local: bool
) -> Iterator[tuple[str, Reach]]:
    """Yield what is reached of each source of a layer, by the sources' addresses.

    ``local`` leaves out sources that have one value of each channel for all positions, where others
    have one for each.
    """
    if layer.reads.of_shapes:
        return
    sources = layer.received or tuple(map(ReceivedValue, layer.inputs))
    given = [_received(source, sizes_of(source.address), reach.sizes) for source in sources]
    apart = [local and _is_pooled(sizes, reach.sizes) for sizes in given]
    for i, source in enumerate(sources):
        if apart[i] and not all(apart):
            continue
        sizes = sizes_of(source.address)
        part = None if source.moves is None else _back(StepBack(layer, reach, given, i))
        if part is not None and source.moves:
            part = _unmoved(part, source.moves, sizes)
        yield source.address, reach.everything(sizes, layer.address) if part is None else part


def _back(step: StepBack) -> Reach | None:
    """Return what is reached of a source as the layer received it; None for all of it."""
    if step.layer.reads.moves is not None:
        return _unmoved(step.reach, step.layer.reads.moves, step.source)
    rule = _same if step.layer.role == "container" else _RULES.get(step.layer.kind)
    return None if rule is None else rule(step)


def _received(source: ReceivedValue, sizes: Sizes, returned: Sizes) -> Sizes:
    """Return the axes of a source as the layer received it; without any where not known."""
    return Sizes((), ()) if source.moves is None else _moved(sizes, source.moves, returned)


def _moved(sizes: Sizes, moves: Sequence[Move], returned: Sizes) -> Sizes:
    """Return the axes of a value after these moves, of which the last makes what is returned."""
    for move in moves:
        names, lengths = sizes.names, move.shape
        if move.by == "order":
            if sorted(move.numbers) != list(range(len(names))):
                return Sizes((), ())
            names = tuple(names[i] for i in move.numbers)
            lengths = tuple(sizes.lengths[i] for i in move.numbers)
        lengths = returned.lengths if lengths is None else lengths
        if len(lengths) != len(names):
            same = len(lengths) == len(returned.names)
            names = returned.names if same else tuple(f"axis{i}" for i in range(len(lengths)))
        sizes = Sizes(names, lengths)
    return sizes


def _unmoved(reach: Reach, moves: Sequence[Move], sizes: Sizes) -> Reach | None:
    """Return what is reached of a value before these moves, given its axes then."""
    stages = [sizes]
    for move in moves:
        stages.append(_moved(stages[-1], [move], reach.sizes))
    if stages[-1].lengths != reach.sizes.lengths:
        return None
    part: Reach | None = reach
    for move, before in zip(reversed(moves), reversed(stages[:-1]), strict=True):
        part = None if part is None else part.unmoved(move, before)
    return part


def _is_pooled(source: Sizes, returned: Sizes) -> bool:
    """Return whether a source has one value for all positions of what is returned."""
    wide = [returned.lengths[i] for i in returned.positions if returned.lengths[i] > 1]
    return bool(wide) and all(source.lengths[i] == 1 for i in source.positions)


def _same(step: StepBack) -> Reach | None:
    """Return the same places; None where the lengths are others."""
    if step.source.lengths != step.returned.lengths:
        return None
    return step.along(list(range(len(step.source.lengths))))


def _activation(step: StepBack) -> Reach | None:
    mixes = step.layer.activation in _MIXING or step.layer.reads.mixes is not None
    return _mixing(step) if mixes else _same(step)


def _mixing(step: StepBack) -> Reach | None:
    """Return all along the axes that the layer mixes, and the same places along others.

    The axes that it mixes may be gone from what it returns, or have a length of 1.
    """
    mixes, rank = step.layer.reads.mixes, len(step.source.lengths)
    if mixes is None:
        return None
    mixed = {_axis(step, axis, rank) for axis in mixes}
    if None in mixed:
        return None
    kept = [i for i in range(rank) if i not in mixed]
    if len(step.returned.lengths) == rank:
        there = kept
    elif len(step.returned.lengths) == len(kept):
        there = list(range(len(kept)))
    else:
        return None
    if any(
        step.returned.lengths[o] != step.source.lengths[i] for o, i in zip(there, kept, strict=True)
    ):
        return None
    ways: list[Way] = [None] * rank
    for o, i in zip(there, kept, strict=True):
        ways[i] = o
    return step.along(ways)


def _axis(step: StepBack, number: int, rank: int) -> int | None:
    """Return which axis a number means, of a value with so many; None for that of the samples."""
    axes = step.layer.axes or ()
    sample = axes.index("sample") if "sample" in axes else None
    axis = number if number >= 0 else number + rank + (sample is not None)
    if not 0 <= axis < rank + (sample is not None):
        return None
    if sample is None or axis < sample:
        return axis
    return None if axis == sample else axis - 1


def _windowed(channels: Callable[[StepBack], Way]) -> Callable[[StepBack], Reach | None]:
    """Return the rule of a layer with windows along its positions."""

    def rule(step: StepBack) -> Reach | None:
        ways = _windows(step)
        if ways is None:
            return None
        channel = step.source.channels
        if channel is not None:
            ways[channel] = channels(step)
        return step.along(ways)

    return rule


def _windows(step: StepBack) -> list[Way] | None:
    """Return how the axes of positions are read; None where the layer does not say."""
    windows = step.layer.reads.windows
    here, there = step.returned.positions, step.source.positions
    if windows is None or len(here) != len(there):
        return None
    windows = windows * len(here) if len(windows) == 1 else windows
    if len(windows) != len(here):
        return None
    ways: list[Way] = [None] * len(step.source.lengths)
    for o, i, window in zip(here, there, windows, strict=True):
        ways[i] = (o, window)
    return ways


def _pooled(step: StepBack) -> Reach | None:
    """Return what windows take of the same channels; without windows, all positions of them."""
    ways = _windows(step) or [None] * len(step.source.lengths)
    channel = step.source.channels
    if channel is not None:
        ways[channel] = _same_channels(step)
    return step.along(ways)


def _all_channels(step: StepBack) -> Way:
    return None


def _same_channels(step: StepBack) -> Way:
    here, there = step.returned.channels, step.source.channels
    if here is None or there is None:
        return None
    same = step.returned.lengths[here] == step.source.lengths[there]
    return here if same else None


def _grouped(step: StepBack) -> Way:
    """Return the channels of the groups that are reached."""
    groups = step.layer.settings.get("groups", 1)
    return _in_groups(step, groups if isinstance(groups, int) else 1)


def _depthwise(step: StepBack) -> Way:
    channel = step.source.channels
    return _in_groups(step, 1 if channel is None else step.source.lengths[channel])


def _in_groups(step: StepBack, groups: int) -> Mask | None:
    here, there = step.returned.channels, step.source.channels
    if here is None or there is None or groups == 1:
        return None
    received, mask = step.source.lengths[there], step.reach.masks[here]
    if received % groups or mask.shape[1] % groups:
        return None
    reached = mask.reshape(len(mask), groups, -1).any(2)
    return np.repeat(reached, received // groups, axis=1)


def _dense(step: StepBack) -> Reach | None:
    """Return all along the last axis, which it mixes, and the same places along the others."""
    here, there = step.returned.lengths[:-1], step.source.lengths[:-1]
    is_last = step.layer.reads.mixes is None and step.source.lengths
    return step.along([*range(len(there)), None]) if is_last and here == there else None


def _embedded(step: StepBack) -> Reach | None:
    """Return the place of each index whose vector is reached."""
    same = step.returned.lengths[:-1] == step.source.lengths
    return step.along(list(range(len(step.source.lengths)))) if same else None


def _together(step: StepBack) -> Reach | None:
    """Return the same places; of what was stretched along an axis, its one place there."""
    if step.layer.reads.mixes is not None:
        return None
    fewer = len(step.returned.lengths) - len(step.source.lengths)
    if fewer < 0:
        return None
    ways: list[Way] = []
    for axis, length in enumerate(step.source.lengths):
        if length == step.returned.lengths[axis + fewer]:
            ways.append(axis + fewer)
        elif length == 1:
            ways.append(np.ones((step.reach.count, 1), bool))
        else:
            return None
    return step.along(ways)


def _concatenated(step: StepBack) -> Reach | None:
    """Return the part of what is reached that this source has become."""
    axis = _joining_axis(step)
    if axis is None:
        return None
    ways: list[Way] = list(range(len(step.source.lengths)))
    start = sum(sizes.lengths[axis] for sizes in step.sources[: step.index])
    ways[axis] = (axis, Window(before=start))
    part = step.along(ways)
    if axis not in step.source.positions:
        return part
    return replace(part, ends=(*part.ends[:axis], None, *part.ends[axis + 1 :]))


def _joining_axis(step: StepBack) -> int | None:
    returned, rank = step.returned.lengths, len(step.returned.lengths)
    if any(len(sizes.lengths) != rank for sizes in step.sources):
        return None
    stated = step.layer.reads.joins
    axes = [*range(rank)] if stated is None else [_axis(step, stated, rank)]
    for axis in axes:
        if axis is None:
            continue
        whole = sum(sizes.lengths[axis] for sizes in step.sources)
        others = [sizes.lengths[:axis] + sizes.lengths[axis + 1 :] for sizes in step.sources]
        if whole == returned[axis] and set(others) == {returned[:axis] + returned[axis + 1 :]}:
            return axis
    return None


def _reduced(step: StepBack) -> Reach | None:
    if step.layer.reads.windows is not None:
        return _windowed(_same_channels)(step)
    return _mixing(step)


def _reshaped(step: StepBack) -> Reach | None:
    return step.reach.reshaped(step.source)


_RULES: Mapping[Kind, Callable[[StepBack], Reach | None]] = {
    "conv": _windowed(_grouped),
    "depthwise_conv": _windowed(_depthwise),
    "separable_conv": _windowed(_all_channels),
    "conv_transpose": _windowed(_grouped),
    "dense": _dense,
    "embedding": _embedded,
    "batch_norm": _same,
    "group_norm": _mixing,
    "norm": _mixing,
    "rescale": _same,
    "standardize": _same,
    "activation": _activation,
    "elementwise": _same,
    "pool": _pooled,
    "reduce": _reduced,
    "add": _together,
    "concat": _concatenated,
    "merge": _together,
    "reshape": _reshaped,
    "pad": _windowed(_same_channels),
    "crop": _windowed(_same_channels),
    "resize": _windowed(_same_channels),
    "dropout": _same,
    "augment": _same,
    "identity": _same,
    "quantize": _same,
    # Those of whose axes something is known.
    "rearrange": _windowed(_all_channels),
    "other": _windowed(_same_channels),
}
