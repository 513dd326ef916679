"""Tensors of PyTorch as inputs."""

from __future__ import annotations

import pytest

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import prepare

torch = pytest.importorskip("torch")

FIRST = InputSpec("x", (None, 1, 32, 32), layout="channels_first")


def test_a_tensor_is_passed_on_untouched() -> None:
    x = torch.zeros(2, 1, 32, 32)
    assert prepare(x, [FIRST]).value is x
    with pytest.raises(InputError, match=r"add the batch axis with x\[None\]"):
        prepare(x[0], [FIRST])
