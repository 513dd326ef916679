"""The files of one layer of a site: its units' pictures, and what is known of them.

A layer's folder holds ``grid-0000.webp`` (or ``.jpg``), the strongest examples of 100 units in ten
rows; ``0000.webp``, the examples of sixteen units, a row for each; and ``0000.js`` with their
figures, which is a script because a page that is opened from a disk may load nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from layerscope.core.files import OutputFolder
from layerscope.core.silence import rectified
from layerscope.core.text import printable
from layerscope.interfaces.page.wire import plain_json
from layerscope.interfaces.site.sprites import mosaic, sprite
from layerscope.recordings.survey.datasets import QUANTILES
from layerscope.recordings.survey.survey import Example, Survey
from layerscope.recordings.survey.unit_facts import even_histogram, label_means, preference
from layerscope.recordings.survey.value_counts import ValueCounts
from layerscope.views.survey.fitted import fitted
from layerscope.views.survey.gallery import Gallery
from layerscope.views.survey.painting import Pixels

CELL, COLUMNS, PER_GRID = 80, 10, 20  #: of the grid's pictures
SIDE, PER_FILE, EACH = 96, 16, 9  #: of the units' examples, nine of each kind
KINDS = ("top", "drawn", "weak")
#: How wide and high an example is, by its form.
_BOXES = {"image": (SIDE, SIDE), "signal": (182, 60)}
_WORDS = (300, 96)  #: of words, rows and all else
_SMALL = 48  #: pixels of a sample's longer side up to which every pixel is seen


@dataclass(frozen=True)
class Galleries:
    """Draw a survey's examples: small for the grid of a layer, larger for a unit's page."""

    small: Gallery
    large: Gallery

    @classmethod
    def of(cls, survey: Survey) -> Galleries:
        """Return those of a survey."""
        return cls(
            Gallery(survey, side=CELL // 2 - 1, outlines=False, compact=True),
            Gallery(survey, side=SIDE, outlines=False),
        )


@dataclass(frozen=True)
class LayerFiles:
    """Writes the files of a layer, those that are there already left as they are."""

    survey: Survey
    layer: str
    folder: OutputFolder
    galleries: Galleries

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return self.survey.tallies[self.layer].units

    @property
    def count(self) -> int:
        """How many steps :meth:`write` takes."""
        return -(-self.units // PER_GRID) + -(-self.units // PER_FILE)

    def write(self) -> Iterator[None]:
        """Write what is missing, and yield after each step."""
        for number, first in enumerate(range(0, self.units, PER_GRID)):
            if self.has_grid:
                name = f"grid-{number:04d}{self._ending}"
                self._write(name, partial(self._grid, first))
            yield
        for number, first in enumerate(range(0, self.units, PER_FILE)):
            name = f"{number:04d}"
            if self.has_pictures:
                self._write(f"{name}{self._ending}", partial(self._sheet, first))
            self._write(f"{name}.js", partial(self._script, name, first))
            yield

    def _write(self, name: str, made: Callable[[], bytes]) -> None:
        if (self.folder.path / name).exists():
            return
        data = made()
        self.folder.write(name, lambda path: path.write_bytes(data))

    def _units(self, first: int, most: int) -> range:
        return range(first, min(first + most, self.units))

    def _grid(self, first: int) -> bytes:
        cells = []
        for unit in self._units(first, PER_GRID):
            pictures = self.galleries.small.pictures(f"{self.layer}:{unit}", n=4)
            cells.append(mosaic([picture.pixels for picture in pictures], CELL))
        rows = [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]
        return sprite(rows, (CELL, CELL), exact=self._exact)

    def _sheet(self, first: int) -> bytes:
        rows = []
        for unit in self._units(first, PER_FILE):
            row: list[Pixels | None] = []
            for kind in KINDS:
                pictures = self.galleries.large.pictures(f"{self.layer}:{unit}", kind, EACH)
                row += [fitted(picture.pixels, *self._box) for picture in pictures]
                row += [None] * (EACH - len(pictures))
            rows.append(row)
        return sprite(rows, self._box, exact=self._exact)

    def _examples(self, unit: int, kind: str) -> list[Example]:
        return self.galleries.large.examples(f"{self.layer}:{unit}", kind, EACH)

    @cached_property
    def _label_means(self) -> Any:
        return label_means(self.survey.tallies[self.layer])

    @cached_property
    def _form(self) -> str:
        """What the samples are; empty where they can't be seen."""
        for unit in range(self.units):
            for example in self.survey.examples(f"{self.layer}:{unit}", n=1):
                return self.galleries.large.whole(self.layer, example).form
        return ""

    @property
    def has_pictures(self) -> bool:
        """Whether the samples can be seen."""
        return bool(self._form)

    @property
    def has_grid(self) -> bool:
        """Whether they are seen when they are small."""
        return self._form in _BOXES

    @property
    def _box(self) -> tuple[int, int]:
        return _BOXES.get(self._form, _WORDS)

    @cached_property
    def _exact(self) -> bool:
        """Whether pictures are smaller as they are: of few pixels enlarged, lines and words."""
        rows = [
            [
                fitted(picture.pixels, *self._box)
                for picture in self.galleries.large.pictures(f"{self.layer}:{unit}", "drawn", 4)
            ]
            for unit in range(min(4, self.units))
        ]
        exact, fine = (sprite(rows, self._box, exact=exact) for exact in (True, False))
        return len(exact) <= len(fine)

    @property
    def _ending(self) -> str:
        return ".webp" if self._exact else ".jpg"

    def _script(self, name: str, first: int) -> bytes:
        known = [self._facts(unit) for unit in self._units(first, PER_FILE)]
        key = plain_json(f"{self.folder.path.name}/{name}")
        return f"layerscopeUnits({key}, {plain_json(known)});\n".encode()

    def _facts(self, unit: int) -> dict[str, Any]:
        tally = self.survey.tallies[self.layer]
        counted = max(int(tally.counted[unit]), 1)
        histogram = even_histogram(tally, unit)
        counts = ValueCounts(tally.values.first, tally.values.counts[unit : unit + 1])
        quantiles = np.clip(
            counts.quantile(np.array(QUANTILES))[0], tally.low[unit], tally.high[unit]
        )
        return {
            "figures": {
                "mean": float(tally.mean[unit]),
                "std": float(np.sqrt(max(tally.squares[unit], 0) / counted)),
                "min": float(tally.low[unit]),
                "max": float(tally.high[unit]),
                "zeros": float(tally.zeros[unit] / counted),
                "silent": float(tally.silent[unit] / max(tally.samples, 1)),
                "nonfinite": int(tally.nonfinite[unit]),
            },
            "quantiles": [[q, float(v)] for q, v in zip(QUANTILES, quantiles, strict=True)],
            "histogram": {
                "low": histogram.low,
                "high": histogram.high,
                "zeros": histogram.zeros,
                "counts": histogram.counts.tolist(),
            },
            "labels": self._label_means[:, unit].tolist(),
            **{kind: [_example(e) for e in self._examples(unit, kind)] for kind in KINDS},
        }

    def facts(self) -> dict[str, Any]:
        """Return what the index knows of the layer, without its units."""
        tally = self.survey.tallies[self.layer]
        layer = next((x for x in self.survey.network if x.address == self.layer), None)
        preferred = preference(tally)
        never = np.zeros(tally.units, np.uint8)
        never[self.survey.never_fired(self.layer)] = 1
        return {
            "address": self.layer,
            "folder": self.folder.path.name,
            "type": "" if layer is None else printable(layer.type),
            "units": tally.units,
            "map": list(tally.shape),
            "axes": list(tally.axes),
            "silence": rectified(self.survey.network, self.layer) is not False,
            "ending": self._ending if self.has_pictures else "",
            "box": list(self._box),
            "grid": self.has_grid,
            "never": _packed(never, np.uint8),
            "most": _packed(tally.high, np.float32),
            "label": _packed(preferred.label, np.int16),
            "share": _packed(preferred.share * 255, np.uint8),
        }


def _packed(values: Any, kind: Any) -> str:
    """Return numbers as a page unpacks them: little endian, in letters."""
    rounded = np.asarray(values).astype(np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(rounded.tobytes()).decode("ascii")


def _example(example: Example) -> list[Any]:
    where = ", ".join(f"{a} {p}" for a, p in zip(example.axes, example.place, strict=True))
    return [
        float(example.value), printable(example.sample.name), example.sample.label or "", where
    ]  # fmt: skip
