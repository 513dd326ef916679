"""``open_recording``: what an instrument has kept in a folder, opened without any framework."""

from __future__ import annotations

import os
from typing import Any


def open_recording(url: str | os.PathLike[str]) -> Any:
    """Open what a ``Recorder`` has written, or is writing, or what ``survey(..., to=url)`` has.

    Parameters
    ----------
    url
        A folder; of a training also any URL that fsspec knows: ``s3://bucket/run.zarr``.

    Returns
    -------
    Run or Survey
        Of a training a :class:`Run`: a mapping from addresses to lazy ``xarray.DataArray`` with the
        axis ``step`` first, and the coordinates ``epoch`` and ``wall_time`` along it. Of a survey a
        :class:`Survey`: a mapping from addresses to ``xarray.Dataset``.

    Raises
    ------
    InputError
        When there is neither, it is damaged, or of a version that is not known yet.
    MissingDependencyError
        When Zarr is not installed.
    """
    from layerscope.recordings.run import open_run
    from layerscope.recordings.survey.store import is_begun, is_survey, open_survey

    if isinstance(url, str | os.PathLike) and (is_survey(url) or is_begun(url)):
        return open_survey(url)
    return open_run(url)
