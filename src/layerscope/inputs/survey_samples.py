"""What the network received of a survey's samples: kept with the survey, or read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs.array_files import array_file, load_array
from layerscope.inputs.arrays import fit_array
from layerscope.inputs.fitting import fit
from layerscope.inputs.number_files import is_number_file
from layerscope.inputs.settings import InputSettings
from layerscope.recordings.survey.reading import InputReading
from layerscope.recordings.survey.survey import SurveyedSample

_KEPT_BYTES = 256_000_000  #: of samples read before, which several units share


class SampleReader:
    """Returns what the network received of samples, by the names of its inputs.

    ``seen`` is for people: of images, the pixels before a function of the user's. Samples that
    were read are kept, some of them, since units share examples.
    """

    def __init__(self, reading: InputReading, *, seen: bool = True) -> None:
        self._reading = reading
        self._settings = InputSettings(
            reading.input_range,
            reading.resize,
            reading.size,
            None if seen else reading.function,
        )
        self._kept: dict[int, Mapping[str, NamedArray]] = {}
        self._bytes = 0

    def inputs(self, sample: SurveyedSample) -> Mapping[str, NamedArray]:
        """Return the arrays of a sample, each with an axis of one sample.

        Raises
        ------
        InputError
            When it is a file that is no longer there, or no longer fits; or when nothing of it was
            kept.
        """
        if sample.number not in self._kept:
            arrays = sample.inputs if sample.file is None else self._read(sample, sample.file)
            if not arrays:
                raise InputError(f"Nothing of {sample.name!r} was kept.")
            size = sum(array.values.nbytes for array in arrays.values())
            if self._bytes + size > _KEPT_BYTES:
                self._kept, self._bytes = {}, 0
            self._kept[sample.number] = arrays
            self._bytes += size
        return self._kept[sample.number]

    def _read(self, sample: SurveyedSample, path: str) -> Mapping[str, NamedArray]:
        known = array_file(path)
        if not Path(path if known is None else known.path).is_file():
            raise InputError(f"The file {path!r} is no longer there.")
        spec = self._reading.specs[0] if self._reading.specs else InputSpec("x", certain=False)
        name, axes = next(iter(self._reading.axes.items()), (spec.name, ()))
        if known is not None:
            array = load_array(known, lazily=True)
            rank = len(spec.shape or axes)
            array = array[None] if array.ndim == rank - 1 else array
            values, _ = fit_array(np.array(array[sample.row : sample.row + 1]), spec, name)
        else:
            values = np.asarray(fit(path, spec, name, self._settings).value)
            if is_number_file(path):
                values = values[sample.row : sample.row + 1]
        if len(values) != 1 or len(axes) not in (0, values.ndim):
            raise InputError(f"The file {path!r} holds something else than it did.")
        if not axes:
            raise InputError(f"The survey does not say what the axes of {path!r} are.")
        return {name: NamedArray(values, tuple(axes))}


def with_function(reading: InputReading, function: object) -> InputReading:
    """Return the reading with the function that pixels went through.

    Raises
    ------
    InputError
        When there was one, it was not kept with the survey, and none is given.
    """
    if function is not None:
        return replace(reading, function=function)  # type: ignore[arg-type]
    if reading.is_preprocessed and reading.function is None:
        raise InputError(
            f"The survey was made with preprocess={reading.preprocess or '…'}, a function that is "
            "not kept with it: pass preprocess=, too."
        )
    return reading
