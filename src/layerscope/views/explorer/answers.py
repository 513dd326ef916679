"""What the network answered, beside what it answered at another moment."""

from __future__ import annotations

from layerscope.recordings.answers import Answer, answers, outputs_of
from layerscope.recordings.recording import Recording
from layerscope.views.explorer.moment import Moment

_TOGETHER = 3  #: of each of two


def answers_beside(moment: Moment) -> list[Answer]:
    """Return the answers of a moment; beside those of the one that it is compared with, if any.

    Then what is among the largest of either is there.
    """
    here = answers(moment.activations, moment.sample, moment.classes)
    if moment.against is None:
        return here
    there = moment.against.moment
    others = answers(there.activations, there.sample, moment.classes)
    if all(answer.probability for answer in [*here, *others]):
        here, others = here[:_TOGETHER], others[:_TOGETHER]
    names = {moment.against.address(output): output for output in outputs_of(moment.activations)}
    units = dict.fromkeys([
        *((answer.output, answer.unit, answer.name) for answer in here),
        *((names.get(o.output, o.output), o.unit, o.name) for o in others),
    ])  # fmt: skip
    shares = {
        answer.output: answer.probability
        and all(o.probability for o in others if names.get(o.output, o.output) == answer.output)
        for answer in here
    }
    values = [
        (
            _value(moment.activations, output, moment.sample, unit),
            _value(there.activations, moment.against.address(output), there.sample, unit),
        )
        for output, unit, _ in units
    ]
    return [
        Answer(output, unit, name, value, shares.get(output, False), other)
        for (output, unit, name), (value, other) in zip(units, values, strict=True)
    ]


def _value(recording: Recording, address: str, sample: int, unit: int) -> float:
    array = recording.named(address)
    values = array.values[sample] if "sample" in array.axes else array.values
    return float(values[unit])
