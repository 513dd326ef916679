"""How a score falls and rises as an input goes and comes, in the order of a map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.attribution.baselines import blurred, space_of
from layerscope.instruments.attribution.engine import even_size, parts
from layerscope.instruments.attribution.infilling import infilled
from layerscope.instruments.attribution.input_parts import InputPart
from layerscope.instruments.attribution.method import AttributionTask

Array = npt.NDArray[Any]
#: How strong each place is, by the names of the inputs.
Order = Mapping[str, Array]

SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  #: of the places that are removed
_RANDOM = 3  #: orders of random blobs


class ScoreCurves:
    """Scores of a sample with parts of it gone, and with these alone."""

    def __init__(self, task: AttributionTask, sample: int, seed: int) -> None:
        self._task, self._sample, self._seed = task, sample, seed
        self._places = {part.name: _Places(part, values[sample]) for part, values in task.pieces}

    def of(self, maps: Mapping[str, Order]) -> dict[str, dict[str, Any]]:
        """Return what a check holds of each map, which are by their methods.

        All of a sample's inputs go through the network together; those of random blobs, and of the
        edges, once for all maps of the same inputs.
        """
        orders: dict[Any, Order] = dict(maps)
        for names in {tuple(order) for order in maps.values()}:
            rng = np.random.default_rng((self._seed, self._sample))
            for i in range(_RANDOM):
                orders[names, i] = {name: self._places[name].blobs(rng) for name in names}
            edges = {name: self._places[name].edges() for name in names}
            if all(one is not None for one in edges.values()):
                orders[names, "edges"] = {n: one for n, one in edges.items() if one is not None}
        curves = self._curves(orders)
        return {
            method: self._against_others(order, curves[method], curves, orders)
            for method, order in maps.items()
        }

    def _against_others(
        self, order: Order, curve: Mapping[str, Array], curves: Mapping[Any, Any], orders: Any
    ) -> dict[str, Any]:
        names = tuple(order)
        random = [curves[names, i] for i in range(_RANDOM)]
        others = {"random": {way: np.mean([one[way] for one in random], axis=0) for way in curve}}
        likeness = np.nan
        if (names, "edges") in curves:
            others["edges"] = curves[names, "edges"]
            likeness = correlation(np.abs(_in_a_row(order)), _in_a_row(orders[names, "edges"]))
        areas = {
            way: {"map": _area(curve[way]), **{n: _area(both[way]) for n, both in others.items()}}
            for way in curve
        }
        return {**areas, "edges": likeness, "curves": {"shares": SHARES, "map": curve, **others}}

    def _curves(self, orders: Mapping[Any, Order]) -> dict[Any, dict[str, Array]]:
        """Return the scores with the strongest places gone, and with these alone, by shares."""
        count = 2 * len(SHARES)
        engine = self._task.engine
        total = len(orders) * count
        scores = np.zeros(total)
        inputs = self._inputs(orders)
        for some in parts(total, even_size(total, engine.batch_size)):
            chosen = np.stack([next(inputs) for _ in range(some.stop - some.start)])
            rows = np.full(len(chosen), self._sample)
            scores[some] = engine.scores(chosen, rows)
        each = scores.reshape(len(orders), 2, len(SHARES))
        return {name: _scaled(*both) for name, both in zip(orders, each, strict=True)}

    def _inputs(self, orders: Mapping[Any, Order]) -> Iterator[Array]:
        for order in orders.values():
            rng = np.random.default_rng((self._seed, self._sample, 1))
            row = _in_a_row(order)
            # Places of equal strength, as those where a map is 0, go in any order.
            strongest = np.lexsort((rng.random(row.size), -row))
            gone = []
            for share in SHARES:
                removed = np.zeros(row.size, bool)
                removed[strongest[: round(share * row.size)]] = True
                gone.append(removed)
            for removed in (*gone, *(~one for one in gone)):
                yield self._without(order, removed, rng)

    def _without(self, order: Order, removed: Array, rng: np.random.Generator) -> Array:
        """Return the sample without some places; of inputs that are not in the order, all is."""
        pieces, begin = [], 0
        for name, places in self._places.items():
            if name not in order:
                pieces.append(places.values)
                continue
            end = begin + order[name].size
            pieces.append(places.without(removed[begin:end].reshape(order[name].shape), rng))
            begin = end
        return np.asarray(self._task.subject.joined([piece[None] for piece in pieces])[0])


class _Places:
    """The places of one input of a sample."""

    def __init__(self, part: InputPart, values: Array) -> None:
        self.values = values
        space = space_of(part.axes)
        #: Words, and the numbers of a vector, have no neighbours to be filled in from.
        self._is_field = bool(space) and not part.is_tokens
        self._space = tuple(axis - 1 for axis in space) or tuple(range(values.ndim))
        self._lengths = [values.shape[axis] for axis in self._space]

    def blobs(self, rng: np.random.Generator) -> Array:
        """Return an order of random blobs, or of random places where none has neighbours."""
        noise = rng.standard_normal((1, *self._lengths))
        if not self._is_field:
            return np.asarray(noise[0])
        space = tuple(range(1, len(self._lengths) + 1))
        return np.asarray(blurred(noise, space, max(1.0, max(self._lengths) / 12))[0])

    def edges(self) -> Array | None:
        """Return how steep it is at each place; None where places have no neighbours."""
        return edges_of(self.values, self._space) if self._is_field else None

    def without(self, removed: Array, rng: np.random.Generator) -> Array:
        """Return it with places filled in, or with 0 in them where they have no neighbours."""
        others = [axis for axis in range(self.values.ndim) if axis not in self._space]
        moved = self.values.transpose([*self._space, *others])
        if self._is_field:
            filled = infilled(moved, removed, rng)
        else:
            wide = removed.reshape(*removed.shape, *[1] * len(others))
            filled = np.where(wide, 0, moved).astype(np.float32)
        return filled.transpose(np.argsort([*self._space, *others]))


def _in_a_row(order: Order) -> Array:
    return np.concatenate([np.asarray(one, np.float64).ravel() for one in order.values()])


def _scaled(deletion: Array, insertion: Array) -> dict[str, Array]:
    """Return scores from 0, that of an input with all of it gone, to 1, that of the whole.

    NaN where the whole has no higher score than nothing, so that there is nothing to lose.
    """
    whole, empty = deletion[0], insertion[0]
    span = whole - empty if whole - empty > 1e-12 else np.nan
    return {"deletion": (deletion - empty) / span, "insertion": (insertion - empty) / span}


def edges_of(values: Array, space: Sequence[int]) -> Array:
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
    shares = np.array(SHARES)
    return float(((curve[1:] + curve[:-1]) / 2 * np.diff(shares)).sum())
