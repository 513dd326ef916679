"""``serve``: a page on which one explores a network, from Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.interfaces.page.subject import PageSubject
    from layerscope.interfaces.server.serve import Server
    from layerscope.recordings.examination import ExaminationReport
    from layerscope.recordings.run import Run
    from layerscope.recordings.survey.survey import Survey
    from layerscope.recordings.visualization import FeatureVisualization


def serve(
    model: Any,
    x: Any = None,
    *,
    run: Run | None = None,
    against: Any = None,
    classes: Sequence[str] = (),
    features: FeatureVisualization | Sequence[FeatureVisualization] = (),
    survey: Survey | None = None,
    examination: ExaminationReport | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    allow_remote: bool = False,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
) -> Server:
    """Serve a page on which one explores a model, or a training; a browser opens it at its address.

    What comes into view is computed then. A run that is still being written grows on the page, too,
    and a model that was trained further is shown as it is then.

    Parameters
    ----------
    model
        A model, a run (what ``open_recording`` returned), or activations.
    x
        What to run the model on, as ``activations`` takes it; recordings have their own.
    run
        A run of the model's training, to see both.
    against
        Another model of the same architecture, to see how they differ.
    classes
        Names for the values of the network's output, in their order.
    features
        Images that were made for units, which their pages show; others are made there.
    survey
        A survey of the model on data: units' pages show what they fired for.
    examination
        What :func:`examine` returned: the page lists what was found, and leads to each place.
    host, port
        Where the server listens: by default on this machine alone, at any free port.
    allow_remote
        Whether ``host`` may be one that other machines reach. Whoever has the address, which
        travels unencrypted, then sees the model and makes this machine compute.
    input_range, resize, size, preprocess
        How images become input, as in ``activations``.

    Returns
    -------
    Server
        ``.url`` is the whole address, with the token that lets in; ``.stop()`` ends it, and so does
        the end of a ``with`` block, or of the process.

    Raises
    ------
    InputError
        When there is nothing to run the model on, or it does not fit; or when the port is taken.
    ModelError
        When it is no model that layerscope knows, or ``against`` is of another architecture; the
        message says which layer differs first.
    MissingDependencyError
        When Starlette and uvicorn are not installed.
    """
    from layerscope.interfaces.page.opening import page_subject

    subject = page_subject(
        model,
        x,
        run=run,
        against=against,
        classes=classes,
        features=features,
        survey=survey,
        examination=examination,
        input_range=input_range,
        resize=resize,
        size=size,
        preprocess=preprocess,
    )
    subject.watch_models()  # whoever has the model can train it on
    return server_of(subject, host=host, port=port, allow_remote=allow_remote)


def server_of(subject: PageSubject, **where: Any) -> Server:
    """Return the server of a page.

    Raises
    ------
    InputError
        When it can't listen there.
    MissingDependencyError
        When what it needs is not installed.
    """
    check_installed()
    from layerscope.interfaces.server.serve import Server

    subject.attributes = True
    return Server(subject, **where)


def check_installed() -> None:
    """Raise MissingDependencyError where the packages that serve a page are not installed."""
    from layerscope.backends.availability import needs

    for package in ("starlette", "uvicorn"):
        needs(package)
