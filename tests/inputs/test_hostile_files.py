"""Hostile arrays and images, and files with names that mean something."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile.campaign import check

# The libraries that write the files warn of what they will do one day.
pytestmark = pytest.mark.filterwarnings("default")

NAMES = ("array", "image", "names")


@pytest.mark.slow
def test_a_sample_of_hostile_files(tmp_path: Path) -> None:
    check(NAMES, 24, tmp_path, every=16)


@pytest.mark.full
@pytest.mark.timeout(0)
def test_thousands_of_hostile_files(tmp_path: Path) -> None:
    check(NAMES, 1_200, tmp_path)
