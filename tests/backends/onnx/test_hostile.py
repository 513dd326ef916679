"""Hostile files of ONNX."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from hostile.campaign import check

# The libraries that write the files warn of what they will do one day.
pytestmark = pytest.mark.filterwarnings("default")

NAMES = ("onnx",)


def test_a_sample_of_hostile_files(tmp_path: Path) -> None:
    check(NAMES, 8, tmp_path, every=20)


@pytest.mark.full
@pytest.mark.timeout(0)
def test_thousands_of_hostile_files(tmp_path: Path) -> None:
    check(NAMES, 800, tmp_path)
