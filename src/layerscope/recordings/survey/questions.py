"""Questions of a quiz: which of two samples makes a unit fire more, given its examples as a clue.

The two are of the samples drawn evenly from all data, one from the upper fifth of how the unit
fires on them and one from the lower, and neither is part of the clue. So who has understood from
the clue what the unit looks for can answer, and who has not is right half of the time.

Controls look the same, but their clue is of another unit of the layer, which fires more on the
right one in half of them and less in the other half: whoever goes by the clue is right in just
half. Who is right more often has something else to go by, such as that every unit fires more on
what is brighter, and that much of the score of the other questions tells nothing of the units.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.core.errors import InputError
from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.ranking import NOBODY
from layerscope.recordings.survey.survey import Example, Survey, SurveyedSample

#: Which part of the drawn samples is the upper one, and the lower one.
_PART = 0.2
#: How far apart the two are at least, of the range over the drawn samples.
_APART = 0.25
CLUES = 9  #: strongest, and weakest, examples of a clue


@dataclass(frozen=True, slots=True)
class Question:
    """Two samples, of which a unit fires more on one."""

    address: str  #: of the unit
    strongest: tuple[Example, ...]  #: the clue
    weakest: tuple[Example, ...]
    left: Example
    right: Example
    clue_of: str = ""  #: the unit whose examples are the clue, where it is another: a control

    @property
    def answer(self) -> str:
        """The side on which the unit fires more."""
        return "left" if self.left.value > self.right.value else "right"


def questions_of(
    survey: Survey, address: str, n: int = 20, *, seed: int = 0, clues: int = CLUES
) -> list[Question]:
    """Return questions on the units of a layer, or on one unit; each unit once, then each again.

    ``clues`` is how many of the strongest and of the weakest examples are the clue. The right side
    is left as often as right.

    Raises
    ------
    AddressError
        When the survey has no such layer or unit.
    InputError
        When ``n`` is no number from 1 up, or no unit can be asked about.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise InputError(f"n={n!r}: pass how many questions, from 1 up.")
    place = survey.place(address)
    tally = survey.tallies[place.layer]
    random = np.random.default_rng(seed)
    units = [place.unit] if place.unit is not None else random.permutation(tally.units).tolist()
    pairs: dict[int, list[tuple[int, int]]] = {}
    asked: list[tuple[int, tuple[int, int]]] = []
    while len(asked) < n:  # further rounds ask about the same units with other samples
        before = len(asked)
        for unit in units:
            if len(asked) == n:
                break
            if unit not in pairs:
                pairs[unit] = _pairs(tally, unit, clues, random)
            if pairs[unit]:
                asked.append((unit, pairs[unit].pop()))
        if len(asked) == before:
            break
    if not asked:
        raise InputError(
            f"No unit of {address!r} can be asked about: none fires clearly more on some of the "
            f"{len(tally.drawn.samples)} samples drawn than on others."
        )
    sides = random.permutation(np.arange(len(asked)) % 2)
    return [
        _question(survey, place.layer, unit, pair, bool(side), clues)
        for (unit, pair), side in zip(asked, sides, strict=True)
    ]


def controls_of(
    survey: Survey,
    address: str,
    n: int,
    *,
    seed: int = 0,
    clues: int = CLUES,
    shown: Collection[int] | None = None,
) -> list[Question]:
    """Return up to ``n`` questions whose clue is that of another unit of the layer, an even number.

    In half of them the other unit fires more on the right one, too, and in half on the wrong one:
    the clue tells nothing. ``shown`` are the units whose clue there is; all by default.

    Raises AddressError when the survey has no such layer or unit.
    """
    place = survey.place(address)
    tally = survey.tallies[place.layer]
    random = np.random.default_rng([seed, 1])
    pairs = {unit: _pairs(tally, unit, clues, random) for unit in range(tally.units)}
    others = [u for u in pairs if pairs[u] and (shown is None or u in shown)]
    asked = [place.unit] if place.unit is not None else random.permutation(tally.units).tolist()
    peaks = tally.drawn.peaks.astype(np.float64)
    apart = {other: _APART * np.ptp(peaks[np.isfinite(peaks[:, other]), other]) for other in others}
    of_side: dict[bool, list[tuple[int, int, tuple[int, int]]]] = {True: [], False: []}
    wanted = n // 2
    for unit in asked * -(-n // len(asked)):
        for agrees in sorted(of_side, key=lambda each: len(of_side[each])):
            if len(of_side[agrees]) == wanted:
                continue
            for pair in pairs[unit]:
                more = (peaks[pair[0]] - peaks[pair[1]]) * (1 if agrees else -1)
                able = [other for other in others if other != unit and more[other] >= apart[other]]
                if able:
                    of_side[agrees].append((unit, int(random.choice(able)), pair))
                    pairs[unit] = [each for each in pairs[unit] if each != pair]
                    break
            else:
                continue
            break
    count = min(map(len, of_side.values()))
    chosen = [each for agrees in of_side for each in of_side[agrees][:count]]
    sides = [i % 2 for agrees in of_side for i in random.permutation(count)]
    return [
        _question(survey, place.layer, unit, pair, bool(side), clues, clue_of)
        for (unit, clue_of, pair), side in zip(chosen, sides, strict=True)
    ]


def with_controls(
    questions: Sequence[Question], controls: Sequence[Question], *, seed: int = 0
) -> list[Question]:
    """Return the questions in their order, the controls among them, at places that are drawn."""
    total = len(questions) + len(controls)
    random = np.random.default_rng([seed, 2])
    at = set(random.permutation(total)[: len(controls)].tolist())
    rest, those = iter(questions), iter([controls[i] for i in random.permutation(len(controls))])
    return [next(those if i in at else rest) for i in range(total)]


def _pairs(
    tally: LayerTally, unit: int, clues: int, random: np.random.Generator
) -> list[tuple[int, int]]:
    """Return pairs of drawn samples, the stronger first, as their places among those drawn."""
    peaks = tally.drawn.peaks[:, unit].astype(np.float64)
    clue = {*tally.top.samples[unit, :clues].tolist(), *tally.weak.samples[unit, :clues].tolist()}
    free = np.isfinite(peaks) & ~np.isin(tally.drawn.samples, sorted(clue - {NOBODY}))
    known = peaks[np.isfinite(peaks)]
    if free.sum() < 2 or known.max() == known.min():
        return []
    lower, upper = np.quantile(peaks[free], [_PART, 1 - _PART])
    high = random.permutation(np.flatnonzero(free & (peaks >= upper)))
    low = random.permutation(np.flatnonzero(free & (peaks <= lower)))
    apart = _APART * (known.max() - known.min())
    return [
        (int(a), int(b)) for a, b in zip(high, low, strict=False) if peaks[a] - peaks[b] >= apart
    ]


def _question(
    survey: Survey,
    layer: str,
    unit: int,
    pair: tuple[int, int],
    turned: bool,
    clues: int,
    clue_of: int | None = None,
) -> Question:
    tally = survey.tallies[layer]
    drawn = tally.drawn

    def example(at: int) -> Example:
        number = int(drawn.samples[at])
        sample = survey.samples.get(number, SurveyedSample(number, f"sample {number}"))
        place = tuple(drawn.places[at, unit].tolist())
        return Example(sample, float(drawn.peaks[at, unit]), place, tally.axes, tally.shape)

    stronger, weaker = map(example, pair)
    left, right = (weaker, stronger) if turned else (stronger, weaker)
    address = f"{layer}:{unit}"
    shown = address if clue_of is None else f"{layer}:{clue_of}"
    asked = {stronger.sample.number, weaker.sample.number}

    def clue(which: str) -> tuple[Example, ...]:
        examples: Sequence[Example] = survey.examples(shown, which)[:clues]
        return tuple(e for e in examples if e.sample.number not in asked)

    other = "" if clue_of is None else shown
    return Question(address, clue("top"), clue("weak"), left, right, other)
