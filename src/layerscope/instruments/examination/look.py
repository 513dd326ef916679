"""What is known of a network at one moment: its units' figures, its input, its answers, weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.layer_kinds import HANDING_ON
from layerscope.core.network import Layer, Network
from layerscope.core.silence import silences_of
from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.survey import Survey

Array = npt.NDArray[Any]


@dataclass
class InputFigures:
    """How the values of one input are distributed, added up batch by batch."""

    samples: int = 0
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  #: the sum of squared distances from the mean
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True  #: whether all are whole numbers
    nonfinite: int = 0

    def add(self, values: Array) -> None:
        """Add the values of a batch, samples first."""
        self.samples += len(values) if values.ndim else 1
        finite = values[np.isfinite(values)].astype(np.float64, copy=False)
        self.nonfinite += values.size - finite.size
        if not finite.size:
            return
        mean, count = float(finite.mean()), finite.size
        total = self.count + count
        shift = mean - self.mean
        self.squares += float(np.square(finite - mean).sum())
        self.squares += shift**2 * self.count * count / total
        self.mean += shift * count / total
        self.count = total
        self.low, self.high = (
            min(self.low, float(finite.min())),
            max(self.high, float(finite.max())),
        )
        self.whole = self.whole and bool((finite == np.floor(finite)).all())

    @property
    def std(self) -> float:
        """Their standard deviation."""
        return float(np.sqrt(self.squares / self.count)) if self.count else float("nan")

    @property
    def size(self) -> float:
        """The root of the mean square of its values."""
        return float(np.hypot(self.mean, self.std))


@dataclass(frozen=True)
class NetworkAnswers:
    """What the network answered to each sample."""

    layer: str
    values: Array  #: (sample, class)
    labels: npt.NDArray[np.int64]  #: the class of each sample; -1 where it is not known
    activation: str | None = None
    fed_by: str | None = None  #: the function of the layer before it, where it has none

    @property
    def are_probabilities(self) -> bool:
        """Whether each row is a distribution over the classes."""
        finite = self.values[np.isfinite(self.values).all(axis=1)]
        if not len(finite) or self.values.shape[1] < 2:
            return False
        return bool((finite >= 0).all() and np.allclose(finite.sum(axis=1), 1, atol=1e-2))

    def log_probabilities(self) -> Array:
        """Return the logarithm of each class' probability, of logits by a softmax."""
        values = self.values.astype(np.float64)
        if self.are_probabilities:
            return np.log(np.clip(values, 1e-7, None))
        shifted = values - values.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


@dataclass(frozen=True)
class NetworkLook:
    """A network at one moment, on some samples."""

    survey: Survey
    inputs: Mapping[str, InputFigures]
    answers: NetworkAnswers | None
    weights: Callable[[], Mapping[str, NamedArray]]
    when: str = ""  #: ``epoch 3``; empty where there is but one moment
    silent_over: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    over: int | None = None  #: of how many samples ``silent_over`` is

    @property
    def network(self) -> Network:
        """What was looked at."""
        return self.survey.network

    @property
    def samples(self) -> int:
        """How many samples it is of."""
        return self.survey.count

    def tally(self, address: str) -> LayerTally:
        """Return what is known of a layer's units."""
        return self.survey.tallies[address]

    def layers(self) -> list[tuple[Layer, LayerTally]]:
        """Return the layers that compute, in execution order, with what is known of their units."""
        tallies = self.survey.tallies
        return [
            (layer, tallies[layer.address]) for layer in self.network if layer.address in tallies
        ]

    def rectifiers(self) -> list[tuple[Layer, LayerTally]]:
        """Return the layers whose zeros are silence, but for those that hand on another's."""
        silent = silences_of(self.network)
        return [
            (layer, tally)
            for layer, tally in self.layers()
            if layer.kind not in HANDING_ON and _can_be_silent(silent(layer.address), tally)
        ]

    def silent(self, address: str) -> npt.NDArray[np.bool_]:
        """Return which units of a layer are 0 on all samples."""
        if address in self.silent_over:
            return self.silent_over[address]
        tally = self.tally(address)
        return np.asarray((tally.silent == tally.samples) & (tally.samples > 0))


def _can_be_silent(rectified: bool | None, tally: LayerTally) -> bool:
    if rectified is not None:
        return rectified
    low = tally.low[np.isfinite(tally.low)]
    return bool(len(low) and (low >= 0).all() and tally.zeros.any())


def size_of(tally: LayerTally) -> float:
    """Return the root of the mean square of a layer's finite values."""
    with np.errstate(all="ignore"):
        squares = tally.squares / tally.counted + np.square(tally.mean)
        known = squares[tally.counted > 0]
    return float(np.sqrt(known.mean())) if len(known) else float("nan")


def spreads(tally: LayerTally) -> Array:
    """Return the standard deviation of each unit."""
    with np.errstate(all="ignore"):
        return np.asarray(np.sqrt(tally.squares / tally.counted))


def answering_layer(network: Network, tallies: Mapping[str, LayerTally]) -> Layer | None:
    """Return the layer that answers with a vector of classes; None for none, or for several."""
    layers = {layer.address: layer for layer in network}
    heard = {name for layer in network if layer.role != "container" for name in layer.inputs}
    ends = [
        layer
        for layer in network
        if layer.address not in heard and layer.role != "container" and not layer.plumbing
    ]
    reached = [_computed(layers, layer, tallies) for layer in ends]
    answers = [layer for layer in reached if layer is not None]
    if len(ends) != 1 or len(answers) != 1:
        return None
    return answers[0] if not tallies[answers[0].address].shape else None


def _computed(
    layers: Mapping[str, Layer], layer: Layer, tallies: Mapping[str, LayerTally]
) -> Layer | None:
    while layer.address not in tallies:
        before = [layers[name] for name in layer.inputs if name in layers]
        if len(before) != 1:
            return None
        layer = before[0]
    return layer


def function_of(network: Network, layer: Layer) -> str | None:
    """Return the function that a layer's values are the result of, its own or one before it."""
    layers = {each.address: each for each in network}
    while layer.activation is None and layer.kind in HANDING_ON and len(layer.inputs) == 1:
        if layer.inputs[0] not in layers:
            return None
        layer = layers[layer.inputs[0]]
    return layer.activation


def class_numbers(names: Sequence[str], labels: Any, classes: int) -> npt.NDArray[np.int64]:
    """Return the class of each sample: labels that are numbers, or names in alphabetical order.

    ``labels`` are numbers in ``names``, -1 for none; -1 where which class it is can't be told.
    """
    labels = np.asarray(labels, np.int64)
    numbers = np.full(len(labels), -1, np.int64)
    if not names:
        return numbers
    if all(_is_whole(name) for name in names):
        of_name = np.array([int(float(name)) for name in names])
    elif len(names) == classes:
        of_name = np.argsort(np.argsort(names))
    else:
        return numbers
    known = labels >= 0
    numbers[known] = of_name[labels[known]]
    return numbers


def _is_whole(name: str) -> bool:
    try:
        return float(name) == int(float(name))
    except (ValueError, OverflowError):
        return False
