"""A unit's maps on examples of a survey: the model is run on those few samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends import backend_for
from layerscope.core.errors import InputError
from layerscope.inputs.survey_samples import SampleReader, with_function
from layerscope.instruments.activations import activations
from layerscope.recordings.survey.survey import Example, Survey

Array = npt.NDArray[Any]


def example_maps(
    model: Any,
    survey: Survey,
    address: str,
    examples: Sequence[Example],
    *,
    preprocess: Any = None,
) -> dict[int, Array]:
    """Return a unit's map on each of its examples, by the samples' numbers.

    Samples whose file is no longer there have none; a unit of single values has no maps at all.

    Raises
    ------
    InputError
        When the model has other weights than the one surveyed, or the function that images went
        through is not known.
    """
    place = survey.place(address)
    if not survey.tallies[place.layer].axes or place.unit is None:
        return {}
    check_model(model, survey)
    reader = SampleReader(with_function(survey.reading, named_function(preprocess)), seen=False)
    maps: dict[int, Array] = {}
    for example in examples:
        try:
            arrays = reader.inputs(example.sample)
        except InputError:
            continue  # the picture says so
        values = {name: array.values for name, array in arrays.items()}
        x: Any = values if len(values) > 1 else next(iter(values.values()))
        recording = activations(model, x, layers=[place.layer])
        maps[example.sample.number] = _map(recording[str(place)])
    return maps


def check_model(model: Any, survey: Survey) -> None:
    """Raise InputError where this is not the model that was surveyed."""
    surveyed = survey.provenance.get("model")
    if surveyed is not None and backend_for(model).digest() != surveyed:
        raise InputError(
            "The model has other weights than the one that was surveyed: pass that model, or "
            "survey this one."
        )


def named_function(preprocess: Any) -> Any:
    """Return a function, imported where it is given by its name."""
    if isinstance(preprocess, str):
        from layerscope.backends.opening.imported import named

        return named(preprocess)
    return preprocess


def _map(array: Any) -> Array:
    """Return the map on the one sample; of a volume the strongest along its slices."""
    values = np.asarray(array.isel(sample=0) if "sample" in array.dims else array, np.float32)
    while values.ndim > 2:
        values = values.max(axis=0)
    return values
