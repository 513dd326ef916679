"""Samples of a model, recorded as somebody looks at them."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import InputError, LayerscopeError
from layerscope.instruments import samples as module
from layerscope.instruments.passes import Passes
from layerscope.instruments.samples import SampleRecordings

torch = pytest.importorskip("torch")


@pytest.fixture
def model():
    made = torch.nn.Sequential()
    made.add_module("dense", torch.nn.Linear(3, 4, bias=False))
    with torch.no_grad():
        made.dense.weight.copy_(torch.arange(12.0).reshape(4, 3))
    return made.eval()


@pytest.fixture
def runs(monkeypatch):
    """The inputs that were run, one after the other."""
    passed = []

    def record(self, prepared, _record=Passes.record):
        passed.append(prepared.value)
        return _record(self, prepared)

    monkeypatch.setattr(Passes, "record", record)
    return passed


def numbers(count, seed=0):
    return np.random.RandomState(seed).normal(size=(count, 3)).astype(np.float32)


def test_every_sample_is_the_one_that_the_model_was_given(model):
    x = numbers(40)
    samples = SampleRecordings(model, x)
    assert len(samples) == len(samples.names) == 40
    for number in (0, 39, 17, 16, 15, 0):
        recording, row = samples.recording(number)
        np.testing.assert_array_equal(recording.inputs["input"].values[row], x[number])
        wanted = ls.activations(model, x[number : number + 1])["dense"].values[0]
        np.testing.assert_allclose(recording["dense"].values[row], wanted, rtol=1e-5)


def test_nothing_is_run_before_it_is_looked_at_and_nothing_twice(model, runs):
    x = numbers(40)
    samples = SampleRecordings(model, x)
    assert samples.names
    assert not runs
    for number in (3, 4, 3, 7):
        samples.recording(number)
    assert len(runs) == 1
    np.testing.assert_array_equal(runs[0], x[:8])  # some at once
    for number in range(40):
        samples.recording(number)
    assert [len(run) for run in runs] == [8] * 5


def test_what_was_not_looked_at_for_longest_goes_first(model, runs, monkeypatch):
    samples = SampleRecordings(model, numbers(48))
    size = samples.recording(0)[0].nbytes
    monkeypatch.setattr(module, "_KEPT_BYTES", 2 * size)
    samples.recording(16)
    kept = samples.recording(0)[0]  # now 16 is the one of long ago
    samples.recording(32)
    assert len(runs) == 3
    assert samples.recording(0)[0] is kept
    samples.recording(32)
    assert len(runs) == 3
    samples.recording(16)
    assert len(runs) == 4


def test_the_last_is_kept_however_large_it_is(model, monkeypatch):
    monkeypatch.setattr(module, "_KEPT_BYTES", 1)
    samples = SampleRecordings(model, numbers(32))
    first = samples.recording(0)[0]
    assert samples.recording(1)[0] is first
    assert samples.recording(16)[0] is not first
    assert samples.recording(0)[0] is not first


def test_further_samples_come_behind_the_others(model):
    samples = SampleRecordings(model, numbers(2))
    assert samples.add(numbers(3, seed=1)) == [2, 3, 4]
    assert samples.add(numbers(1, seed=2), "mine") == [5]
    assert len(samples) == 6
    assert samples.names[5] == "mine"
    recording, row = samples.recording(5)
    np.testing.assert_array_equal(recording.inputs["input"].values[row], numbers(1, seed=2)[0])


@pytest.mark.parametrize("number", [-1, 2, 10**9])
def test_a_sample_that_is_not_there_is_said(model, number):
    samples = SampleRecordings(model, numbers(2))
    with pytest.raises(InputError, match=rf"no sample {number}: there are 2"):
        samples.recording(number)


def test_input_that_does_not_fit_is_said_and_changes_nothing(model):
    samples = SampleRecordings(model, numbers(2))
    with pytest.raises(LayerscopeError):
        samples.add("there is no such file.png")
    assert len(samples) == len(samples.names) == 2


def test_too_many_samples_are_refused(model, monkeypatch):
    monkeypatch.setattr(module, "_MOST_SAMPLES", 20)
    samples = SampleRecordings(model, numbers(10))
    with pytest.raises(InputError, match="more than 20 samples"):
        samples.add(numbers(11))
    assert len(samples) == len(samples.names) == 10


def test_a_model_that_fails_says_so_when_it_is_looked_at():
    class Failing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = torch.nn.Linear(3, 2)

        def forward(self, x):
            raise RuntimeError("it broke")

    samples = SampleRecordings(Failing(), numbers(1))
    with pytest.raises(LayerscopeError, match="it broke"):
        samples.recording(0)
