"""What names of checkpoints say."""

from __future__ import annotations

from typing import Any

import pytest

from layerscope.core.errors import InputError
from layerscope.instruments.record.checkpoint_names import in_order, read_name

NAMES: list[tuple[str, float | None, int | None, dict[str, float]]] = [
    ("fer2013_mini_XCEPTION.110-0.65.hdf5", 110, None, {"monitor": 0.65}),
    ("fer2013_mini_XCEPTION.00-0.47.hdf5", 0, None, {"monitor": 0.47}),
    ("weights.12-0.25.weights.h5", 12, None, {"monitor": 0.25}),
    ("epoch=12-step=300.ckpt", 12, 300, {}),
    ("epoch=12-step=300-val_loss=0.25.ckpt", 12, 300, {"val_loss": 0.25}),
    ("resnet50-epoch7-acc0.81.pth", 7, None, {"acc": 0.81}),
    ("model_epoch_0012.pt", 12, None, {}),
    ("net.epoch12.safetensors", 12, None, {}),
    ("iter_3000.pth.tar", None, 3000, {}),
    ("step-40", None, 40, {}),
    ("ckpt-7", None, 7, {}),
    ("checkpoint-500", None, 500, {}),
    ("model_0005.keras", None, 5, {}),
    ("resnet50_3.h5", None, 3, {}),
    ("a/b7/final.keras", None, None, {}),
]


@pytest.mark.parametrize(("name", "epoch", "step", "metrics"), NAMES)
def test_a_name(name: str, epoch: Any, step: Any, metrics: dict[str, float]) -> None:
    found = read_name(name)
    assert (found.epoch, found.step, found.metrics) == (epoch, step, metrics)
    assert found.path == name


def test_they_are_sorted_by_number_and_not_as_text() -> None:
    paths = [f"w.{epoch}-0.5.h5" for epoch in (110, 5, 15, 0, 43)]
    assert [one.number for one in in_order(paths)] == [0, 5, 15, 43, 110]


def test_without_numbers_the_order_is_the_one_given() -> None:
    found = in_order(["b.keras", "a.keras"])
    assert [(one.path, one.number, one.epoch) for one in found] == [
        ("b.keras", 0, None),
        ("a.keras", 1, None),
    ]


def test_numbers_that_tell_nothing() -> None:
    with pytest.raises(InputError, match=r"'final.keras' has no number in its name, and others"):
        in_order(["w1.keras", "final.keras"])
    with pytest.raises(InputError, match=r"'a_1.keras' and 'b_1.keras' have the same number, 1"):
        in_order(["a_1.keras", "b_1.keras"])
