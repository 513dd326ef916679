"""Checks: one function each, found in the folder ``checks`` by their decorator."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from layerscope.instruments.examination.evidence import Evidence
from layerscope.recordings.examination import ExaminationFinding

Needs = Callable[[Evidence], str | None]
Find = Callable[[Evidence], Iterable[ExaminationFinding]]


@dataclass(frozen=True)
class Check:
    """One kind of finding."""

    kind: str
    clean: str  #: what is so where nothing is found, in a sentence
    needs: Needs  #: why it can't be checked; None where it can
    find: Find

    def __call__(self, evidence: Evidence) -> Iterator[ExaminationFinding]:
        """Yield what is found; that all is clean; or why it was not checked."""
        reason = self.needs(evidence)
        if reason is not None:
            yield ExaminationFinding(self.kind, "not checked", reason)
            return
        findings = list(self.find(evidence))
        yield from findings
        if not findings:
            samples = evidence.now.samples
            yield ExaminationFinding(self.kind, "clean", self.clean, samples=samples)


def nothing(_: Evidence) -> str | None:
    """Return None: a check that can always be made."""
    return None


def check(kind: str, *, clean: str, needs: Needs = nothing) -> Callable[[Find], Check]:
    """Make a check of a function that yields findings of this kind."""
    return lambda find: Check(kind, clean, needs, find)


@functools.cache
def checks() -> tuple[Check, ...]:
    """Return all checks, by the names of their files."""
    from layerscope.instruments.examination import checks as folder

    modules = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    loaded = [importlib.import_module(f"{folder.__name__}.{name}") for name in modules]
    return tuple(
        one for module in loaded for one in vars(module).values() if isinstance(one, Check)
    )


def kinds() -> tuple[str, ...]:
    """Return the kinds of findings that there are."""
    return tuple(one.kind for one in checks())
