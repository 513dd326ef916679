"""Controls: whether a map shows what the network saw, or only what the image looks like.

Each is held against maps that know nothing of the network: random blobs, and an edge detector,
which looks like saliency (Adebayo et al. 2018, Sanity Checks for Saliency Maps, arXiv:1810.03292).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.network import computing
from layerscope.instruments.attribution.control_words import words_of
from layerscope.instruments.attribution.engine import ALTERED
from layerscope.instruments.attribution.method import AttributionTask, Method, Options, arrays_of
from layerscope.instruments.attribution.score_curves import ScoreCurves, correlation
from layerscope.recordings.attribution import Attribution, MapCheck

Array = npt.NDArray[Any]
#: How strong maps are, (sample, place), by the names of the inputs.
Strengths = dict[str, Array]

_STAGES = 4  #: how many depths are shuffled to, from the output on
_FEWEST = 16  #: places of a map that can be said to be in another order
_DRAWS, _LITTLE = 3, 0.02  #: of noise, as a share of the input's range


def checks(
    result: Attribution,
    task: AttributionTask,
    methods: Mapping[str, Method],
    *,
    samples: int,
    seed: int,
) -> list[MapCheck]:
    """Return the controls of each method and sample."""
    count = min(samples, len(task.subject))
    few = _first(task, count)
    ways = {name: _Way.of(few, method, result.settings[name]) for name, method in methods.items()}
    known = {name: way.known(few, result, count) for name, way in ways.items()}
    shuffled = _shuffled(few, ways, known, seed)
    sensitivity = _sensitivity(few, ways, known, seed)
    curves = [
        ScoreCurves(few, i, seed).of({
            name: {of: result.map(name, i, of).values for of in result.of_inputs(name)}
            for name in methods
        })
        for i in range(count)
    ]  # fmt: skip
    made: list[MapCheck] = []
    for name in methods:
        for i in range(count):
            check = MapCheck(
                name,
                i,
                gap=float(result.gaps[name][i]) if name in result.gaps else np.nan,
                shuffled={stage: float(of[i]) for stage, of in shuffled[name].items()},
                sensitivity=float(sensitivity[name][i]),
                **curves[i][name],
            )
            made.append(replace(check, words=words_of(check)))
    return made


def _first(task: AttributionTask, count: int) -> AttributionTask:
    """Return the task for the first samples alone."""
    subject = task.subject
    if count == len(subject):
        return replace(task, notes={}, known_scores=None)
    options = task.options
    for name in ("baseline", "noise"):
        given = getattr(options, name)
        cut: Any = None
        if isinstance(given, Mapping):
            shapes = {part.name: part.values.shape for part in subject.parts}
            cut = {key: _cut(one, name, shapes.get(key), count) for key, one in given.items()}
        elif not subject.is_several:
            cut = _cut(given, name, task.values.shape, count)
        options = replace(options, **{name: given if cut is None else cut})
    few = subject.first(count)
    engine = replace(task.engine, subject=few)  # type: ignore[type-var]
    return AttributionTask(few, task.target, engine, options)


def _cut(given: Any, name: str, shape: Any, count: int) -> Any:
    """Return what was given for each sample for the first of them; anything else as it is."""
    if name == "baseline" and shape and sorted(np.shape(given)) == sorted(shape):
        return given[:count]  # in either layout, samples first
    if name == "noise" and np.shape(given)[1:] == shape:
        return np.asarray(given)[:, :count]
    return given


@dataclass(frozen=True)
class _Way:
    """How the controls make a method's maps again: with no more steps than they need."""

    method: Method
    options: Options
    is_as_it_was: bool  #: whether that is how the result's were made

    @classmethod
    def of(cls, task: AttributionTask, method: Method, settings: Mapping[str, Any]) -> _Way:
        """Return that of a method."""
        less: dict[str, Any] = {
            n: most for n, most in method.enough.items() if settings.get(n, 0) > most
        }
        if isinstance(settings.get("noise"), str):  # which was given, and says how often
            less.pop("repeats", None)
        kept = {name: settings[name] for name in method.enough if name in settings} | less
        window = settings.get("window")
        apart = window != settings.get("stride") and task.options.stride is None
        if apart and not task.subject.is_several:
            less |= {"window": window, "stride": window}  # side by side
            kept |= less
        options = replace(task.options, **kept) if kept else task.options
        return cls(method, options, not less)

    def known(self, task: AttributionTask, result: Attribution, count: int) -> Strengths:
        """Return the strength of the maps that those made again are held against."""
        name = self.method.name
        if not self.is_as_it_was:
            return _again(task, self)
        return {
            of: np.stack([_strength(result.map(name, i, of).values).ravel() for i in range(count)])
            for of in result.of_inputs(name)
        }


def _strength(values: Array) -> Array:
    return np.abs(np.nan_to_num(values.astype(np.float64)))


def _again(task: AttributionTask, way: _Way) -> Strengths:
    """Return the strength of maps that are made anew."""
    made = {}
    method, task = way.method, replace(task, options=way.options)
    for of, array in arrays_of(task, method, method.compute(task)).items():
        values, axes = array.values, array.axes
        if "channel" in axes and len(axes) > 2:
            values = values.sum(axis=axes.index("channel"), dtype=np.float64)
        made[of] = _strength(values).reshape(len(values), -1)
    return made


def _shuffled(
    task: AttributionTask, ways: Mapping[str, _Way], known: Mapping[str, Strengths], seed: int
) -> dict[str, dict[str, Array]]:
    """Return how like the maps are to those of a network whose last layers were shuffled.

    By method, and by how far the shuffling goes; the network is shuffled once for all methods.
    """
    alike: dict[str, dict[str, Array]] = {name: {} for name in ways}
    chosen = [name for name in ways if _ordered(known[name])]
    if task.engine.ability != ALTERED or not chosen:
        return alike
    network, _ = computing(task.subject.network)
    holders = [row for row in network if any(p.trainable or not p.bias for p in row.parameters)]
    holders.reverse()
    backend: Any = task.subject.backend
    for stage in np.unique(np.linspace(1, len(holders), _STAGES).round().astype(int)):
        rows = holders[:stage]
        keys = {parameter.key for row in rows for parameter in row.parameters}
        # Compiled functions read the weights as they are then; layers within keep their shapes.
        fresh = replace(task, engine=_anew(task), known_scores=None, notes={})
        again = functools.partial(_each_again, fresh, {name: ways[name] for name in chosen})
        for name, maps in backend.shuffled(keys, seed, again).items():
            alike[name][rows[-1].address] = _likeness(known[name], maps)
    return alike


def _each_again(task: AttributionTask, ways: Mapping[str, _Way]) -> dict[str, Strengths]:
    """Return the strength of each method's maps; the samples' scores are computed once."""
    _ = task.scores
    return {name: _again(task, way) for name, way in ways.items()}


def _ordered(maps: Strengths) -> list[str]:
    """Return the inputs whose maps have an order that could be another."""
    return [of for of, values in maps.items() if values.shape[1] >= _FEWEST]


def _likeness(known: Strengths, maps: Strengths) -> Array:
    """Return the rank correlation of maps, sample by sample.

    Of several inputs the mean, each as often as it has places: that one is stronger than another is
    no likeness.
    """
    names = _ordered(known)
    each = [[correlation(a, b) for a, b in zip(known[of], maps[of], strict=True)] for of in names]
    return np.average(each, axis=0, weights=[known[of].shape[1] for of in names])


def _anew(task: AttributionTask) -> Any:
    return replace(task.engine, _functions={})  # type: ignore[type-var]


def _sensitivity(
    task: AttributionTask, ways: Mapping[str, _Way], known: Mapping[str, Strengths], seed: int
) -> dict[str, Array]:
    """Return how much the maps change under a little noise, as a share of their size."""
    before = {name: _in_a_row(maps) for name, maps in known.items()}
    changes = {name: np.zeros(len(maps)) for name, maps in before.items()}
    for i in range(_DRAWS):
        noise = np.random.default_rng((seed, i)).standard_normal(task.values.shape)
        values = (task.values + _LITTLE * task.extent() * noise).astype(np.float32)
        subject = task.subject.moved(values)
        engine = replace(task.engine, subject=subject)  # type: ignore[type-var]
        moved = replace(
            task, subject=subject, engine=engine, at=values, known_scores=None, notes={}
        )
        for name, maps in _each_again(moved, ways).items():
            size = np.linalg.norm(before[name], axis=1)
            change = np.linalg.norm(_in_a_row(maps) - before[name], axis=1)
            changes[name] += change / np.where(size > 0, size, 1) / _DRAWS
    return changes


def _in_a_row(maps: Strengths) -> Array:
    return np.concatenate(list(maps.values()), axis=1)
