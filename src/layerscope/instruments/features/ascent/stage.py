"""The ascent at one size: its compiled functions, and its steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Differentiable, Update
from layerscope.instruments.features.image.canvas import Canvas
from layerscope.instruments.features.image.parameterizations import Parameterization
from layerscope.instruments.features.image.pipeline import Pipeline
from layerscope.instruments.features.image.recipes import Recipe
from layerscope.instruments.features.objective.program import Scorer

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]

_TINY = 1e-30  #: above 0, and far below any gradient


@dataclass(frozen=True)
class Stage:
    """The ascent at one size."""

    backend: Differentiable
    scorer: Scorer
    canvas: Canvas
    recipe: Recipe
    shape: tuple[int, ...]
    parameterization: Parameterization
    pipeline: Pipeline
    network: Callable[..., tuple[Any, Any]] | None

    def steps(
        self, params: Array, arrays: Arrays, draws: Sequence[np.random.Generator]
    ) -> Iterator[tuple[Any, Array, Array, Any]]:
        """Yield parameters after each step, what the images before it scored, and its slope.

        And the sum of the sizes of the gradient at each place so far, where the recipe keeps it.
        """
        ops, copies = self.backend.ops, self.recipe.copies
        update = self._optimizer(params)
        state = [] if update is None else update.state
        unit = np.zeros(len(params), np.float32)
        limits = np.array(self.canvas.input_range, np.float32)
        rate = np.array(self.recipe.step_size, np.float32)
        render, advance = self._render(), self._advance(update, len(params))
        moving: Any = params
        traces: Any = np.zeros((len(params), *self.shape[:-1]), np.float32)
        of_copies = {name: np.concatenate([a] * copies) for name, a in arrays.items()}
        for step in range(self.recipe.steps):
            drawn = self._drawn(draws, step)
            gradient, score = None, np.zeros(len(params), np.float32)
            if self.network is not None:
                scores, gradient = self.network(render(moving, drawn, limits), of_copies)
                score = ops.convert_to_numpy(scores).reshape(copies, -1).mean(axis=0)
            moving, state, unit, traces, slope, penalty = advance(
                moving, state, unit, traces, gradient, drawn, limits, rate, arrays
            )
            score = score + ops.convert_to_numpy(penalty)
            yield moving, score, ops.convert_to_numpy(slope), traces

    def images(self, params: Any) -> Array:
        """Return the unit images of parameters."""
        ops, image = self.backend.ops, self.parameterization.image
        function = self.backend.compiled(
            lambda params: image(ops, params), ("features: image", *self._key), network=False
        )
        return np.asarray(np.clip(ops.convert_to_numpy(function(params)), -1, 1))

    @property
    def _key(self) -> tuple[Any, ...]:
        return (self.shape, self.parameterization.structure)

    def _drawn(self, draws: Sequence[np.random.Generator], step: int) -> dict[str, Array]:
        """Return what happens in a step to the first copy of each image, then to the next."""
        rounds = [self.pipeline.draw(draws, step) for _ in range(self.recipe.copies)]
        if len(rounds) == 1:
            return rounds[0]
        return {name: np.concatenate([each[name] for each in rounds]) for name in rounds[0]}

    def _copied(self) -> Callable[[Any, Any, Any], Any]:
        """Return what makes of unit images what the network gets of them."""
        # What is compiled is remembered with the model: it must hold on to no backend, and so not
        # to the model.
        ops, canvas, pipeline = self.backend.ops, self.canvas, self.pipeline
        copies = self.recipe.copies

        def copied(image: Any, drawn: Any, limits: Any) -> Any:
            several = ops.concatenate([image] * copies, axis=0) if copies > 1 else image
            return canvas.to_range(ops, pipeline.apply(ops, several, drawn), limits)

        return copied

    def _render(self) -> Callable[..., Any]:
        ops, image, copied = self.backend.ops, self.parameterization.image, self._copied()
        copies = self.recipe.copies

        def render(params: Any, drawn: Any, limits: Any) -> Any:
            return copied(image(ops, params), drawn, limits)

        key = ("features: render", *self._key, self.pipeline.structure, self.canvas.flat, copies)
        return self.backend.compiled(render, key, network=False)

    def _advance(self, update: Update | None, images: int) -> Callable[..., Any]:
        ops, parameterization, scorer = self.backend.ops, self.parameterization, self.scorer
        normalize, differentiated = self.recipe.normalize, self._slope(images)

        def advance(
            params: Any, state: Any, unit: Any, traces: Any, gradient: Any,
            drawn: Any, limits: Any, rate: Any, arrays: Any,
        ) -> Any:  # fmt: skip
            slope, penalty, trace = differentiated(params, gradient, drawn, limits, arrays)
            measures = measured(ops, slope)
            size = measures[0] * ops.sqrt(measures[2])
            if update is None:
                factor = rate * normalization(ops, normalize, measures, math.prod(slope.shape[1:]))
                moved = params + slope * _along(ops, factor, slope)
            else:
                # An optimizer's epsilon is no smaller than some gradients: they are measured in
                # units of the first.
                unit = ops.where(unit > 0, unit, size)
                scaled = slope * _along(ops, 1 / (unit + _TINY), slope)
                moved, state = update(params, state, scaled, rate)
            moved = parameterization.project(ops, moved)
            return moved, state, unit, traces + trace, size, penalty

        key = (
            "features: advance", *self._key, self.pipeline.structure, self.canvas.flat, images,
            normalize, _text(self.recipe.optimizer), scorer.structure,
            self.recipe.copies, self.recipe.transparency,
        )  # fmt: skip
        return self.backend.compiled(advance, key, network=False)

    def _slope(self, images: int) -> Callable[..., tuple[Any, Any, Any]]:
        """Return the objective's gradient with respect to parameters, from the network's.

        With it the penalty, and the gradient's size at each place of the image, 0 where the recipe
        does not keep it.
        """
        ops, scorer, copied = self.backend.ops, self.scorer, self._copied()
        rendered, copies = self.parameterization.image, self.recipe.copies

        def worth(image: Any, gradient: Any, drawn: Any, limits: Any, arrays: Any) -> Any:
            """Return what has the objective's gradient: the copy, weighted by the network's."""
            axes = tuple(range(1, len(image.shape)))
            total = penalty = 0.0 * ops.mean(image, axis=axes)
            if gradient is not None:
                copy = copied(image, drawn, limits)
                product = copy * ops.stop_gradient(gradient)
                each = ops.sum(product, axis=tuple(range(1, len(copy.shape))))
                if copies > 1:
                    each = ops.mean(ops.reshape(each, (copies, images)), axis=0)
                total = total + each
            if scorer.of_image:
                penalty = penalty + scorer.image(ops, image, arrays)
            return total + penalty, penalty

        whole = self.backend.gradient(lambda params, *rest: worth(rendered(ops, params), *rest))
        if not self.recipe.transparency:

            def slope(params: Any, *rest: Any) -> tuple[Any, Any, Any]:
                (_, penalty), gradient = whole(params, *rest)
                return gradient, penalty, 0.0

            return slope
        of_image = self.backend.gradient(worth)
        back = self.backend.gradient(
            lambda params, weights: ops.sum(
                rendered(ops, params) * weights, axis=tuple(range(1, len(weights.shape)))
            )
        )

        def slope_by_place(params: Any, *rest: Any) -> tuple[Any, Any, Any]:
            (_, penalty), weights = of_image(ops.stop_gradient(rendered(ops, params)), *rest)
            weights = ops.stop_gradient(weights)
            _, gradient = back(params, weights)
            return gradient, penalty, ops.sum(ops.abs(weights), axis=-1)

        return slope_by_place

    def _optimizer(self, params: Array) -> Update | None:
        which = self.recipe.optimizer
        return None if which == "ascent" else self.backend.optimizer(which, params)


def measured(ops: Any, gradient: Any) -> tuple[Any, Any, Any]:
    """Return of each image's gradient the largest size of a value, and two measures of the rest.

    They are the mean and the mean square of the gradient divided by that size.

    Divided first, since the squares of small gradients would vanish.
    """
    axes = tuple(range(1, len(gradient.shape)))
    largest = ops.maximum(ops.max(gradient, axis=axes), -ops.min(gradient, axis=axes))
    scaled = gradient * _along(ops, 1 / (largest + _TINY), gradient)
    return largest, ops.mean(scaled, axis=axes), ops.mean(ops.square(scaled), axis=axes)


def normalization(ops: Any, how: str, measures: tuple[Any, Any, Any], count: int) -> Any:
    """Return what to multiply each image's gradient of ``count`` values by.

    It is 1 over its standard deviation, or over its length.

    The published 1e-8 beside the divisor would stop small gradients, of deep networks with random
    weights for instance: so it stands beside that of the gradient with a largest value of 1.
    """
    largest, mean, square = measures
    if how == "none":
        return ops.ones_like(largest)
    if how == "l2":
        size = ops.sqrt(square * float(count))
    else:
        size = ops.sqrt(ops.maximum(square - ops.square(mean), 0.0))
    # Nothing at all where there is no gradient: infinity times 0 would be none, either.
    known = ops.where(largest > 0, largest, 1.0)
    return ops.where(largest > 0, 1 / known / (size + 1e-8), 0.0)


def _along(ops: Any, each: Any, like: Any) -> Any:
    """Return one number for each image, shaped so that it applies to all of the image."""
    return ops.reshape(each, (-1,) + (1,) * (len(like.shape) - 1))


def _text(optimizer: Any) -> str:
    if isinstance(optimizer, str):
        return optimizer
    return f"{type(optimizer).__name__} {optimizer.get_config()}"
