"""What can be said in words of units and layers over the steps of a training, and their figures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.recordings.finding import Finding, Kind, epoch_gaps, moment_text, since
from layerscope.recordings.layer_findings import same_class, still_layers
from layerscope.recordings.silent_units import Silences, silent_units

if TYPE_CHECKING:
    from layerscope.recordings.run import Run

Figures = npt.NDArray[np.float64]

_GRAVITY = ("not finite", "dead", "same class", "still", "never", "silent", "woke", "best")
_NAMED = 4  #: units that are named one by one; of more, how many there are
_NOTHING = 1e-6  #: metrics that differ by no more than this share are the same
#: What tells how well a training went: a smaller value is better in the one, a larger in the other.
_LOSSES = ("val_loss",)
_SCORES = ("validation_score", "val_accuracy", "val_acc")


#: As a recorder notes it when a training ended before its time.
_STOPPED = re.compile(r"\bstopped by itself after epoch (\d+)\b")


@dataclass(frozen=True)
class Series:
    """A layer's figures at each step; NaN where there are none, None where there can be none."""

    address: str
    units: int
    dead: Figures | None  #: share of units that are silent on the whole probe
    mean: Figures | None  #: over the probe and all units
    change: Figures | None  #: how far its weights moved, as a share of their norm: see moved_per


def layer_series(run: Run) -> list[Series]:
    """Return the figures of each layer recorded, and of those of which only weights were."""
    run, series = run.activations, []
    changes = _changes(run)
    for address in run.described:
        silent, mean = silent_units(run, address), run.statistic(address, "mean")
        dead = None if silent is None else _share(silent, mean)
        units = 0 if mean is None else mean.shape[1]
        average = None if mean is None else np.asarray(mean.mean(axis=1), np.float64)
        series.append(Series(address, units, dead, average, changes.pop(address, None)))
    series += [Series(address, 0, None, None, change) for address, change in changes.items()]
    return series


def findings(run: Run) -> list[Finding]:
    """Return what there is to say of a training: the gravest first, layers alike in one sentence.

    In this order, and each kind by the order of the layers:

    - *not finite*: the mean of a unit is NaN or infinite from a step on, to the last.
    - *dead*: all units of a layer are silent from a step on, to the last.
    - *same class*: a softmax gives all samples that were kept the same class at the last step, and
      has done so for two steps at least; or it is over one unit, and always 1.
    - *learned nothing*: from a step on, three at least, a layer's weights stayed the same, or, then
      it *hardly learned*, each step changed them by less than 0.1 % of their norm, and all of them
      together by less than 1 %, far less than before.
    - *never fired*: a unit is silent, exactly zero on the whole probe, at every step.
    - *fell silent*: it was not at some step, is from a later one on, and stays so to the last, for
      two steps at least.
    - *woke*: it is zero on the whole probe at the first step, and at no step from a later one on.
    - *best*: ``val_loss`` was lowest, or the validation's score highest, before the last step.

    Only units of a layer that rectifies are silent: the zero of a softmax is an answer. Of a layer
    without parameters units are spoken of only where it has as many as the layer that it received
    from, and these are never silent: so of a ReLU, and not of what comes after it.
    """
    run = run.activations
    if len(run.steps) < 2:
        return []
    units = list(_units(run))
    dead = [finding.address for finding in units if finding.kind == "dead"]
    changes = [(s.address, s.change) for s in layer_series(run) if s.change is not None]
    all_of_them = [*units, *same_class(run), *still_layers(run, changes, dead), *_best(run)]
    return sorted(all_of_them, key=lambda finding: _GRAVITY.index(finding.kind))


def _share(silent: Silences, mean: npt.NDArray[Any] | None) -> Figures:
    """Return the share of units without any response, NaN where nothing was recorded."""
    dead = np.asarray(silent.mean(axis=1), np.float64)
    if mean is not None:
        dead[np.isnan(mean).all(axis=1)] = np.nan
    return dead


def _changes(run: Run) -> dict[str, Figures]:
    """Return, by layer, how far each step moved all its parameters, relative to their norm.

    Of an epoch, where the steps are not equally far apart.
    """
    weights, owners = run.weights, _owners(run)
    squares: dict[str, list[npt.NDArray[Any]]] = {}
    for key in weights.described:
        change, norm = weights.statistic(key, "change"), weights.statistic(key, "norm")
        if change is not None and norm is not None:
            layer = owners.get(key) or key.rpartition("/")[0] or key.rpartition(".")[0] or key
            of = squares.setdefault(layer, [np.zeros(len(change)), np.zeros(len(change))])
            of[0] = of[0] + np.square(change, dtype=np.float64)
            of[1] = of[1] + np.square(norm, dtype=np.float64)
    gaps = epoch_gaps(run)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            name: np.sqrt(moved / size) / (1 if gaps is None else gaps[len(gaps) - len(moved) :])
            for name, (moved, size) in squares.items()
        }


def _owners(run: Run) -> dict[str, str]:
    return {p.key: layer.address for layer in run.network for p in layer.parameters}


def _units(run: Run) -> Iterator[Finding]:
    """Yield what happened to single units, layer by layer."""
    silent: dict[str, Silences] = {}
    for address in run.described:
        mean, of_layer = run.statistic(address, "mean"), silent_units(run, address)
        if mean is not None and not np.isnan(mean).all():
            yield from _not_finite(run, address, mean)
        if of_layer is None:
            continue
        silent[address] = of_layer
        if not _handed_on(run, address, silent):
            yield from _silences(run, address, silent[address])


def _handed_on(run: Run, address: str, silent: dict[str, Silences]) -> bool:
    """Return whether a layer's silence is that of what it received, perhaps in another shape."""
    if address not in run.network:
        return False
    layer = run.network[address]
    received = [silent[name] for name in layer.inputs if name in silent]
    if layer.parameters or not received:
        return False
    count = silent[address].shape[1]
    return any(silence.any() for silence in received) or all(
        silence.shape[1] != count for silence in received
    )


def _silences(run: Run, address: str, silent: Silences) -> Iterator[Finding]:
    count = silent.shape[1]
    always = np.flatnonzero(silent.all(axis=0))
    whole = int(since(np.asarray(silent.all(axis=1, keepdims=True)))[0])
    if count > 1 and 0 < whole < len(silent) - 1:
        ever = f", {len(always)} of them from the start" * bool(len(always))
        text = f"{address}: all {count} units are silent from {moment_text(run, whole)} on{ever}"
        yield Finding(address, "dead", int(run.steps[whole]), text)
        return
    if len(always):
        text = f"{_never(address, always, count)} {_seen(run)}"
        yield Finding(address, "dead" if len(always) == count else "never", None, text)
    begins = since(silent)  # from which step on it is silent to the end
    fell = [int(u) for u in np.flatnonzero((begins > 0) & (begins < len(silent) - 1))]
    yield from _sentences(
        run, address, "silent", fell, begins, count, "fell silent at {} and stayed so"
    )
    wakes = since(~silent)
    woke = [int(u) for u in np.flatnonzero(silent[0] & (wakes < len(silent)))]
    yield from _sentences(run, address, "woke", woke, wakes, count, "was silent until {}")


def _seen(run: Run) -> str:
    """Return over how much a recording looked: ``in 16 samples at 5 steps``."""
    steps = f"at {len(run.steps)} steps"
    count = run.probed
    if count is None:
        return f"on the probe {steps}"
    return f"in {count:,} sample{'s' * (count != 1)} {steps}"


def _never(address: str, always: npt.NDArray[Any], count: int) -> str:
    if count == 1:
        return f"{address} never fired"
    if len(always) == count:
        return f"{address}: none of its {count} units ever fired"
    which = f" ({', '.join(map(str, always))})" if len(always) <= _NAMED else ""
    return f"{address}: {len(always)} of {count} units never fired{which}"


def _sentences(
    run: Run,
    address: str,
    kind: Kind,
    units: Sequence[int],
    begins: npt.NDArray[np.int64],
    count: int,
    words: str,
) -> Iterator[Finding]:
    """Yield a sentence for each unit, or one for all of them where they are many."""
    moment: Callable[[int], str] = lambda position: moment_text(run, position)  # noqa: E731
    if len(units) <= _NAMED:
        for unit in units:
            at = int(begins[unit])
            name = f"{address}:{unit}"
            yield Finding(name, kind, int(run.steps[at]), f"{name} {words.format(moment(at))}")
        return
    steps = sorted({int(begins[unit]) for unit in units})
    span = moment(steps[0])
    if len(steps) > 1:
        span = f"{span} to {moment(steps[-1]).rpartition(' ')[2]}"
    words_of_many = words.format(span).replace("was silent", "were silent")
    words_of_many = (
        words_of_many.replace("fell silent at", "fell silent, from")
        if len(steps) > 1
        else words_of_many
    )
    text = f"{address}: {len(units)} of {count} units {words_of_many}"
    yield Finding(address, kind, int(run.steps[steps[0]]), text)


def _not_finite(run: Run, address: str, mean: npt.NDArray[Any]) -> Iterator[Finding]:
    begins = int(since(~np.isfinite(mean).all(axis=1, keepdims=True))[0])
    if begins < len(mean):
        text = f"{address} is not finite from {moment_text(run, begins)} on"
        yield Finding(address, "not finite", int(run.steps[begins]), text)


def best_position(metrics: Any) -> tuple[str, int] | None:
    """Return which metric tells the best step, and where; None where none was, or none moved."""
    for names, pick in ((_LOSSES, np.nanargmin), (_SCORES, np.nanargmax)):
        for name in names:
            values = np.asarray(metrics.get(name, ()), np.float64)
            finite = values[np.isfinite(values)]
            if len(finite) and np.ptp(finite) <= _NOTHING * np.abs(finite).max():
                return None  # where nothing moves, no step is the best
            if len(finite):
                return name, int(pick(np.where(np.isfinite(values), values, np.nan)))
    return None


def stopped_epoch(run: Run) -> float | None:
    """Return after which epoch the training stopped by itself, as was noted; None otherwise."""
    epochs = [float(match[1]) for note in run.notes if (match := _STOPPED.search(note))]
    return epochs[-1] if epochs else None


def _best(run: Run) -> Iterator[Finding]:
    best = best_position(run.metrics)
    if best is None:
        return
    name, at = best
    values = run.metrics[name]
    constant = (values[np.isfinite(values)] == values[at]).all()
    if at < len(values) - 1 and math.isfinite(values[-1]) and not constant:
        way = "lowest" if name in _LOSSES else "highest"
        end = "and again" if values[-1] == values[at] else f"{values[-1]:.3g}"
        if end == f"{values[at]:.3g}":
            return  # nothing that three digits show
        then = f"{values[at]:.3g}, {end} at the end"
        text = f"{name} was {way} at {moment_text(run, at)}: {then}"
        yield Finding(name, "best", int(run.steps[at]), text)
