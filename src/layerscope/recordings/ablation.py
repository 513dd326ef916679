"""What became of an outcome when units of a layer were taken out, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.display import Pictured
from layerscope.core.table import text_table
from layerscope.core.text import message

if TYPE_CHECKING:
    import pandas as pd

Numbers = npt.NDArray[np.float64]

_SHOWN = 10  #: units of a table


@dataclass(frozen=True, eq=False)
class Ablation(Pictured):
    """What the absence of each unit did: ``effect``, the mean change of the metric.

    An interval from ``low`` to ``high`` holds the effect on data like these with the ``confidence``
    that was asked for, by resampling the samples. ``to_frame`` has a row for each unit, ``picture``
    draws them, the largest effects first.
    """

    layer: str
    units: tuple[int, ...]
    metric: str
    intact: float  #: the metric of the model as it is
    effect: Numbers  #: mean over samples of the metric without the unit less that with it
    low: Numbers
    high: Numbers
    put: Numbers  #: what stood in place of each unit's values
    confidence: float
    samples: int
    model: str = ""
    provenance: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """The places of the units, those of the largest effects first."""
        return np.argsort(-np.abs(self.effect), kind="stable")

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with a row for each unit, in their order."""
        import pandas as pd

        return pd.DataFrame(
            {
                "effect": self.effect, "low": self.low, "high": self.high,
                "without": self.intact + self.effect, "put": self.put,
            },
            index=pd.Index(self.units, name="unit"),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.units)

    def __str__(self) -> str:
        rows = [
            [
                f"{self.layer}:{self.units[i]}", f"{self.effect[i]:+.4g}",
                f"{self.low[i]:+.4g} to {self.high[i]:+.4g}",
                "" if self.low[i] <= 0 <= self.high[i] else "beyond chance",
            ]
            for i in self.order[:_SHOWN]
        ]  # fmt: skip
        beyond = int(((self.low > 0) | (self.high < 0)).sum())
        head = (
            f"{message(self.metric)} {self.intact:.4g} over {self.samples:,} samples; without one "
            f"unit of {message(self.layer)} at a time it changes beyond chance "
            f"({self.confidence:.0%}) for {beyond} of {len(self)} units"
        )
        table = text_table(["unit", "change", f"{self.confidence:.0%} interval", ""], rows)
        more = len(self) - len(rows)
        return "\n".join([head, table, *([f"and {more} units more"] if more > 0 else [])])


def resampled(changes: Numbers, confidence: float, times: int, seed: int) -> tuple[Any, Any]:
    """Return the bounds of an interval for the mean of each row, by resampling its columns.

    ``changes`` are ``(unit, sample)``. The bounds are percentiles of the means of ``times``
    samples, each drawn with replacement and as large as the one that there is.
    """
    count = changes.shape[1]
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=times).T
    means = changes @ drawn / count
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=1)
    return low, high
