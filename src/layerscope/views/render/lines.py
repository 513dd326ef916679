"""What figures of curves share: a legend that stays readable, and marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.text import shown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

NAMED = 10  #: lines that the legend names
WIDTH, HIGH = 9.0, 2.3  #: inches, of a figure and of each of its parts
NOTES = 6  #: sentences below the figure
_SENTENCE = 200  #: characters of each of them

Values = npt.NDArray[np.float64]


def extremes(lines: Sequence[tuple[str, Values]]) -> set[str]:
    """The lines to name: those whose mean over the steps is highest, and those where lowest."""
    means = [(float(np.mean(values[np.isfinite(values)])), name) for name, values in lines]
    ranked = [name for _, name in sorted(means)]
    return {*ranked[: NAMED // 2], *ranked[-(NAMED - NAMED // 2) :]}


def legend(ax: Axes, handles: Any, labels: Sequence[str], title: str = "") -> None:
    """Names at the right of the axes, long ones without their middle."""
    short = [shown_name(name, 28) for name in labels]
    drawn = ax.legend(
        handles, short, title=title or None, fontsize=7, title_fontsize=7,
        loc="upper left", bbox_to_anchor=(1.005, 1), frameon=False,
    )  # fmt: skip
    as_written(drawn.get_texts())


def as_written(texts: Iterable[Text]) -> None:
    """Have texts drawn as they are: a dollar in a name begins no formula."""
    for text in texts:
        text.set_parse_math(False)


def dots(values: Values) -> dict[str, Any]:
    """A dot for each value where there are few."""
    return {"marker": ".", "markersize": 4} if len(values) <= 30 else {}


def shortened(notes: Sequence[str], what: str) -> list[str]:
    """As many sentences as there is room for, and how many more there are."""
    if len(notes) <= NOTES:
        return [shown_name(note, _SENTENCE) for note in notes]
    some = [shown_name(note, _SENTENCE) for note in notes[: NOTES - 1]]
    return [*some, f"and {len(notes) - NOTES + 1} more {what}"]
