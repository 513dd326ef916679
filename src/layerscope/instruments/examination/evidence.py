"""What an examination has to go by: looks at the network, its training, a healthy one beside it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.backends.base import Backend
from layerscope.core.axes import NamedArray
from layerscope.core.layer_kinds import HANDING_ON
from layerscope.core.network import Layer, Network
from layerscope.core.training_loss import TrainingLoss
from layerscope.instruments.examination.look import NetworkLook
from layerscope.instruments.examination.observed import NumberedBatch
from layerscope.recordings.run import Run


@dataclass(frozen=True)
class ExaminedModel:
    """A model that can be run, and the samples that it is run on again."""

    backend: Backend
    batch: NumberedBatch | None
    nonfinite: NumberedBatch | None


@dataclass(frozen=True)
class Evidence:
    """What the checks look at."""

    now: NetworkLook
    start: NetworkLook | None = None  #: of its training
    healthy: NetworkLook | None = None  #: of another, which is well
    run: Run | None = None
    model: ExaminedModel | None = None
    loss: TrainingLoss | None = None

    @property
    def network(self) -> Network:
        """What is examined."""
        return self.now.network

    @functools.cached_property
    def by_address(self) -> Mapping[str, Layer]:
        """Its layers."""
        return {layer.address: layer for layer in self.network}

    @property
    def reference(self) -> tuple[NetworkLook, str] | None:
        """What the network is compared with, and where that was; None where there is nothing."""
        if self.healthy is not None:
            return self.healthy, "in the healthy recording"
        if self.start is not None:
            return self.start, f"at its start ({self.start.when})"
        return None

    @functools.cached_property
    def weights(self) -> Mapping[str, NamedArray]:
        """The values of its parameters now, as far as they are known."""
        return self.now.weights()

    def kernel(self, layer: Layer) -> NamedArray | None:
        """Return a layer's largest parameter of two axes or more; None where it has none."""
        held = [self.weights[p.key] for p in layer.parameters if p.key in self.weights]
        kernels = [array for array in held if array.values.ndim >= 2]
        return max(kernels, key=lambda array: array.values.size, default=None)

    def fed_by(self, layer: Layer, *, past: frozenset[str] = HANDING_ON) -> list[Layer]:
        """Return what a layer's values come from, past layers that only hand values on."""
        origins: list[Layer] = []
        to_see, seen = list(layer.inputs), set(layer.inputs)
        for name in to_see:  # grows
            before = self.by_address.get(name)
            if before is None:
                continue
            if (before.kind in past or before.role == "container") and before.inputs:
                to_see += [each for each in before.inputs if each not in seen]
                seen.update(before.inputs)
            else:
                origins.append(before)
        return origins

    def followers(self, layer: Layer, *, past: frozenset[str] = HANDING_ON) -> list[Layer]:
        """Return the layers that a layer's values go into, past those that only hand values on."""
        return [each for each in self.network if layer in self.fed_by(each, past=past)]

    def before(self, layer: Layer) -> list[str]:
        """Return the surveyed layers whose values went into a layer, the nearest on each path."""
        tallies = self.now.survey.tallies
        reached: list[str] = []
        to_see, seen = list(layer.inputs), set(layer.inputs)
        for name in to_see:  # grows
            if name in tallies:
                reached.append(name)
            elif name in self.by_address:
                more = [i for i in self.by_address[name].inputs if i not in seen]
                to_see += more
                seen.update(more)
        return reached

    @property
    def input_size(self) -> float:
        """The root of the mean square of what the network received; NaN where that is not known."""
        sizes = [figures.size for figures in self.now.inputs.values()]
        return float(np.max(sizes)) if sizes else float("nan")


def weighted(layer: Layer) -> bool:
    """Return whether a layer has weights of its own."""
    return bool(layer.parameters)


def any_of(values: Any) -> bool:
    """Return whether any is true."""
    return bool(np.any(values))
