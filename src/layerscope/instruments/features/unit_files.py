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
from layerscope.recordings.image_checks import HoldsUp, SamePath
from layerscope.recordings.visualization import FeatureVisualization, Grade

Array = npt.NDArray[Any]

_ARRAYS = ("image", "history")
_TEXTS = ("axes", "grades", "notes", "settings")  #: as JSON


@dataclass(frozen=True, slots=True)
class UnitResult:
    """The images of one unit: how they came about, and what they reach."""

    image: Array  #: as the network receives it, without an axis for units
    axes: tuple[str, ...]
    history: Array  #: (step, image)
    grades: tuple[Grade, ...]
    notes: tuple[str, ...]
    alpha: Array | None = None  #: how opaque it is, with the axes of the image but for one input

    @classmethod
    def of(cls, made: FeatureVisualization, layer: str, position: int, variants: int) -> UnitResult:
        """Return that of one of several units, by its position among them."""
        array = made.named(layer)
        where = array.axes.index("channel")
        columns = slice(position * variants, (position + 1) * variants)
        alphas = made.alphas.get(layer)
        return cls(
            array.values.take(position, where),
            array.axes[:where] + array.axes[where + 1 :],
            made.history.values[:, columns],
            made.grades[columns],
            made.notes,
            None if alphas is None else alphas.values.take(position, where),
        )


@dataclass(frozen=True, slots=True)
class UnitFiles:
    """The files of one layer's units, ``012.npz`` and so on, which keep how they were made."""

    folder: OutputFolder
    settings: dict[str, str]
    count: int  #: units that the layer has
    variants: int  #: images of each unit
    shape: tuple[int, ...]  #: of what is kept as ``image``

    def path(self, unit: int) -> Path:
        """Return the path of a unit's file."""
        return self.folder.path / f"{unit:0{len(str(self.count - 1))}d}.npz"

    def write(self, unit: int, made: UnitResult) -> None:
        """Keep what was made for a unit; the file is there when it is whole."""
        arrays: dict[str, Any] = {"image": made.image, "history": made.history}
        if made.alpha is not None:
            arrays["alpha"] = made.alpha
        texts = {
            "axes": made.axes,
            "grades": [dataclasses.asdict(grade) for grade in made.grades],
            "notes": made.notes,
            "settings": self.settings,
        }
        arrays |= {name: np.array(json.dumps(value)) for name, value in texts.items()}
        self.folder.write(self.path(unit).name, lambda path: np.savez(path, **arrays))

    def read(self, *, overwrite: bool = False) -> dict[int, UnitResult]:
        """Return what was made already, by unit; a file that can't be read counts as none.

        Raises OutputError for units that were made in another way, unless they may be replaced.
        """
        made = {}
        for unit in range(self.count):
            try:
                members = load_members(self.path(unit), [*_ARRAYS, *self._more, *_TEXTS])
                settings = _checked_settings(_parsed(members["settings"]))
                if settings == self.settings:
                    made[unit] = self._result(members)
                    continue
            except InputError:
                continue
            if not overwrite:
                raise OutputError(self._made_otherwise(settings))
        return made

    @property
    def _more(self) -> tuple[str, ...]:
        """The arrays that only some recipes make."""
        return ("alpha",) if self.settings.get("transparency") == "True" else ()

    def _result(self, members: dict[str, Array]) -> UnitResult:
        """Return what a file holds.

        Raises InputError where that is not what was made with these settings.
        """
        image, history = members["image"], members["history"]
        axes, grades, notes = (_parsed(members[name]) for name in ("axes", "grades", "notes"))
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
        alpha = members.get("alpha")
        if alpha is not None and alpha.shape != (*self.shape[:-1], 1):
            raise InputError("The file holds something else than a unit.")
        return UnitResult(
            image, tuple(axes), history, tuple(map(_grade, grades)), tuple(notes), alpha
        )

    def _made_otherwise(self, settings: dict[str, str]) -> str:
        """Return what to say of units that were made with other settings."""
        ours = self.settings
        names = (*ours, *settings)
        differs = next(name for name in names if ours.get(name) != settings.get(name))
        before, now = settings.get(differs, "none"), ours.get(differs, "none")
        what = f"{differs} {before}, not {now}" if len(before + now) < 80 else f"other {differs}"
        if differs == "model":
            what = "another model"
        folder = self.folder
        return (
            f"The folder {str(folder.path)!r} holds units that were made with {what}: "
            f"{folder.another}, or {folder.consent} to replace them."
        )


def _parsed(text: Array) -> Any:
    """Return what a text is as JSON; raise InputError where it is none."""
    try:
        return json.loads(str(text))
    except ValueError as error:
        raise InputError(f"The text is no JSON ({error}).") from error


def _checked_settings(value: Any) -> dict[str, str]:
    """Return settings that were read; raise InputError for anything else."""
    if not isinstance(value, dict) or not _is_texts(list(value.values())):
        raise InputError("The file holds no settings.")
    return value


def _grade(value: Any) -> Grade:
    """Return a grade that was read; raise InputError for anything else."""
    names = {each.name for each in dataclasses.fields(Grade)}
    if isinstance(value, dict) and value.keys() == names:
        checks = {
            "same_path": SamePath.from_json(value["same_path"]),
            "holds_up": HoldsUp.from_json(value["holds_up"]),
        }
        grade = Grade(**{**value, **checks})
        numbers = (grade.reached, grade.start, 0.0 if grade.samples is None else grade.samples)
        if _is_texts([grade.address, grade.note]) and all(isinstance(n, float) for n in numbers):
            return grade
    raise InputError("The file holds no grades.")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
