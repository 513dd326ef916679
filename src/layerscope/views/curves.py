"""``curves``: what a training did to each layer, over its steps, with the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from layerscope.core.errors import ViewError
from layerscope.core.table import a_kind
from layerscope.core.text import shown_name
from layerscope.recordings.finding import change_title
from layerscope.recordings.findings import (
    Series,
    best_position,
    findings,
    layer_series,
    stopped_epoch,
)
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.objective_curves import ascents
from layerscope.views.render.legend import shortened_notes
from layerscope.views.render.lines import (
    NAMED,
    Chart,
    Line,
    Mark,
    Values,
    colour_of,
    extremes,
    lines_panel,
)
from layerscope.views.render.panel import Panel

_SILENT = "silent units"
_DECADES = 1000  #: how many times larger the largest value is than the least, on a log axis
_FINEST = 1e-8  #: smaller values than this share of the largest are as good as zero
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
    provenance: Callable[[], Mapping[str, str]] = dict
    moved: str = "change of weights"  #: what these are called


def curves(
    run_or_history: Any, *, logarithmic: bool = False, figsize: tuple[float, float] | None = None
) -> Panel:
    """Draw the metrics of a training, and what it did to each layer.

    Of a run, below the losses and the scores, for each layer over the steps: the share of units
    that are zero on the whole probe, the mean activation, and by how much each step changed its
    weights, as a share of their norm (each epoch, where steps are not equally far apart); and what
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
    if isinstance(run_or_history, FeatureVisualization):  # anything at all may be passed
        return ascents(run_or_history, logarithmic, figsize)
    history = read_history(run_or_history)
    return lines_panel(
        _titled(history),
        _charts(history, logarithmic),
        x=history.unit,
        address="*",
        marks=best_and_stopped(history),
        notes=shortened_notes(history.notes, "findings"),
        scale="logarithmic" if logarithmic else "linear",
        figsize=figsize,
        provenance=history.provenance,
    )


def read_history(given: Any) -> History:
    """Read what is known of a training, by the attributes of what keeps it.

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
    wanted = "a fitted one: it has no loss_curve_" if hasattr(given, "n_iter_no_change") else (
        "what open_recording returned, what Keras' fit returned, or a fitted scikit-learn MLP"
    )  # fmt: skip
    raise ViewError(f"curves can't draw {_described(given, kept)}: pass {wanted}.")


def _described(given: Any, kept: Any) -> str:
    """Return what was given in the place of a training."""
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
    metrics = {name: np.asarray(values, np.float64) for name, values in run.metrics.items()}
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
        lambda: run.provenance,
        change_title(run),
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


def metric_charts(history: History, *, logarithmic: bool = False) -> list[Chart]:
    """Return the charts of what was measured, the losses first; none that is empty."""
    losses = {n: v for n, v in history.metrics.items() if "loss" in n.lower()}
    rates = {n: v for n, v in history.metrics.items() if n in ("lr", "learning_rate")}
    scores = {n: v for n, v in history.metrics.items() if n not in losses and n not in rates}
    changing = {n: v for n, v in rates.items() if np.nanmin(v) < np.nanmax(v)}
    small = {n: v for n, v in scores.items() if np.nanmax(np.abs(v), initial=0) <= 1}
    large = {n: v for n, v in scores.items() if n not in small}
    return [
        Chart(
            label,
            _metric_lines(history, metrics),
            logarithmic=logarithmic and label == "loss",
            linear_to=None
            if logarithmic and label == "loss"
            else linear_to(list(metrics.values())),
        )
        for label, metrics in (
            ("loss", losses), ("score", small), ("metrics", large), ("learning rate", changing),
        )
        if metrics
    ]  # fmt: skip


def told_apart(charts: Sequence[Chart]) -> list[Chart]:
    """Return the charts in colours that tell their lines apart where they lie over one another."""
    names = [line.name.removeprefix("val_") for chart in charts for line in chart.lines]
    order = list(dict.fromkeys(names))
    return [
        replace(
            chart,
            lines=[
                replace(line, colour=colour_of(order.index(line.name.removeprefix("val_"))))
                for line in chart.lines
            ],
        )
        for chart in charts
    ]


def _charts(history: History, logarithmic: bool) -> list[Chart]:
    """Return the charts from top to bottom; none that is empty."""
    charts = metric_charts(history, logarithmic=logarithmic)
    for label, name in (
        (_SILENT, "dead"),
        ("mean activation", "mean"),
        (history.moved, "change"),
    ):
        figures = [(s.address, getattr(s, name)) for s in history.layers]
        series = [(a, v) for a, v in figures if v is not None and np.isfinite(v).any()]
        if series:
            charts.append(_layer_chart(history, label, series))
    if not charts:
        raise ViewError("There is nothing to draw: no metrics and no statistics were recorded.")
    return charts


def linear_to(series: Sequence[Values]) -> float | None:
    """Return up to which value an axis is linear, where values span decades; None where not.

    Beyond it the axis is logarithmic, in both directions.
    """
    sizes = np.abs(np.concatenate([np.asarray(values, np.float64) for values in series]))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not len(sizes) or sizes.max() < _DECADES * sizes.min():
        return None
    least = max(float(sizes.min()), float(sizes.max()) * _FINEST)
    # A few values near zero, where a line crosses it, make no decades.
    spread = float(np.quantile(sizes, 0.9) / np.quantile(sizes, 0.1))
    return least if spread >= _DECADES or sizes.max() >= _DECADES * np.median(sizes) else None


def _metric_lines(history: History, metrics: Mapping[str, Values]) -> list[Line]:
    """Return the metrics of training as lines, those of validation dashed in the same colour."""
    base = list(dict.fromkeys(name.removeprefix("val_") for name in metrics))
    return [
        Line(
            name,
            _x(history, values),
            values,
            colour_of(base.index(name.removeprefix("val_"))),
            dashed=name.startswith("val"),
            named=i < NAMED,
        )
        for i, (name, values) in enumerate(metrics.items())
    ]


def _layer_chart(history: History, label: str, series: Sequence[tuple[str, Values]]) -> Chart:
    """Return a chart with a line for each layer, coloured by depth."""
    depths = {layer.address: i for i, layer in enumerate(history.layers)}
    few, silence = len(series) <= NAMED, label == _SILENT
    some = [(name, values) for name, values in series if (values > 0).any()] if silence else []
    named = {name for name, _ in series} if few else extremes(some or series)
    limits = None
    if silence:
        top = max(_LEAST_SHARE, *(float(np.nanmax(values)) for _, values in series))
        limits = (-0.03 * top, 1.03 * top)
    logarithmic = label == "change of weights" and all(np.nanmin(v) > 0 for _, v in series)
    which = "the others 0 %" if silence and len(some) == len(named) else "highest and lowest"
    return Chart(
        label,
        [
            Line(
                address,
                _x(history, values),
                values,
                colour_of(depths[address], len(depths)),
                width=1.5 if few else 0.7,
                named=address in named,
            )
            for address, values in series
        ],
        percent=label != "mean activation",
        logarithmic=logarithmic,
        linear_to=None if logarithmic or silence else linear_to([v for _, v in series]),
        limits=limits,
        title="" if few else f"{len(named)} of {len(series)} layers,\n{which}",
    )


def _x(history: History, values: Values) -> Values:
    """Return where the values stand; those that began later end with the others."""
    return history.x[len(history.x) - len(values) :]


def best_and_stopped(history: History) -> list[Mark]:
    """Return the marks of the best epoch, and of the one where the training stopped."""
    marks = []
    if history.best is not None:
        marks.append(Mark(history.best, f"best {history.best:g}", "dotted", "left"))
    if history.stopped is not None:
        marks.append(Mark(history.stopped, f"stopped {history.stopped:g}", "dashdot", "right"))
    return marks


def _titled(history: History) -> str:
    words = [history.title]
    if history.best is not None:
        words.append(f"best at {history.unit} {history.best:g}")
    if history.stopped is not None:
        words.append(f"stopped at {history.unit} {history.stopped:g}")
    return ", ".join(words)
