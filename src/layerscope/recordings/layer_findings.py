"""Findings about whole layers: those that learn nothing, a softmax that always says the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.recordings.finding import Finding, moment_text, moved_per, since

if TYPE_CHECKING:
    from layerscope.recordings.run import Run

#: A layer is still where a step changes its weights by less than this share of their norm,
STILL = 1e-3
STILL_TOGETHER = 1e-2  #: and all of these steps together by less than this,
_SLOWER = 10  #: if they are so many times smaller than those before
_TAIL = 3  #: for so many steps at least
_LISTED = 4  #: layers that are named one by one
_SAMPLES = 8  #: of so few samples it may be right that all are of one class


@dataclass(frozen=True)
class _Still:
    """A layer that hardly changes from a step on."""

    address: str
    begins: int  #: among the steps of which changes are known
    count: int  #: of these
    before: int  #: the last step that brought something, or -1
    largest: float  #: change of a step


def still_layers(
    run: Run, changes: Sequence[tuple[str, npt.NDArray[np.float64]]], dead: Sequence[str]
) -> Iterator[Finding]:
    """Yield since when layers have hardly changed: one sentence for those that stopped together.

    ``dead`` are layers all of whose units are silent: nothing flows back through them.
    """
    still = [one for address, change in changes if (one := _still(address, change)) is not None]
    groups: dict[tuple[Any, ...], list[_Still]] = {}
    for one in still:
        groups.setdefault((one.begins, one.count, one.before), []).append(one)
    for together in groups.values():
        yield _sentence(run, together, _cause(run, together, dead))


def _still(address: str, change: npt.NDArray[np.float64]) -> _Still | None:
    known = np.flatnonzero(np.isfinite(change))
    if len(known) < _TAIL:
        return None
    together = np.cumsum(change[known][::-1])[::-1]  # of each step and all after it
    is_still = (change[known] < STILL) & (together < STILL_TOGETHER)
    begins = int(since(is_still[:, None])[0])
    if len(known) - begins < _TAIL:
        return None
    if begins and change[known[begins:]].mean() * _SLOWER > change[known[:begins]].mean():
        return None  # it goes on as slowly as before
    largest = float(change[known[begins:]].max())
    return _Still(address, begins, len(known), int(known[begins]) - 1, largest)


def _sentence(run: Run, layers: Sequence[_Still], cause: str) -> Finding:
    first = layers[0]
    their = "their" if len(layers) > 1 else "its"
    moved, learned = f"{their} weights stayed the same", "learned nothing"
    largest = max(one.largest for one in layers)
    if largest > 0:
        learned = "hardly learned"
        moved = f"each {moved_per(run)} changed {their} weights by less than {_percent(largest)}"
    moment = moment_text(run, max(first.before, 0))
    when = f"after {moment}"
    if first.begins == 0:
        when = f"in {first.count} steps from {moment} on"
    names = _listed([one.address for one in layers])
    text = f"{names} {learned} {when} ({moved}){cause}"
    return Finding(first.address, "still", int(run.steps[max(first.before, 0)]), text)


def _cause(run: Run, layers: Sequence[_Still], dead: Sequence[str]) -> str:
    """Return what keeps gradients from these layers, where that is a layer without a signal."""
    order = {layer.address: i for i, layer in enumerate(run.network)}
    last = max(order.get(one.address, len(order)) for one in layers)
    through = [address for address in dead if order.get(address, -1) >= last]
    return f": no gradient passes {through[0]}, which is silent" if through else ""


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them; of many the ends, and how many there are."""
    if len(names) == 1:
        return names[0]
    if len(names) > _LISTED:
        return f"{names[0]} … {names[-1]} ({len(names)} layers)"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(share: float) -> str:
    """Return a bound in percent that is above the share, to one digit."""
    power = 10.0 ** math.floor(math.log10(share * 100))
    return f"{(math.floor(share * 100 / power) + 1) * power:.3g} %"


def same_class(run: Run) -> Iterator[Finding]:
    """Yield which softmax gives every sample the same class, or can't give but one."""
    kept = set(run)
    for layer in run.network:
        if layer.activation != "softmax" or layer.address not in kept:
            continue
        axes = run.axes(layer.address)
        if set(axes) != {"step", "sample", "unit"}:
            continue
        if axes["unit"] == 1:
            text = f"{layer.address} is a softmax over one unit: it is 1 whatever comes in"
            yield Finding(layer.address, "same class", None, text)
        elif axes["sample"] >= _SAMPLES:
            yield from _always_same(run, layer.address, axes["sample"])


def _always_same(run: Run, address: str, samples: int) -> Iterator[Finding]:
    last = len(run.steps) - 1
    chosen = [_only_class(run, address, position) for position in (last - 1, last)]
    if chosen[1] is None or chosen[0] is None:
        return
    begins = last - 1
    while begins > 0 and _only_class(run, address, begins - 1) is not None:
        begins -= 1
    which = f"class {chosen[1]}" if chosen[0] == chosen[1] else "one and the same class"
    text = (
        f"{address} always says {which}: to each of {samples} samples, from "
        f"{moment_text(run, begins)} on"
    )
    yield Finding(address, "same class", int(run.steps[begins]), text)


def _only_class(run: Run, address: str, position: int) -> int | None:
    """Return the class that all samples get at a step; None where they get several."""
    part = run.part(address, position)
    values = np.moveaxis(part.values, part.axes.index("unit"), -1).reshape(
        -1, run.axes(address)["unit"]
    )
    if not np.isfinite(values).all():
        return None
    classes = values.argmax(axis=1)
    return int(classes[0]) if (classes == classes[0]).all() else None
