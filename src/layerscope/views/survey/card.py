"""The card of a unit: all that is known of it, on one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from layerscope.core.addresses import Place
from layerscope.core.errors import LayerscopeError
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.survey.survey import Survey
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.explorer.feature_image import feature_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.unit import after, before, kernel
from layerscope.views.render.board import board_panel
from layerscope.views.render.cards import as_maps
from layerscope.views.render.colour_scale import number
from layerscope.views.render.panel import Panel
from layerscope.views.sheet import sheet
from layerscope.views.survey.examples import examples_panel, never_fired
from layerscope.views.survey.figures import histogram_panel, labels_panel, preferences
from layerscope.views.timeline import timeline

_TITLES = {"kernel": "its kernel", "before": "what drives it", "after": "who listens to it"}


@dataclass(frozen=True)
class Beside:
    """What else there is of a unit than its survey.

    ``activations`` are those of the model on the unit's strongest sample.
    """

    activations: Recording | None = None
    weights: Recording | None = None
    images: FeatureVisualization | None = None
    run: Run | None = None
    notes: Sequence[str] = ()  #: what is left out, and why


def card_panel(
    survey: Survey,
    address: str,
    beside: Beside,
    *,
    words: Mapping[int, str] | Sequence[str] | None = None,
    reshape: tuple[int, int] | None = None,
    ground: str = "light",
) -> Panel:
    """Return all that is known of a unit as one panel.

    Raises
    ------
    AddressError
        When the survey has no such unit.
    """
    place = survey.place(address)
    name = str(place)
    options: dict[str, Any] = {"words": words, "reshape": reshape, "ground": ground}
    rows = [
        [examples_panel(survey, name, title="the strongest", **options)],
        [examples_panel(survey, name, which="drawn", title="evenly over its quantiles", **options)],
        [examples_panel(survey, name, which="weak", title="the weakest", **options)],
    ]
    notes = list(beside.notes)
    moment = _moment(beside)
    first: list[Panel] = []
    if beside.images is not None and moment is not None:
        first += _made(partial(_image, beside, name, ground), notes)
    if moment is not None:
        first += _made(partial(_of_unit, kernel, "kernel", moment, place, ground), notes)
    figures = [p for p in (histogram_panel(survey, name), labels_panel(survey, name)) if p]
    wiring: list[Panel] = []
    if moment is not None:
        for module, title in ((before, "before"), (after, "after")):
            wiring += _made(partial(_of_unit, module, title, moment, place, ground), notes)
    run = beside.run
    time: list[Panel] = []
    facts = [*_facts(survey, place), *_grades(moment, beside, name)]
    if run is not None:
        facts += _fate(run, name)
        time += _made(partial(timeline, run, name, ground=ground), notes)
    return board_panel(
        name,
        [first, *rows, figures, *[[panel] for panel in wiring], time],
        address=name,
        facts=[*facts, *(f"left out: {note}" for note in dict.fromkeys(notes))],
        code=f"ls.card(s, {name!r})",
        ground=ground,
        provenance=lambda: survey.provenance,
    )


def _moment(beside: Beside) -> Moment | None:
    if beside.activations is None:
        return None
    return Moment(beside.activations, load_weights=lambda: beside.weights)


def _made(make: Callable[[], Panel | None], notes: list[str]) -> list[Panel]:
    """Return a part of the card; what can't be made of this unit is noted."""
    try:
        panel = make()
    except LayerscopeError as error:
        notes.append(str(error))
        return []
    return [] if panel is None else [panel]


def _of_unit(module: Any, title: str, moment: Moment, place: Place, ground: str) -> Panel | None:
    panel: Panel | None = module.panel(moment, place)
    if panel is None:
        return None
    header = {**panel.header, "ground": ground, "title": _TITLES[title]}
    shown = replace(panel, header=header)
    pictured = panel.header["kind"] == "cards" and any(
        card["shape"] for card in panel.header["cards"]
    )
    return as_maps(shown) if pictured else shown


def _image(beside: Beside, name: str, ground: str) -> Panel:
    assert beside.images is not None
    return sheet(beside.images, name, ground=ground)


def _grades(moment: Moment | None, beside: Beside, name: str) -> list[str]:
    if moment is None or beside.images is None or name not in beside.images:
        return []
    words = feature_panel(moment, beside.images, name).header["notes"]
    return [f"made for it: {'; '.join(map(str, words))}"] if words else []


def _facts(survey: Survey, place: Place) -> list[str]:
    tally = survey.tallies[place.layer]
    unit = place.unit or 0
    fires = tally.samples - int(tally.silent[unit])
    words = [
        f"{survey.network.name}; {tally.samples:,} samples",
        f"values {number(tally.low[unit])} … {number(tally.high[unit])}, mean "
        f"{number(tally.mean[unit])}",
    ]
    if unit in survey.never_fired(place.layer):
        words.append(never_fired(survey))
    elif fires < tally.samples:
        words.append(f"fires on {fires:,} ({100 * fires / tally.samples:.3g} %)")
    preferred = preferences(survey, str(place))
    facts = ["; ".join(words)]
    if preferred:
        each = [f"{label} ({number(mean)})" for label, mean, _ in preferred[:3]]
        facts.append(f"prefers {', '.join(each)}")
    return facts


def _fate(run: Run, name: str) -> list[str]:
    """Return what became of the unit over the training, where that is known."""
    try:
        unit = run.fate().unit(name)
    except LayerscopeError:
        return []  # its zeros are values, or it was not recorded
    return [f"over the training: {unit.words}"]
