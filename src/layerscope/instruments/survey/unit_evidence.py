"""What a model tells of a unit beside a survey: on its strongest sample, and made for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import InputError, LayerscopeError
from layerscope.inputs.survey_samples import SampleReader, with_function
from layerscope.instruments.activations import activations
from layerscope.instruments.features.features import features as make_features
from layerscope.instruments.survey.example_maps import check_model, named_function
from layerscope.instruments.weights import weights
from layerscope.recordings.recording import Recording
from layerscope.recordings.survey.survey import Survey
from layerscope.recordings.visualization import FeatureVisualization


@dataclass(frozen=True)
class UnitEvidence:
    """The model on a unit's strongest sample, its weights, and an image made for the unit."""

    activations: Recording | None
    weights: Recording | None
    images: FeatureVisualization | None
    notes: Sequence[str]  #: what could not be had, and why


def unit_evidence(
    model: Any,
    survey: Survey,
    address: str,
    images: FeatureVisualization | bool | None = None,
    *,
    preprocess: Any = None,
) -> UnitEvidence:
    """Return what a model tells of a unit; an image is made where none is given, and not False.

    Raises
    ------
    InputError
        When the model is another than the one surveyed.
    """
    check_model(model, survey)
    name, notes = str(survey.place(address)), []
    recording = None
    reader = SampleReader(with_function(survey.reading, named_function(preprocess)), seen=False)
    try:
        arrays = reader.inputs(survey.examples(address, n=1)[0].sample)
        values = {key: array.values for key, array in arrays.items()}
        recording = activations(model, values if len(values) > 1 else next(iter(values.values())))
    except (InputError, IndexError) as error:
        notes.append(f"what drives it ({error})")
    made = None if isinstance(images, bool) else images
    if images is None or images is True:
        try:
            made = make_features(model, name)
        except LayerscopeError as error:
            notes.append(f"a feature visualization ({error})")
    return UnitEvidence(recording, weights(model), made, notes)
