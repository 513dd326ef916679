"""An image of every unit of a layer: in batches, each kept in a file as soon as it is made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.axes import NamedArray
from layerscope.errors import OutputError
from layerscope.instruments.features.task import Task
from layerscope.interfaces.cli.feature_pictures import Drawing, check_drawing, draw, draw_curves
from layerscope.interfaces.cli.features import settled
from layerscope.interfaces.cli.model import in_one_sentence
from layerscope.interfaces.cli.output import Output, safe, say
from layerscope.interfaces.cli.recipes import Making
from layerscope.visualization import Grade, Visualization

Array = npt.NDArray[Any]
Settings = dict[str, str]

#: Values of a recipe that do not decide by themselves what an image is.
_SAID_OTHERWISE = ("name", "meant_for", "start", "size", "input_range")


@dataclass(frozen=True, slots=True)
class Unit:
    """What was made for one unit."""

    image: Array  #: as the network receives it, without an axis for units
    axes: tuple[str, ...]
    history: Array  #: (step, image)
    grades: tuple[Grade, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, made: Visualization, layer: str, position: int, variants: int) -> Unit:
        """That of one unit of several, by its position among them."""
        array = made.named(layer)
        where = array.axes.index("channel")
        columns = slice(position * variants, (position + 1) * variants)
        return cls(
            array.values.take(position, where),
            array.axes[:where] + array.axes[where + 1 :],
            made.history.values[:, columns],
            made.grades[columns],
            made.notes,
        )


@dataclass(frozen=True, slots=True)
class UnitFiles:
    """The files of one layer's units, ``012.npz`` and so on, which keep how they were made."""

    output: Output
    settings: Settings
    count: int

    def path(self, unit: int) -> Path:
        """The file of a unit."""
        return self.output.folder / f"{unit:0{len(str(self.count - 1))}d}.npz"

    def write(self, unit: int, made: Unit) -> None:
        """Keep what was made for a unit; the file is there when it is whole."""
        arrays: dict[str, Any] = {"image": made.image, "history": made.history}
        texts = {
            "axes": made.axes,
            "grades": [dataclasses.asdict(grade) for grade in made.grades],
            "notes": made.notes,
            "settings": self.settings,
        }
        arrays |= {name: np.array(json.dumps(value)) for name, value in texts.items()}
        self.output.write(self.path(unit).name, lambda path: np.savez(path, **arrays))

    def read(self, *, force: bool = False) -> dict[int, Unit]:
        """What was made already, by unit; a file that can't be read is as if it were not there.

        Raises OutputError for units that were made in another way, unless they may be replaced.
        """
        found = {}
        for unit in range(self.count):
            try:
                with self.path(unit).open("rb") as raw, np.load(raw) as file:
                    text = {
                        name: json.loads(str(file[name]))
                        for name in ("axes", "grades", "notes", "settings")
                    }
                    image, history = file["image"], file["history"]
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                continue
            if text["settings"] == self.settings:
                grades = tuple(Grade(**grade) for grade in text["grades"])
                axes, notes = tuple(text["axes"]), tuple(text["notes"])
                found[unit] = Unit(image, axes, history, grades, notes)
            elif not force:
                raise OutputError(self._another(text["settings"]))
        return found

    def _another(self, settings: Settings) -> str:
        own = self.settings
        differs = next(name for name in (*own, *settings) if own.get(name) != settings.get(name))
        before, now = settings.get(differs, "none"), own.get(differs, "none")
        said = "another model"
        if differs != "model":
            said = (
                f"{differs} {before}, not {now}" if len(before + now) < 80 else f"other {differs}"
            )
        return (
            f"The folder {str(self.output.folder)!r} holds units that were made with {said}: name "
            "another with --out, or pass --force to replace them."
        )


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
    stored = {}
    for layer, task in tasks.items():
        check_drawing(task, drawing)
        files = UnitFiles(Output(folder / names[layer]), _settings(task, layer, how), _units(task))
        stored[layer] = files, files.read(force=force)
    begun = any(units for _, units in stored.values())
    output = Output.claim(folder, force=force or begun)
    for layer, (files, units) in stored.items():
        before = len(units)
        try:
            for unit, made in _made(model, layer, tasks[layer], how, set(units), files.count):
                files.write(unit, made)
                units[unit] = made
                _tell(f"{layer}: {len(units)} of {files.count} units")
            stopped = False
        except KeyboardInterrupt:
            stopped = True
        if units:
            if before:
                say(f"{before} of {files.count} units of {layer} were there already.")
            _finish(tasks[layer], layer, names[layer], units, files.count, output, drawing)
        if stopped:
            raise KeyboardInterrupt(
                f"stopped after {len(units)} of {files.count} units of {layer!r}; the same command "
                "goes on with the others."
            )
    say(f"Written to {output.folder}/")


def _task(model: Any, layer: str, how: Making) -> Task:
    from layerscope.instruments.features.objectives import units

    return settled(model, units(layer, [0]), how)


def _units(task: Task) -> int:
    """How many units the layer has: the objective has a weight for each."""
    return int(task.arrays([0])["0.channels"].shape[-1])


def _made(
    model: Any, layer: str, task: Task, how: Making, there: set[int], count: int
) -> Iterator[tuple[int, Unit]]:
    """The units that are not there yet, one after the other, as they are made in batches.

    Raises KeyboardInterrupt when a batch was stopped: none of it is of use.
    """
    from layerscope.instruments.features.features import features
    from layerscope.instruments.features.objectives import units

    missing = [unit for unit in range(count) if unit not in there]
    if not missing:
        return
    whole = settled(model, units(layer, missing), how)
    size = whole.at_once // how.batch
    for begin in range(0, len(missing), size):
        chunk = missing[begin : begin + size]
        # A batch of another size would be compiled anew.
        full = chunk + chunk[-1:] * (size - len(chunk))
        with in_one_sentence():
            made = features(model, units(layer, full), **how.options())
        if made.interrupted:
            raise KeyboardInterrupt
        for position, unit in enumerate(chunk):
            yield unit, Unit.of(made, layer, position, how.batch)


def _finish(
    task: Task,
    layer: str,
    name: str,
    units: dict[int, Unit],
    count: int,
    output: Output,
    drawing: Drawing,
) -> None:
    """Draw the units there are, and say what they reach."""
    made = _joined(task, layer, dict(sorted(units.items())), interrupted=len(units) < count)
    draw(made, {layer: f"{name}.png"}, output, drawing)
    draw_curves(made, f"{name}-curves.png", output)
    say(*(f"Note: {note}" for note in made.notes), *map(str, made.grades))


def _joined(task: Task, layer: str, units: dict[int, Unit], *, interrupted: bool) -> Visualization:
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
    return Visualization(
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


def _settings(task: Task, layer: str, how: Making) -> Settings:
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
        "samples": " ".join(how.samples) or "none",
    }


def _names(layers: Sequence[str]) -> dict[str, str]:
    """A name for the files of each layer, also where file systems take no capitals for others."""
    names: dict[str, str] = {}
    for layer in layers:
        taken = {name.lower() for name in names.values()}
        name, number = safe(layer), 1
        while name.lower() in taken:
            number += 1
            name = f"{safe(layer)}-{number}"
        names[layer] = name
    return names


def _digest(values: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def _tell(line: str) -> None:
    """A line on stderr, where that is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{line}\n")
