"""What a page is told of a recording that is being written."""

from __future__ import annotations

import numpy as np
import pytest

from cases.runs import learner
from cases.stored_runs import go_on, recorded
from layerscope import open_recording
from layerscope.core.errors import AddressError
from layerscope.interfaces.page.subject import PageSubject
from layerscope.recordings.growing import PAUSE, GrowingRun


def test_a_page_is_told_of_new_steps_and_asks_anew(tmp_path) -> None:
    writer = recorded(tmp_path / "run.zarr", 2)
    now = [0.0]
    subject = PageSubject(run=open_recording(tmp_path / "run.zarr"))
    assert subject.run is not None
    subject.growing = GrowingRun(subject.run, lambda: now[0])
    assert subject.outline()["steps"] == [10, 12]
    kept = subject.panel("layer", {"address": "dense", "step": "12"})
    range_before = kept.header["over_steps"]
    go_on(writer, 4)
    assert subject.changes()["generation"] == 0
    now[0] += PAUSE
    changes = subject.changes()
    assert changes["generation"] == subject.generation == 1
    assert changes["missing"] == ""
    assert (changes["steps"], changes["epochs"]) == ([10, 12, 14, 16], [0, 1, 2, 3])
    assert changes["moments"] == ["step 10", "step 12", "step 14", "step 16"]
    assert subject.outline()["steps"] == changes["steps"]
    again = subject.panel("layer", {"address": "dense", "step": "16"})
    low, high = again.header["over_steps"]
    assert low <= range_before[0]
    assert high >= range_before[1]
    steps = subject.panel("steps", {})
    assert steps.header["steps"] == changes["steps"]
    writer.close()


def test_a_recording_without_a_step_says_so(tmp_path) -> None:
    writer = recorded(tmp_path / "run.zarr", 0)
    subject = PageSubject(run=open_recording(tmp_path / "run.zarr"))
    assert subject.changes()["steps"] == []
    with pytest.raises(AddressError, match="holds no steps yet"):
        subject.outline()
    writer.close()


def test_steps_that_were_looked_at_are_read_once(tmp_path) -> None:
    run = learner()
    subject = PageSubject(run=run)
    words = {"address": "conv", "step": "2"}
    first = subject.panel("layer", words)
    asked = [entry for entry in run._reader.asked if entry[2] == "values"]
    second = subject.panel("layer", words)
    assert [entry for entry in run._reader.asked if entry[2] == "values"] == asked
    assert np.array_equal(first.buffers["pixels"], second.buffers["pixels"])
