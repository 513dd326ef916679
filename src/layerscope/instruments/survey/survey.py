"""``survey``: what each unit answers to, over data, in one pass and in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import numpy as np

from layerscope.backends import backend_for
from layerscope.core.errors import InputError
from layerscope.core.network import Layer, Network
from layerscope.instruments.passes import Passes
from layerscope.instruments.survey.data import data_of, signature
from layerscope.instruments.survey.running import SurveyRun
from layerscope.recordings.survey.reading import InputReading, name_of
from layerscope.recordings.survey.series import SurveySeries
from layerscope.recordings.survey.survey import Survey

#: What a survey leaves out unless it is named: layers that hand on the values of others.
HANDS_ON = frozenset(
    {"input", "reshape", "rearrange", "pad", "crop", "dropout", "identity", "augment", "container"}
)
_CHUNK_BYTES, _LARGEST_CHUNK, _UNKNOWN_CHUNK = 512_000_000, 256, 16


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
        Zarr array. A file of a folder that can't be read is counted and named, and the rest goes
        on.
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
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise InputError(f"top={top!r}: pass a whole number from 1 up.")
    if isinstance(first, bool) or not isinstance(first, int | np.integer) or first < 0:
        raise InputError(f"first={first!r}: pass a whole number from 0 up.")
    if at is not None:
        from layerscope.instruments.survey.checkpoints import surveys_at

        options: dict[str, Any] = {
            "top": top, "batch_size": batch_size, "samples": samples, "first": first,
            "labels": labels, "comoments": comoments, "resume": resume, "overwrite": overwrite,
            "progress": progress, "input_range": input_range, "resize": resize, "size": size,
            "preprocess": preprocess,
        }  # fmt: skip
        one = lambda opened, where: survey(opened, data, layers, to=where, **options)  # noqa: E731
        return surveys_at(model, data, at, one, to)
    at_once = batch_size or _chunk(backend_for(model).describe())
    read = data_of(data, labels, at_once)
    passes = Passes.on(
        model,
        read.x,
        _computing if layers is None else layers,
        batch_size=None if read.has_own_batches else at_once,
        samples=samples,
        input_range=input_range,
        resize=resize,
        size=size,
        preprocess=preprocess,
    )
    paths = getattr(getattr(passes.feed, "files", None), "paths", ())
    made_with = {
        "layers": repr(layers), "top": int(top), "first": int(first), "comoments": comoments,
        "input_range": repr(input_range), "resize": resize, "size": size and list(size),
        "preprocess": name_of(preprocess), "data": signature(read.x, paths, read.given),
    }  # fmt: skip
    reading = InputReading(
        passes.specs,
        input_range=input_range,
        resize=resize,
        size=size,
        preprocess=name_of(preprocess),
        function=passes.settings.preprocess,
    )
    running = SurveyRun(passes, read, int(top), int(first), comoments, to, made_with, reading)
    if to is not None:
        running.claim(resume=resume, overwrite=overwrite)
    return running.run(progress)


def _computing(layer: Layer) -> bool:
    return layer.kind not in HANDS_ON and not layer.plumbing and layer.role != "container"


def _chunk(network: Network) -> int:
    """Return how many samples to run at once, by what its layers are known to return."""
    total = 0
    for layer in network:
        if layer.shape is None or None in layer.shape[1:]:
            return _UNKNOWN_CHUNK
        total += 4 * int(np.prod([n or 1 for n in layer.shape[1:]], dtype=np.int64))
    return int(min(max(_CHUNK_BYTES // max(total, 1), 1), _LARGEST_CHUNK))
