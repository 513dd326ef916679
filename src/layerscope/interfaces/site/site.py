"""``site``: every unit of a survey in a folder of files, to open from a disk or put on any host."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerscope._version import __version__
from layerscope.core.errors import InputError, OutputError
from layerscope.core.files import OutputFolder
from layerscope.core.progress import Bar
from layerscope.core.text import file_stem, printable
from layerscope.interfaces.page.document import file_html
from layerscope.interfaces.site.layer_files import (
    CELL,
    COLUMNS,
    EACH,
    KINDS,
    PER_FILE,
    PER_GRID,
    SIDE,
    Galleries,
    LayerFiles,
)
from layerscope.recordings.survey.survey import Survey

START, STYLES = "site/start_site.js", ("style.css", "site/site.css")
ABOUT, LAYERS, INDEX = "site.json", "layers", "index.html"


def site(
    survey: Survey,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Write every unit of a survey as a site of plain files: a Microscope of one's own model.

    ``index.html`` opens from the disk, and from any web host; it needs no server, no network and
    nobody else's script. Each layer has all its units with their strongest examples, each unit a
    page with strongest, weakest and evenly drawn examples, histogram and figures. One searches by
    layer, by unit, by the label that units prefer, and for units that never fired.

    Stopped, it goes on the next time: files are written whole or not at all, and those of the same
    survey are left as they are.

    Parameters
    ----------
    survey
        What :func:`layerscope.survey` or :func:`layerscope.open_recording` returned.
    folder
        A folder; what is there of the same survey is completed.
    overwrite
        Replace the site of another survey that is there.
    progress
        Called with how much is done, and of how much.

    Returns
    -------
    Path
        The index page.

    Raises
    ------
    InputError
        When it is no survey.
    OutputError
        When something else is in the folder, or it can't be written.
    """
    if not isinstance(survey, Survey):
        raise InputError(
            f"A site is made of a survey, and this is {type(survey).__name__}: pass what "
            "layerscope.survey or layerscope.open_recording returned."
        )
    return write_site(survey, OutputFolder(Path(folder)), overwrite=overwrite, progress=progress)


def write_site(
    survey: Survey,
    folder: OutputFolder,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Write a site as :func:`site` does, to a folder whose errors speak of a caller's options."""
    _claim(survey, folder, overwrite=overwrite)
    galleries = Galleries.of(survey)
    layers = [
        LayerFiles(
            survey,
            address,
            folder.within(f"{LAYERS}/{number:03d}-{file_stem(address, 'layer')[:40]}"),
            galleries,
        )
        for number, address in enumerate(survey)
    ]
    total = sum(layer.count for layer in layers)
    done = 0
    with Bar("Writing the site", total) as bar:
        for layer in layers:
            for _ in layer.write():
                done += 1
                bar.show(done, total, printable(layer.layer))
                if progress is not None:
                    progress(done, total)
    document = file_html(
        f"Units of {printable(survey.network.name)}",
        _index(survey, layers),
        (),
        START,
        kinds=(),
        styles=STYLES,
        files=True,
    )
    return folder.write_text(INDEX, document)


def _claim(survey: Survey, folder: OutputFolder, *, overwrite: bool) -> None:
    """Take a folder that is empty, or holds what is to be completed; raises OutputError."""
    path, mark = folder.path, _mark(survey)
    known = _known(path)
    if known == mark:
        return
    if known is None:
        folder.claim(overwrite=overwrite)
    elif not overwrite:
        raise OutputError(
            f"The folder {str(path)!r} holds the site of another survey, or of this one when "
            f"it had other samples: {folder.another}, or {folder.consent} to replace it."
        )
    else:
        try:
            (path / INDEX).unlink(missing_ok=True)  # first, so that nothing is half of both
            shutil.rmtree(path / LAYERS, ignore_errors=True)
            (path / ABOUT).unlink()
        except OSError as error:
            raise OutputError(
                f"The site in {str(path)!r} can't be replaced ({error.strerror or error})."
            ) from error
    about = {"kind": "layerscope site", "survey": mark}
    folder.write_text(ABOUT, json.dumps(about) + "\n")


def _known(path: Path) -> str | None:
    """Return of which survey a folder's site is; None where there is none."""
    try:
        about: Any = json.loads((path / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(about, dict) or about.get("kind") != "layerscope site":
        return None
    return str(about.get("survey"))


def _mark(survey: Survey) -> str:
    """Return what tells a survey from others, and from itself with other samples."""
    digest = hashlib.sha256()
    shape = (__version__, CELL, PER_GRID, SIDE, PER_FILE, EACH, survey.network.name, survey.labels)
    digest.update(repr((shape, survey.ranges, survey.top)).encode())
    for address, tally in survey.tallies.items():
        digest.update(address.encode("utf-8", "surrogatepass"))
        for array in (tally.mean, tally.high, tally.top.samples, tally.weak.samples):
            digest.update(array.tobytes())
    return digest.hexdigest()


def _index(survey: Survey, layers: list[LayerFiles]) -> dict[str, Any]:
    return {
        "title": printable(survey.network.name),
        "samples": survey.count,
        "labels": list(survey.labels),
        "notes": list(survey.notes),
        "unreadable": len(survey.unreadable),
        "cell": CELL,
        "columns": COLUMNS,
        "perGrid": PER_GRID,
        "perFile": PER_FILE,
        "each": EACH,
        "kinds": list(KINDS),
        "layers": [layer.facts() for layer in layers],
    }
