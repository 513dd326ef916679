"""A training loop in PyTorch, recorded: nothing of the training changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("zarr")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import layerscope as ls
from cases.amounts import examples
from layerscope.core.errors import InputError, ModelError
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.run import open_run

VALUE = "a zero of it is a value like any other"


def network() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(4 * 36, 3),
    )  # fmt: skip


def train(place: Path | None, steps: int, seed: int, **options: Any) -> list[Any]:
    """What a training leaves behind: weights, gradients, and the next random numbers."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    model = network()
    x, y = torch.randn(16, 1, 8, 8), torch.randint(0, 3, (16,))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    recorder = None
    if place is not None:
        recorder = Recorder(place, model, probe=x[:3], quiet=True, **options)
    for step in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if recorder is not None:
            recorder.snap(step, loss=loss, rate=torch.tensor([0.01]))
    assert model.training
    if recorder is not None:
        recorder.close()
    gradients = [p.grad for p in model.parameters()]
    return [*model.state_dict().values(), *gradients, torch.rand(3), torch.tensor(np.random.rand())]


@settings(max_examples=examples(8))
@given(
    steps=st.integers(1, 6),
    seed=st.integers(0, 99),
    every=st.sampled_from(["epoch", 2]),
    dtype=st.sampled_from(["float16", "float32", "uint8"]),
    layers=st.sampled_from([None, "2", -1]),
)
def test_training_is_bit_identical(
    tmp_path_factory: pytest.TempPathFactory,
    steps: int, seed: int, every: Any, dtype: str, layers: Any,
) -> None:  # fmt: skip
    place = tmp_path_factory.mktemp("run") / "run.zarr"
    watched = train(place, steps, seed, every=every, dtype=dtype, layers=layers)
    for one, other in zip(train(None, steps, seed), watched, strict=True):
        assert torch.equal(one, other)
    run = open_run(place)
    assert run.steps.tolist() == list(range(0, steps, 2 if every == 2 else 1))
    assert np.isfinite(run.metrics["loss"]).all()


def test_what_is_recorded_is_what_was_there(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    recorder = Recorder(tmp_path / "run.zarr", model, probe=x, dtype="float32", steps=3, quiet=True)
    hidden, kernels = [], []
    for step in range(3):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1)
            hidden.append(torch.relu(x @ model[0].weight.T + model[0].bias).numpy().copy())
            kernels.append(model[0].weight.numpy().copy())
        recorder.snap(step)
    x.zero_()  # the probe is a copy
    recorder.close()
    run = open_run(tmp_path / "run.zarr")
    np.testing.assert_allclose(run["1"].values, hidden, rtol=1e-6)
    np.testing.assert_array_equal(run.weights["0.weight"].values, np.swapaxes(kernels, 1, 2))
    figures = run.statistics("1")
    np.testing.assert_allclose(figures["mean"], np.mean(hidden, axis=1), rtol=1e-5)
    np.testing.assert_allclose(figures["std"], np.std(hidden, axis=1), rtol=1e-4, atol=1e-7)
    zeros = (np.array(hidden) == 0).mean(axis=1)
    np.testing.assert_allclose(figures["zeros"], zeros, rtol=1e-6)
    norms = run.weights.statistics("0.weight")
    expected = [np.linalg.norm(kernel) for kernel in kernels]
    np.testing.assert_allclose(norms["norm"], expected, rtol=1e-6)
    assert np.isnan(norms["change"][0])
    np.testing.assert_allclose(norms["change"][1:], 0.1 * 12**0.5, rtol=1e-5)


def test_a_module_that_is_lazy_gets_its_weights_from_the_training(tmp_path: Path) -> None:
    def trained(record: bool) -> Any:
        torch.manual_seed(0)
        model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
        x = torch.randn(5, 3)
        recorder = Recorder(tmp_path / "run.zarr", model, probe=x, quiet=True) if record else None
        torch.rand(7)
        model(x)
        if recorder is not None:
            recorder.snap(0)
            recorder.close()
        return model.state_dict()

    plain, watched = trained(False), trained(True)
    assert all(torch.equal(plain[key], watched[key]) for key in plain)
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0]


def test_a_module_that_is_trained_in_parallel_is_looked_into(tmp_path: Path) -> None:
    model = nn.DataParallel(nn.Sequential(nn.Linear(3, 2), nn.ReLU()))
    with Recorder(tmp_path / "run.zarr", model, probe=np.ones((2, 3), np.float32), quiet=True) as r:
        r.snap()
    assert list(open_run(tmp_path / "run.zarr")) == ["0", "1"]


def test_only_the_first_process_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    model = nn.Linear(3, 2)
    with Recorder(tmp_path / "run.zarr", model, probe=np.ones((2, 3), np.float32)) as recorder:
        assert not recorder.snap(0, loss=1.0)
        recorder.flush()
    assert recorder.plan == ""
    assert not (tmp_path / "run.zarr").exists()
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    with Recorder(tmp_path / "run.zarr", model, probe=np.ones((2, 3), np.float32)) as recorder:
        assert recorder.snap(0)


def test_a_metric_that_is_no_number(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    with Recorder(tmp_path / "run.zarr", model, probe=torch.ones(2, 3), quiet=True) as recorder:
        with pytest.raises(InputError, match="The metric loss='low' is no number"):
            recorder.snap(0, loss="low")
        with pytest.raises(InputError, match="is no number"):
            recorder.snap(0, loss=torch.ones(2))
        assert recorder.snap(0, loss=torch.ones(1))


class Head(nn.Module):
    """A lazy head that is never called, and a lazy layer that is."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head, self.last = nn.Linear(3, 4), nn.LazyLinear(2), nn.LazyLinear(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x))  # type: ignore[no-any-return]


def test_a_module_with_a_lazy_head_that_is_never_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def trained(record: bool) -> Any:
        torch.manual_seed(0)
        model = Head()
        x = torch.randn(5, 3)
        recorder = None
        if record:
            recorder = Recorder(tmp_path / "run.zarr", model, probe=x, steps=2, quiet=True)
            assert not recorder.snap(0)
        model(x)
        if recorder is not None:
            assert recorder.snap(1)
            assert recorder.snap(2)
            recorder.close()
        return model.last.state_dict(), torch.rand(3), recorder

    plain, watched = trained(False), trained(True)
    assert all(torch.equal(plain[0][key], watched[0][key]) for key in plain[0])
    assert torch.equal(plain[1], watched[1])
    run = open_run(tmp_path / "run.zarr")
    assert run.steps.tolist() == [1, 2]
    assert list(run) == ["first", "last"]
    assert list(run.weights) == ["first.weight", "first.bias", "last.weight", "last.bias"]
    said = capsys.readouterr().err
    for note in (
        "no step is recorded before the training has made the weights",
        "not called on the probe, so nothing is recorded of: head",
    ):
        assert note in watched[2].notes
        assert note in run.notes
        assert f"layerscope: {note}.\n" in said


def test_a_module_that_nothing_can_be_run_through(tmp_path: Path) -> None:
    for module in (nn.ModuleList([nn.Linear(3, 2)]), nn.Module()):
        with pytest.raises(ModelError, match=r"has no forward\(\), so nothing can be run through"):
            Recorder(tmp_path / "run.zarr", module, probe=np.ones((2, 3), np.float32))


def test_weights_without_a_shape_are_said() -> None:
    model = Head()
    model(torch.ones(2, 3))
    weights = ls.weights(model)
    assert list(weights) == ["first.weight", "first.bias", "last.weight", "last.bias"]
    assert weights.notes == ("without a shape until they are used: head.weight, head.bias",)
    with pytest.raises(ModelError, match="'weight' has no shape yet: run the model once"):
        ls.weights(nn.LazyLinear(2))


@pytest.mark.parametrize("before", [True, False], ids=["recorded", "not recorded"])
def test_the_step_that_killed_the_units_is_named(tmp_path: Path, before: bool) -> None:
    x = torch.rand(16, 4) + 0.5
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[0].bias.copy_(torch.tensor([0.0, -100, 0, 0, -100, 0]))
        model[2].weight.fill_(1)
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    with Recorder(tmp_path / "run", model, probe=x, dtype="uint8", quiet=True) as recorder:
        if before:
            recorder.snap(0)
        for step in range(1, 7):
            optimizer.param_groups[0]["lr"] = 1e3 if step == 4 else 1e-9
            optimizer.zero_grad()
            loss = ((model(x) + 100) ** 2).mean()
            loss.backward()
            optimizer.step()
            recorder.snap(step, loss=loss)
    fates = open_run(tmp_path / "run").fate()
    assert fates.others == {"0": VALUE, "2": VALUE}
    start = "fires from the start" if before else "fires when first seen"
    died, never = f"{start}, died in epoch 4", f"never fired on 16 samples at {6 + before} steps"
    assert [unit.words for unit in fates.units()] == [died, never, died, died, never, died]
    assert fates["1"].born_silent == (2 if before else None)
