from __future__ import annotations

import shutil

import pytest

from cases.stored_runs import go_on, recorded
from layerscope import open_recording
from layerscope.recordings.growing import PAUSE, GrowingRun


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self) -> None:
        self.now += PAUSE


@pytest.fixture
def place(tmp_path):
    return tmp_path / "run.zarr"


def test_new_steps_are_seen_once_a_second(place) -> None:
    writer, clock = recorded(place, 2), Clock()
    growing = GrowingRun(open_recording(place), clock)
    go_on(writer, 3)
    assert not growing.refresh()  # it was opened just now
    clock.pause()
    assert growing.refresh()
    assert (growing.generation, growing.missing) == (1, "")
    assert growing.run.steps.tolist() == [10, 12, 14]
    go_on(writer, 4)
    assert not growing.refresh()
    clock.pause()
    assert growing.refresh()
    assert growing.generation == 2
    clock.pause()
    assert not growing.refresh()  # nothing was written
    writer.close()


def test_a_recording_that_vanished_is_told_once_and_its_steps_stay(place) -> None:
    recorded(place, 2).close()
    clock = Clock()
    growing = GrowingRun(open_recording(place), clock)
    shutil.move(place, place.with_name("elsewhere"))
    clock.pause()
    assert growing.refresh()
    assert growing.missing
    assert "\n" not in growing.missing
    assert growing.run.steps.tolist() == [10, 12]
    clock.pause()
    assert not growing.refresh()
    shutil.move(place.with_name("elsewhere"), place)
    clock.pause()
    assert growing.refresh()
    assert (growing.generation, growing.missing) == (0, "")


def test_another_recording_in_its_place_is_told(place) -> None:
    recorded(place, 3).close()
    clock = Clock()
    growing = GrowingRun(open_recording(place), clock)
    shutil.rmtree(place)
    recorded(place, 1).close()
    clock.pause()
    assert growing.refresh()
    assert growing.missing == "The recording was replaced by another one: open it again."
    clock.pause()
    assert not growing.refresh()  # it stays so: what is read now is another training
    assert growing.missing == "The recording was replaced by another one: open it again."
