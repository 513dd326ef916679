"""Whether an image made for a unit tells what the unit does with data: two checks, in words.

Images can excite a unit on another way through the network than data do, so that they show what
the unit never answers to (Geirhos, Zimmermann, Bilodeau, Brendel and Kim, "Don't trust your eyes",
ICML 2024). What is normal is measured on the data themselves each time.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import InputError
from layerscope.core.table import text_table


@dataclass(frozen=True, slots=True)
class LayerLikeness:
    """How far a layer's units are in one order of strength, as mean rank correlations."""

    layer: str
    image: float  #: of the image and the unit's strongest samples
    strongest: float  #: of these samples among one another
    usual: float  #: of samples drawn at random: half of them are less alike
    high: float  #: and 95 % of them are less alike

    @property
    def words(self) -> str:
        """What it tells, in two or three words."""
        if not self.tells:
            return "tells nothing"
        return "same path" if self.is_shared else "another path" if self.is_apart else "between"

    @property
    def tells(self) -> bool:
        """Whether the strongest samples are more alike there than samples drawn at random."""
        return self.strongest > self.high

    @property
    def is_shared(self) -> bool:
        """Whether the image is more like the strongest samples than random ones are alike."""
        return self.image > self.high

    @property
    def is_apart(self) -> bool:
        """Whether the image is no more like them than the usual two samples are."""
        return not self.image > self.usual


@dataclass(frozen=True, slots=True)
class SamePath:
    """Whether an image takes the way through the network that a unit's strongest samples take."""

    layers: tuple[LayerLikeness, ...]  #: before the unit's, in order
    strongest: int  #: how many samples these are
    samples: int  #: how many were drawn at random

    @classmethod
    def from_json(cls, written: Any) -> SamePath | None:
        """Read what ``dataclasses.asdict`` made, None too; raise InputError for anything else."""
        if written is None:
            return None
        checked = _fields(cls, written)
        layers = checked["layers"] if isinstance(checked["layers"], list) else [None]
        rows = tuple(LayerLikeness(**_fields(LayerLikeness, layer)) for layer in layers)
        return cls(**{**checked, "layers": rows})

    @property
    def telling(self) -> tuple[LayerLikeness, ...]:
        """The layers in which the strongest samples have something in common."""
        return tuple(row for row in self.layers if row.tells)

    @property
    def apart(self) -> LayerLikeness | None:
        """The telling layer in which the image is furthest from the strongest samples.

        None where it is more like them in each than the usual two samples are.
        """
        away = [row for row in self.telling if row.is_apart]
        return min(away, key=lambda row: row.image - row.usual, default=None)

    @property
    def verdict(self) -> str:
        """``same path``, ``another path``, ``partly the same path`` or ``no common path``."""
        telling = self.telling
        if not telling:
            return "no common path"
        if self.apart is not None:
            return "another path"
        shared = all(row.is_shared for row in telling)
        return "same path" if shared else "partly the same path"

    def table(self) -> str:
        """Return what each layer tells, as a table."""
        rows = [
            (row.layer, *map(_likeness, (row.image, row.strongest, row.usual, row.high)), row.words)
            for row in self.layers
        ]
        columns = ("layer", "image", "strongest", "random", "95 % below", "")
        return text_table(columns, rows, columns[1:5])

    def __str__(self) -> str:
        telling, apart = self.telling, self.apart
        if not telling:
            return (
                f"no common path: in no layer before it are the {self.strongest} strongest samples "
                "more alike than random ones"
            )
        words = f"{self.verdict} {'than' if apart else 'as'} the {self.strongest} strongest samples"
        if self.verdict == "partly the same path":
            return f"{words} ({_compared(min(telling, key=lambda row: row.image - row.high))})"
        where = (
            f"{sum(row.is_apart for row in telling) if apart else len(telling)} of {len(telling)}"
        )
        return f"{words} in {where} layers ({_compared(apart or telling[-1])})"


def _compared(row: LayerLikeness) -> str:
    return (
        f"{row.layer}: {_likeness(row.image)} like them, they {_likeness(row.strongest)} like one "
        f"another, random ones {_likeness(row.usual)}"
    )


@dataclass(frozen=True, slots=True)
class HoldsUp:
    """Whether samples that are like an image excite its unit more: rank correlations."""

    layer: str  #: in which samples are compared with the image
    image: float  #: of the unit's values with likeness to the image
    low: float  #: 95 % interval of that
    high: float
    usual: float  #: with likeness to a sample drawn at random, the median
    strongest: float  #: with likeness to one of the strongest samples, the median
    samples: int

    @classmethod
    def from_json(cls, written: Any) -> HoldsUp | None:
        """Read what ``dataclasses.asdict`` made, None too; raise InputError for anything else."""
        return None if written is None else cls(**_fields(cls, written))

    @property
    def verdict(self) -> str:
        """``holds up``, ``does not hold up`` or ``may hold up``."""
        normal = max(self.usual, 0.0) if math.isfinite(self.usual) else 0.0
        if self.low > normal:
            return "holds up"
        return "does not hold up" if not self.high > normal else "may hold up"

    def __str__(self) -> str:
        return (
            f"{self.verdict} on {self.samples} samples (likeness to it in {self.layer} predicts "
            f"the unit by {_likeness(self.image)}, {_likeness(self.low)} to "
            f"{_likeness(self.high)}; to a strong sample {_likeness(self.strongest)}, to a random "
            f"one {_likeness(self.usual)})"
        )


def _fields(of: Any, written: Any) -> Mapping[str, Any]:
    """Return what was written as the fields of a class; raise InputError for anything else."""
    kinds: dict[str, Any] = {
        "layer": str,
        "layers": list,
        "samples": int,
        "strongest": (int, float),
    }
    names = {each.name for each in dataclasses.fields(of)}
    if not isinstance(written, dict) or written.keys() != names:
        raise InputError("The file holds no checks of an image.")
    if not all(isinstance(written[name], kinds.get(name, float)) for name in names):
        raise InputError("The file holds no checks of an image.")
    return written


def _likeness(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")
