"""Examination on native PyTorch: the same network, broken in the same ways, named in its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.broken_networks import (
    BROKEN,
    BROKEN_TRAININGS,
    Broken,
    BrokenTraining,
    healthy,
    images,
    labels,
    learning,
    set_torch_weights,
    torch_address,
    torch_network,
)

torch = pytest.importorskip("torch")

X = np.ascontiguousarray(images().transpose(0, 3, 1, 2))
LABELLED = ("same-class", "guessing")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a training that goes well."""
    return recorded(tmp_path_factory.mktemp("well"), learning())


def recorded(folder: Path, steps: list[Any]) -> Path:
    model = torch_network(steps[0])
    where = folder / "run.zarr"
    with ls.Recorder(where, model, probe=X, quiet=True, dtype="float32") as recorder:
        for step, weights in enumerate(steps):
            set_torch_weights(model, weights)
            recorder.snap(step)
    return where


def test_a_network_that_is_well_has_no_failing_finding(run: Path) -> None:
    report = ls.examine(torch_network(healthy()), X, progress=False, run=run)
    assert report.failing == (), str(report)
    assert ls.examine(run).failing == ()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_what_is_broken_is_named_with_its_layer(broken: Broken, run: Path) -> None:
    model = torch_network(broken.change(healthy()), two_softmaxes=broken.two_softmaxes)
    options: dict[str, Any] = {}
    if broken.kind in LABELLED:
        options["labels"] = labels() + broken.label_shift
    if broken.kind == "input-scale":
        options["against"] = run
    report = ls.examine(model, X * np.float32(broken.scale), progress=False, **options)
    found = [(f.kind, f.layer, f.severity) for f in report.found]
    assert (broken.kind, torch_address(broken), "failing") in found, str(report)


@pytest.mark.parametrize("training", BROKEN_TRAININGS, ids=lambda training: training.name)
def test_a_training_that_goes_wrong_is_named_with_its_layer(
    training: BrokenTraining, tmp_path: Path
) -> None:
    report = ls.examine(recorded(tmp_path, training.steps()))
    found = [(f.kind, f.layer, f.severity) for f in report.found]
    address = f"{training.layer}_relu" if training.rectified else training.layer
    assert (training.kind, address, "failing") in found, str(report)


def test_a_loss_that_takes_a_softmax_again_is_named() -> None:
    model = torch.nn.Sequential(*torch_network(healthy()), torch.nn.Softmax(dim=1))
    report = ls.examine(model, X, progress=False, loss=torch.nn.CrossEntropyLoss())
    assert [f.state for f in report.of_kind("softmax-twice")] == ["found"]
    clean = ls.examine(torch_network(healthy()), X, progress=False, loss="CrossEntropyLoss")
    assert clean.of_kind("softmax-twice")[0].state == "clean"
    assert clean.of_kind("loss-mismatch")[0].state == "clean"


def test_batch_normalization_by_the_batch_leaves_the_model_as_it_was() -> None:
    from layerscope.backends import backend_for
    from layerscope.core.selection import Selection

    model = torch_network(healthy())
    model.add_module("dropout", torch.nn.Dropout(0.5))
    model.train()
    model.out.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    passed: Any = backend_for(model)
    run = passed.normalized_by_batch(X, Selection(everything=True))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    by_hand = torch.nn.functional.batch_norm(
        torch.from_numpy(run.values["first"].values), None, None, model.norm.weight.detach(),
        model.norm.bias.detach(), training=True,
    )  # fmt: skip
    assert np.allclose(run.values["norm"].values, by_hand.numpy(), atol=1e-5)
    out, dropped = run.values["out"].values, run.values["dropout"].values
    assert np.array_equal(out, dropped)  # nothing else is as in training


def test_a_recorder_notes_the_gradients_that_a_loop_left(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    x = torch.linspace(-1, 1, 24).reshape(6, 4)
    norms = []
    with ls.Recorder(tmp_path / "r.zarr", model, probe=x, gradients=True, quiet=True) as recorder:
        recorder.snap(0)
        for step in (1, 2):
            torch.nn.functional.cross_entropy(model(x), torch.arange(6) % 3).backward()
            norms.append(float(model[0].weight.grad.norm()))
            recorder.snap(step)
            model.zero_grad()
    recorded = ls.open_recording(tmp_path / "r.zarr").weights.statistic("0.weight", "gradient")
    assert np.isnan(recorded[0])
    assert np.allclose(recorded[1:], norms, rtol=1e-5)
    with pytest.raises(ls.errors.InputError, match="pass gradients=True, and call snap"):
        ls.Recorder(tmp_path / "s.zarr", model, probe=x, gradients=np.arange(6), quiet=True)
