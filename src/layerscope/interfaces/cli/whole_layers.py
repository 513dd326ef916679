"""An image of every unit of a layer: in batches, each kept in a file as soon as it is made."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray, presented
from layerscope.core.console import report, say
from layerscope.core.files import OutputFolder
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.text import distinct_file_stem
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.objective.sites import Site
from layerscope.instruments.features.unit_files import Settings, Unit, UnitFiles
from layerscope.interfaces.cli.feature_pictures import Drawing, check_drawing, draw, draw_curves
from layerscope.interfaces.cli.output import claim_folder, output_folder
from layerscope.interfaces.cli.recipes import Making, samples_text
from layerscope.recordings.visualization import FeatureVisualization

Array = npt.NDArray[Any]

#: Values of a recipe that do not decide by themselves what an image is.
_SAID_OTHERWISE = ("name", "meant_for", "start", "size", "input_range")


def make_layers(
    model: Any, layers: Sequence[str], folder: Path, how: Making, drawing: Drawing, *, force: bool
) -> None:
    """Make every unit of each layer that is not there yet, draw them all, and say what they reach.

    Raises KeyboardInterrupt, with a sentence that says how to go on, when Ctrl-C stopped it: what
    is finished is drawn.
    """
    names = _names(layers)
    with in_one_sentence():
        tasks = {layer: _task(model, layer, how) for layer in layers}
    for task in tasks.values():
        check_drawing(task, drawing)
    samples = samples_text(how.samples)
    stored = {}
    for layer, task in tasks.items():
        settings = _settings(task, layer, how, samples)
        several = (how.batch,) if how.batch > 1 else ()
        shape = (*several, *task.ascent.canvas.shape)
        place = output_folder(folder / names[layer])
        files = UnitFiles(place, settings, _units(task), how.batch, shape)
        stored[layer] = files, files.read(force=force)
    begun = any(units for _, units in stored.values())
    output = claim_folder(folder, force=force or begun)
    for layer, (files, units) in stored.items():
        before = len(units)
        stopped = _make_missing(model, layer, how, files, units)
        if units:
            if before:
                say(f"{before} of {files.count} units of {layer} were there already.")
            _finish(tasks[layer], layer, names[layer], units, files.count, output, drawing)
        if stopped is not None:
            raise KeyboardInterrupt(_how_to_go_on(layer, len(units), files.count, len(stopped)))
    say(f"Written to {output.path}/")


def _how_to_go_on(layer: str, finished: int, count: int, begun: int) -> str:
    said = f"stopped after {finished} of {count} units of {layer!r}; the same command goes on"
    if begun:
        said += f", and the {begun} begun {'is' if begun == 1 else 'are'} made anew"
    return f"{said}."


def _task(model: Any, layer: str, how: Making) -> Task:
    from layerscope.instruments.features.objective.objectives import units

    return how.settled(model, units(layer, [0]))


def _units(task: Task) -> int:
    """How many units the layer has that the objective reads.

    Raises InputError where that is not known.
    """
    (tap,) = task.program.scorer.taps
    row = task.network[tap.layer]
    lengths = dict(zip(row.axes or (), row.shape or (), strict=True))
    axes = presented(tuple(lengths))
    return Site(tap, axes, tuple(lengths[name] for name in axes)).units


def _make_missing(
    model: Any, layer: str, how: Making, files: UnitFiles, units: dict[int, Unit]
) -> list[int] | None:
    """Make the units that are not there yet, and keep each in its file and in ``units``.

    Returns None; or, when Ctrl-C stopped it, the units that were begun and are not finished.
    """
    begun: list[int] = []
    try:
        missing = [unit for unit in range(files.count) if unit not in units]
        for begun, filling in _batches(model, layer, how, missing, files.count):
            made = _made(model, layer, how, [*begun, *filling])
            for position, unit in enumerate(begun):
                one = Unit.of(made, layer, position, how.batch)
                files.write(unit, one)
                units[unit] = one
            report(f"{layer}: {len(units)} of {files.count} units")
    except KeyboardInterrupt:
        return [unit for unit in begun if unit not in units]
    return None


def _batches(
    model: Any, layer: str, how: Making, missing: Sequence[int], count: int
) -> Iterator[tuple[list[int], list[int]]]:
    """The units in batches of one size, as another would be compiled anew.

    Each with other units of the layer that fill it up.
    """
    from layerscope.instruments.features.objective.objectives import units

    if not missing:
        return
    with in_one_sentence():
        size = how.settled(model, units(layer, missing)).at_once // how.batch
    for begin in range(0, len(missing), size):
        chunk = list(missing[begin : begin + size])
        others = [unit for unit in range(count) if unit not in chunk]
        yield chunk, others[: size - len(chunk)]


def _made(model: Any, layer: str, how: Making, batch: Sequence[int]) -> FeatureVisualization:
    """The images of a batch.

    Raises KeyboardInterrupt when it was stopped: none of them is finished.
    """
    from layerscope.instruments.features.features import features
    from layerscope.instruments.features.objective.objectives import units

    with in_one_sentence():
        made = features(model, units(layer, batch), **how.options())
    if made.interrupted:
        raise KeyboardInterrupt
    return made


def _finish(
    task: Task,
    layer: str,
    name: str,
    units: dict[int, Unit],
    count: int,
    output: OutputFolder,
    drawing: Drawing,
) -> None:
    """Draw the units there are, and say what they reach."""
    made = _joined(task, layer, dict(sorted(units.items())), interrupted=len(units) < count)
    draw(made, {layer: f"{name}.png"}, output, drawing)
    draw_curves(made, f"{name}-curves.png", output)
    say(*(f"Note: {note}" for note in made.notes), *map(str, made.grades))


def _joined(
    task: Task, layer: str, units: dict[int, Unit], *, interrupted: bool
) -> FeatureVisualization:
    """The units of a layer as one visualization."""
    every = list(units.values())
    longest = max(len(unit.history) for unit in every)
    history = np.concatenate(
        [
            np.pad(unit.history, ((0, longest - len(unit.history)), (0, 0)), constant_values=np.nan)
            for unit in every
        ],
        axis=1,
    )
    images = np.stack([unit.image for unit in every], axis=-1)
    grades = [grade for unit in every for grade in unit.grades]
    recipe, limits = task.ascent.recipe, task.ascent.canvas.input_range
    return FeatureVisualization(
        {layer: NamedArray(images, (*every[0].axes, "channel"), {"units": tuple(units)})},
        network=task.network,
        history=history,
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
        notes=list(dict.fromkeys(note for unit in every for note in unit.notes)),
        digest=lambda: {"model": task.backend.digest(), "images": _digest(images)},
        input_range=limits,
        interrupted=interrupted,
    )


def _settings(task: Task, layer: str, how: Making, samples: str) -> Settings:
    """All that decides what the images are, as text: equal settings make equal images."""
    recipe = task.ascent.recipe
    told = {
        field.name.replace("_", " "): str(getattr(recipe, field.name))
        for field in dataclasses.fields(recipe)
        if field.compare and field.name not in _SAID_OTHERWISE
    }
    start = task.start if isinstance(task.start, str) else f"image {_digest(task.start)[:12]}"
    return {
        "model": task.backend.digest(),
        "layer": layer,
        "recipe": recipe.name,
        "shape": "×".join(map(str, task.ascent.canvas.shape)),
        "input range": str(task.ascent.canvas.input_range),
        "start": start,
        **told,
        "seed": str(how.seed),
        "batch": str(how.batch),
        "retry": str(how.retry),
        "samples": samples,
    }


def _names(layers: Sequence[str]) -> dict[str, str]:
    """A name for the files of each layer, also where file systems take no capitals for others."""
    names: dict[str, str] = {}
    taken: list[str] = []
    for layer in layers:
        name = names[layer] = distinct_file_stem(layer, "layer", taken)
        # Beside NAME/ and NAME.png there is NAME-curves.png.
        taken += [name, f"{name}-curves", name.removesuffix("-curves")]
    return names


def _digest(values: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
