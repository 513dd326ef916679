"""A module's forward gets flags, numbers, strings and objects as what they are."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

import layerscope as ls


class Mode(enum.Enum):
    FAST = 1


@dataclasses.dataclass
class Settings:
    scale: float


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.got: list[Any] = []

    def forward(self, x: Any, flag: Any = True, second: Any = None) -> Any:
        type(self).last = (flag, second)
        y = self.layer(x)
        return y * 0 if flag is False else y


GIVEN = [
    False, True, 0, 3, 0.1, "b", "zeros", "a.b", None, (2, 2), (), ("a", None), Mode.FAST, int,
    Settings(0.5), range(2), slice(0, 1), torch.Size([2]), torch.float32, torch.device("cpu"),
]  # fmt: skip


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: f"{type(given).__name__} {given}"[:24])
@pytest.mark.parametrize("as_numpy", [False, True], ids=["tensor", "numpy"])
def test_arguments_arrive_as_what_they_are(given: Any, as_numpy: bool) -> None:
    torch.manual_seed(0)
    net, x = Net(), torch.rand(2, 4)
    right = net(x, given).detach().numpy()
    given_x = x.numpy() if as_numpy else x
    for arguments in (
        [given_x, given],
        (given_x, given),
        [given_x, given, given],
        {"x": given_x, "flag": given},
        {"x": given_x, "second": given, "flag": given},
        {"flag": given, "x": given_x},
    ):
        acts = ls.activations(net, arguments)
        flag, second = Net.last
        assert flag is given or (flag == given and type(flag) is type(given))
        assert second in (None, given)
        np.testing.assert_allclose(acts["output"].values, right, rtol=1e-5, atol=1e-6)
