"""What a survey is asked for, but for its model and its data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.core.errors import InputError
from layerscope.inputs import Feed
from layerscope.instruments.survey.data import Data, signature
from layerscope.recordings.survey.reading import InputReading, name_of


@dataclass(frozen=True, kw_only=True)
class SurveyRequest:
    """The options of :func:`layerscope.survey`."""

    layers: Any = None
    top: int = 16
    batch_size: int | None = None
    samples: int | None = None
    first: int = 0
    labels: Sequence[Any] | Mapping[str, Any] | None = None
    comoments: bool = True
    to: str | os.PathLike[str] | None = None
    resume: bool = True
    overwrite: bool = False
    progress: bool | None = None
    input_range: tuple[float, float] | str = (0, 1)
    resize: str = "stretch"
    size: tuple[int, int] | None = None
    preprocess: Callable[[Any], Any] | str | None = None

    def check(self) -> None:
        """Raise InputError for numbers that are none."""
        for name, value, least in (("top", self.top, 1), ("first", self.first, 0)):
            is_number = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not is_number or value < least:
                raise InputError(f"{name}={value!r}: pass a whole number from {least} up.")

    def reading_options(self) -> dict[str, Any]:
        """Return how images become input."""
        names = ("input_range", "resize", "size", "preprocess")
        return {name: getattr(self, name) for name in names}

    def reading(
        self, specs: Any = (), function: Callable[[Any], Any] | None = None
    ) -> InputReading:
        """Return how samples become input, so that those that are files can be read again."""
        options = self.reading_options() | {"preprocess": name_of(self.preprocess)}
        return InputReading(specs, function=function, **options)

    def made_with(self, data: Data, feed: Feed | None) -> dict[str, Any]:
        """Return what has to be the same for a survey to be gone on with."""
        paths = getattr(getattr(feed, "files", None), "paths", ())
        return {
            "layers": repr(self.layers), "top": int(self.top), "first": int(self.first),
            "comoments": self.comoments, "input_range": repr(self.input_range),
            "resize": self.resize, "size": self.size and list(self.size),
            "preprocess": name_of(self.preprocess),
            "data": signature(data.x, paths, data.given),
        }  # fmt: skip
