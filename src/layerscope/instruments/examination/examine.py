"""``examine``: whether a network is well, and what is not, where, and since when."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from layerscope.backends import backend_for
from layerscope.backends.training import training_of
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.core.table import a_kind
from layerscope.core.text import quoted
from layerscope.core.training_loss import TrainingLoss, read_loss
from layerscope.instruments.examination.evidence import Evidence, ExaminedModel
from layerscope.instruments.examination.look import NetworkLook
from layerscope.instruments.examination.observed import ObservedBuilder
from layerscope.instruments.examination.registry import checks
from layerscope.instruments.examination.run_looks import look_at
from layerscope.instruments.survey.request import SurveyRequest
from layerscope.instruments.survey.survey import survey_run
from layerscope.recordings.examination import ExaminationFinding, ExaminationReport
from layerscope.recordings.opening import open_recording
from layerscope.recordings.run import Run
from layerscope.recordings.survey.survey import Survey

_TOP = 4  #: samples that the survey keeps for each unit: no check looks at more


def examine(
    subject: Any,
    data: Any = None,
    *,
    run: Run | str | os.PathLike[str] | None = None,
    against: Survey | Run | str | os.PathLike[str] | None = None,
    loss: Any = None,
    labels: Sequence[Any] | Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    samples: int | None = None,
    progress: bool | None = None,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
) -> ExaminationReport:
    """Return what is wrong with a network, layer by layer, and what was checked and is clean.

    What is found is compared with what was normal for this network: at its start, in the recording
    of its training, or in a healthy recording.

    Parameters
    ----------
    subject
        A model, with ``data``; or a :class:`Survey`; or a recording, opened or by its name.
    data
        What :func:`survey` takes; some hundreds of samples as in training tell more than one. The
        model runs on them once.
    run
        The recording of the model's training, for what only steps can tell.
    against
        A recording, or a survey, of a network that is well: what is normal.
    loss
        What the network is trained with: a loss of PyTorch or Keras, or its name. A compiled Keras
        model says so itself.
    labels
        One for each sample in order, or by the samples' names, as in :func:`survey`; they tell
        whether answers that are all alike should be.
    batch_size, samples, progress, input_range, resize, size, preprocess
        As in :func:`survey`.

    Returns
    -------
    ExaminationReport
        Its ``findings``, the gravest first: each is *found*, *clean*, or *not checked*, and has
        ``kind``, ``layer``, ``units``, ``severity`` (``"failing"`` or ``"notable"``), ``figures``,
        ``words`` and ``picture()``.

    Raises
    ------
    InputError
        When it is nothing that can be examined, or a model comes without data.
    ModelError
        When it is no model that layerscope knows.
    """
    reference = None if against is None else _healthy(against)
    training = None if run is None else _opened_run(run)
    subject = _opened(subject)
    if isinstance(subject, Survey | Run):
        if data is not None:
            raise InputError(
                "data= is for a model: of a recording or a survey its own samples are examined. "
                "Pass the model first, and the recording as run=."
            )
        if isinstance(subject, Run):
            return _of_run(subject, reference, read_loss(loss))
        return _report(
            Evidence(_of_survey(subject), healthy=reference, run=training,
                     start=_start(training), loss=read_loss(loss)),
            f"a survey of {quoted(subject.network.name)}",
        )  # fmt: skip
    if data is None:
        raise InputError(
            "A model is examined on data: pass some, such as a few hundred samples as in training."
        )
    request = SurveyRequest(
        top=_TOP, batch_size=batch_size, samples=samples, labels=_classes(labels),
        input_range=input_range, resize=resize, size=size, preprocess=preprocess,
    )  # fmt: skip
    running = survey_run(subject, data, request, ObservedBuilder)
    survey = running.run(progress)
    observed = running.builder
    assert isinstance(observed, ObservedBuilder)
    backend = backend_for(subject)
    look = NetworkLook(survey, observed.received, observed.answers(), _once(backend.weights))
    trained_with = read_loss(loss) or training_of(subject).loss()
    evidence = Evidence(
        look,
        start=_start(training),
        healthy=reference,
        run=training,
        model=ExaminedModel(backend, observed.batch, observed.nonfinite),
        loss=trained_with,
    )
    return _report(evidence, f"{quoted(survey.network.name)} ({survey.network.framework})")


def _report(evidence: Evidence, subject: str) -> ExaminationReport:
    return ExaminationReport(
        _findings(evidence),
        subject=subject,
        samples=evidence.now.samples,
        notes=(*evidence.now.survey.notes, *_unreadable(evidence.now.survey)),
    )


def _findings(evidence: Evidence) -> Iterator[ExaminationFinding]:
    for check in checks():
        yield from check(evidence)


def _unreadable(survey: Survey) -> list[str]:
    count = len(survey.unreadable)
    return [f"{count:,} files could not be read"] if count else []


def _of_run(
    run: Run, reference: NetworkLook | None, loss: TrainingLoss | None
) -> ExaminationReport:
    run = run.activations
    if not len(run.steps):
        raise InputError("The recording holds no steps yet: there is nothing to examine.")
    evidence = Evidence(
        look_at(run, len(run.steps) - 1),
        start=_start(run),
        healthy=reference,
        run=run,
        loss=loss or run.trained_with,
    )
    steps = f"{len(run.steps)} steps" if len(run.steps) > 1 else "one step"
    return _report(evidence, f"a recording of {quoted(run.network.name)}, {steps}")


def _start(run: Run | None) -> NetworkLook | None:
    """Return the first step of a recording; None where there is no later one."""
    return None if run is None or len(run.steps) < 2 else look_at(run, 0)


def _of_survey(survey: Survey) -> NetworkLook:
    return NetworkLook(survey, {}, None, dict)


def _healthy(against: Any) -> NetworkLook:
    opened = _opened(against)
    if isinstance(opened, Survey):
        return _of_survey(opened)
    if isinstance(opened, Run) and len(opened.steps):
        return look_at(opened, len(opened.steps) - 1)
    raise InputError(
        f"against= takes a recording or a survey of a network that is well, not {a_kind(against)}."
    )


def _opened(subject: Any) -> Any:
    """Return what is at a path, a recording or a survey; anything else as it is."""
    if not isinstance(subject, str | os.PathLike):
        return subject
    if Path(subject).suffix in (".zarr", "") or "://" in str(subject):
        return open_recording(subject)
    raise InputError(
        f"{str(subject)!r} is no recording: pass a model, as load_model(path) returns it, with "
        "data; or a recording such as 'run.zarr'."
    )


def _opened_run(run: Any) -> Run:
    opened = _opened(run)
    if not isinstance(opened, Run):
        raise InputError(f"run= takes the recording of a training, not {a_kind(run)}.")
    return opened.activations


def _classes(labels: Any) -> Any:
    """Return labels with those that are one row for each sample, one-hot, as numbers."""
    shape: tuple[int, ...] = tuple(getattr(labels, "shape", ()))
    if len(shape) == 2 and shape[1] == 1:
        return labels[:, 0]
    return labels.argmax(1) if len(shape) == 2 and hasattr(labels, "argmax") else labels


def _once(make: Callable[[], Mapping[str, NamedArray]]) -> Callable[[], Mapping[str, NamedArray]]:
    """Return a function that makes something when it is first called."""
    made: list[Mapping[str, NamedArray]] = []

    def get() -> Mapping[str, NamedArray]:
        if not made:
            made.append(make())
        return made[0]

    return get
