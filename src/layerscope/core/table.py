"""Tables of text, as the shell and ``print`` show them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from layerscope.core.text import printable, shortened

_LONGEST = 200  #: characters of a cell; the middle of a longer one is left out
_GAP = "   "


def text_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()
) -> str:
    """Return rows under their headings, aligned by how wide a terminal shows their cells.

    The columns named in ``right`` are flush right. What can't be seen is escaped, and a cell of
    more than 200 characters is shortened in its middle: no row is as wide as somebody's longest
    name.
    """
    width_of = _cell_widths()
    lines = [[_cell(cell) for cell in line] for line in (columns, *rows)]
    wide = [[width_of(cell) for cell in line] for line in lines]
    widths = [max(column) for column in zip(*wide, strict=True)]
    flush = [name in right for name in columns]

    def written(cells: Sequence[str], own: Sequence[int]) -> str:
        parts = []
        for cell, is_right, width, room in zip(cells, flush, own, widths, strict=True):
            blanks = " " * (room - width)
            parts.append(blanks + cell if is_right else cell + blanks)
        return _GAP.join(parts).rstrip()

    head, *body = (written(cells, own) for cells, own in zip(lines, wide, strict=True))
    rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    return "\n".join([head, rule, *body])


def _cell(text: str) -> str:
    return shortened(printable(text), _LONGEST)


def _cell_widths() -> Callable[[str], int]:
    """Return what tells how many columns of a terminal a text takes."""
    state = random.getstate()  # Rich draws a number when it is imported
    from rich.cells import cell_len

    random.setstate(state)
    return lambda text: len(text) if text.isascii() else cell_len(text)


def padded(names: Iterable[str]) -> list[str]:
    """Return names as the first column of a list: harmless, and of one width on a terminal."""
    width_of = _cell_widths()
    cells = [_cell(name) for name in names]
    widths = [width_of(cell) for cell in cells]
    room = max(widths, default=0)
    return [cell + " " * (room - width) for cell, width in zip(cells, widths, strict=True)]


def a_kind(value: object) -> str:
    """What kind of thing a value is, with its article: ``an int``."""
    name = type(value).__name__.lstrip("_")
    return f"a{'n' * (name[:1].lower() in 'aeiou')} {name}"


def shape_text(shape: tuple[int | None, ...] | None) -> str:
    """``(None, 26, 26, 32)`` as Keras writes it; a question mark where nothing is known."""
    if shape is None:
        return "?"
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def setting_text(value: object) -> str:
    """``3×3`` for ``(3, 3)``, and short numbers."""
    if isinstance(value, list | tuple):
        return "×".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def size_text(nbytes: float) -> str:
    """A number of bytes as a person reads it: ``136.0 kB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} TB"
