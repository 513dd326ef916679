"""Causes that lie in where windows stand: padding, strides, dilation, interpolation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from layerscope.core.network import Layer
from layerscope.core.text import quoted
from layerscope.core.windows import Window, padding_before
from layerscope.instruments.comparison.reasons.chain import Chain, offset

Values = npt.NDArray[np.float64]

_SPACE = ("z", "y", "x", "position")
_RESIZING = {"nearest": "nearest", "linear": "linear", "cubic": "cubic", "area": "area"}
_GRIDS = {
    "half_pixel": "centres of pixels", "asymmetric": "corners of pixels",
    "corners": "first and last pixels on one another (align_corners)",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Padded:
    """A window along an axis, with all the padding before it counted in numbers."""

    window: Window
    after: int  #: how many positions are put behind


def of_geometry(one: Chain, other: Chain) -> list[str]:
    """Return what differs in where the windows of both cores stand."""
    first, second = _windows(one), _windows(other)
    if first is None or second is None or len(first) != len(second):
        return []
    a, b = first[0].window, second[0].window
    name = quoted(other.core.address)
    if one.core.kind == "resize" or a.way != "forward" or b.way != "forward":
        return _interpolation(a, b, name)
    words = _pooled(one, other, name)
    if [_sides(p) for p in first] != [_sides(p) for p in second]:
        words.append(
            f"the padding: {name} pads {_padding(second)} (before, after), the one "
            f"{_padding(first)}{_where(one, other)}"
        )
    for setting in ("size", "stride", "dilation", "border"):
        pair = [tuple(getattr(p.window, setting) for p in each) for each in (first, second)]
        unseen = setting == "border" and not any(map(any, map(_sides, first)))
        if pair[0] != pair[1] and not unseen:
            words.append(f"the {setting} of its windows: {pair[1]} in {name}, {pair[0]} in the one")
    return words


def _pooled(one: Chain, other: Chain, name: str) -> list[str]:
    """Return that one takes means and the other the largest, where their types tell."""
    if not one.core.kind == other.core.kind == "pool":
        return []
    ways = [_way_of_pool(chain) for chain in (one, other)]
    if None in ways or ways[0] == ways[1]:
        return []
    return [f"the pooling: {name} takes {ways[1]}, the one {ways[0]}"]


def _way_of_pool(chain: Chain) -> str | None:
    """Return what a pool takes, by the values: each is one of those received, or is not."""
    received, value = chain.received(chain.core), chain.value(chain.core)
    if received is None or value is None or received.axes[0] != "sample":
        return None
    given, returned = np.unique(received.values[:1]), value.values[:1].ravel()
    places = np.clip(np.searchsorted(given, returned), 0, len(given) - 1)
    near = np.minimum(
        np.abs(given[places] - returned), np.abs(given[np.maximum(places - 1, 0)] - returned)
    )
    one_of = near <= 1e-6 * max(float(np.abs(given).max()), 1e-30)
    varied = returned != 0
    if not varied.any():
        return None
    return "the largest" if one_of[varied].mean() > 0.9 else "means"


def _interpolation(a: Window, b: Window, name: str) -> list[str]:
    """Return how two resizings differ."""
    if a.way != b.way:
        return [f"the interpolation: {_way(b)} in {name}, {_way(a)} in the one"]
    if a.way in ("nearest", "linear", "cubic") and _grid(a) != _grid(b):
        return [
            f"the grid of the interpolation: {name} aligns {_GRIDS[b.grid]}, the one "
            f"{_GRIDS[a.grid]}"
        ]
    return []


def _way(window: Window) -> str:
    return _RESIZING.get(window.way, window.way)


def _grid(window: Window) -> tuple[str, str]:
    return window.grid, window.rounding if window.way == "nearest" else ""


def _sides(padded: Padded) -> tuple[int, int]:
    before = padded.window.before
    assert isinstance(before, int)
    return before, padded.after


def _padding(windows: list[Padded]) -> str:
    return " × ".join(f"{before}, {after}" for before, after in map(_sides, windows))


def _windows(chain: Chain) -> list[Padded] | None:
    """Return the windows of the core, along each axis of space, and the paddings before it."""
    core = chain.core
    windows = core.reads.windows
    received, value = chain.received(core), chain.value(core)
    if windows is None or received is None or value is None:
        return None
    axes = [axis for axis in received.axes if axis in _SPACE]
    if len(windows) == 1:
        windows = windows * len(axes)
    if len(windows) != len(axes) or any(axis not in value.axes for axis in axes):
        return None
    entry = chain.at_entry
    padded = []
    for axis, window in zip(axes, windows, strict=True):
        length = received.values.shape[received.axes.index(axis)]
        returned = value.values.shape[value.axes.index(axis)]
        if window.way != "forward":
            padded.append(Padded(window, 0))
            continue
        before = padding_before(window, length, returned)
        reach = (returned - 1) * window.stride + (window.size - 1) * window.dilation + 1
        after = max(reach - length - before, 0)
        extra = (0, 0)
        pads = [row for row in chain.rows if row.kind == "pad"]
        if pads and entry is not None and axis in entry.axes:
            extra = _around(chain, pads, axis)
        inside = reach - length - before  # negative: the last positions are never read
        after = after + extra[1] if inside >= 0 else max(extra[1] + inside, 0)
        padded.append(Padded(replace(window, before=before + extra[0]), after))
    return padded


def _around(chain: Chain, pads: list[Layer], axis: str) -> tuple[int, int]:
    """Return how many positions paddings put before and behind along an axis, by their values."""
    before, after = 0, 0
    for row in pads:
        received, value = chain.received(row), chain.value(row)
        if received is None or value is None or axis not in value.axes:
            continue
        place = value.axes.index(axis)
        more = value.values.shape[place] - received.values.shape[place]
        begins = offset(received.values, value.values, place) if more > 0 else 0
        before, after = before + begins, after + more - begins
    return before, after


def _where(one: Chain, other: Chain) -> str:
    """Return where on the maps the difference is, in words."""
    a, b = one.value(one.core), other.value(other.core)
    if a is None or b is None or a.values.shape != b.values.shape:
        return ""
    gap = np.abs(a.values - b.values)
    border = np.zeros(gap.shape, bool)
    for place, axis in enumerate(a.axes):
        if axis in _SPACE and gap.shape[place] > 2:
            np.moveaxis(border, place, 0)[[0, -1]] = True
    inside, outside = gap[~border], gap[border]
    if not inside.size or not outside.size or not outside.max():
        return ""
    if inside.max() <= 1e-5 * np.abs(a.values).max():
        return "; the border differs, the inside is equal"
    return "; the maps differ throughout, since the windows stand elsewhere"
