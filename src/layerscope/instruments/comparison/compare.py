"""``compare``: two of anything, layer by layer, and where they part first."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.instruments.comparison.comparable import (
    LayerValues,
    aligned,
    comparables,
    reordered,
)
from layerscope.instruments.comparison.drift import drifting, names_of_steps
from layerscope.instruments.comparison.matching import Match, matched
from layerscope.instruments.comparison.noise import (
    Noise,
    expected,
    larger,
    measured,
    rounding,
    stored_rounding,
)
from layerscope.instruments.comparison.pairs import pairs_of
from layerscope.instruments.comparison.reasons import reasons
from layerscope.instruments.comparison.similarity import assigned, cka_matrix
from layerscope.instruments.comparison.subjects import ComparedSubject, at_step, given, subjects_of
from layerscope.recordings.comparison import Comparison, LayerPair, Parting

Array = npt.NDArray[Any]

#: What hands on what it receives, in inference.
_IDLE = frozenset({"dropout", "identity", "quantize", "augment", "container", "reshape"})


def compare(
    a: Any,
    b: Any = None,
    x: Any = None,
    *,
    layers: Any = None,
    tolerance: float | None = None,
    step: int | tuple[int, int] | None = None,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
    batch_size: int | None = None,
    samples: int | None = None,
) -> Comparison:
    """Compare two of anything, layer by layer: which is the first that parts, and why.

    Parameters
    ----------
    a, b
        Two recordings, of two inputs, samples, steps or seeds; two models, of whatever frameworks;
        two runs. Models and runs may be named: ``"model.onnx"``, ``"run.zarr"``. A model beside a
        recording is run on the recording's input. A run alone is compared with itself, its first
        step with its last. ``a`` is the reference.
    x
        What both models are run on, as :func:`activations` takes it for ``a``; it is brought to the
        layout of ``b``.
    layers
        Which layers of ``a``, as in :func:`activations`; all by default.
    tolerance
        The relative error up to which two layers are the same; what floating point alone explains
        by default, which is measured.
    step
        Of runs, which step; or two, the one's and the other's. The last that both have by default.
    input_range, resize, size, preprocess, batch_size, samples
        As in :func:`activations`.

    Returns
    -------
    Comparison
        ``first`` is the address of the first layer that parts, or None; ``why`` says what is known
        of its cause; ``table`` has the figures of all layers. ``sheet`` and ``diagram`` draw it.

    Raises
    ------
    InputError
        When there is nothing to compare: no input, other samples, or neither model nor recording.
    ModelError
        When it is no model that layerscope knows.
    """
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance={tolerance!r}: pass a relative error, 0 or more.")
    one = given(a)
    other = one if b is None and one.is_recording and one.thing.has_steps else given(b)
    options = {
        "input_range": input_range, "resize": resize, "size": size, "preprocess": preprocess,
        "batch_size": batch_size, "samples": samples,
    }  # fmt: skip
    return compared(*subjects_of(one, other, x, layers, step, options), tolerance)


def compared(
    one: ComparedSubject, other: ComparedSubject, tolerance: float | None = None
) -> Comparison:
    """Return the comparison of two whose layers' values are known."""
    values, matches, pairs, words = _paired(one, other, tolerance)
    first = next((i for i, pair in enumerate(pairs) if pair.parts), None)
    why = [] if first is None else reasons(one, other, matches, pairs, first)
    by_address = {m.one.address: m for m in matches}
    taken = {match.other.address for match in matches}
    moving = one.run if one.run is not None and one.run is other.run else None
    return Comparison(
        one.recording,
        other.recording,
        names=_names(one, other),
        pairs=pairs,
        unmatched=(
            [v.address for v in values[0] if v.address not in by_address],
            [v.address for v in values[1] if v.address not in taken],
        ),
        values=lambda pair: _values(by_address[pair.address], pair),
        open_ends=[
            subject.name
            for subject, layers, paired in zip(
                (one, other), values, (set(by_address), taken), strict=True
            )
            if _is_open(layers, paired)
        ],
        tolerance=tolerance,
        measured=words,
        why=why,
        notes=_notes(one, other),
        similarity=lambda: _similarity(matches),
        partners=lambda pair: assigned(*_unordered(by_address[pair.address])),
        drift=None if moving is None else lambda: drifting(moving, list(by_address)),
        since=_since(one, other, tolerance),
    )


def _paired(
    one: ComparedSubject, other: ComparedSubject, tolerance: float | None
) -> tuple[tuple[list[LayerValues], list[LayerValues]], list[Match], list[LayerPair], str]:
    """Return the layers of both, which belong together, how far apart, and how noise was told."""
    values = comparables(one.recording), comparables(other.recording)
    check_samples(one, other, *values)
    matches = matched(*values)
    if not matches:
        raise InputError(
            f"No layer of {one.name!r} has a partner in {other.name!r}: there is nothing to "
            "compare."
        )
    noise = _noise(one, other, values, matches)
    words = "" if tolerance is not None and one.model is None else noise.words
    return values, matches, pairs_of(matches, noise, tolerance), words


def _since(
    one: ComparedSubject, other: ComparedSubject, tolerance: float | None
) -> Callable[[], Parting | None] | None:
    """Return what finds the first step at which two trainings are apart; None of anything else."""
    first, second = one.run, other.run
    if first is None or second is None or first is second or one.step != other.step:
        return None
    if one.step is None:
        return None

    def parting() -> Parting | None:
        names = dict(zip(first.steps.tolist(), names_of_steps(first), strict=True))
        for step in sorted({*first.steps.tolist()} & {*second.steps.tolist()}):
            *_, pairs, _ = _paired(at_step(one, step), at_step(other, step), tolerance)
            layer = next((pair.address for pair in pairs if pair.parts), None)
            if layer is not None:
                return Parting(step, names[step], layer)
        return None

    return parting


def _is_open(layers: Sequence[LayerValues], paired: Collection[str]) -> bool:
    """Return whether the last layer that computes something has no partner, nor what follows."""
    computing = [i for i, values in enumerate(layers) if values.layer.kind not in _IDLE]
    last = computing[-1] if computing else len(layers)
    return last < len(layers) and not any(v.address in paired for v in layers[last:])


def check_samples(
    one: ComparedSubject,
    other: ComparedSubject,
    first: Sequence[LayerValues],
    second: Sequence[LayerValues],
) -> None:
    """Raise InputError where both hold no values, or not as many samples."""
    for subject, values in ((one, first), (other, second)):
        if not values:
            raise InputError(f"{subject.name!r} holds no values of layers to compare.")
    counts = [{v.sizes["sample"] for v in each if "sample" in v.sizes} for each in (first, second)]
    if counts[0] and counts[1] and not counts[0] & counts[1]:
        few, many = min(counts[0]), min(counts[1])
        raise InputError(
            f"The one is of {few} sample{'s' * (few != 1)} and the other of {many}: pass "
            "recordings of as many."
        )


def _noise(
    one: ComparedSubject,
    other: ComparedSubject,
    values: tuple[list[LayerValues], list[LayerValues]],
    matches: Sequence[Match],
) -> Noise:
    """Return the noise of each pair by its address in the one, and how it was measured."""
    each: list[Noise] = []
    for subject, layers in zip((one, other), values, strict=True):
        if subject.model is None:
            each.append(expected(layers, stored_rounding(subject)))
        elif subject is other and one.model is not None and _are_alike(one, other, *values):
            each.append(Noise({}, each[0].words, each[0].samples))
        else:
            each.append(measured(subject, layers))
    words = next((n.words for n, s in zip(each, (one, other), strict=True) if s.model), "")
    words = words or each[0].words
    addresses = [(match.one.address, match.other.address) for match in matches]
    return larger(each[0], each[1], addresses, words)


def _are_alike(
    one: ComparedSubject,
    other: ComparedSubject,
    first: Sequence[LayerValues],
    second: Sequence[LayerValues],
) -> bool:
    """Return whether both are one architecture in one framework: one second run is for both."""
    frameworks = {subject.recording.network.framework for subject in (one, other)}
    if len(frameworks) > 1 or len(first) != len(second):
        return False
    return all(
        a.layer.type == b.layer.type
        and a.key == b.key
        and rounding(a.array()) == rounding(b.array())
        for a, b in zip(first, second, strict=True)
    )


def _unordered(match: Match) -> tuple[NamedArray, NamedArray]:
    if match.one.key == match.other.key:
        return aligned(match.one, match.other)
    return match.one.array(), match.other.array()


def _values(match: Match, pair: LayerPair) -> tuple[NamedArray, NamedArray]:
    if match.one.key != match.other.key:
        shapes = [v.array().values.shape for v in (match.one, match.other)]
        raise InputError(
            f"There is no difference to show: {match.one.address!r} is {shapes[0]} in the one and "
            f"{shapes[1]} in the other."
        )
    one, other = aligned(match.one, match.other)
    return one, other if pair.order is None else reordered(other, pair.order)


def _similarity(matches: Sequence[Match]) -> Array:
    return cka_matrix([match.one for match in matches], [match.other for match in matches])


def _names(one: ComparedSubject, other: ComparedSubject) -> tuple[str, str]:
    """Return what the two are called; by their frameworks where they are called alike."""
    if one.name != other.name:
        return one.name, other.name
    frameworks = one.recording.network.framework, other.recording.network.framework
    if frameworks[0] != frameworks[1]:
        return f"{one.name} ({frameworks[0]})", f"{other.name} ({frameworks[1]})"
    return f"{one.name} (the one)", f"{other.name} (the other)"


def _notes(one: ComparedSubject, other: ComparedSubject) -> list[str]:
    return list(dict.fromkeys((*one.recording.notes, *other.recording.notes)))
