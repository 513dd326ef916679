"""Files of single units: what was made for each, and how, so that no unit is made twice."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError, OutputError
from layerscope.core.files import OutputFolder
from layerscope.inputs.array_files import load_members
from layerscope.recordings.visualization import FeatureVisualization, Grade

Array = npt.NDArray[Any]
Settings = dict[str, str]

_ARRAYS = ("image", "history")
_TEXTS = ("axes", "grades", "notes", "settings")  #: as JSON


@dataclass(frozen=True, slots=True)
class Unit:
    """What was made for one unit."""

    image: Array  #: as the network receives it, without an axis for units
    axes: tuple[str, ...]
    history: Array  #: (step, image)
    grades: tuple[Grade, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, made: FeatureVisualization, layer: str, position: int, variants: int) -> Unit:
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

    output: OutputFolder
    settings: Settings
    count: int  #: units that the layer has
    variants: int  #: images of each unit
    shape: tuple[int, ...]  #: of what is kept as ``image``

    def path(self, unit: int) -> Path:
        """The file of a unit."""
        return self.output.path / f"{unit:0{len(str(self.count - 1))}d}.npz"

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
                told = load_members(self.path(unit), [*_ARRAYS, *_TEXTS])
                settings = _settings(_parsed(told["settings"]))
                if settings == self.settings:
                    found[unit] = self._unit(told)
                    continue
            except InputError:
                continue
            if not force:
                raise OutputError(self._another(settings))
        return found

    def _unit(self, told: dict[str, Array]) -> Unit:
        """What a file holds.

        Raises InputError where that is not what was made with these settings.
        """
        image, history = told["image"], told["history"]
        axes, grades, notes = (_parsed(told[name]) for name in ("axes", "grades", "notes"))
        fits = (
            image.shape == self.shape
            and history.ndim == 2
            and len(history) > 0
            and history.shape[1] == self.variants
            and image.dtype.kind == history.dtype.kind == "f"
            and _is_texts(axes)
            and len(axes) == image.ndim
            and _is_texts(notes)
            and isinstance(grades, list)
            and len(grades) == self.variants
        )
        if not fits:
            raise InputError("The file holds something else than a unit.")
        return Unit(image, tuple(axes), history, tuple(map(_grade, grades)), tuple(notes))

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
            f"The folder {str(self.output.path)!r} holds units that were made with {said}: name "
            "another with --out, or pass --force to replace them."
        )


def _parsed(text: Array) -> Any:
    """What a text is as JSON; raises InputError where it is none."""
    try:
        return json.loads(str(text))
    except ValueError as error:
        raise InputError(f"The text is no JSON ({error}).") from error


def _settings(told: Any) -> Settings:
    """The settings that were read; raises InputError for anything else."""
    if not isinstance(told, dict) or not _is_texts(list(told.values())):
        raise InputError("The file holds no settings.")
    return told


def _grade(told: Any) -> Grade:
    """The grade that was read; raises InputError for anything else."""
    if isinstance(told, dict) and told.keys() == {each.name for each in dataclasses.fields(Grade)}:
        grade = Grade(**told)
        numbers = (grade.reached, grade.start, 0.0 if grade.samples is None else grade.samples)
        if _is_texts([grade.address, grade.note]) and all(isinstance(n, float) for n in numbers):
            return grade
    raise InputError("The file holds no grades.")


def _is_texts(told: Any) -> bool:
    return isinstance(told, list) and all(isinstance(each, str) for each in told)
