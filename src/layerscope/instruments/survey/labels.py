"""Labels of samples, read from a file."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from layerscope.core.errors import InputError
from layerscope.inputs.array_files import array_file, load_array


def read_labels(path: str | os.PathLike[str]) -> list[str] | dict[str, str]:
    """Read labels: one for each sample in order, or by the samples' names.

    A text file has one on each line, or ``name,label``; a ``.npy`` file one number for each sample.

    Raises
    ------
    InputError
        When it can't be read, or holds no labels.
    """
    file = array_file(path)
    if file is not None:
        values = load_array(file)
        if values.ndim != 1:
            raise InputError(
                f"{os.fspath(path)!r} has shape {values.shape}: labels are one number for each "
                "sample, along one axis."
            )
        return [str(label) for label in np.asarray(values).tolist()]
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{os.fspath(path)!r} can't be read: labels are a text file.") from error
    rows = [row for row in csv.reader(text.splitlines()) if row]
    widths = {len(row) for row in rows}
    if widths == {1}:
        return [row[0].strip() for row in rows]
    if widths == {2}:
        return {row[0].strip(): row[1].strip() for row in rows}
    raise InputError(
        f"{os.fspath(path)!r} holds no labels: write one on each line, or 'name,label'."
    )
