"""Hostile files of scikit-learn."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("joblib")

from hostile.campaign import check

# The libraries that write the files warn of what they will do one day.
pytestmark = pytest.mark.filterwarnings("default")

NAMES = ("sklearn",)


def test_a_sample_of_hostile_files(tmp_path: Path) -> None:
    check(NAMES, 8, tmp_path, every=16)


@pytest.mark.full
@pytest.mark.timeout(0)
def test_thousands_of_hostile_files(tmp_path: Path) -> None:
    check(NAMES, 400, tmp_path)
