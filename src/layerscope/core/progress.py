"""The one progress bar: a line on a terminal or in a notebook, gone when the work is done."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from layerscope.core.console import LiveLine, can_write, is_watched
from layerscope.core.text import cell_width, fitted, printable

Item = TypeVar("Item")

_LONGEST, _SHORTEST = 40, 8  #: columns of the bar itself
_PAUSE = 0.1  #: seconds: more often nobody sees
_LINES, _SIGNS = ("━", "─"), ("#", "-")  #: what is done, and what is not


class Bar:
    """A line that says what is being done and how far it is, for as long as the ``with`` lasts.

    Without a ``total`` it has no bar. ``shown``: None shows it where someone is there to see it, in
    a terminal or a notebook.
    """

    def __init__(self, what: str, total: int = 0, *, shown: bool | None = None) -> None:
        self._what = printable(what)
        self._total = total
        self._done = 0
        self._note = ""
        self._shown = is_watched() if shown is None else shown
        self._began = self._drawn = 0.0
        self._line = LiveLine()

    def __enter__(self) -> Bar:
        self._began = time.monotonic()
        self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._erase()
        self._shown = False

    def show(self, done: int, total: int | None = None, note: str = "") -> None:
        """Show how much is done, of how much, and a word about it."""
        self._done = done
        self._total = self._total if total is None else total
        self._note = printable(note)
        if time.monotonic() - self._drawn >= _PAUSE:
            self._draw()

    def advance(self, note: str = "") -> None:
        """Show that one more is done."""
        self.show(self._done + 1, note=note)

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items; one more is done whenever the next is asked for."""
        for item in items:
            yield item
            self.advance()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Leave the line to others meanwhile: there is room for one bar."""
        shown, self._shown = self._shown, False
        if shown:
            self._erase()
        try:
            yield
        finally:
            self._shown = shown

    def _draw(self) -> None:
        if self._shown:
            self._line.write(self._text(shutil.get_terminal_size().columns - 1))
            self._drawn = time.monotonic()

    def _erase(self) -> None:
        self._line.write("")

    def _text(self, columns: int) -> str:
        if not self._total:
            return fitted(f"{self._what} ...", columns)
        counted = f"{self._done}/{self._total}"
        after = "  ".join(part for part in (counted, self._note, self._left()) if part)
        what = fitted(self._what, max(0, columns - cell_width(after) - _SHORTEST - 2))
        room = min(_LONGEST, columns - cell_width(what) - cell_width(after) - 2)
        return f"{what} {self._bar(room)} {after}" if room >= _SHORTEST else fitted(after, columns)

    def _bar(self, length: int) -> str:
        done, rest = _LINES if can_write("".join(_LINES)) else _SIGNS
        full = length * min(self._done, self._total) // self._total
        return done * full + rest * (length - full)

    def _left(self) -> str:
        """Return for how long it will go on as it did so far, as ``0:01:05``; empty at first."""
        if not 0 < self._done <= self._total:
            return ""
        each = (time.monotonic() - self._began) / self._done
        seconds = round(each * (self._total - self._done))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
