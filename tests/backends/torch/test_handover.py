from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from layerscope import open_recording
from layerscope.backends.torch.handover import take_weights
from layerscope.backends.training import training_of
from layerscope.instruments.record.checkpoints import record_checkpoints


class Settings:
    def __init__(self, scale: float) -> None:
        self.scale = scale


class Net(nn.Module):
    def __init__(self, scale: float = 2.0, tied: bool = True, function: Any = torch.relu) -> None:
        super().__init__()
        self.settings = Settings(scale)
        self.function = function
        self.norm = nn.BatchNorm1d(3)
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        if tied:
            self.two.weight = self.one.weight
        self.register_buffer("shift", torch.randn(3), persistent=False)
        self.table = torch.randn(3)  # no part of the state_dict

    def forward(self, x):
        x = self.function(self.one(self.norm(x))) * self.settings.scale + self.shift + self.table
        return self.two(x)


def net(seed: int, **options: Any) -> Net:
    torch.manual_seed(seed)
    made = Net(**options).eval()
    made.norm.running_mean += seed
    return made


X = torch.randn(4, 3)


def test_a_module_becomes_another_of_the_same_make():
    mine, theirs = net(0), net(1)
    tensors = [id(t) for t in (*mine.parameters(), *mine.buffers(), mine.table)]
    assert training_of(mine).take_weights(theirs)
    assert torch.equal(mine(X), theirs(X))
    assert [id(t) for t in (*mine.parameters(), *mine.buffers(), mine.table)] == tensors
    with torch.no_grad():
        theirs.one.weight.zero_()
    assert not torch.equal(mine(X), theirs(X))


def hooked() -> Net:
    made = net(1)
    made.one.register_forward_hook(lambda module, args, output: output + 1)
    return made


@pytest.mark.parametrize(
    "other",
    [
        lambda: net(1, scale=3.0),
        lambda: net(1, tied=False),
        lambda: net(1, function=torch.tanh),
        lambda: net(1, function=lambda x: x),
        lambda: net(1).train(),
        lambda: net(1).double(),
        lambda: net(1).requires_grad_(False),
        hooked,
        lambda: nn.Sequential(nn.Linear(3, 3)),
        lambda: torch.jit.script(nn.Linear(3, 3)),
    ],
    ids=[
        "setting",
        "untied",
        "function",
        "lambda",
        "mode",
        "dtype",
        "gradient",
        "hook",
        "class",
        "script",
    ],
)
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_another_make_changes_nothing(other):
    mine = net(0)
    before = mine(X)
    assert not take_weights(mine, other())
    assert torch.equal(mine(X), before)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (nn.Dropout(0.1), nn.Dropout(0.2)),
        (nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3, padding=1)),
        (nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Sequential(nn.Tanh(), nn.ReLU())),
        (nn.LazyLinear(3), nn.LazyLinear(3)),
        (
            nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)),
            nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)),
        ),
    ],
    ids=["dropout", "padding", "order", "lazy", "norm"],
)
def test_settings_tell_modules_apart(mine, theirs):
    assert not take_weights(mine, theirs)


def make() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()


def test_checkpoints_are_recorded_as_they_are_one_by_one(tmp_path: Path) -> None:
    paths, outputs = [], []
    for epoch in range(4):
        torch.manual_seed(epoch)
        model = make()
        model[2].running_mean += epoch
        outputs.append(model(X).detach().numpy())
        paths.append(tmp_path / f"w{epoch}.pth")
        torch.save(model.state_dict(), paths[-1])
    record_checkpoints(
        tmp_path / "run.zarr", paths, X.numpy(), architecture=make, dtype="float32", quiet=True
    )
    run = open_recording(tmp_path / "run.zarr")
    np.testing.assert_allclose(run["3"], outputs, rtol=1e-5)
    np.testing.assert_allclose(run.weights["2.running_mean"].values[:, 0], range(4))
