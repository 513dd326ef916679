"""``survey``: what each unit answers to, over data, in one pass and in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

from layerscope.backends import backend_for
from layerscope.backends.availability import needs
from layerscope.core.errors import InputError
from layerscope.core.network import Layer
from layerscope.instruments.passes import Passes
from layerscope.instruments.survey.building import SurveyBuilder, samples_at_once
from layerscope.instruments.survey.data import data_of, is_ray_dataset
from layerscope.instruments.survey.request import SurveyRequest
from layerscope.instruments.survey.running import SurveyRun
from layerscope.recordings.survey.series import SurveySeries
from layerscope.recordings.survey.survey import Survey

#: What a survey leaves out unless it is named: layers that hand on the values of others.
HANDS_ON = frozenset(
    {"input", "reshape", "rearrange", "pad", "crop", "dropout", "identity", "augment", "container"}
)


@overload
def survey(
    model: Any, data: Any, layers: Any = None, *, at: None = None, **options: Any
) -> Survey: ...


@overload
def survey(
    model: Any,
    data: Any,
    layers: Any = None,
    *,
    at: Sequence[str | os.PathLike[str]],
    **options: Any,
) -> SurveySeries: ...


def survey(  # type: ignore[misc]  # the options are named one by one here
    model: Any,
    data: Any,
    layers: Any = None,
    *,
    top: int = 16,
    batch_size: int | None = None,
    samples: int | None = None,
    first: int = 0,
    labels: Sequence[Any] | Mapping[str, Any] | None = None,
    comoments: bool = True,
    at: Sequence[str | os.PathLike[str]] | None = None,
    to: str | os.PathLike[str] | None = None,
    resume: bool = True,
    overwrite: bool = False,
    progress: bool | None = None,
    ray: str | bool | None = None,
    workers: int | None = None,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
) -> Survey | SurveySeries:
    """Return what each unit answers to, over data: figures, histograms, and its examples.

    The data go through the model once; of the activations a few numbers for each sample and unit
    are kept, computed where the activations are. So memory does not grow with the data.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module``, an ONNX model or a scikit-learn MLP.
    data
        What :func:`activations` takes: arrays, files, folders, loaders, generators. Besides: a
        folder whose subfolders are labels, a PyTorch ``Dataset``, a data set of Hugging Face, a
        Zarr array, a Ray ``Dataset``. A file of a folder that can't be read is counted and named,
        and the rest goes on.
    layers
        Which layers: as in :func:`activations`. By default all but those that hand on the values of
        others, such as reshaping or dropout.
    top
        How many samples are kept for each unit: of the strongest, of the weakest, and drawn evenly
        over its quantiles.
    batch_size
        How many samples to run at a time; by default as many as take half a gigabyte.
    samples
        How many samples to take, from the first on.
    first
        The number of the first sample: surveys of parts of the data, each with its own numbers,
        are merged by :meth:`Survey.merge`.
    labels
        One for each sample in order, or by the samples' names. Without it they are what a batch
        ``(x, y)`` or a folder of folders says.
    comoments
        Whether to keep how units vary together, which correlations and the effective rank need;
        its size is the square of a layer's units.
    at
        The files of a training, each of which is surveyed in place of the model: the result is a
        ``SurveySeries``, a mapping from steps to surveys, with :meth:`SurveySeries.fate`. Files of
        weights alone are loaded into a copy of the model; for others it may be None.
    to
        A folder to keep the survey in, such as ``survey.zarr``, at checkpoints and at the end.
    resume
        Whether to go on with what is there already, made with the same settings.
    overwrite
        Whether to begin anew in its place.
    progress
        Whether to show a bar; by default where somebody is there to see it.
    ray
        The address of a Ray cluster to compute it on; True for Ray on this machine, or for the
        cluster that this process is connected to. A Ray ``Dataset`` is always computed there. The
        model is then the path of its file, a name as ``package.module:name``, or a function that
        makes it, for each worker opens it by itself.
    workers
        How many workers of Ray hold the model; by default one for each GPU, or for each processor
        but those that a ``Dataset`` needs.

    The others are those of :func:`activations`.

    Returns
    -------
    Survey
        A mapping from addresses to ``xarray.Dataset``. Interrupted (Ctrl-C), it is the survey of
        the samples until then, which its notes say.

    Raises
    ------
    InputError
        When data can't be read or do not fit; when what is to be kept would take more than half
        of the memory that is free.
    AddressError
        When no layer is so named.
    ModelError
        When it is no model that layerscope knows.
    OutputError
        When something else is at ``to``, or it can't be written.
    """
    request = SurveyRequest(
        layers=layers, top=top, batch_size=batch_size, samples=samples, first=first, labels=labels,
        comoments=comoments, to=to, resume=resume, overwrite=overwrite, progress=progress,
        input_range=input_range, resize=resize, size=size, preprocess=preprocess,
    )  # fmt: skip
    request.check()
    is_on_ray = ray is not None or is_ray_dataset(data)
    if at is not None:
        from layerscope.instruments.survey.checkpoints import surveys_at

        one = lambda opened, where: _survey(  # noqa: E731
            opened, data, replace(request, to=where), ray, workers
        )
        return surveys_at(model, data, at, one, to, opens_later=is_on_ray)
    return _survey(model, data, request, ray, workers)


def _survey(
    model: Any, data: Any, request: SurveyRequest, ray: str | bool | None, workers: int | None
) -> Survey:
    if ray is not None or is_ray_dataset(data):
        needs("ray")
        from layerscope.instruments.survey.on_ray import survey_on_ray

        return survey_on_ray(model, data, request, computing, ray, workers)
    if workers is not None:
        raise InputError(f"workers={workers!r}: these are Ray's; pass ray=True with it.")
    running = survey_run(model, data, request)
    if request.to is not None:
        running.claim(resume=request.resume, overwrite=request.overwrite)
    return running.run(request.progress)


def survey_run(
    model: Any, data: Any, request: SurveyRequest, kind: type[SurveyBuilder] = SurveyBuilder
) -> SurveyRun:
    """Return a survey on this machine that has yet to be run; ``kind`` is what adds it up."""
    at_once = request.batch_size or samples_at_once(backend_for(model).describe())
    read = data_of(data, request.labels, at_once)
    passes = Passes.on(
        model,
        read.x,
        computing if request.layers is None else request.layers,
        batch_size=None if read.has_own_batches else at_once,
        samples=request.samples,
        **request.reading_options(),
    )
    assert passes.feed is not None  # since there always is a size of batches
    reading = request.reading(passes.specs, passes.settings.preprocess)
    builder = kind(passes, int(request.top), request.comoments, reading)
    made_with = request.made_with(read, passes.feed)
    return SurveyRun(builder, passes.feed, read, int(request.first), request.to, made_with)


def computing(layer: Layer) -> bool:
    """Return whether a survey has a layer that was not named: one that computes its values."""
    return layer.kind not in HANDS_ON and not layer.plumbing and layer.role != "container"
