"""Files whose values are arranged as the model has its axes: sound, and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layerscope.core.network import InputSpec
from layerscope.inputs.settings import Fitted, InputSettings
from layerscope.inputs.sounds import fit_sound
from layerscope.inputs.tables import fit_table

NUMBERS = (".csv", ".tsv", ".wav")


def is_number_file(x: Any) -> bool:
    """Return whether a path names a sound or a table."""
    return isinstance(x, str | Path) and Path(x).suffix.lower() in NUMBERS


def fit_numbers(path: str | Path, spec: InputSpec, settings: InputSettings) -> Fitted:
    """Return what such a file holds, as a batch.

    Raises InputError when it can't be read, or does not fit.
    """
    if Path(path).suffix.lower() == ".wav":
        return fit_sound(path, spec, settings)
    return fit_table(path, spec)
