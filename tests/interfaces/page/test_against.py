"""What a page's moment is compared with, asked for as the page asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cases.runs import MAPS, changing_maps, learner
from layerscope import Recorder
from layerscope.core.errors import InputError, ModelError
from layerscope.instruments.samples import SameSamples, SampleRecordings
from layerscope.interfaces.page.subject import PageSubject
from layerscope.recordings.finding import moment_text
from layerscope.recordings.run import open_run

torch = pytest.importorskip("torch")
X = np.random.RandomState(0).normal(size=(3, 4)).astype(np.float32)


def mlp(seed: int, width: int = 5, prefix: str = ""):
    model = torch.nn.Sequential()
    rng = np.random.RandomState(seed)
    for name, (inputs, outputs) in {"first": (4, width), "second": (width, 3)}.items():
        layer = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(rng.normal(size=(outputs, inputs))))
            layer.bias.zero_()
        model.add_module(prefix + name, layer)
    return model


def lows(panel) -> np.ndarray:
    return np.frombuffer(panel.buffers["low"], "<f4")


def test_another_sample() -> None:
    subject = PageSubject(SampleRecordings(mlp(1), X))
    panel = subject.panel("layer", {"address": "first", "sample": "0", "against": "sample:2"})
    assert panel.header["parts"] == ["sample 0", "sample 2", "difference"]
    outputs = mlp(1).first(torch.from_numpy(X)).detach().numpy()
    assert np.allclose(lows(panel)[2::3], outputs[0] - outputs[2], atol=1e-6)
    answers = subject.panel("passage", {"against": "sample:2"}).header["answers"]
    assert all(answer["other"] is not None for answer in answers)


def test_another_step() -> None:
    subject = PageSubject(None, learner())
    words = {"address": "conv", "sample": "1", "step": "2", "against": "step:4"}
    panel = subject.panel("layer", words)
    assert panel.header["parts"] == ["epoch 2", "epoch 4", "difference"]
    values = changing_maps()
    expected = (values[2, 1] - values[4, 1]).min(axis=(0, 1))
    assert np.allclose(lows(panel)[2::3], expected)
    assert MAPS[0] == "sample"


def test_another_model_whose_layers_are_called_otherwise() -> None:
    samples = SampleRecordings(mlp(1), X)
    other = mlp(2, prefix="other_")
    subject = PageSubject(samples, against=SameSamples(samples, other))
    assert subject.outline()["can"]["compare_models"]
    panel = subject.panel("layer", {"address": "second", "sample": "1", "against": "model:1"})
    inputs = torch.from_numpy(X)
    expected = (mlp(1)(inputs) - other(inputs)).detach().numpy()[1]
    assert np.allclose(lows(panel)[2::3], expected, atol=1e-5)


def test_models_of_other_architectures_are_refused_beforehand() -> None:
    samples = SampleRecordings(mlp(1), X)
    with pytest.raises(ModelError) as caught:
        SameSamples(samples, mlp(1, width=6))
    assert "'first', Linear with weights (5, 4)" in str(caught.value)
    assert "'first', Linear with weights (6, 4)" in str(caught.value)


@pytest.mark.parametrize(
    ("against", "words"),
    [
        ("sample:9", "There is no sample 9"),
        ("sample:", "sample='' is no number"),
        ("step:1", "was not recorded over steps"),
        ("model:1", "There is no other model here"),
        ("epoch:1", "against='epoch:1': pass sample:3, step:5, model:1 or intact."),
    ],
)
def test_what_there_is_not(against: str, words: str) -> None:
    subject = PageSubject(SampleRecordings(mlp(1), X))
    with pytest.raises(InputError) as caught:
        subject.panel("layer", {"address": "first", "against": against})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sample_that_was_replaced_elsewhere_is_not_taken_for_the_one_before() -> None:
    subject = PageSubject(SampleRecordings(mlp(1), X))
    samples = subject.samples
    assert samples is not None
    number = samples.put(X[:1] * 2, "numbers")
    words = {"address": "first", "sample": str(number), "edition": "1"}
    before = lows(subject.panel("layer", words)).copy()
    samples.put(X[:1] * 3, "numbers", into=number)
    with pytest.raises(InputError, match="This sample was replaced by another, elsewhere"):
        subject.panel("layer", words)
    now = lows(subject.panel("layer", {**words, "edition": "2"}))
    assert not np.allclose(now, before)


def test_shares_stay_shares_beside_an_output_of_plain_numbers() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.number = mlp(2), torch.nn.Linear(4, 1)
            self.share = torch.nn.Softmax(-1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.share(self.body(x)), self.number(x)

    subject = PageSubject(SampleRecordings(Two().eval(), X))
    answers = subject.panel("passage", {"against": "sample:1"}).header["answers"]
    kinds = {answer["output"]: answer["probability"] for answer in answers}
    assert kinds == {"share": True, "number": False}


def test_what_was_given_by_hand_has_its_name_where_it_is_compared() -> None:
    subject = PageSubject(SampleRecordings(mlp(1), X))
    given = subject.add(X[0].tolist(), "of my own")
    words = {"address": "first", "sample": "1", "against": f"sample:{given['sample']}"}
    panel = subject.panel("layer", words)
    assert panel.header["parts"] == ["sample 1", "of my own", "difference"]


def test_a_sample_as_it_was_beside_one_as_it_is_now_tells_when(tmp_path: Path) -> None:
    model = mlp(1)
    with Recorder(tmp_path / "run.zarr", model, probe=X[:2], every=1, quiet=True) as recorder:
        for epoch in range(3):
            recorder.snap(epoch=epoch)
    run = open_run(tmp_path / "run.zarr")
    subject = PageSubject(SampleRecordings(model, X[2:]), run)
    words = {"address": "first", "sample": "0", "step": str(int(run.steps[1]))}
    assert subject.panel("layer", {**words, "against": "sample:1"}).header["parts"] == [
        "sample 0", "sample 1", "difference",
    ]  # fmt: skip
    parts = subject.panel("layer", {**words, "against": "sample:2"}).header["parts"]
    assert parts == [f"sample 0, {moment_text(run, 1)}", "sample 2, now", "difference"]
    turned = subject.panel("layer", {**words, "sample": "2", "against": "sample:0"})
    assert turned.header["parts"][0] == "sample 2, now"
