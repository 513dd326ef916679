"""What is opened, and what came of it; both go between processes as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class File:
    """One file, or folder, and how a user opens it."""

    format: str  #: the name of its entry in ``FORMATS``
    what: str  #: what was done to it, for whoever reads a failure
    path: str
    way: str = "model"  #: a function of ``hostile.users``
    architecture: str | None = None
    opens: bool | None = None  #: whether it has to open; None where either is right

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of(cls, line: str) -> File:
        """From one line of JSON."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Report:
    """What came of opening one file."""

    opened: bool
    message: str  #: of the error that layerscope raised
    faults: tuple[str, ...]
    seconds: float  #: of the processor
    gained: int  #: bytes by which the peak of memory rose above what was used before

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of(cls, line: str) -> Report:
        """From one line of JSON."""
        fields: dict[str, Any] = json.loads(line)
        return cls(**{**fields, "faults": tuple(fields["faults"])})


@dataclass(frozen=True, slots=True)
class Seed:
    """A small real file of some format."""

    path: Path  #: a file or a folder
    way: str = "model"
    architecture: str | None = None
