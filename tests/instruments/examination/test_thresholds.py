"""The one table of thresholds in the docs is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from layerscope.instruments.examination import thresholds
from layerscope.instruments.examination.registry import kinds

PAGE = (Path(__file__).parents[3] / "docs/examination.md").read_text(encoding="utf-8")


def test_the_table_has_every_threshold_with_its_value() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    there = {name: value for name, value in vars(thresholds).items() if name.isupper()}
    assert {name: float(value) for name, value in rows.items()} == there


def test_every_kind_of_finding_is_described() -> None:
    part = PAGE[PAGE.index("## What is checked") : PAGE.index("## Thresholds")]
    rows = re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", " ".join(rows))) == set(kinds())
