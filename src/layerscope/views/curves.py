"""``curves``: what a training did to each layer, over its steps, with the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core.errors import ViewError
from layerscope.core.table import a_kind
from layerscope.core.text import shown_name
from layerscope.recordings.findings import (
    Series,
    best_position,
    findings,
    layer_series,
    stopped_epoch,
)
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.visualization import Visualization
from layerscope.views.objective_curves import ascents
from layerscope.views.render.lines import (
    HIGH,
    NAMED,
    NOTES,
    WIDTH,
    Values,
    dots,
    extremes,
    legend,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SILENT = "silent units"
_LEAST_SHARE = 0.1  #: of silent units, that the axis shows


@dataclass(frozen=True)
class History:
    """The metrics of a training by name, whatever kept them."""

    title: str
    x: Values  #: where each value stands
    unit: str  #: what is counted: ``epoch`` or ``step``
    metrics: Mapping[str, Values]
    best: float | None = None  #: where it was best
    stopped: float | None = None  #: where it stopped before its time
    layers: Sequence[Series] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def curves(
    run_or_history: Any, *, logarithmic: bool = False, figsize: tuple[float, float] | None = None
) -> Figure:
    """The metrics of a training, and what it did to each layer: a Matplotlib figure.

    Of a run, below the losses and the scores, for each layer over the steps: the share of units
    that are zero on the whole probe, the mean activation, and by how much each step changed its
    weights, as a share of their norm; and what
    :func:`layerscope.recordings.findings.findings` says in words.
    With many layers the lines are coloured by depth, and the five highest
    and the five lowest named. Of images made for units, the objective of each over the steps, where
    octaves begin, and what the samples reach. The best epoch, by the
    validation's loss or score, is marked, and the one at which a training stopped early.

    Parameters
    ----------
    run_or_history
        What ``open_recording`` returned; what Keras' ``fit`` returned, or its ``history``; or a
        fitted scikit-learn MLP (``loss_curve_``, ``validation_scores_``). Epochs count from 0. Or
        images made for units.
    logarithmic
        The losses, or the objectives, on a logarithmic scale.
    figsize
        In inches.

    Raises
    ------
    ViewError
        When it is none of these, or holds nothing yet.
    """
    from layerscope.views.render.shown import ShownFigure

    if isinstance(run_or_history, Visualization):
        return ascents(run_or_history, logarithmic, figsize)
    history = read_history(run_or_history)
    parts = _parts(history)
    size = figsize or (WIDTH, 0.9 + HIGH * len(parts) + 0.17 * min(NOTES, len(history.notes)))
    figure: Figure = ShownFigure(figsize=size, layout="constrained")
    rows = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (label, lines) in zip(rows, parts, strict=True):
        if isinstance(lines, list):
            _draw_layers(ax, history, label, lines)
        else:
            _draw_metrics(ax, history, label, lines)
            if logarithmic and label == "loss":
                ax.set_yscale("log")
        _mark(ax, history, words=ax is rows[0])
    rows[-1].set_xlabel(history.unit)
    rows[-1].xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(_titled(history), parse_math=False)
    if history.notes:
        written = "\n".join(shortened(history.notes, "findings"))
        figure.supxlabel(written, fontsize=8, x=0.01, ha="left", parse_math=False)
    return figure


def read_history(given: Any) -> History:
    """What is known of a training, by the attributes of what keeps it.

    Raises
    ------
    ViewError
        When it keeps nothing that can be drawn.
    """
    if isinstance(given, Run):
        return _of_run(given)
    if hasattr(given, "loss_curve_"):
        return _of_mlp(given)
    kept = getattr(given, "history", given)
    if isinstance(kept, Mapping) and kept and all(map(_is_curve, kept.values())):
        return _of_history(given, kept)
    said = "a fitted one: it has no loss_curve_" if hasattr(given, "n_iter_no_change") else (
        "what open_recording returned, what Keras' fit returned, or a fitted scikit-learn MLP"
    )  # fmt: skip
    raise ViewError(f"curves can't draw {_told(given, kept)}: pass {said}.")


def _told(given: Any, kept: Any) -> str:
    """What was given in the place of a training."""
    if isinstance(given, Recording):
        return "a recording of a single moment"
    if isinstance(kept, Mapping):
        name = next((name for name, values in kept.items() if not _is_curve(values)), None)
        return f"a history whose {name!r} is no list of numbers" if kept else "an empty history"
    return a_kind(given)


def _is_curve(values: Any) -> bool:
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str):
        return False
    return len(values) > 0 and all(np.ndim(value) == 0 and _is_number(value) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _of_run(run: Run) -> History:
    run = run.activations
    count = len(run.steps)
    if not count:
        raise ViewError("This recording holds no steps yet.")
    by_epoch = bool(np.isfinite(run.epochs).all())
    x = np.asarray(run.epochs if by_epoch else run.steps, np.float64)
    metrics = {name: np.asarray(own, np.float64) for name, own in run.metrics.items()}
    best = best_position(metrics)
    return History(
        f"{shown_name(run.network.name)} over {count} steps",
        x,
        "epoch" if by_epoch else "step",
        metrics,
        None if best is None else float(x[best[1]]),
        stopped_epoch(run) if by_epoch else None,
        layer_series(run),
        [str(finding) for finding in findings(run)],
    )


def _of_history(given: Any, kept: Mapping[str, Any]) -> History:
    metrics = {str(name): np.asarray(values, np.float64) for name, values in kept.items()}
    count = max(map(len, metrics.values()))
    epochs = getattr(given, "epoch", None) or range(count)
    x = np.asarray(epochs if len(epochs) == count else range(count), np.float64)
    best = best_position(metrics)
    params = getattr(given, "params", None) or {}
    planned = params.get("epochs") if isinstance(params, Mapping) else None
    stopped = float(x[-1]) if isinstance(planned, int) and x[-1] + 1 < planned else None
    name = getattr(getattr(given, "model", None), "name", None) or "Training"
    title = f"{shown_name(str(name))} over {count} epochs"
    where = None if best is None else float(x[best[1]])
    return History(title, x, "epoch", metrics, where, stopped)


def _of_mlp(mlp: Any) -> History:
    loss = np.asarray(mlp.loss_curve_, np.float64)
    metrics = {"loss": loss}
    scores = getattr(mlp, "validation_scores_", None)
    if scores is not None and len(scores):
        metrics["validation_score"] = np.asarray(scores, np.float64)
    best = best_position(metrics)
    # scikit-learn keeps the weights of the best validation, or, without one, those of the end.
    stopped = float(len(loss) - 1) if len(loss) < getattr(mlp, "max_iter", 0) else None
    title = f"{type(mlp).__name__} over {len(loss)} epochs"
    where = None if best is None else float(best[1])
    return History(title, np.arange(len(loss), dtype=np.float64), "epoch", metrics, where, stopped)


def _parts(history: History) -> list[tuple[str, dict[str, Values] | list[tuple[str, Values]]]]:
    """What each part of the figure shows, from top to bottom; nothing that is empty."""
    losses = {n: v for n, v in history.metrics.items() if "loss" in n.lower()}
    rates = {n: v for n, v in history.metrics.items() if n in ("lr", "learning_rate")}
    scores = {n: v for n, v in history.metrics.items() if n not in losses and n not in rates}
    changing = {n: v for n, v in rates.items() if np.nanmin(v) < np.nanmax(v)}
    small = {n: v for n, v in scores.items() if np.nanmax(np.abs(v), initial=0) <= 1}
    large = {n: v for n, v in scores.items() if n not in small}
    parts: list[tuple[str, Any]] = [
        ("loss", losses), ("score", small), ("metrics", large), ("learning rate", changing),
    ]  # fmt: skip
    for label, name in (
        (_SILENT, "dead"),
        ("mean activation", "mean"),
        ("change of weights", "change"),
    ):
        own = [(s.address, getattr(s, name)) for s in history.layers]
        parts.append((label, [(a, v) for a, v in own if v is not None and np.isfinite(v).any()]))
    shown = [(label, lines) for label, lines in parts if lines]
    if not shown:
        raise ViewError("There is nothing to draw: no metrics and no statistics were recorded.")
    return shown


def _draw_metrics(ax: Axes, history: History, label: str, lines: Mapping[str, Values]) -> None:
    """The metrics of training as lines, those of validation dashed and in the same colour."""
    base = list(dict.fromkeys(name.removeprefix("val_") for name in lines))
    handles = []
    for name, values in lines.items():
        colour = f"C{base.index(name.removeprefix('val_')) % 10}"
        style = "--" if name.startswith("val") else "-"
        x = _x(history, values)
        handles += ax.plot(x, values, style, color=colour, label=name, **dots(values))
    ax.set_ylabel(label)
    legend(ax, handles[:NAMED], list(lines)[:NAMED])


def _draw_layers(
    ax: Axes, history: History, label: str, lines: Sequence[tuple[str, Values]]
) -> None:
    """A line for each layer, coloured by depth."""
    import matplotlib as mpl
    from matplotlib.ticker import LogLocator, NullFormatter

    depths = {series.address: i for i, series in enumerate(history.layers)}
    last = max(1, len(depths) - 1)
    few, silence = len(lines) <= NAMED, label == _SILENT
    some = [(name, own) for name, own in lines if (own > 0).any()] if silence else []
    named = extremes(some or lines)
    handles = {}
    for address, values in lines:
        colour = mpl.colormaps["turbo"](0.04 + 0.92 * depths[address] / last)
        (handles[address],) = ax.plot(
            _x(history, values),
            values,
            color=colour,
            label=address,
            linewidth=1.5 if few else 0.7,
            **dots(values),
        )
    ax.set_ylabel(label)
    if silence:
        top = max(_LEAST_SHARE, *(float(np.nanmax(values)) for _, values in lines))
        ax.set_ylim(-0.03 * top, 1.03 * top)
    if label == "change of weights" and all(np.nanmin(v) > 0 for _, v in lines):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_minor_formatter(NullFormatter())
    if label != "mean activation":
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    which = "the others 0 %" if silence and len(some) == len(named) else "highest and lowest"
    title = "" if few else f"{len(named)} of {len(lines)} layers,\n{which}"
    shown = {address: line for address, line in handles.items() if address in named}
    legend(ax, list(shown.values()), list(shown), title)


def _x(history: History, values: Values) -> Values:
    """Where the values stand; those that began later end with the others."""
    return history.x[len(history.x) - len(values) :]


def _mark(ax: Axes, history: History, *, words: bool) -> None:
    """A line at the best epoch, and one where the training stopped."""
    marks = [("best", history.best, ":"), ("stopped", history.stopped, "-.")]
    for name, at, style in marks:
        if at is None:
            continue
        ax.axvline(at, color="0.55", linestyle=style, linewidth=0.9)
        if words:
            ax.annotate(
                f"{name} {at:g}", (at, 1), (0, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=7, ha="right" if name == "best" else "left",
                color="0.35",
            )  # fmt: skip


def _titled(history: History) -> str:
    said = [history.title]
    if history.best is not None:
        said.append(f"best at {history.unit} {history.best:g}")
    if history.stopped is not None:
        said.append(f"stopped at {history.unit} {history.stopped:g}")
    return ", ".join(said)
