"""What an examination found, as the page is told of it."""

from __future__ import annotations

import pytest

from cases.recordings import maps, recording
from layerscope.errors import InputError
from layerscope.interfaces.page.opening import page_subject
from layerscope.recordings.examination import ExaminationFinding, ExaminationReport


def test_the_outline_has_what_was_found_and_where() -> None:
    acts = recording({"conv": maps(3)})
    findings = [
        ExaminationFinding("nan", "clean", "All values are finite."),
        ExaminationFinding("silent", "found", "One.", "conv", (2,), "notable"),
        ExaminationFinding("dying", "found", "All.", "conv", (0, 1, 2), "failing", step=3),
    ]
    report = ExaminationReport(findings, subject="it", samples=2)
    told = page_subject(acts, examination=report).outline()["findings"]
    places = [(one["kind"], one["severity"], one["address"], one["step"]) for one in told]
    assert places == [("dying", "failing", "conv", 3), ("silent", "notable", "conv:2", None)]
    assert "findings" not in page_subject(acts).outline()
    with pytest.raises(InputError, match="examination is a list: pass what examine"):
        page_subject(acts, examination=[])
