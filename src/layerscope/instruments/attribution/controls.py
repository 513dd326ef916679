"""Controls: whether a map shows what the network saw, or only what the image looks like.

Each is held against maps that know nothing of the network: random blobs, and an edge detector,
which looks like saliency (Adebayo et al. 2018, Sanity Checks for Saliency Maps, arXiv:1810.03292).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.network import computing
from layerscope.instruments.attribution.baselines import blurred, space_of
from layerscope.instruments.attribution.engine import ALTERED
from layerscope.instruments.attribution.infilling import infilled
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method
from layerscope.recordings.attribution import ALIKE, COMPLETE, Attribution, MapCheck

Array = npt.NDArray[Any]

_SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  #: of the places that are removed
_RANDOM = 3  #: orders of random blobs
_STAGES = 4  #: how many depths are shuffled to, from the output on
_FEWEST = 16  #: places of a map that can be said to be in another order
_DRAWS, _LITTLE = 3, 0.02  #: of noise, as a share of the input's range
_CLEARLY = 0.02  #: a smaller difference of areas is none


def checks(
    result: Attribution,
    task: AttributionTask,
    methods: Mapping[str, Method],
    drawn: Callable[[AttributionTask, Method, Maps], NamedArray],
    *,
    samples: int,
    seed: int,
) -> list[MapCheck]:
    """Return the controls of each method and sample; ``drawn`` makes arrays of maps."""
    count = min(samples, len(task.subject))
    few = _first(task, count)
    curves = _Curves(few, seed)
    made: list[MapCheck] = []
    for name, method in methods.items():
        strengths = np.stack([_strength(result.map(name, i)) for i in range(count)])
        again = functools.partial(_again, method=method, drawn=drawn)
        shuffled = _shuffled(few, again, strengths, seed)
        sensitivity = _sensitivity(few, again, strengths, seed)
        for i in range(count):
            check = MapCheck(
                name,
                i,
                gap=float(result.gaps[name][i]) if name in result.gaps else np.nan,
                shuffled={stage: float(of[i]) for stage, of in shuffled.items()},
                sensitivity=float(sensitivity[i]),
                **curves.of(i, result.map(name, i).values),
            )
            made.append(replace(check, words=words_of(check)))
    return made


def _first(task: AttributionTask, count: int) -> AttributionTask:
    """Return the task for the first samples alone."""
    subject = task.subject
    if count == len(subject):
        return replace(task, notes={}, known_scores=None)
    where = subject.input.axes.index("sample") if "sample" in subject.input.axes else 0
    few = replace(
        subject,
        input=replace(subject.input, values=subject.input.values.take(range(count), axis=where)),
        given=subject.given[:count],
        values=subject.values[:count],
        samples=subject.samples[:count],
    )
    options = task.options
    for name in ("baseline", "noise"):
        given = getattr(options, name)
        shape = np.shape(given)
        if name == "baseline" and shape == task.values.shape:
            options = replace(options, baseline=np.asarray(given)[:count])
        elif name == "noise" and shape[1:] == task.values.shape:
            options = replace(options, noise=np.asarray(given)[:, :count])
    engine = replace(task.engine, subject=few)  # type: ignore[type-var]
    return AttributionTask(few, task.target, engine, options)


def _strength(map_: NamedArray) -> Array:
    return np.abs(np.nan_to_num(map_.values.astype(np.float64)))


def _again(
    task: AttributionTask,
    method: Method,
    drawn: Callable[[AttributionTask, Method, Maps], NamedArray],
) -> Array:
    """Return the strength of maps that are made anew, (sample, places)."""
    array = drawn(task, method, method.compute(task))
    values, axes = array.values, array.axes
    if "channel" in axes and len(axes) > 2:
        values = values.sum(axis=axes.index("channel"), dtype=np.float64)
    return np.abs(np.nan_to_num(values.astype(np.float64)))


def _shuffled(
    task: AttributionTask, again: Callable[[AttributionTask], Array], known: Array, seed: int
) -> dict[str, Array]:
    """Return how like the maps are to those of a network whose last layers were shuffled."""
    if task.engine.ability != ALTERED or known[0].size < _FEWEST:
        return {}
    network, _ = computing(task.subject.network)
    holders = [row for row in network if any(p.trainable or not p.bias for p in row.parameters)]
    holders.reverse()
    alike: dict[str, Array] = {}
    for stage in np.unique(np.linspace(1, len(holders), _STAGES).round().astype(int)):
        rows = holders[:stage]
        keys = {parameter.key for row in rows for parameter in row.parameters}
        backend: Any = task.subject.backend
        # Compiled functions read the weights as they are then; layers within keep their shapes.
        fresh = replace(task, engine=_anew(task), known_scores=None, notes={})
        maps = backend.shuffled(keys, seed, functools.partial(again, fresh))
        alike[rows[-1].address] = np.array(
            [correlation(a, b) for a, b in zip(known, maps, strict=True)]
        )
    return alike


def _anew(task: AttributionTask) -> Any:
    return replace(task.engine, _functions={})  # type: ignore[type-var]


def _sensitivity(
    task: AttributionTask, again: Callable[[AttributionTask], Array], known: Array, seed: int
) -> Array:
    """Return how much the maps change under a little noise, as a share of their size."""
    changes = np.zeros(len(known))
    rest = tuple(range(1, task.values.ndim))
    extent = task.values.max(axis=rest, keepdims=True) - task.values.min(axis=rest, keepdims=True)
    for i in range(_DRAWS):
        noise = np.random.default_rng((seed, i)).standard_normal(task.values.shape)
        values = (task.values + _LITTLE * extent * noise).astype(np.float32)
        if task.subject.is_tokens:
            moved = replace(task, at=values, known_scores=None, notes={})
        else:
            subject = replace(task.subject, given=values, values=values)
            engine = replace(task.engine, subject=subject)  # type: ignore[type-var]
            moved = replace(task, subject=subject, engine=engine, known_scores=None, notes={})
        maps = again(moved).reshape(len(known), -1)
        flat = known.reshape(len(known), -1)
        size = np.linalg.norm(flat, axis=1)
        changes += np.linalg.norm(maps - flat, axis=1) / np.where(size > 0, size, 1) / _DRAWS
    return changes


class _Curves:
    """The score as an input goes and comes, in the order of a map."""

    def __init__(self, task: AttributionTask, seed: int) -> None:
        self._task, self._seed = task, seed
        axes = task.axes
        self._space = space_of(axes)
        #: Words, and the numbers of a vector, have no neighbours to be filled in from.
        self._is_field = bool(self._space) and not task.subject.is_tokens
        if not self._space:
            self._space = tuple(range(1, task.values.ndim))
        self._references: dict[int, dict[str, Any]] = {}

    def of(self, sample: int, map_: Array) -> dict[str, Any]:
        """Return what a check holds of one map."""
        if sample not in self._references:
            self._references[sample] = self._reference(sample)
        known = self._references[sample]
        curves = self._both(sample, map_.astype(np.float64))
        areas = {
            way: {
                "map": _area(curves[way]),
                **{name: _area(both[way]) for name, both in known["curves"].items()},
            }
            for way in ("deletion", "insertion")
        }
        edges = known["edges"]
        return {
            **areas,
            "edges": correlation(np.abs(map_), edges) if edges is not None else np.nan,
            "curves": {"shares": _SHARES, "map": curves, **known["curves"]},
        }

    def _reference(self, sample: int) -> dict[str, Any]:
        lengths = [self._task.values.shape[axis] for axis in self._space]
        rng = np.random.default_rng((self._seed, sample))
        blobs = [self._blobs(lengths, rng) for _ in range(_RANDOM)]
        each = [self._both(sample, one) for one in blobs]
        curves = {
            "random": {
                way: np.mean([one[way] for one in each], axis=0)
                for way in ("deletion", "insertion")
            }
        }
        edges = None
        if self._is_field:
            edges = edges_of(self._task.values[sample], tuple(a - 1 for a in self._space))
            curves["edges"] = self._both(sample, edges)
        return {"curves": curves, "edges": edges}

    def _blobs(self, lengths: list[int], rng: np.random.Generator) -> Array:
        noise = rng.standard_normal((1, *lengths))
        if not self._is_field:
            return np.asarray(noise[0])
        space = tuple(range(1, len(lengths) + 1))
        return np.asarray(blurred(noise, space, max(1.0, max(lengths) / 12))[0])

    def _both(self, sample: int, order: Array) -> dict[str, Array]:
        """Return the scores with the strongest places gone, and with these alone, by shares."""
        rng = np.random.default_rng((self._seed, sample, 1))
        # Places of equal strength, as those where a map is 0, go in any order.
        strongest = np.lexsort((rng.random(order.size), -order.ravel()))
        gone: list[Array] = []
        for share in _SHARES:
            removed = np.zeros(order.size, bool)
            removed[strongest[: round(share * order.size)]] = True
            gone.append(removed.reshape(order.shape))
        inputs = [self._without(sample, where, rng) for where in gone]
        inputs += [self._without(sample, ~where, rng) for where in gone]
        rows = np.full(len(inputs), sample)
        scores = self._task.engine.scores(np.stack(inputs), rows)
        deletion, insertion = np.split(scores, 2)
        whole, empty = deletion[0], insertion[0]
        span = whole - empty
        if abs(span) < 1e-12:
            span = np.nan
        return {"deletion": (deletion - empty) / span, "insertion": (insertion - empty) / span}

    def _without(self, sample: int, removed: Array, rng: np.random.Generator) -> Array:
        values = self._task.values[sample]
        where = tuple(axis - 1 for axis in self._space)
        others = [axis for axis in range(values.ndim) if axis not in where]
        moved = values.transpose([*where, *others])
        if self._is_field:
            filled = infilled(moved, removed, rng)
        else:
            wide = removed.reshape(*removed.shape, *[1] * len(others))
            filled = np.where(wide, 0, moved).astype(np.float32)
        return filled.transpose(np.argsort([*where, *others]))


def edges_of(values: Array, space: tuple[int, ...]) -> Array:
    """Return how steep a sample is at each place, over all of its channels."""
    total: Array = np.zeros([values.shape[axis] for axis in space])
    others = tuple(axis for axis in range(values.ndim) if axis not in space)
    for axis in space:
        if values.shape[axis] > 1:
            steps = np.square(np.gradient(values.astype(np.float64), axis=axis))
            total = total + (steps.sum(axis=others) if others else steps)
    return np.sqrt(total)


def correlation(a: Array, b: Array) -> float:
    """Return the rank correlation of two maps; 0 where one of them is the same everywhere."""
    ranks = [_ranks(one.ravel()) for one in (a, b)]
    centred = [one - one.mean() for one in ranks]
    size = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / size) if size > 0 else 0.0


def _ranks(values: Array) -> Array:
    """Return ranks, of equal values their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], np.float64)


def _area(curve: Array) -> float:
    shares = np.array(_SHARES)
    return float(((curve[1:] + curve[:-1]) / 2 * np.diff(shares)).sum())


def words_of(check: MapCheck) -> tuple[str, ...]:
    """Return what the numbers of a check say."""
    words: list[str] = []
    if check.gap > COMPLETE:
        words.append(f"its sum is {100 * check.gap:.2g} % off what it is to explain")
    for way, better in (("deletion", "falls"), ("insertion", "rises")):
        areas = getattr(check, way)
        if areas and np.isfinite(areas["map"]):
            words.append(_curve_words(areas, better, lower=way == "deletion"))
    if check.shuffled:
        words.append(_shuffled_words(list(check.shuffled.values())[-1], check))
    if np.isfinite(check.sensitivity):
        unsteady = ", so look at a smoother one" if check.sensitivity > 1 else ""
        words.append(f"2 % of noise changes it by {100 * check.sensitivity:.0f} %{unsteady}")
    return tuple(words)


def _curve_words(areas: Mapping[str, float], better: str, *, lower: bool) -> str:
    sign = -1 if lower else 1
    going = "as its strongest places go" if lower else "as its strongest places come"
    random = "random blobs" if "edges" in areas else "a random order"
    others = {"random": random, "edges": "edges"}
    worse = [
        f"{others[name]} ({areas[name]:.2f})"
        for name in others
        if name in areas and sign * (areas["map"] - areas[name]) <= _CLEARLY
    ]
    beaten = [f"{others[name]} ({areas[name]:.2f})" for name in others if name in areas]
    if worse:
        return (
            f"{going}, the score {better} no faster ({areas['map']:.2f}) than with "
            f"{' and '.join(worse)}"
        )
    return f"{going}, the score {better} faster ({areas['map']:.2f}) than with " + " and ".join(
        beaten
    )


def _shuffled_words(alike: float, check: MapCheck) -> str:
    if alike > ALIKE:
        edges = (
            f" the image's edges (rank correlation {check.edges:.2f} with them)"
            if check.edges > ALIKE
            else " the input"
        )
        return (
            f"this map changes little when the network is shuffled (rank correlation {alike:.2f}): "
            f"it shows{edges}, not what the network saw"
        )
    return f"it changes when the network is shuffled (rank correlation {alike:.2f})"
