"""What a method of attribution is: a function from a task to maps, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.gradient_rules import GradientRule
from layerscope.core.axes import NamedArray
from layerscope.instruments.attribution.attributed_input import AttributedInput
from layerscope.instruments.attribution.baselines import baselines
from layerscope.instruments.attribution.engine import ScoreEngine
from layerscope.instruments.attribution.targets import Target

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Options:
    """What somebody has set; None where the method is to decide."""

    steps: int | None = None
    baseline: Any = None
    layer: str | None = None
    window: int | tuple[int, ...] | None = None
    stride: int | tuple[int, ...] | None = None
    noise: Any = None
    repeats: int | None = None
    masks: int | None = None
    seed: int = 0


@dataclass
class AttributionTask:
    """Samples, what their maps are to be of, and what computes them."""

    subject: AttributedInput
    target: Target
    engine: ScoreEngine
    options: Options
    notes: dict[str, None] = field(default_factory=dict)
    known_scores: Array | None = None  #: of the samples, where a method has met them
    at: Array | None = None  #: what stands where gradients begin, where it is not the samples

    @property
    def scores(self) -> Array:
        """The target's score on each sample."""
        if self.known_scores is None:
            self.known_scores = self.engine.scores(self.values, self.rows)
        return self.known_scores

    def gradients(self, rule: GradientRule | None = None) -> Array:
        """Return the gradient at each sample."""
        self.known_scores, gradients = self.engine.gradients(self.values, self.rows, rule)
        return gradients

    @property
    def values(self) -> Array:
        """What the maps are of, presented."""
        return self.subject.values if self.at is None else self.at

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of that, the samples' first."""
        return self.subject.axes

    @property
    def rows(self) -> Array:
        """The numbers of the samples."""
        return np.arange(len(self.subject))

    def baseline(self, default: Any = "zeros") -> tuple[Array, str]:
        """Return the baseline of each sample, and what it is called."""
        given = default if self.options.baseline is None else self.options.baseline
        made = baselines(given, self.values, self.axes, self.options.seed)
        return made, given if isinstance(given, str) else _called(given)


def _called(given: Any) -> str:
    return f"{given:g}" if isinstance(given, int | float) else "given"


@dataclass(frozen=True)
class Maps:
    """What a method has made."""

    values: Array  #: on the axes of the input, or some of them
    settings: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[str, ...] | None = None  #: where they are not those of the input
    #: What the map is to sum up to, one for each sample: then the gap is reported.
    gain: Array | None = None
    grid: NamedArray | None = None  #: the same on a layer's own grid


@dataclass(frozen=True)
class Method:
    """A method of attribution."""

    name: str
    compute: Callable[[AttributionTask], Maps]
    needs: str  #: what the engine must be able to do: one of those in ``engine``
    source: str  #: whose it is
    options: tuple[str, ...] = ()  #: those of :class:`Options` that it reads
    #: How the maps of vectors become one number for each token: ``sum``, or ``norm``.
    tokens: str = "sum"


def summed(maps: Array) -> Array:
    """Return the sum of each sample's map, in float64."""
    return np.asarray(maps.reshape(len(maps), -1).sum(axis=1, dtype=np.float64))
