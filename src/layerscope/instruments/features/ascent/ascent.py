"""The ascent: parameters moved step by step to where the objective is larger.

::

    params ──► unit image ──► transforms ──► copy ──► network ──► scores
       ▲          (render)                              │
       └───────────── advance ◄──── gradient ◄──────────┘

The network with its gradient is one compiled function; all that concerns the image is in two
others. So another recipe or another size compiles nothing of the network anew, nor does another
unit, seed or step size: these are arrays. Random numbers are drawn outside of them, for each image
by a generator of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Differentiable
from layerscope.core.foreign_errors import checked_pass
from layerscope.instruments.features.ascent.stage import Stage
from layerscope.instruments.features.image.canvas import Canvas
from layerscope.instruments.features.image.colours import Colours
from layerscope.instruments.features.image.octaves import bring_to, detail, octave_sizes
from layerscope.instruments.features.image.parameterizations import (
    Fourier,
    Parameterization,
    Pixels,
)
from layerscope.instruments.features.image.phases import Phases, Spectrum
from layerscope.instruments.features.image.pipeline import Pipeline
from layerscope.instruments.features.image.recipes import Recipe
from layerscope.instruments.features.image.starts import generators, start_params
from layerscope.instruments.features.objective.program import Scorer

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]

_LEAST_SIDE = 16  #: of an octave


@dataclass
class Progress:
    """What an ascent has come to."""

    images: Callable[[], Array]  #: the unit images as they are now
    scores: list[Array] = field(default_factory=list)  #: of each step, before it was made: (image,)
    slopes: list[Array] = field(default_factory=list)  #: the gradient's size in each step: (image,)
    kept: dict[int, Array] = field(default_factory=dict)  #: unit images, by steps made
    octaves: list[int] = field(default_factory=list)  #: how many steps were made before each
    #: The sum of the gradient's sizes at each place of the image, where the recipe keeps it
    traces: Callable[[], Array] | None = None


@dataclass(frozen=True)
class Ascent:
    """A recipe on a canvas, for one network and one kind of objective."""

    backend: Differentiable
    scorer: Scorer
    canvas: Canvas
    recipe: Recipe
    colours: Colours | None = None
    spectrum: Callable[[], Spectrum] | None = None  #: of magnitudes, where only phases are moved
    redirected: bool = False  #: whether gradients go on behind ReLUs that are off

    def climb(
        self, arrays: Arrays, seeds: Sequence[int], start: Any, every: int | None = None
    ) -> Iterator[Progress]:
        """Make a step each time the next is asked for, and yield the one object of them all.

        ``start`` is the name of a kind of noise, or unit images.
        """
        original = None if isinstance(start, str) else start
        images = original
        draws = generators(seeds, 1)
        progress = Progress(lambda: np.empty(0))
        for shape in self.sizes:
            stage = self._stage(shape)
            if images is None:
                params = self._noise(stage, seeds, start)
            else:
                params = stage.parameterization.params(self._enlarged(images, original, shape))
            progress.octaves.append(len(progress.scores))
            before = progress.traces
            for moved, score, slope, traces in stage.steps(params, arrays, draws):
                if self.recipe.transparency:
                    progress.traces = functools.partial(self._traced, before, traces)
                progress.images = functools.partial(self._shown, stage, moved)
                progress.scores.append(score)
                progress.slopes.append(slope)
                if every and len(progress.scores) % every == 0:
                    progress.kept[len(progress.scores)] = progress.images()
                yield progress
                params = moved
            images = stage.images(params)

    def start_images(self, seeds: Sequence[int], start: Any) -> Array:
        """Return the unit images that an ascent begins with, at full size."""
        stage = self._stage(self.sizes[0])
        if not isinstance(start, str):
            return np.asarray(start)
        return self._full(stage.images(self._noise(stage, seeds, start)))

    def score(self, images: Array, arrays: Arrays) -> Array:
        """Return what unit images score as they are, ``(image,)``."""
        ops = self.backend.ops
        total = np.zeros(len(images), np.float32)
        if self.scorer.taps:
            # As many as in a step, so that nothing is compiled for less.
            copies = self.recipe.copies
            x = np.concatenate([self.plain(images)] * copies)
            of_copies = {name: np.concatenate([a] * copies) for name, a in arrays.items()}
            scores, _ = self.network_gradient(x.shape[1:])(x, of_copies)
            total = total + ops.convert_to_numpy(scores)[: len(images)]
        if self.scorer.of_image:
            penalty = self.scorer.image(ops, ops.convert_to_tensor(images), _tensors(ops, arrays))
            total = total + ops.convert_to_numpy(penalty)
        return np.asarray(total)

    def plain(self, images: Array) -> Array:
        """Return what the network gets of unit images, untransformed."""
        canvas = self.canvas
        if canvas.flat:
            return canvas.received(images)
        if canvas.is_image:
            images = _resized(images, canvas.network_shape(images.shape[1:]))
        return canvas.values(images)

    def network_gradient(self, shape: tuple[int, ...]) -> Callable[..., tuple[Any, Any]]:
        """Return the scores of what the network gets, of this shape, and their gradient."""
        # Where the framework can, one function serves all sizes.
        size = shape if self.scorer.sized else None
        embedding, redirected = self.canvas.embedding, self.redirected
        key = ("features: network", self.scorer.structure, embedding, size, redirected)
        if key not in self._networks:
            ops, scorer = self.backend.ops, self.scorer
            values = checked_pass(
                self.backend.values(scorer.taps, embedding, redirected=redirected)
            )

            def score(x: Any, arrays: Any) -> Any:
                return scorer.values(ops, values(x), arrays)

            differentiated = self.backend.gradient(score)
            self._networks[key] = self.backend.compiled(differentiated, key, network=True)
        return self._networks[key]

    @cached_property
    def _networks(self) -> dict[Hashable, Callable[..., tuple[Any, Any]]]:
        return {}

    @property
    def sizes(self) -> list[tuple[int, ...]]:
        """The shape of the image in each octave."""
        shape = self.canvas.shape
        if not self.canvas.is_image:
            return [shape]
        recipe = self.recipe
        sizes = octave_sizes(
            (shape[0], shape[1]), recipe.octaves, recipe.octave_scale, min(_LEAST_SIDE, *shape[:2])
        )
        return [(*size, shape[2]) for size in sizes]

    def _stage(self, shape: tuple[int, ...]) -> Stage:
        recipe, canvas = self.recipe, self.canvas
        space = shape[:-1]
        out = canvas.network_shape(shape)[:-1] if canvas.is_image else space
        pipeline = Pipeline(recipe.transforms_of(), space, out, shape[-1])
        parameterization = self._parameterization()
        return Stage(
            self.backend, self.scorer, canvas, recipe, shape, parameterization, pipeline,
            self.network_gradient(canvas.network_shape(shape)) if self.scorer.taps else None,
        )  # fmt: skip

    def _parameterization(self) -> Parameterization:
        bounds, colours = self.recipe.bounds, self.colours
        if self.spectrum is not None:
            return Phases(self.spectrum(), bounds, colours)
        kind = Fourier if self.recipe.parameterization == "fourier" else Pixels
        return kind(bounds=bounds, colours=colours)

    def _noise(self, stage: Stage, seeds: Sequence[int], start: str) -> Array:
        """Return parameters to begin with."""
        return start_params(
            start, stage.parameterization, seeds, stage.shape,
            contrast=self.recipe.contrast, input_range=self.canvas.input_range,
        )  # fmt: skip

    def _enlarged(self, images: Array, original: Array | None, shape: tuple[int, ...]) -> Array:
        """Return the images of the octave before, at the size of this one."""
        if not self.canvas.is_image or images.shape[1:] == shape:
            return images
        larger = _resized(images, shape)
        if original is not None and self.recipe.detail and images is not original:
            before = (images.shape[1], images.shape[2])
            return larger + detail(_resized(original, shape), before)
        return larger

    def _shown(self, stage: Stage, params: Any) -> Array:
        return self._full(stage.images(params))

    def _traced(self, before: Callable[[], Array] | None, traces: Any) -> Array:
        """Return the sizes of the gradient at full size, with those of earlier octaves."""
        sizes = np.asarray(self.backend.ops.convert_to_numpy(traces), np.float32)
        if self.canvas.is_image and sizes.shape[1:] != self.canvas.shape[:2]:
            sizes = _resized(sizes[..., None], self.canvas.shape)[..., 0]
        return sizes if before is None else before() + sizes

    def _full(self, images: Array) -> Array:
        """Return unit images at the size asked for."""
        if not self.canvas.is_image or images.shape[1:] == self.canvas.shape:
            return images
        return np.asarray(np.clip(_resized(images, self.canvas.shape), -1, 1))


def _resized(images: Array, shape: Sequence[int]) -> Array:
    return bring_to(images, (shape[0], shape[1]))


def _tensors(ops: Any, arrays: Arrays) -> dict[str, Any]:
    return {name: ops.convert_to_tensor(array) for name, array in arrays.items()}
