"""An image of each unit of a layer, in batches that are kept as they are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.core.axes import NamedArray, presented
from layerscope.core.errors import InputError
from layerscope.core.files import OutputFolder
from layerscope.core.progress import Bar
from layerscope.instruments.features.ascent.task import Task, task_of
from layerscope.instruments.features.image.recipes import Recipe
from layerscope.instruments.features.objective.objectives import units as units_of
from layerscope.instruments.features.objective.sites import Site
from layerscope.instruments.features.unit_files import UnitFiles, UnitResult
from layerscope.instruments.features.unit_settings import (
    digest_of,
    samples_text,
    unit_settings,
    values_text,
)
from layerscope.instruments.features.visualized import visualized
from layerscope.recordings.visualization import FeatureVisualization

Watch = Callable[[int, int], object]


def every_unit(
    model: Any,
    layer: str,
    folder: str | os.PathLike[str],
    options: FeatureOptions,
    overwrite: bool,
    progress: bool | None,
) -> FeatureVisualization:
    """Make an image of every unit of a layer, and keep each in a file as soon as it is made.

    Ctrl-C ends it with those that are finished, ``interrupted``; where none is, KeyboardInterrupt
    goes on. Raises OutputError where the folder holds units that were made otherwise, or other
    files, and what ``features`` raises.
    """
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
        raise InputError(f"to={folder!r}: pass the name of a folder, such as 'units'.")
    job = EveryUnit.of(model, layer, OutputFolder(Path(folder)), options)
    job.read(overwrite=overwrite)
    job.files.folder.claim(overwrite=overwrite or bool(job.units))
    with Bar(layer, job.count, shown=progress) as bar:
        stopped = job.make(bar.show, steps=False)
    if stopped is not None and not job.units:
        raise KeyboardInterrupt
    return job.visualization()


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """How images of units are made: the arguments of ``features`` besides model and objective."""

    recipe: Recipe
    samples: Any = None
    seed: int = 0
    batch: int = 1
    at_once: int | None = None
    retry: bool = True

    def arguments(self) -> dict[str, Any]:
        """Return them as ``features`` takes them."""
        return {
            "recipe": self.recipe,
            "samples": self.samples,
            "seed": self.seed,
            "batch": self.batch,
            "at_once": self.at_once,
            "retry": self.retry,
        }

    def task(self, model: Any, objective: Any) -> Task:
        """Settle what is known before the first step; raise what is wrong, with nothing written."""
        return task_of(
            model,
            objective,
            self.recipe,
            samples=self.samples,
            seed=self.seed,
            variants=self.batch,
            at_once=self.at_once,
        )


@dataclass(slots=True)
class EveryUnit:
    """The units of one layer: those that are made already, and the making of the others."""

    model: Any
    layer: str
    options: FeatureOptions
    task: Task
    files: UnitFiles
    units: dict[int, UnitResult]  #: those that are made, by their number

    @classmethod
    def of(
        cls,
        model: Any,
        layer: str,
        folder: OutputFolder,
        options: FeatureOptions,
        samples: str | None = None,
    ) -> EveryUnit:
        """Settle how the units of a layer are made; nothing is read or written yet.

        ``samples`` is what the samples hold, as text, where that is known.

        Raises AddressError, InputError and ModelError.
        """
        task = options.task(model, units_of(layer, [0]))
        text = _samples_text(options.samples, task) if samples is None else samples
        settings = unit_settings(task, layer, retry=options.retry, samples=text)
        several = (options.batch,) if options.batch > 1 else ()
        shape = (*several, *task.ascent.canvas.shape)
        files = UnitFiles(folder, settings, _count(task), options.batch, shape)
        return cls(model, layer, options, task, files, {})

    @property
    def count(self) -> int:
        """How many units the layer has."""
        return self.files.count

    def read(self, *, overwrite: bool = False) -> None:
        """Read the units that are there already.

        Raises OutputError for units that were made otherwise, unless they may be replaced.
        """
        self.units = self.files.read(overwrite=overwrite)

    def make(self, progress: Watch | None = None, *, steps: bool | None = None) -> list[int] | None:
        """Make the units that are not there yet, and keep each in its file.

        ``progress`` is called with the number of units that are there and that of all, as each
        batch is done; ``steps`` says whether a bar shows the steps of each.
        Returns None; or, when Ctrl-C stopped it, the units that were begun and are not finished.
        """
        begun: list[int] = []
        try:
            missing = [unit for unit in range(self.count) if unit not in self.units]
            for begun, filling in self._batches(missing):
                made = self._made([*begun, *filling], steps)
                for position, unit in enumerate(begun):
                    result = UnitResult.of(made, self.layer, position, self.options.batch)
                    self.files.write(unit, result)
                    self.units[unit] = result
                if progress is not None:
                    progress(len(self.units), self.count)
        except KeyboardInterrupt:
            return [unit for unit in begun if unit not in self.units]
        return None

    def visualization(self) -> FeatureVisualization:
        """Return the units that are made as one visualization."""
        units = dict(sorted(self.units.items()))
        results = list(units.values())
        longest = max(len(result.history) for result in results)
        histories = [_padded(result, longest) for result in results]
        images = np.stack([result.image for result in results], axis=-1)
        grades = [grade for result in results for grade in result.grades]
        alphas = [result.alpha for result in results if result.alpha is not None]
        axes, attrs = (*results[0].axes, "channel"), {"units": tuple(units)}
        task = self.task
        recipe, limits = task.ascent.recipe, task.ascent.canvas.input_range
        return FeatureVisualization(
            {self.layer: NamedArray(images, axes, attrs)},
            alphas={self.layer: NamedArray(np.stack(alphas, axis=-1), axes, attrs)}
            if len(alphas) == len(results)
            else None,
            network=task.network,
            history=np.concatenate(histories, axis=1),
            images=[grade.address for grade in grades],
            settings={
                "recipe": recipe.name,
                "seed": task.seeds[0],
                "steps": recipe.steps,
                "step_size": recipe.step_size,
                "octaves": recipe.octaves,
                "input_range": limits,
            },
            grades=grades,
            notes=list(dict.fromkeys(note for result in results for note in result.notes)),
            digest=lambda: {"model": task.backend.digest(), "images": digest_of(images)},
            input_range=limits,
            interrupted=len(units) < self.count,
        )

    def _batches(self, missing: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the units in batches of one size, as another would be compiled anew.

        Each with other units of the layer that fill it up.
        """
        if not missing:
            return
        task = self.options.task(self.model, units_of(self.layer, missing))
        size = task.at_once // self.options.batch
        for begin in range(0, len(missing), size):
            chunk = list(missing[begin : begin + size])
            others = [unit for unit in range(self.count) if unit not in chunk]
            yield chunk, others[: size - len(chunk)]

    def _made(self, batch: Sequence[int], steps: bool | None) -> FeatureVisualization:
        """Make the images of a batch.

        Raises KeyboardInterrupt when it was stopped: none of them is finished.
        """
        objective = units_of(self.layer, batch)
        task = self.options.task(self.model, objective)
        made = visualized(task, retry=self.options.retry, progress=steps)
        if made.interrupted:
            raise KeyboardInterrupt
        return made


def _padded(result: UnitResult, length: int) -> Any:
    """Return the history with NaN after its end; images that were tried again have longer ones."""
    missing = length - len(result.history)
    return np.pad(result.history, ((0, missing), (0, 0)), constant_values=np.nan)


def _count(task: Task) -> int:
    """Return how many units the layer has that the objective reads.

    Raises InputError where that is not known.
    """
    (tap,) = task.program.scorer.taps
    row = task.network[tap.layer]
    lengths = dict(zip(row.axes or (), row.shape or (), strict=True))
    axes = presented(tuple(lengths))
    return Site(tap, axes, tuple(lengths[name] for name in axes)).units


def _samples_text(samples: Any, task: Task) -> str:
    """Return what the samples of a task hold, as text."""
    names = samples if isinstance(samples, list | tuple) else [samples]
    if all(isinstance(name, str | os.PathLike) for name in names):
        return samples_text([os.fspath(name) for name in names])
    return "none" if task.examples is None else values_text(task.examples)
