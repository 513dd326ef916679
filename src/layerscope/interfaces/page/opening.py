"""What a page is to be about: a model on some input, a training, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.core.errors import InputError
from layerscope.core.table import a_kind
from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.subject import PageSubject
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run


def page_subject(
    model: Any,
    x: Any = None,
    run: Any = None,
    *,
    classes: Sequence[str] = (),
    code: Mapping[str, str] | None = None,
    **reading: Any,
) -> PageSubject:
    """Return what a page of a model on an input is about, of a run, or of a model with its run.

    ``reading`` says how images become input, as in ``activations``.

    Raises
    ------
    InputError
        When there is nothing to run the model on, or it does not fit.
    ModelError
        When it is no model that layerscope knows.
    """
    if isinstance(model, Run) and run is None:
        if x is not None:
            raise InputError(
                "A run has its own input: leave out x, or pass the model to run it on, as in "
                "serve(model, x, run=run)."
            )
        return PageSubject(run=model.activations, classes=classes, code=code)
    if isinstance(model, Recording):
        raise InputError(f"A page is of a model and x, or of a run, and this is {a_kind(model)}.")
    if run is not None and not isinstance(run, Run):
        raise InputError(f"run is {a_kind(run)}: pass what open_recording returned.")
    if x is None and run is None:
        raise InputError("There is no input to run the model on: pass x, such as 'noise'.")
    samples = SampleRecordings(model, x, **reading)
    recorded = None if run is None else run.activations
    return PageSubject(samples, recorded, classes=classes, code=code)
