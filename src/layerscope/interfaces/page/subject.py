"""What a page is about: a network, the samples that it is looked at on, the steps it was kept at.

All three hosts ask a :class:`PageSubject` by the names of panels and a few words; what it returns
is ready to be sent.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from layerscope._version import __version__
from layerscope.core.errors import InputError, ViewError
from layerscope.core.text import printable, shown_name
from layerscope.instruments.attribution.unit_maps import UnitMaps
from layerscope.instruments.features.ascent.watching import Watch
from layerscope.instruments.features.unit_images import UnitImages
from layerscope.instruments.model_watch import ModelWatch
from layerscope.instruments.own_input import InputForm
from layerscope.instruments.samples import SameSamples, SampleRecordings
from layerscope.interfaces.page.outline import findings_of, layers_of, looks, steps_of
from layerscope.interfaces.page.query import Query, against_of, whole
from layerscope.recordings.attribution import Attribution
from layerscope.recordings.examination import ExaminationReport
from layerscope.recordings.growing import GrowingRun
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.explorer.fate import fate_panel
from layerscope.views.explorer.fields import FieldTables
from layerscope.views.explorer.layer import layer_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.passage import PassageLayouts, passage_panel
from layerscope.views.explorer.steps import steps_panel
from layerscope.views.explorer.unit import UnitPanel, unit_panel, unit_panels
from layerscope.views.ranges import StepRanges
from layerscope.views.render.panel import Panel
from layerscope.views.survey.gallery import Gallery

_KEPT_STEPS = 6  #: whose layers stay in memory once they were read,
_KEPT_BYTES = 500_000_000  #: while one step takes no more than this
_LONGEST_NAME = 120

#: What makes the names that panels' lines of Python use, where nobody says it otherwise.
_CODE = {
    "ls": "import layerscope as ls",
    "acts": "acts = ls.activations(model, x)",
    "weights": "weights = ls.weights(model)",
    "s": "s = ls.survey(model, x)",
}


class PageSubject:
    """A network with samples, and a training where it was recorded; it answers the page.

    ``samples`` are recordings made when they are asked for; ``run`` is of a training, whose probe
    comes before them. One of them may be missing. ``against`` is another model on the same samples,
    to be compared with; ``gallery`` draws examples of units, where the network was surveyed;
    ``examination`` is what was found in it.
    """

    def __init__(
        self,
        samples: SampleRecordings | None = None,
        run: Run | None = None,
        *,
        against: SameSamples | None = None,
        classes: Sequence[str] = (),
        code: Mapping[str, str] | None = None,
        features: Sequence[FeatureVisualization] = (),
        gallery: Gallery | None = None,
        examination: ExaminationReport | None = None,
    ) -> None:
        self.samples = samples
        self.examination = examination
        self.gallery = gallery
        self.against = against
        self.growing = None if run is None else GrowingRun(run)
        self.classes = tuple(classes) or self._own_classes()
        self.lock = threading.RLock()
        self._code = {**_CODE, **(code or {})}
        self.layouts = PassageLayouts()
        self._fields = FieldTables()
        self.images = _unit_images(samples, features)
        #: Whether maps of units are made as they are asked for; a file would ask for all of them.
        self.attributes = False
        self._maps: UnitMaps | None = None
        self._changes = 0  # other samples, other images of units, other parameters
        self._watches: list[ModelWatch] = []
        self._trained = 0  # how often the model was seen to have changed
        self._weights: Recording | None = None
        self._steps: OrderedDict[int, Recording] = OrderedDict()
        self._ranges = None if run is None else StepRanges(run)

    def _own_classes(self) -> tuple[str, ...]:
        """Return what the model says its classes are called."""
        from layerscope.backends.class_names import class_names

        return () if self.samples is None else class_names(self.samples.model)

    @property
    def unit_panels(self) -> list[UnitPanel]:
        """The panels of a unit's page, those of a survey where there is one."""
        return [
            p
            for p in unit_panels()
            if (self.gallery is not None or not p.of_survey)
            and (self.attributes or not p.on_request)
        ]

    @property
    def run(self) -> Run | None:
        """The training's recording."""
        return None if self.growing is None else self.growing.run

    @property
    def generation(self) -> int:
        """A number that changes whenever panels that were made may be out of date."""
        return self._changes + (0 if self.growing is None else self.growing.generation)

    @property
    def recorded(self) -> int:
        """How many samples the training's recording holds."""
        if self.run is None:
            return 0
        inputs = self.run.moment(0).inputs if len(self.run.steps) else {}
        return max(
            (a.sizes.get("sample", 1) for a in inputs.values()), default=len(self.run.samples)
        )

    @property
    def names(self) -> list[str]:
        """The names of all samples, those of the recording first."""
        kept = list(self.run.samples) if self.run is not None else []
        of_run = [kept[i] if i < len(kept) else f"sample {i}" for i in range(self.recorded)]
        return of_run + (self.samples.names if self.samples is not None else [])

    def moment(self, query: Query) -> Moment:
        """Return what a query looks at, with what it is compared with.

        Raises
        ------
        LayerscopeError
            When there is no such sample or step, or the model can't be run.
        """
        moment = replace(self.plain_moment(query), gallery=self.gallery)
        against = against_of(self, query, moment)
        return moment if against is None else replace(moment, against=against)

    def plain_moment(self, query: Query) -> Moment:
        """Return what a query looks at, alone."""
        if query.sample < self.recorded and self.run is not None:
            run = self.run
            if query.silenced:
                raise InputError(
                    f"Sample {query.sample} was recorded: units are switched off where the model "
                    "runs, on a sample that was not."
                )
            return Moment(
                self._at(run, query.step),
                query.sample,
                query.step,
                run,
                lambda: run.weights.at(query.step) if len(run.weights) else None,
                self.images.get,
                self.classes,
                self._code_at(query.step),
                self._range_over,
                probed=True,
                fields=self._fields.of,
            )
        if self.samples is None:
            if self.run is not None:
                self.run.position(None)  # says when it holds no steps yet
            raise InputError(f"There is no sample {query.sample}: there are {len(self.names)}.")
        number = query.sample - self.recorded
        if number >= len(self.samples):
            count = self.recorded + len(self.samples)
            raise InputError(f"There is no sample {query.sample}: there are {count}, from 0 on.")
        edition = query.words.get("edition", "")
        if edition and edition != str(self.samples.editions.get(number, "")):
            raise InputError("This sample was replaced by another, elsewhere: choose it again.")
        silenced = query.silenced
        if silenced:
            recording, row = self.samples.without(number, silenced)
        else:
            recording, row = self.samples.recording(number)
        return Moment(
            recording,
            row,
            None,
            self.run,
            self._parameters,
            self.images.get,
            self.classes,
            {**self._code, "acts": _code_without(silenced)} if silenced else self._code,
            self._range_over,
            number,
            fields=self._fields.of,
            attribution=lambda address: (
                None if silenced else self._attribution(recording, row, address)
            ),
        )

    def _attribution(self, recording: Recording, row: int, address: str) -> Attribution | None:
        """Return maps of a unit, where a host asks for one unit at a time."""
        if not self.attributes or self.samples is None:
            return None
        if self._maps is None:
            self._maps = UnitMaps(self.samples.model)
        return self._maps.get(recording, row, address)

    def _parameters(self) -> Recording:
        """Return the parameters of the model, as they were when somebody first asked for them."""
        from layerscope.instruments.weights import weights

        assert self.samples is not None
        if self._weights is None:
            self._weights = weights(self.samples.model)
        return self._weights

    def watch_models(self) -> None:
        """Watch the models from now on: trained further, they are shown anew."""
        models = [known.model for known in (self.samples, self.against) if known is not None]
        self._watches = [ModelWatch(model) for model in models]

    def _renew(self) -> None:
        """Let go of what was made of the models as they were, where one of them has changed."""
        changed = [watch.changed() for watch in self._watches]
        if not any(changed):
            return
        for known in (self.samples, self.against):
            if known is not None:
                known.renew()
        self._weights = None
        self._maps = None
        self._trained += 1
        self._changes += 1

    def _code_at(self, step: int | None) -> dict[str, str]:
        """Return the lines of Python that make what is looked at, at a step of the training."""
        of_step = {
            "acts": f"acts = run.at({step})",
            "weights": f"weights = run.weights.at({step})",
        }
        return {**self._code, **of_step}

    def _range_over(self, address: str) -> tuple[float, float] | None:
        """Return the range of a layer over all steps of the training; None where there are none."""
        return None if self._ranges is None else self._ranges(address)

    def _at(self, run: Run, step: int | None) -> Recording:
        """Return a step of the training; what was read of those seen last is kept."""
        position = run.position(step)
        if position not in self._steps:
            self._steps[position] = run.moment(position)
            small = run.nbytes / len(run.steps) <= _KEPT_BYTES / _KEPT_STEPS
            while len(self._steps) > (_KEPT_STEPS if small else 1):
                self._steps.popitem(last=False)
        self._steps.move_to_end(position)
        return self._steps[position]

    def changes(self) -> dict[str, Any]:
        """Return how far the training's recording has come; it is looked at once a second at most.

        ``missing`` is a sentence where it can no longer be read, else empty; ``trained`` counts how
        often the model was seen to have changed.
        """
        with self.lock:
            self._renew()
            trained = {"trained": self._trained}
            if self.growing is None:
                return {"generation": self.generation, "missing": "", **trained}
            if self.growing.refresh():
                self._steps.clear()
                self._ranges = StepRanges(self.growing.run)
            missing = self.growing.missing
            known = {"generation": self.generation, "missing": missing, **trained}
            return known | steps_of(self.run)

    def add(self, given: bytes | Any, name: str, into: int | None = None) -> dict[str, Any]:
        """Take an image file's bytes, or numbers, as a sample; return what there is to know of it.

        It takes the place of the sample ``into``, where that was given by hand before.

        Raises
        ------
        LayerscopeError
            When there is no model, or it can't be read, or does not fit.
        """
        if self.samples is None:
            raise InputError(self.images.reason)
        name = printable(name)[:_LONGEST_NAME].strip() or "input"
        form = self.samples.form()
        x = form.image(given, name) if isinstance(given, bytes) else form.array(given)
        with self.lock:
            number = self.samples.put(x, name, None if into is None else into - self.recorded)
            self._changes += 1
            edition = self.samples.editions[number]
            known = {"name": shown_name(name), "edition": edition, "generation": self.generation}
            return {"sample": self.recorded + number, **known}

    def visualize(self, address: str, watch: Watch | None = None) -> dict[str, int]:
        """Make an image of a unit and keep it, while panels go on; return how often that was done.

        Raises
        ------
        LayerscopeError
            When there is no such unit, or no image can be made.
        """
        self.images.make(address, watch)
        with self.lock:
            self._changes += 1
            return {"edition": self.images.editions[address], "generation": self.generation}

    def panel(self, name: str, words: Mapping[str, str]) -> Panel | None:
        """Return a panel of the page by its name; None where there is nothing to show.

        Raises
        ------
        LayerscopeError
            When there is no such panel, or no such layer, unit, sample or step.
        """
        query = Query.of(words)
        with self.lock:
            if name == "layer" and words.get("address") == "input":
                return self._input(query)
            moment = self.moment(query)
            if name.startswith("unit."):
                place = moment.activations.place(words.get("address", ""))
                return unit_panel(name.removeprefix("unit.")).panel(moment, place)
            if name not in _PANELS:
                raise ViewError(f"There is no panel {name!r}: there are {', '.join(_PANELS)}.")
            return _PANELS[name](self, moment, query)

    def _input(self, query: Query) -> Panel:
        """Return a sample's input, without running the network on it where that can be."""
        further = query.sample - self.recorded
        if further < 0 or self.samples is None:
            return layer_panel(self.moment(query), "input")
        recording, row = self.samples.input(further)
        return layer_panel(Moment(recording, row, code=self._code), "input")

    def provenance(self, query: Query) -> Mapping[str, str]:
        """Return what identifies the model and the input that a query looks at."""
        with self.lock:
            return self.plain_moment(query).activations.provenance

    def outline(self) -> dict[str, Any]:
        """Return what the page must know before it asks for panels."""
        with self.lock:
            first = self.moment(Query())
            network = first.activations.network
            run = self.run
            return {
                "version": __version__,
                "title": shown_name(network.name),
                "framework": network.framework,
                "about": f"{len(network)} layers, {network.total:,} parameters",
                "notes": [*first.activations.notes],
                "samples": self._samples(),
                "recorded": self.recorded,
                "generation": self.generation,
                "trained": self._trained,
                **steps_of(run),
                "layers": layers_of(first.activations),
                "unit_panels": [{"name": p.name, "title": p.title} for p in self.unit_panels],
                **looks(),
                **findings_of(self.examination),
                "can": {
                    "run": self.samples is not None,
                    "compare_models": self.against is not None,
                    "silence": self.attributes and self.samples.can_edit if self.samples else False,
                    "change": bool(self._watches),
                },
                "inputs": self._inputs(),
                "images": {"reason": self.images.reason, "editions": dict(self.images.editions)},
            }

    def _inputs(self) -> dict[str, Any]:
        """Return what can be given by hand."""
        nothing = InputForm("none", reason=self.images.reason)
        form = nothing if self.samples is None else self.samples.form()
        return {**asdict(form), "grey": form.grey, "names": [shown_name(n) for n in form.names]}

    def _samples(self) -> list[dict[str, Any]]:
        """Return the names of all samples, and how often those given by hand were replaced."""
        result: list[dict[str, Any]] = [{"name": shown_name(name)} for name in self.names]
        if self.samples is not None:
            recorded = self.recorded
            for number, edition in self.samples.editions.items():
                result[recorded + number]["edition"] = edition
        return result


def _unit_images(
    samples: SampleRecordings | None, given: Sequence[FeatureVisualization]
) -> UnitImages:
    if samples is None:
        return UnitImages(given=given)
    return UnitImages(samples.model, given, form=samples.form, examples=samples.examples)


def _code_without(silenced: Sequence[str]) -> str:
    edits = ", ".join(f"{address!r}: 0" for address in silenced)
    return f"acts = ls.activations(model, x, edits={{{edits}}})"


def _passage(subject: PageSubject, moment: Moment, query: Query) -> Panel:
    depth = query.words.get("depth", "")
    opened = [name for name in query.words.get("open", "").split("\n") if name]
    return passage_panel(
        moment,
        subject.layouts,
        depth=whole("depth", depth) if depth else None,
        opened=opened,
        scale=query.words.get("scale") or "layer",
    )


def _layer(subject: PageSubject, moment: Moment, query: Query) -> Panel:
    address = query.words.get("address", "input")
    return layer_panel(moment, address, heads=query.words.get("heads", ""))


def _fate(subject: PageSubject, moment: Moment, query: Query) -> Panel | None:
    return fate_panel(moment, query.words.get("address", ""))


def _measured(subject: PageSubject, moment: Moment, query: Query) -> Panel | None:
    return None if moment.over is None else steps_panel(moment.over)


_PANELS: dict[str, Callable[[PageSubject, Moment, Query], Panel | None]] = {
    "passage": _passage,
    "layer": _layer,
    "steps": _measured,
    "fate": _fate,
}
