"""How much of what is drawn by chance a run of the tests tries: a sample, or all of it."""

from __future__ import annotations

import os


def amount(sample: int, *, full: int) -> int:
    """Return how many to try: ``full`` in ``nox -s full``, and a sample before each commit."""
    return full if os.environ.get("LAYERSCOPE_FULL") else sample


def examples(count: int) -> int:
    """Return on how many examples to try a property: ``count``, or 20 times that in full."""
    return amount(count, full=20 * count)
