"""One survey for each of several checkpoints: what a unit looked for, and since when."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from layerscope.backends.opening import load_model
from layerscope.core.errors import InputError, ModelError
from layerscope.inputs import is_used_up
from layerscope.instruments.record.checkpoint_names import in_order
from layerscope.recordings.survey.series import SurveyedMoment, SurveySeries
from layerscope.recordings.survey.survey import Survey


def surveys_at(
    model: Any,
    data: Any,
    at: Iterable[str | os.PathLike[str]],
    survey: Callable[[Any, str | None], Survey],
    to: str | os.PathLike[str] | None,
    *,
    opens_later: bool = False,
) -> SurveySeries:
    """Return a survey of each checkpoint, in the order of the numbers in their names.

    ``survey`` surveys a model, and keeps it under a name where there is one. A file that holds only
    weights is loaded into a copy of the model, which stays as it is. What ``opens_later`` is handed
    a function that opens the file.

    Raises
    ------
    InputError
        When there is no file, or the data can be run through only once.
    ModelError
        When one of them can't be opened.
    """
    if isinstance(at, str | os.PathLike):
        at = [at]
    files = in_order([os.fspath(path) for path in at])
    if not files:
        raise InputError("at=[]: pass the files of a training, such as ['epoch03.keras'].")
    if len(files) > 1 and is_used_up(data):
        raise InputError(
            f"The data are a {type(data).__name__}, which can be run through only once, and there "
            f"are {len(files)} checkpoints: pass an array, a folder or a loader."
        )
    moments = {}
    for place, file in enumerate(files):
        step = place if file.number is None else file.number
        name = Path(file.path).name
        opened = functools.partial(_opened, str(Path(file.path).absolute()), model)
        where = None if to is None else str(Path(to) / f"{name}.zarr")
        moments[step] = SurveyedMoment(
            name, survey(opened if opens_later else opened(), where), file.epoch, file.metrics
        )
    return SurveySeries(moments)


def _opened(path: str, model: Any) -> Any:
    try:
        return load_model(path)
    except ModelError:
        if model is None:
            raise
        architecture = model if isinstance(model, str | Path) else copy.deepcopy(model)
        return load_model(path, architecture=architecture)
