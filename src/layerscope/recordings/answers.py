"""What the network answered: its outputs, the largest first, with names where there are any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording

_SHOWN = 5
_LEAST = 0.0005  #: share of 1 that is written
_NUMBERS = 12  #: so many values of an output that is no choice among classes are shown


@dataclass(frozen=True)
class Answer:
    """One value of one output."""

    output: str  #: the address of the layer
    unit: int
    name: str  #: of the class, empty where nothing tells
    value: float
    probability: bool  #: whether the output's values are shares of 1
    other: float | None = None  #: the value at the moment that this one is compared with


def outputs_of(recording: Recording) -> list[str]:
    """Return the addresses whose values nothing in the network reads, as far as recorded."""
    read = {source for layer in recording.network for source in layer.inputs}
    layers = [layer for layer in recording.network if layer.role not in ("container", "input")]
    last = [layer.address for layer in layers if layer.address not in read]
    recorded = set(recording)
    return [address for address in last if address in recorded]


def answers(recording: Recording, sample: int, classes: Sequence[str] = ()) -> list[Answer]:
    """Return the largest values of each output that is a vector; of few values all, in order.

    An output that has as many values as an input is no choice among classes: it is made again, as
    an autoencoder's is, and pictures show it.
    """
    result: list[Answer] = []
    given = {
        math.prod(n for axis, n in recording.axes(name).items() if axis != "sample")
        for name in recording.input_axes
    }
    for address in outputs_of(recording):
        array = recording.named(address)
        axes = tuple(axis for axis in array.axes if axis != "sample")
        if axes not in (("unit",), ("channel",)) or array.values.dtype.kind not in "fiub":
            continue
        values = array.values[sample] if "sample" in array.axes else array.values
        of_output = _of_output(address, values.astype(np.float64), classes)
        chosen = any(answer.name or answer.probability for answer in of_output)
        if chosen or len(values) <= _NUMBERS or len(values) not in given:
            result += of_output
    return result


def _of_output(
    address: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], classes: Sequence[str]
) -> list[Answer]:
    names = classes if len(classes) == len(values) else ()
    share = bool(len(values) > 1 and (values >= 0).all() and abs(values.sum() - 1) < 1e-3)
    order = np.argsort(-values, kind="stable")[:_SHOWN]
    if not share and not names and len(values) <= _NUMBERS:
        order = np.arange(len(values))
    return [
        Answer(address, int(i), shown_name(names[i]) if names else "", float(values[i]), share)
        for i in order
    ]


def answer_text(answers: Sequence[Answer]) -> str:
    """Return answers in words: ``seven (93.1 %), nine (4 %)``, or ``0 = 1.25, 1 = -3``.

    Of several outputs each is named; shares that round to nothing are left out.
    """
    by_output: dict[str, list[str]] = {}
    for answer in answers:
        written = by_output.setdefault(answer.output, [])
        name = answer.name or str(answer.unit)
        if not answer.probability:
            written.append(f"{name} = {answer.value:.4g}")
        elif answer.value >= _LEAST or not written:
            written.append(f"{name} ({100 * answer.value:.3g} %)")
    parts = [", ".join(written) for written in by_output.values()]
    if len(parts) > 1:
        parts = [f"{shown_name(name)}: {part}" for name, part in zip(by_output, parts, strict=True)]
    return "; ".join(parts)
