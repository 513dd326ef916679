"""What is looked at: one sample at one step, with all that is known beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from layerscope.core.wiring import Wiring
from layerscope.recordings.attribution import Attribution
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.explorer.fields import fields_of
from layerscope.views.survey.gallery import Gallery

_NAME = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*")
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


@dataclass(frozen=True)
class Against:
    """What a moment is compared with: another sample, another step, or another model.

    ``names`` are what the two are called; ``addresses`` those of layers that are called otherwise
    there.
    """

    moment: Moment
    names: tuple[str, str]
    addresses: Mapping[str, str] = field(default_factory=dict)

    def address(self, layer: str) -> str:
        """Return what a layer is called there."""
        return self.addresses.get(layer, layer)


@dataclass(frozen=True)
class Moment:
    """One sample at one step: what the panels of the page are made of.

    ``over`` is the recording over the steps of a training, where there is one, and
    ``load_weights`` reads the parameters at this step. ``features`` returns images made for a unit
    by its address, where they were made. ``ranges`` returns the range of a layer over all steps,
    where there are steps. ``code`` are lines of Python by the name that each makes: ``acts``,
    ``weights``, ``run``, and what these need; ``number`` is the sample's in ``acts``, where that is
    another than ``sample``. ``probed`` says whether the sample is one of those that ``over`` holds.
    ``fields`` returns where the receptive fields of a layer lie on an input.
    ``gallery`` draws examples of units, where the network was surveyed. ``attribution`` returns
    maps of where in the input a unit's value comes from, where they can be made.
    """

    activations: Recording
    sample: int = 0
    step: int | None = None
    over: Run | None = None
    load_weights: Callable[[], Recording | None] = lambda: None
    features: Callable[[str], FeatureVisualization | None] = lambda address: None
    classes: Sequence[str] = ()
    code: Mapping[str, str] = field(default_factory=dict)
    ranges: Callable[[str], tuple[float, float] | None] = lambda address: None
    number: int | None = None
    probed: bool = False
    against: Against | None = None
    fields: Callable[[Recording, str, str], Mapping[str, Any] | None] = fields_of
    gallery: Gallery | None = None
    attribution: Callable[[str], Attribution | None] = lambda address: None

    @cached_property
    def weights(self) -> Recording | None:
        """The parameters at this step; read when a panel needs them."""
        return self.load_weights()

    @property
    def written(self) -> int:
        """The number of the sample as lines of Python write it."""
        return self.sample if self.number is None else self.number

    @property
    def wiring(self) -> Wiring:
        """The ways between the units of the network."""
        recording = self.activations
        return Wiring(recording.network, {name: recording.axes(name) for name in recording.inputs})

    def line(self, call: str) -> str:
        """Return lines of Python that end with ``call``, after those that make what it names."""
        needed: dict[str, str] = {}
        _need(call, self.code, needed)
        return "\n".join([*needed.values(), call])


def _need(text: str, code: Mapping[str, str], needed: dict[str, str]) -> None:
    """Put in the lines that make what a piece of Python names, each after what it needs itself."""
    for name in dict.fromkeys(_NAME.findall(_TEXT.sub("''", text))):
        if name in code and name not in needed:
            rest = {other: line for other, line in code.items() if other != name}
            _need(code[name], rest, needed)
            needed.setdefault(name, code[name])
