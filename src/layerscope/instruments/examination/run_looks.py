"""A step of a recording as an examination sees it: figures of its units, computed from values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerscope.backends.reducing import NumpyOps
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.instruments.examination.look import (
    InputFigures,
    NetworkAnswers,
    NetworkLook,
    answering_layer,
    function_of,
)
from layerscope.instruments.survey.reduction import Reduction, figures
from layerscope.instruments.survey.survey import HANDS_ON
from layerscope.recordings.finding import moment_text
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.silent_units import silent_units
from layerscope.recordings.survey.layer_tally import LayerTally, lot
from layerscope.recordings.survey.survey import Survey

_TOP = 4  #: samples that a tally lists for each unit; no check looks at them


def look_at(run: Run, position: int) -> NetworkLook:
    """Return a step of a recording, by its place among those recorded, as a look.

    Raises InputError where it holds no values of samples.
    """
    run = run.activations
    moment = run.moment(position)
    tallies = {
        layer.address: tally
        for layer in run.network
        if layer.kind not in HANDS_ON and layer.role != "container" and layer.address in moment
        and (tally := _tally(moment.named(layer.address))) is not None
    }  # fmt: skip
    if not tallies:
        raise InputError("The recording holds no values of layers on samples: nothing to examine.")
    samples = max(tally.samples for tally in tallies.values())
    survey = Survey(
        tallies, network=run.network, ranges=[(0, samples)], samples={}, top=_TOP,
        provenance=moment.provenance,
    )  # fmt: skip
    silent = {address: silent_units(run, address) for address in tallies}
    return NetworkLook(
        survey,
        inputs_of(moment),
        _answers(run, moment, tallies),
        lambda: _weights(run, position),
        moment_text(run, position),
        {
            address: units[position]
            for address, units in silent.items()
            if units is not None and units.shape[1] == tallies[address].units
        },
        run.probed,
    )


def inputs_of(moment: Recording) -> Mapping[str, InputFigures]:
    """Return how the values of the inputs are distributed that were recorded."""
    received = {}
    for name in moment.inputs:
        received[name] = InputFigures()
        received[name].add(np.asarray(moment.named(name).values))
    return received


def _tally(array: NamedArray) -> LayerTally | None:
    if "sample" not in array.axes or array.values.dtype.kind not in "fiub":
        return None
    count = array.values.shape[array.axes.index("sample")]
    numbers = np.arange(count)
    offsets = (lot(numbers) >> np.uint64(34)).astype(np.int32)
    values = array.values
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32)
    reduced = Reduction(masked=True)(NumpyOps, values, array.axes, offsets)
    if reduced is None:
        return None
    of_samples = figures(reduced, array.axes, array.values.shape)
    labels = np.full(count, -1, np.int64)
    return LayerTally.of(of_samples, numbers, labels, 0, top=_TOP, comoments=True)


def _answers(
    run: Run, moment: Recording, tallies: Mapping[str, LayerTally]
) -> NetworkAnswers | None:
    layer = answering_layer(run.network, tallies)
    if layer is None:
        return None
    array = moment.named(layer.address)
    if set(array.axes) != {"sample", "unit"}:
        return None
    values = np.moveaxis(array.values, array.axes.index("sample"), 0)
    unknown = np.full(len(values), -1, np.int64)
    return NetworkAnswers(layer.address, values, unknown, function_of(run.network, layer))


def _weights(run: Run, position: int) -> Mapping[str, NamedArray]:
    moment = run.weights.moment(position)
    return {key: moment.named(key) for key in moment}
