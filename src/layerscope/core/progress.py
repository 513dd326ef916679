"""How far an ascent is, on the terminal or in a notebook."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from layerscope.core.text import message


class Bar:
    """A bar with the objective's current value, for as long as the ``with`` lasts.

    ``shown``: None shows it where someone is there to see it, in a terminal or a notebook.
    """

    def __init__(self, what: str, steps: int, shown: bool | None = None) -> None:
        self._what, self._steps = what, steps
        self._shown = _is_seen() if shown is None else shown
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> Bar:
        if self._shown:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[value]}"),
                TimeRemainingColumn(),
            )
            console = None if _in_notebook() else Console(stderr=True)
            self._progress = Progress(*columns, console=console, transient=True)
            self._task = self._progress.add_task(message(self._what), total=self._steps, value="")
            self._progress.start()
        return self

    def advance(self, value: float) -> None:
        """One step is made, and the objective is at this value."""
        if self._progress is not None:
            self._progress.update(self._task, advance=1, value=f"{value:.4g}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


def _is_seen() -> bool:
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"
