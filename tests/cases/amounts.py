"""How much of what is drawn by chance a run of the tests tries: a sample, or all of it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence


def amount(sample: int, *, full: int) -> int:
    """Return how many to try: ``full`` in ``nox -s full``, and a sample before each commit."""
    return full if os.environ.get("LAYERSCOPE_FULL") else sample


def examples(count: int) -> int:
    """Return on how many examples to try a property: ``count``, or 20 times that in full.

    Where Keras compiles, which takes longer than all that is tried, the gate tries a third as many:
    the same property has ``count`` on PyTorch.
    """
    return amount(-(-count // 3) if compiles() else count, full=20 * count)


def compiles() -> bool:
    """Return whether Keras compiles what it runs here."""
    has_keras = importlib.util.find_spec("keras") is not None
    return has_keras and os.environ.get("KERAS_BACKEND") in ("jax", "tensorflow")


def some(combinations: Sequence[Mapping[str, object]]) -> set[int]:
    """Return the numbers of so many combinations of parameters that each value is among them.

    That is every fifth, which mixes parameters of two, three or four values, and what lacks then.
    """
    values = [{(name, id(value)) for name, value in one.items()} for one in combinations]
    chosen = set(range(0, len(values), 5))
    met = set().union(*(values[number] for number in chosen))
    for number, each in enumerate(values):
        if not each <= met:
            chosen.add(number)
            met |= each
    return chosen
