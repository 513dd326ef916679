"""Units that are switched off on a page: what is shown is of the network without them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import layerscope as ls
from cases.runs import learner
from layerscope.core.errors import AddressError, InputError
from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.subject import PageSubject

X = np.random.RandomState(0).normal(size=(3, 4)).astype(np.float32)
OFF = "first:1\nfirst:3"


def mlp() -> torch.nn.Module:
    torch.manual_seed(1)
    first, second = torch.nn.Linear(4, 5), torch.nn.Linear(5, 3)
    model = torch.nn.Sequential()
    model.add_module("first", first)
    model.add_module("second", second)
    return model.eval()


def values(panel) -> np.ndarray:
    return np.frombuffer(panel.buffers["low"], "<f4")


def test_what_is_shown_is_of_the_network_without_them() -> None:
    model = mlp()
    subject = PageSubject(SampleRecordings(model, X))
    expected = ls.activations(model, X, edits={"first:1,3": 0})
    for layer in ("first", "second"):
        panel = subject.panel("layer", {"address": layer, "sample": "2", "without": OFF})
        assert np.allclose(values(panel), np.asarray(expected[layer])[2], atol=1e-6)
    assert "edits={'first:1': 0, 'first:3': 0}" in panel.header["code"]
    whole = subject.panel("layer", {"address": "second", "sample": "2"})
    assert not np.allclose(values(whole), values(panel), atol=1e-3)
    answers = subject.panel("passage", {"sample": "2", "without": OFF}).header["answers"]
    shown = {answer["unit"]: answer["value"] for answer in answers}
    for unit, value in shown.items():
        assert value == pytest.approx(float(expected["second"][2, unit]), abs=1e-5)


def test_beside_the_network_as_it_is() -> None:
    model = mlp()
    subject = PageSubject(SampleRecordings(model, X))
    words = {"address": "second", "sample": "0", "against": "intact"}
    panel = subject.panel("layer", {**words, "without": OFF})
    assert panel.header["parts"] == ["without first:1, first:3", "intact", "difference"]
    with torch.no_grad():
        intact = model(torch.from_numpy(X))[0].numpy()
    edited = np.asarray(ls.activations(model, X, edits={"first:1,3": 0})["second"])[0]
    assert np.allclose(values(panel)[2::3], edited - intact, atol=1e-6)
    assert "parts" not in subject.panel("layer", words).header  # nothing is switched off


def test_a_sample_that_is_gone_is_counted_from_the_first() -> None:
    samples = SampleRecordings(mlp(), X)
    for run in (None, learner()):
        subject = PageSubject(samples, run)
        recorded = subject.outline()["recorded"]
        words = f"no sample 999: there are {recorded + len(samples)}, from 0 on"
        with pytest.raises(InputError, match=words):
            subject.panel("layer", {"address": "first", "sample": "999"})


def test_what_can_not_be_switched_off() -> None:
    subject = PageSubject(SampleRecordings(mlp(), X))
    for address in ("first:9", "third:1"):
        with pytest.raises(AddressError):
            subject.panel("layer", {"address": "first", "without": address})
    assert not subject.outline()["can"]["silence"]  # a file can't run it
    subject.attributes = True
    assert subject.outline()["can"]["silence"]
    recorded = PageSubject(None, learner())
    recorded.attributes = True
    assert not recorded.outline()["can"]["silence"]
    with pytest.raises(InputError, match="was recorded"):
        recorded.panel("layer", {"address": "conv", "without": "conv:1"})


def test_a_model_that_is_trained_further_is_run_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mlp()
    subject = PageSubject(SampleRecordings(model, X))
    subject.watch_models()
    words = {"address": "second", "sample": "0", "without": "first:1"}
    before = values(subject.panel("layer", words)).copy()
    with torch.no_grad():
        model.second.weight.mul_(2)
    for watch in subject._watches:
        monkeypatch.setattr(watch, "changed", lambda: True)
    subject.changes()
    expected = np.asarray(ls.activations(model, X, edits={"first:1": 0})["second"])[0]
    after = values(subject.panel("layer", words))
    assert np.allclose(after, expected, atol=1e-6)
    assert not np.allclose(after, before, atol=1e-3)
