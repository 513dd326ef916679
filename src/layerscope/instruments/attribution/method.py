"""What a method of attribution is: a function from a task to maps, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.gradient_rules import GradientRule
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.instruments.attribution.attributed_input import AttributedInput
from layerscope.instruments.attribution.baselines import baselines
from layerscope.instruments.attribution.engine import ScoreEngine
from layerscope.instruments.attribution.input_parts import InputPart
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
    gamma: float | None = None
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
    def pieces(self) -> list[tuple[InputPart, Array]]:
        """Each input that has maps, and what they are of."""
        return list(zip(self.subject.parts, self.subject.split(self.values), strict=True))

    @property
    def rows(self) -> Array:
        """The numbers of the samples."""
        return np.arange(len(self.subject))

    def baseline(self, default: Any = "zeros") -> tuple[Array, str]:
        """Return the baseline of each sample, and what it is called."""
        each = self.by_input("baseline", default)
        made = [
            baselines(given, values, part.axes, self.options.seed)
            for (part, values), given in zip(self.pieces, each, strict=True)
        ]
        return self.subject.joined(made), ", ".join(dict.fromkeys(map(_called, each)))

    def extent(self) -> Array:
        """Return how far the values of each sample range, input by input."""
        spans = []
        for _, values in self.pieces:
            rest = tuple(range(1, values.ndim))
            span = values.max(axis=rest, keepdims=True) - values.min(axis=rest, keepdims=True)
            spans.append(np.broadcast_to(span, values.shape) if self.subject.is_several else span)
        return self.subject.joined(spans)

    def by_input(self, name: str, default: Any = None) -> list[Any]:
        """Return an option for each input: what is given for all, or in a dict by their names.

        Raises InputError where it can't be told which input it is for.
        """
        given = getattr(self.options, name)
        parts = self.subject.parts
        if given is None:
            return [default] * len(parts)
        names = [part.name for part in parts]
        if isinstance(given, Mapping):
            unknown = [key for key in given if key not in names]
            if unknown:
                raise InputError(
                    f"{name}= names {', '.join(map(repr, unknown))}: the inputs that have maps are "
                    f"{', '.join(map(repr, names))}."
                )
            return [part.presented(given.get(part.name, default)) for part in parts]
        if self.subject.is_several and not isinstance(given, str | int | float):
            raise InputError(
                f"{name}= is for several inputs: pass a dict by their names, "
                f"{', '.join(map(repr, names))}."
            )
        return [part.presented(given) for part in parts]


def _called(given: Any) -> str:
    if isinstance(given, str):
        return given
    return f"{given:g}" if isinstance(given, int | float) else "given"


@dataclass(frozen=True)
class Maps:
    """What a method has made."""

    values: Array | None  #: on the axes of what they are of; of several inputs, all in a row
    settings: Mapping[str, Any] = field(default_factory=dict)
    of_inputs: Mapping[str, NamedArray] | None = None  #: by the inputs, on some of their axes
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
    #: Up to how much of what it is set to the controls take, which make a map many times.
    enough: Mapping[str, int] = field(default_factory=dict)


def arrays_of(task: AttributionTask, method: Method, maps: Maps) -> dict[str, NamedArray]:
    """Return the maps of each input that has one, with the names of their axes.

    Of vectors of tokens one number each.
    """
    if maps.of_inputs is not None:
        return {
            name: replace(array, values=np.asarray(array.values, np.float32))
            for name, array in maps.of_inputs.items()
        }
    made: dict[str, NamedArray] = {}
    for part, values in zip(task.subject.parts, task.subject.split(maps.values), strict=True):
        axes = part.axes
        if part.is_tokens:
            last = len(axes) - 1
            if method.tokens == "norm":
                values = np.sqrt(np.square(values, dtype=np.float64).sum(axis=last))
            else:
                values = values.sum(axis=last, dtype=np.float64)
            axes = axes[:last]
        made[part.name] = NamedArray(np.asarray(values, np.float32), axes)
    return made


def summed(maps: Array) -> Array:
    """Return the sum of each sample's map, in float64."""
    return np.asarray(maps.reshape(len(maps), -1).sum(axis=1, dtype=np.float64))
