"""Tables of text, as the shell and ``print`` show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from layerscope.core.text import cell_width, fitted, printable, shortened

_LONGEST = 200  #: characters of a cell; the middle of a longer one is left out
_SHORTEST = 12  #: columns that a long cell keeps where a terminal is narrow
#: A column as wide as the first is padded for a single long cell, too; none wider than the second.
_PADDED = 40, 80
_GAP = "   "


def text_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[str] = (),
    width: int | None = None,
    whole: Sequence[str] = (),
) -> str:
    """Return rows under their headings, aligned by how wide a terminal shows their cells.

    The columns named in ``right`` are flush right. What can't be seen is escaped, and a cell of
    more than 200 characters is shortened in its middle: no row is as wide as somebody's longest
    name.

    Where ``width`` columns of a terminal have no room for a row, long cells are shortened further,
    but for those of columns named in ``right`` and ``whole``; where that is not enough, the columns
    stand in blocks below one another, each beginning with the first column. Without a width, as in
    a pipe, cells are whole, and the few that are much longer than the others of a column push what
    follows to the right, so that not all rows are padded for them.
    """
    lines = [[_cell(cell) for cell in line] for line in (columns, *rows)]
    flush = [name in right for name in columns]
    if width is not None:
        lines = _fitting(lines, [name in (*right, *whole) for name in columns], width)
    blocks = _blocks(_widths(lines), width)
    return "\n\n".join(
        _written(
            [[line[i] for i in block] for line in lines],
            [flush[i] for i in block],
            ragged=width is None,
        )
        for block in blocks
    )


def _written(lines: Sequence[Sequence[str]], flush: Sequence[bool], *, ragged: bool) -> str:
    widths = _widths(lines)
    if ragged:
        columns = zip(*lines, strict=True)
        widths = [
            natural if is_right else min(natural, _most_need(column))
            for natural, is_right, column in zip(widths, flush, columns, strict=True)
        ]

    def aligned(cells: Sequence[str]) -> str:
        parts = []
        for cell, is_right, width in zip(cells, flush, widths, strict=True):
            blanks = " " * (width - cell_width(cell))
            parts.append(blanks + cell if is_right else cell + blanks)
        return _GAP.join(parts).rstrip()

    head, *body = map(aligned, lines)
    return "\n".join([head, "─" * _total(widths), *body])


def _most_need(column: Sequence[str]) -> int:
    """Return how wide a column is made where rows may be ragged: nine cells in ten fit."""
    widths = sorted(map(cell_width, column))
    least, most = _PADDED
    return min(most, max(least, widths[(len(widths) - 1) * 9 // 10]))


def _fitting(lines: list[list[str]], whole: Sequence[bool], width: int) -> list[list[str]]:
    """Return the lines with cells shortened so that all columns, or else any two, have room."""
    narrowed = _narrowed(lines, whole, width)
    if _total(_widths(narrowed)) <= width:
        return narrowed
    first, *others = _widths(lines)
    kept = [n if is_whole else 0 for n, is_whole in zip(others, whole[1:], strict=True)]
    room = width - len(_GAP)
    first = min(first, max(_SHORTEST, min(room // 2, room - max(kept, default=0))))
    most = [first, *(n or max(_SHORTEST, room - first) for n in kept)]
    return [[fitted(cell, n) for cell, n in zip(line, most, strict=True)] for line in lines]


def _narrowed(lines: list[list[str]], whole: Sequence[bool], width: int) -> list[list[str]]:
    """Return the lines with long cells shortened as far as needed, the widest column first."""
    widths = _widths(lines)
    least = [
        natural if is_whole else min(natural, max(_SHORTEST, cell_width(heading)))
        for natural, is_whole, heading in zip(widths, whole, lines[0], strict=True)
    ]
    while _total(widths) > width and widths != least:
        widest = max((w, i) for i, w in enumerate(widths) if w > least[i])[1]
        widths[widest] -= 1
    return [[fitted(cell, most) for cell, most in zip(line, widths, strict=True)] for line in lines]


def _blocks(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Return which columns stand beside one another; the first is in each block."""
    blocks = [[0]]
    for i in range(1, len(widths)):
        together = [widths[j] for j in (*blocks[-1], i)]
        if width is not None and len(blocks[-1]) > 1 and _total(together) > width:
            blocks.append([0, i])
        else:
            blocks[-1].append(i)
    return blocks


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_width, column)) for column in zip(*lines, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


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
