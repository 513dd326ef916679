"""Samples of the data that a network is for: what its units reach on them, and their colours."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend
from layerscope.core.errors import InputError
from layerscope.core.network import Network
from layerscope.inputs import Prepared, is_used_up
from layerscope.inputs.survey_samples import SampleReader, with_function
from layerscope.instruments.features.image.canvas import Canvas
from layerscope.instruments.features.image.octaves import bring_to
from layerscope.instruments.passes import Passes
from layerscope.recordings.survey.reading import InputReading
from layerscope.recordings.survey.store import is_survey, open_survey
from layerscope.recordings.survey.survey import Survey

Array = npt.NDArray[Any]

_CHUNK = 32


@dataclass(frozen=True)
class Examples:
    """Samples as the model receives them, in its own layout, some at a time."""

    open: Callable[[], Iterable[Prepared]]  #: files are read once by each

    @classmethod
    def of(cls, model: Any, samples: Any, **options: Any) -> Examples:
        """Return what :func:`layerscope.activations` takes as x; ``options`` are its own.

        Of a survey, or the folder of one, the samples that it refers to. Raises InputError where
        they can't be read, do not fit the model, or can be read only once.
        """
        if isinstance(samples, str | os.PathLike) and is_survey(samples):
            samples = open_survey(samples)
        if isinstance(samples, Survey):
            reading = with_function(samples.reading, None)
            return cls(functools.partial(_surveyed, samples, reading))
        if is_used_up(samples):
            raise InputError(
                f"samples= is a {type(samples).__name__}, which can be run through only once: pass "
                "a DataLoader, a data set, files or an array."
            )
        return cls(lambda: Passes.on(model, samples, **options).inputs())

    @cached_property
    def first(self) -> Array:
        """Some of them."""
        return next(self.chunks())

    def chunks(self) -> Iterator[Array]:
        """Return all of them, up to 32 at a time.

        Raises InputError where they are not one array.
        """
        for prepared in self.open():
            value = _numbers(prepared.value)
            if not isinstance(value, np.ndarray):
                raise InputError(
                    f"samples= came to a {type(value).__name__}: pass images, or one array."
                )
            for begin in range(0, len(value), _CHUNK):
                yield value[begin : begin + _CHUNK]


def _surveyed(survey: Survey, reading: InputReading) -> Iterator[Prepared]:
    """Yield the samples that a survey refers to, as the network received them."""
    reader = SampleReader(reading, seen=False)
    numbers = sorted(survey.samples)
    for begin in range(0, len(numbers), _CHUNK):
        each = [reader.inputs(survey.samples[n]) for n in numbers[begin : begin + _CHUNK]]
        yield Prepared(np.concatenate([next(iter(one.values())).values for one in each]))


def network_input(backend: Backend, network: Network, canvas: Canvas, samples: Array) -> Array:
    """Return samples in the model's own layout as the compiled network receives them: presented.

    Indices become the vectors of the embedding that images are made in.
    """
    if canvas.embedding is None:
        return np.ascontiguousarray(canvas.presented(np.asarray(samples, np.float32)))
    key = network[canvas.embedding].parameters[0].key
    table = backend.weights()[key].values
    return table[np.asarray(samples, np.int64)].astype(np.float32)


def unit_samples(
    backend: Backend, network: Network, canvas: Canvas, examples: Examples
) -> Iterator[Array]:
    """Yield samples as unit images of the canvas's shape, some at a time."""
    for chunk in examples.chunks():
        images = canvas.unit(network_input(backend, network, canvas, chunk))
        if canvas.is_image:
            images = bring_to(images, (canvas.shape[0], canvas.shape[1]))
        yield images


def _numbers(value: Any) -> Any:
    """Return the array that a tensor of any framework holds; what is no array as it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value) if hasattr(value, "shape") else value
