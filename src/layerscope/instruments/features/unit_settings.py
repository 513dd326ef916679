"""All that decides what the images of units are, as text: equal texts make equal images."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.inputs import files_of
from layerscope.inputs.array_files import array_file
from layerscope.instruments.features.ascent.examples import Examples
from layerscope.instruments.features.ascent.task import Task
from layerscope.recordings.survey.store import is_survey

Array = npt.NDArray[Any]

#: Values of a recipe that do not decide by themselves what an image is.
_WRITTEN_OTHERWISE = ("name", "meant_for", "start", "size", "input_range")


def unit_settings(task: Task, layer: str, *, retry: bool, samples: str) -> dict[str, str]:
    """Return what decides how the images of a layer's units come out, each thing by its name.

    ``samples`` is what :func:`samples_text` or :func:`values_text` returned.
    """
    recipe = task.ascent.recipe
    values = {
        field.name.replace("_", " "): str(getattr(recipe, field.name))
        for field in dataclasses.fields(recipe)
        if field.compare and field.name not in _WRITTEN_OTHERWISE
    }
    start = task.start if isinstance(task.start, str) else f"image {digest_of(task.start)[:12]}"
    return {
        "model": task.backend.digest(),
        "layer": layer,
        "recipe": recipe.name,
        "shape": "×".join(map(str, task.ascent.canvas.shape)),
        "input range": str(task.ascent.canvas.input_range),
        "start": start,
        **values,
        "seed": str(task.seeds[0]),
        "batch": str(task.variants),
        "retry": str(retry),
        "samples": samples,
    }


def samples_text(names: Sequence[str]) -> str:
    """Return what samples hold that are named, in a few words: others have others.

    Reads each of their files once, to its end.
    """
    digest, count = hashlib.sha256(), 0
    for name in _each(names):
        digest.update(f"{Path(name).name}\n".encode("utf-8", "surrogatepass"))
        file = array_file(name)
        path = Path(name) if file is None else file.path
        try:
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").digest()
            count += 1
        except OSError:  # no file, such as digits:7, or one that is skipped as it can't be read
            content = b""
        digest.update(content)
    if not count:
        return " ".join(names) or "none"
    return f"{count} file{'s' * (count != 1)} ({digest.hexdigest()[:12]})"


def values_text(samples: Examples) -> str:
    """Return what samples hold that are values, in a few words. Reads all of them once."""
    digest, count = hashlib.sha256(), 0
    for chunk in samples.chunks():
        digest.update(np.ascontiguousarray(chunk).data)
        count += len(chunk)
    return f"{count} sample{'s' * (count != 1)} ({digest.hexdigest()[:12]})"


def digest_of(values: Array) -> str:
    """Return the SHA-256 of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def _each(names: Sequence[str]) -> Iterator[str]:
    """Yield the names, with the files of a folder, a glob or a survey in place of it."""
    for name in names:
        if is_survey(name):
            yield from sorted(str(path) for path in Path(name).rglob("*") if path.is_file())
            continue
        files = None if name.partition(":")[0] == "digits" else files_of(name)
        yield from (name,) if files is None else files.paths
