"""``report``: the page of a model or a recording as one file, to keep and to send."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import ViewError
from layerscope.core.files import check_free, whole
from layerscope.core.progress import Bar
from layerscope.core.table import size_text
from layerscope.interfaces.page import bundle as bundles
from layerscope.interfaces.page.bundle import Bundle, Layouts, Watch
from layerscope.interfaces.page.document import file_html
from layerscope.interfaces.page.extract import Extract, Measure, left_out, thinner
from layerscope.interfaces.page.subject import PageSubject

if TYPE_CHECKING:
    from layerscope.recordings.recording import Recording
    from layerscope.recordings.run import Run

MAX_SIZE = 25_000_000
START = "start_file.js"
_FIRST_GUESS = 0.8  #: how far maps are packed, before it is known
_FOR_UNITS = 0.1  #: of a file's size, where not all of the layers fits


@dataclass
class Report:
    """The page of a subject in one file of at most ``max_size`` bytes, settled, then made."""

    subject: PageSubject
    max_size: int = MAX_SIZE
    depths: int = 4  #: how many layouts of the passage are in it, at most
    unit_panels: int = 3_000  #: how many panels of units, at most
    outline: dict[str, Any] = field(init=False)
    whole: Extract = field(init=False)
    extract: Extract = field(init=False)
    expected: int = field(init=False)  #: bytes

    def __post_init__(self) -> None:
        if isinstance(self.max_size, bool) or not isinstance(self.max_size, int):
            raise ViewError(f"max_size={self.max_size!r}: pass a number of bytes.")
        self.outline = self.subject.outline()
        steps = tuple(self.outline["steps"]) if self.outline["recorded"] else ()
        self.whole = Extract(len(self.outline["samples"]), steps)
        self._measure = Measure.of(self.outline["layers"])
        self._moments = lambda extract: extract.moments(self.outline["recorded"])
        self._layouts = Layouts.of(self._first(self.whole), self.depths)
        self._settle()

    def _first(self, extract: Extract) -> Any:
        from layerscope.interfaces.page.subject import Query

        return self.subject.moment(Query(0, extract.steps[-1] if extract.steps else None))

    @property
    def _addresses(self) -> list[str]:
        return [layer["address"] for layer in self.outline["layers"]]
