"""What a page is about: a model on some input, a training, both, or activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.core.errors import InputError
from layerscope.core.table import a_kind
from layerscope.instruments.portable import PortableProgram, portable
from layerscope.instruments.samples import SameSamples, SampleRecordings
from layerscope.instruments.survey.example_maps import check_model
from layerscope.interfaces.page.recording_subject import RecordingSubject
from layerscope.interfaces.page.subject import PageSubject
from layerscope.recordings.examination import ExaminationReport
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.survey.survey import Survey
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.survey.gallery import Gallery


def page_subject(
    model: Any,
    x: Any = None,
    *,
    run: Any = None,
    against: Any = None,
    classes: Sequence[str] = (),
    code: Mapping[str, str] | None = None,
    features: FeatureVisualization | Sequence[FeatureVisualization] = (),
    survey: Any = None,
    examination: Any = None,
    **reading: Any,
) -> PageSubject:
    """Return what a page of a model on an input is about, or of a recording.

    A model may have a ``run`` of its training beside it, a ``survey`` of data, and another model
    of the same architecture that it is compared with, and an ``examination``; ``reading`` says how
    images become input, as in ``activations``.

    Raises
    ------
    InputError
        When a model gets no input, a recording gets one, or it does not fit.
    ModelError
        When it is no model that layerscope knows, or the other one is not like it.
    """
    if examination is not None and not isinstance(examination, ExaminationReport):
        raise InputError(f"examination is {a_kind(examination)}: pass what examine(…) returned.")
    if isinstance(model, Recording):
        for name, value in (("x", x), ("run", run), ("against", against)):
            if value is not None:
                raise InputError(
                    f"This is a recording, which has its own input, and {name} is {a_kind(value)}: "
                    "leave it out, or pass the model before it."
                )
        gallery = _gallery(survey, None)
        subject = _of_recording(model, classes, code, images_of_units(features), gallery)
        subject.examination = examination
        return subject
    if against is not None and x is None:
        raise InputError("There is no input to compare two models on: pass x, such as 'noise'.")
    if run is not None and not isinstance(run, Run):
        raise InputError(f"run is {a_kind(run)}: pass what open_recording returned.")
    if x is None and run is None:
        raise InputError("A page shows a model at work: pass input, too, such as 'noise'.")
    samples = SampleRecordings(model, x, **reading)
    return PageSubject(
        samples,
        None if run is None else run.activations,
        against=None if against is None else SameSamples(samples, against),
        classes=classes,
        code=code,
        features=images_of_units(features),
        gallery=_gallery(survey, model),
        examination=examination,
    )


def images_of_units(features: Any) -> list[FeatureVisualization]:
    """Return images that were made for units as a list.

    Raises
    ------
    InputError
        When it is something else.
    """
    listed = list(features) if isinstance(features, list | tuple) else [features]
    for item in listed:
        if not isinstance(item, FeatureVisualization):
            raise InputError(
                f"features= takes what features(model, …) returned, and this is {a_kind(item)}."
            )
    return listed


def _gallery(survey: Any, model: Any) -> Gallery | None:
    """Return what draws a survey's examples on the page.

    Raises InputError for what is no survey, or one of a model with other weights.
    """
    if survey is None:
        return None
    if not isinstance(survey, Survey):
        raise InputError(
            f"survey is {a_kind(survey)}: pass what survey or open_recording returned."
        )
    if model is not None:
        check_model(model, survey)
    return Gallery(survey, side=96)


def _of_recording(
    recording: Recording,
    classes: Sequence[str],
    code: Mapping[str, str] | None,
    images: Sequence[FeatureVisualization],
    gallery: Gallery | None,
) -> PageSubject:
    if isinstance(recording, Run):
        return PageSubject(
            run=recording.activations,
            classes=classes,
            code=code,
            features=images,
            gallery=gallery,
        )
    if recording.kind != "activations" or recording.has_steps:
        raise InputError(
            f"A page shows a model, activations or a run, and this is {a_kind(recording)} of "
            f"{recording.kind}: pass activations(model, x) or open_recording(path)."
        )
    return RecordingSubject(recording, classes=classes, features=images, gallery=gallery)


def program_of(subject: PageSubject, model: Any, x: Any, **reading: Any) -> PortableProgram:
    """Return the network of a page's subject as a program, checked against the framework.

    Raises
    ------
    InputError
        When there is no model, only a recording of one; or images are read by Python's own code.
    ModelError
        When it has too many weights, or a layer is in the way: the message names it.
    """
    if subject.samples is None:
        raise InputError("live= is for a model, and this is a recording: pass the model itself.")
    if reading.get("preprocess") is not None:
        raise InputError(
            "live= can't take preprocess= along, which is Python: pass input_range=, or let the "
            "model scale its input itself."
        )
    return portable(model, x, **reading)
