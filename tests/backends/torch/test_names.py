"""PyTorch modules whose names steer terminals: found as they are, shown as escapes."""

from __future__ import annotations

import unicodedata

import pytest

torch = pytest.importorskip("torch")

import layerscope as ls
from layerscope.core.errors import AddressError
from layerscope.core.text import printable

EVIL = ["a\x1b[31m\x07", "b\nc", "\u202eabc", "\ud800", "x" * 5_000, "$x_1$", "卷积"]


def check_harmless(text: str) -> None:
    """Fail where a text could steer a terminal."""
    unseen = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert unseen <= {"\n"}


@pytest.mark.parametrize("name", EVIL)
def test_a_module_of_that_name(name: str) -> None:
    model = torch.nn.Sequential()
    model.add_module(name, torch.nn.Conv2d(1, 3, 3))
    model.add_module("last", torch.nn.ReLU())
    acts = ls.activations(model, torch.zeros(1, 1, 6, 6))
    assert acts[name].sizes["channel"] == 3
    assert acts[f"{name}:2@1,3"].size == 1
    assert list(ls.activations(model, torch.zeros(1, 1, 6, 6), layers=name)) == [name]
    for text in (str(ls.describe(model)), str(acts.network), repr(acts), repr(ls.weights(model))):
        check_harmless(text)
        assert len(text) < 5_000
    assert printable(name)[:50] in repr(acts)
    assert len(acts.provenance["model"]) == 64
    with pytest.raises(AddressError) as raised:
        acts[f"{name}?"]
    check_harmless(str(raised.value))
    with pytest.raises(AddressError) as raised:
        acts[f"{name}:7"]
    check_harmless(str(raised.value))
