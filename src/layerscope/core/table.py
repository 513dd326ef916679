"""Tables of text, as the shell and ``print`` show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from layerscope.core.text import cell_width, printable, shortened

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
    lines = [[_cell(cell) for cell in line] for line in (columns, *rows)]
    widths = [max(map(cell_width, column)) for column in zip(*lines, strict=True)]
    flush = [name in right for name in columns]

    def written(cells: Sequence[str]) -> str:
        parts = []
        for cell, is_right, width in zip(cells, flush, widths, strict=True):
            blanks = " " * (width - cell_width(cell))
            parts.append(blanks + cell if is_right else cell + blanks)
        return _GAP.join(parts).rstrip()

    head, *body = map(written, lines)
    rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    return "\n".join([head, rule, *body])


def _cell(text: str) -> str:
    return shortened(printable(text), _LONGEST)


def padded(names: Iterable[str]) -> list[str]:
    """Return names as the first column of a list: harmless, and of one width on a terminal."""
    cells = [_cell(name) for name in names]
    widths = [cell_width(cell) for cell in cells]
    room = max(widths, default=0)
    return [cell + " " * (room - width) for cell, width in zip(cells, widths, strict=True)]


def a_kind(value: object) -> str:
    """Return what kind of thing a value is, with its article: ``an int``."""
    name = type(value).__name__.lstrip("_")
    return f"a{'n' * (name[:1].lower() in 'aeiou')} {name}"


def shape_text(shape: tuple[int | None, ...] | None) -> str:
    """Return ``(None, 26, 26, 32)`` as Keras writes it; a question mark where nothing is known."""
    if shape is None:
        return "?"
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def setting_text(value: object) -> str:
    """Return ``3×3`` for ``(3, 3)``, and short numbers."""
    if isinstance(value, list | tuple):
        return "×".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def size_text(nbytes: float) -> str:
    """Return a number of bytes as a person reads it: ``136.0 kB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} TB"
