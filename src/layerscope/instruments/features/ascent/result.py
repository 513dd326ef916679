"""What the ascents have come to, as a recording."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.instruments.features.ascent.outcome import Outcome
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.image.recipes import Recipe
from layerscope.instruments.features.objective.terms import Unit
from layerscope.recordings.visualization import FeatureVisualization, Grade

Array = npt.NDArray[Any]

#: The part of an image's places that is faded.
_OPAQUE = 0.8


def visualization(task: Task, outcome: Outcome, grades: Sequence[Grade]) -> FeatureVisualization:
    """Return the outcome as a recording."""
    count = len(outcome.images)
    longest = max(map(len, outcome.history))
    history = np.full((longest, count), np.nan)
    for i, row in enumerate(outcome.history):
        history[: len(row), i] = row
    canvas = task.ascent.canvas
    return FeatureVisualization(
        dict(_arrays(task, outcome)),
        alphas=_alphas(task, outcome),
        network=task.network,
        history=history,
        images=[task.label(i) for i in range(count)],
        settings=_settings(task, outcome),
        grades=grades,
        notes=task.notes,
        digest=lambda: {"model": task.backend.digest(), "images": _digest(outcome.images)},
        input_range=canvas.input_range,
        interrupted=outcome.interrupted,
    )


def _arrays(task: Task, outcome: Outcome) -> Iterator[tuple[str, NamedArray]]:
    """Yield the images by address: units of one layer together, others by their text."""
    canvas = task.ascent.canvas
    final = {len(outcome.history[0]) - 1: outcome.images}
    moments = {**outcome.kept, **final} if outcome.kept else final
    stack = np.stack([canvas.values(images) for images in moments.values()])
    attrs = {"steps": tuple(moments)} if outcome.kept else {}
    return _by_address(task, stack, attrs)


def _alphas(task: Task, outcome: Outcome) -> dict[str, NamedArray]:
    """Return how opaque the images are, by address; empty where the recipe does not keep it.

    Of the places that a gradient reached the strongest fifth is opaque, and the others as much as
    it went there, as Fel and others draw it.
    """
    if outcome.traces is None:
        return {}
    traces = outcome.traces.reshape(len(outcome.traces), -1)
    reached = (trace[trace > 0] for trace in traces)
    most = [np.quantile(some, _OPAQUE) if some.size else np.inf for some in reached]
    alphas = np.clip(traces / np.array(most)[:, None], 0.0, 1.0).astype(np.float32)
    return dict(_by_address(task, alphas.reshape(1, *outcome.traces.shape, 1), {}))


def _by_address(
    task: Task, stack: Array, attrs: Mapping[str, Any]
) -> Iterator[tuple[str, NamedArray]]:
    """Yield ``(step, image, …, input)`` by address; without a step where there is but one."""
    variants = task.variants
    objectives = stack.shape[1] // variants
    space = {1: (), 2: ("position",), 3: ("y", "x")}[len(task.ascent.canvas.shape)]
    # (step, objective, variant, …, input) with the objective made the channel, last.
    stack = stack[:, : objectives * variants]
    stack = stack.reshape(len(stack), objectives, variants, *stack.shape[2:])
    stack = np.moveaxis(stack, 1, -1)
    axes = ("step", "sample", *space, "input", "channel")
    if "steps" not in attrs:
        stack, axes = stack[0], axes[1:]
    if variants == 1:
        stack, axes = stack.take(0, axes.index("sample")), tuple(a for a in axes if a != "sample")
    unit = _one_unit(task)
    if unit is not None:
        yield unit.layer, NamedArray(stack, axes, {**attrs, "units": unit.indices[:objectives]})
        return
    for i in range(objectives):
        yield task.program.objective.label(i), NamedArray(stack[..., i : i + 1], axes, attrs)


def _one_unit(task: Task) -> Unit | None:
    """Return the term, where the objective is nothing but units of one layer."""
    (weight, term), *rest = task.program.objective.parts
    if rest or weight != 1 or not isinstance(term, Unit) or not term.whole_map:
        return None
    return term


def _settings(task: Task, outcome: Outcome) -> dict[str, Any]:
    """Return how the images were made, in the order in which one would say it."""
    recipe, canvas = task.ascent.recipe, task.ascent.canvas
    settings: dict[str, Any] = {
        "recipe": recipe.name,
        "objective": str(task.program.objective),
        "seed": task.seeds[0],
        "batch": task.variants,
        "start": recipe.start if isinstance(recipe.start, str) else "an image",
        "size": canvas.shape[:2] if canvas.is_image else canvas.shape,
        "steps": recipe.steps,
        "optimizer": _name(recipe.optimizer),
        "step_size": recipe.step_size,
        "normalize": recipe.normalize,
        "octaves": len(outcome.octaves),
        "octave_scale": recipe.octave_scale,
        "detail": recipe.detail,
        "parameterization": recipe.parameterization,
        "decorrelate": recipe.decorrelate,
        "bounds": recipe.bounds,
        "border": recipe.border,
        "copies": recipe.copies,
        "transforms": recipe.transforms_of(),
        "input_range": canvas.input_range,
    }
    return {name: value for name, value in settings.items() if _says_something(name, value, recipe)}


def _says_something(name: str, value: Any, recipe: Recipe) -> bool:
    """Return whether a setting has a part in what was done."""
    if name in ("batch", "octaves", "copies"):
        return bool(value > 1)
    if name in ("octave_scale", "detail"):
        return bool(recipe.octaves > 1 and value)
    if name in ("decorrelate", "border"):
        return bool(value)
    if name == "normalize":
        return bool(recipe.optimizer == "ascent")
    return True


def _name(optimizer: Any) -> str:
    return optimizer if isinstance(optimizer, str) else type(optimizer).__name__


def _digest(images: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
