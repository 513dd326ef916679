"""The panels of a unit's page: one module each, which is there by being in this folder.

A module has ``TITLE``, what stands above its panel; ``ORDER``, a number by which they are sorted;
and ``panel(moment, place)``, which returns a :class:`Panel`, or None where there is nothing to
show of this unit. What it raises is shown in the panel's place. One with ``OF_SURVEY`` is asked for
only where the network was surveyed, and one with ``ON_REQUEST`` by a host that asks for one unit at
a time.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from layerscope.core.addresses import Place
from layerscope.core.errors import ViewError
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel


@dataclass(frozen=True)
class UnitPanel:
    """A panel of the unit's page."""

    name: str
    title: str
    module: ModuleType

    @property
    def of_survey(self) -> bool:
        """Whether it shows what a survey has of the unit: without one there is nothing to show."""
        return bool(getattr(self.module, "OF_SURVEY", False))

    @property
    def on_request(self) -> bool:
        """Whether it is made by a pass of its own, for one unit at a time."""
        return bool(getattr(self.module, "ON_REQUEST", False))

    def panel(self, moment: Moment, place: Place) -> Panel | None:
        """Return the panel of a unit; None where there is nothing to show.

        Raises
        ------
        AddressError
            When there is no such unit.
        """
        moment.activations[str(place)]  # says what there is, alike for all panels
        made: Panel | None = self.module.panel(moment, place)
        return made


@cache
def unit_panels() -> tuple[UnitPanel, ...]:
    """Return the panels of the unit's page, in the order in which they stand there."""
    modules = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    ]
    ordered = sorted(modules, key=lambda module: (module.ORDER, module.__name__))
    return tuple(UnitPanel(m.__name__.rpartition(".")[2], m.TITLE, m) for m in ordered)


def unit_panel(name: str) -> UnitPanel:
    """Return the panel of this name.

    Raises
    ------
    ViewError
        When there is none.
    """
    for known in unit_panels():
        if known.name == name:
            return known
    names = ", ".join(repr(known.name) for known in unit_panels())
    raise ViewError(f"The page of a unit has no panel {name!r}: there are {names}.")
