"""``report``: the page of a model or a recording as one file, to keep and to send."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import ViewError
from layerscope.core.files import check_free, whole
from layerscope.core.progress import Bar
from layerscope.core.table import size_text
from layerscope.interfaces.page.opening import page_subject, program_of
from layerscope.interfaces.page.page_file import MAX_SIZE, Limits, PageFile

if TYPE_CHECKING:
    from layerscope.recordings.examination import ExaminationReport
    from layerscope.recordings.survey.survey import Survey


def report(
    model: Any,
    x: Any = None,
    path: str | os.PathLike[str] = "report.html",
    *,
    max_size: int = MAX_SIZE,
    live: bool = False,
    classes: Sequence[str] = (),
    survey: Survey | None = None,
    examination: ExaminationReport | None = None,
    overwrite: bool = False,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Write the page of a model, or of a recording, as one file that opens without a network.

    It holds the passage of each sample, every layer, and what is known of units, for each step of a
    training. What would make it larger than ``max_size`` is left out in this order, and the page
    says so: steps, evenly; samples but the first ones; the detail of large maps, which are
    averaged; all but the strongest maps of a layer.

    Parameters
    ----------
    model
        A model; what ``open_recording`` returned; or activations.
    x
        Input for a model, as ``activations`` takes it; recordings have their own.
    path
        The file to write, ``.html``.
    max_size
        Bytes.
    live
        Put the network itself into the file, for models of up to 2 million weights: whoever opens
        it draws a digit, or drops an image, and every layer follows, without Python.
    classes
        Names for the values of the network's output, in their order.
    survey
        A survey of the model on data: units' pages show what they fired for, as far as there is
        room.
    examination
        What :func:`examine` returned: the page lists what was found, and leads to each place.
    overwrite
        Replace the file where there is one already.
    input_range, resize, size, preprocess
        How images become input, as in ``activations``.
    progress
        Called with how much is done, and of how much.

    Raises
    ------
    InputError
        When the model gets no input, or a recording gets one; or it does not fit.
    ModelError
        When it is to be live, and a layer can't be computed in a page: the message names it.
    ViewError
        When the page does not get as small as ``max_size``.
    OutputError
        When there is a file already, or it can't be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ViewError(f"{path.name!r} does not end in .html: name a file that does.")
    check_free(path, overwrite=overwrite)
    reading: dict[str, Any] = {
        "input_range": input_range, "resize": resize, "size": size, "preprocess": preprocess
    }  # fmt: skip
    with whole(path, overwrite=overwrite) as part, Bar("Packing the page") as bar:
        subject = page_subject(
            model, x, classes=classes, survey=survey, examination=examination, **reading
        )
        program = program_of(subject, model, x, **reading) if live else None
        file = PageFile(subject, Limits(max_size), program)
        about = f"about {size_text(file.expected)}"

        def watch(done: int, total: int) -> None:
            bar.show(done, total, about)
            if progress is not None:
                progress(done, total)

        part.write_text(file.html(watch), encoding="utf-8", newline="")
    return path
