"""Surveys made by hand: tallied from arrays, by no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cases.recordings import MAPS
from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer, Network
from layerscope.core.reads import Reads
from layerscope.core.windows import Window
from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.reading import InputReading
from layerscope.recordings.survey.sample_figures import SampleFigures
from layerscope.recordings.survey.survey import Survey, SurveyedSample


def figures_of(array: NamedArray) -> SampleFigures:
    """What a pass leaves of values with samples first and units last."""
    values = np.asarray(array.values, np.float32)
    axes = array.axes[1:-1]
    shape = values.shape[1:-1]
    flat = values.reshape(len(values), -1, values.shape[-1])
    mean = flat.mean(axis=1)
    return SampleFigures(
        peak=flat.max(axis=1),
        place=flat.argmax(axis=1),
        low=flat.min(axis=1),
        mean=mean,
        squares=((flat - mean[:, None]) ** 2).sum(axis=1),
        zeros=(flat == 0).sum(axis=1),
        count=np.full(mean.shape, flat.shape[1]),
        some=flat,
        axes=axes,
        shape=shape,
    )


def survey_of(
    network: Network,
    values: Mapping[str, NamedArray],
    inputs: NamedArray | None = None,
    *,
    labels: Sequence[str] = (),
    top: int = 16,
    files: Sequence[str] = (),
    reading: InputReading | None = None,
    names: Sequence[str] = (),
) -> Survey:
    """The survey of samples whose values at these layers are known."""
    count = len(next(iter(values.values())).values)
    known = sorted(set(labels))
    numbers = np.arange(count)
    of = np.array([known.index(label) for label in labels] or [-1] * count)
    tallies = {
        address: LayerTally.of(figures_of(array), numbers, of, len(known), top=top, comoments=True)
        for address, array in values.items()
    }

    def sample(number: int) -> SurveyedSample:
        received: dict[str, NamedArray] = {}
        if inputs is not None and not files:
            received = {"input": NamedArray(inputs.values[number : number + 1], inputs.axes)}
        return SurveyedSample(
            number,
            names[number] if names else f"sample {number}",
            labels[number] if labels else None,
            files[number] if files else None,
            received,
        )

    return Survey(
        tallies,
        network=network,
        ranges=[(0, count)],
        samples={number: sample(number) for number in range(count)},
        labels=known,
        top=top,
        reading=reading,
    )


#: Of the convolution of ``spots``: where it is bright, nothing, and where it is bright on the left.
KERNELS = np.zeros((3, 3, 3))
KERNELS[..., 0] = 1 / 9
KERNELS[..., 1] = -1
KERNELS[:, 0, 2] = 1 / 3


def spots(count: int = 20, size: int = 10, layer: str = "conv", **more: Any) -> Survey:
    """A survey of images with one bright spot each, by a convolution whose field is 3 × 3.

    Sample ``n`` has its spot, of strength ``(n + 1) / count``, at row ``n % 7`` and column
    ``n * 3 % 7`` of the map.
    """
    images = np.zeros((count, size, size, 1), np.float32)
    for n in range(count):
        y, x = place_of(n)
        images[n, y : y + 3, x : x + 3] = (n + 1) / count
    windows = np.lib.stride_tricks.sliding_window_view(images[..., 0], (3, 3), (1, 2))
    maps = np.maximum(np.einsum("nyxab,abk->nyxk", windows, KERNELS), 0)
    mixed = maps.reshape(count, -1).mean(axis=1, keepdims=True) * np.array([[1.0, -1.0]])
    side = size - 2
    network = Network(
        "spots",
        "none",
        (
            Layer("input", "Input", "input", (None, size, size, 1), MAPS),
            Layer(
                layer,
                "Conv2D",
                shape=(None, side, side, 3),
                axes=MAPS,
                inputs=("input",),
                kind="conv",
                activation="relu",
                reads=Reads(windows=(Window(3),)),
            ),
            Layer(
                "dense", "Dense", shape=(None, 2), axes=("sample", "unit"), inputs=(layer,),
                kind="dense",
            ),
        ),
    )  # fmt: skip
    labels = ["even" if n % 2 == 0 else "odd" for n in range(count)]
    return survey_of(
        network,
        {
            layer: NamedArray(maps, MAPS),
            "dense": NamedArray(mixed, ("sample", "unit")),
        },
        NamedArray(images, MAPS),
        **{"labels": labels, **more},
    )


def place_of(sample: int) -> tuple[int, int]:
    """Where the spot of a sample of ``spots`` is, in the map of the convolution."""
    return sample % 7, sample * 3 % 7
