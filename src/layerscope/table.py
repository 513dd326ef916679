"""Tables of text, as the shell and ``print`` show them."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Sequence


def text_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()
) -> str:
    """Rows under their headings; the columns named in ``right`` are flush right."""
    state = random.getstate()  # Rich draws a number when it is imported
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    random.setstate(state)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(Text(name), justify="right" if name in right else "left", no_wrap=True)
    for row in rows:
        # As text: brackets and colons are parts of addresses.
        table.add_row(*(Text(printable(cell)) for cell in row))
    text = io.StringIO()
    Console(file=text, width=100_000, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def printable(text: str) -> str:
    """The text with a sign in place of each character that can't be shown."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


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
