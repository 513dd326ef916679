"""Words on Matplotlib's axes as they are written: legends, notes, no formulas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from layerscope.core.text import shown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

NOTES = 6  #: sentences below a figure
_SENTENCE = 200  #: characters of each of them


def as_written(texts: Iterable[Text]) -> None:
    """Have texts drawn as they are: a dollar in a name begins no formula."""
    for text in texts:
        text.set_parse_math(False)


def shortened_notes(notes: Sequence[str], what: str) -> list[str]:
    """Return as many sentences as there is room for, and how many more there are."""
    if len(notes) <= NOTES:
        return [shown_name(note, _SENTENCE) for note in notes]
    some = [shown_name(note, _SENTENCE) for note in notes[: NOTES - 1]]
    return [*some, f"and {len(notes) - NOTES + 1} more {what}"]


def write_around(title: str, notes: Sequence[str], figure: Figure | None, ax: Axes | None) -> None:
    """Write a title above and notes below a whole figure, or axes of somebody else's figure."""
    below = "\n".join(notes)
    if figure is not None:
        figure.suptitle(title, parse_math=False)
        if below:
            figure.supxlabel(below, fontsize=8, x=0.01, ha="left", parse_math=False)
    elif ax is not None:
        ax.set_title(title, parse_math=False, pad=14)
        if below:
            ax.annotate(
                below, (0, 0), (0, -32), "axes fraction", "offset points", fontsize=7, va="top",
                parse_math=False,
            )  # fmt: skip
