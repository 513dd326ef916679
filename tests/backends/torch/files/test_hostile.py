"""Hostile files of PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from hostile.campaign import check

# The libraries that write the files warn of what they will do one day.
pytestmark = pytest.mark.filterwarnings("default")

NAMES = ("torch", "pt2")


def test_a_sample_of_hostile_files(tmp_path: Path) -> None:
    check(NAMES, 8, tmp_path, every=30)


@pytest.mark.full
@pytest.mark.timeout(0)
def test_thousands_of_hostile_files(tmp_path: Path) -> None:
    check(NAMES, 1_000, tmp_path)
