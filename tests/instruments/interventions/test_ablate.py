"""What the absence of units does to an outcome, on networks whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

import layerscope as ls
from layerscope.errors import AddressError, InputError

pytestmark = pytest.mark.one_backend


@pytest.fixture
def model() -> nn.Module:
    """Units 0 and 1 tell the two classes, unit 2 is a constant, unit 3 leads nowhere."""
    first, last = nn.Linear(2, 4), nn.Linear(4, 2)
    with torch.no_grad():
        first.weight[:] = torch.tensor([[1.0, 0], [0, 1], [0, 0], [1, 1]])
        first.bias[:] = torch.tensor([0.0, 0, 5, 0])
        last.weight[:] = torch.tensor([[4.0, 0, 1, 0], [0, 4, 1, 0]])
        last.bias[:] = 0
    return nn.Sequential(first, nn.ReLU(), last).eval()


@pytest.fixture
def data() -> tuple[torch.Tensor, Any]:
    values = np.random.default_rng(0).uniform(0, 3, (60, 2)).astype(np.float32)
    return torch.from_numpy(values), values.argmax(axis=1)


def test_what_tells_the_classes_counts_and_the_rest_does_not(model: Any, data: Any) -> None:
    x, labels = data
    result = ls.ablate(model, x, "0", labels=labels, batch_size=32)
    assert result.metric == "accuracy"
    assert (result.intact, result.samples, result.units) == (1.0, 60, (0, 1, 2, 3))
    assert (result.effect[:2] < -0.1).all()
    assert (result.high[:2] < 0).all()
    np.testing.assert_array_equal(result.effect[2:], 0)
    assert [int(i) for i in result.order[2:]] == [2, 3]
    frame = result.to_frame()
    assert list(frame.columns) == ["effect", "low", "high", "without", "put"]
    assert frame.loc[2, "put"] == pytest.approx(5)
    assert "beyond chance (95%) for 2 of 4 units" in str(result)
    panel = result.picture()
    assert panel.header["kind"] == "lines"
    assert "beyond chance: 2 of 4 units" in panel.header["notes"][1]


def test_the_interval_holds_the_effect_on_other_data_of_the_kind(model: Any) -> None:
    rng = np.random.default_rng(0)

    def drawn(count: int) -> tuple[torch.Tensor, Any]:
        labels = rng.integers(0, 2, count)
        values = rng.normal(size=(count, 2)).astype(np.float32)
        values[np.arange(count), labels] += 1
        return torch.from_numpy(values), labels

    x, labels = drawn(4000)
    truth = ls.ablate(model, x, "0", labels=labels, units=[0], resamples=10).effect[0]
    inside = 0
    for _ in range(30):
        x, labels = drawn(100)
        result = ls.ablate(model, x, "0", labels=labels, units=[0], resamples=300)
        inside += bool(result.low[0] <= truth <= result.high[0])
    assert inside >= 23  # of 30 at 95 %: fewer happens once in 50,000 times


def test_values_metrics_and_labels_by_name(model: Any, data: Any) -> None:
    x, labels = data
    zero = ls.ablate(model, x, "0", labels=labels, value="zero")
    assert (zero.put == 0).all()
    three = ls.ablate(model, x, "0", labels=labels, value=3, units=[1])
    assert (three.units, three.put.tolist()) == ((1,), [3.0])
    names = np.where(labels == 0, "cat", "dog").tolist()
    by_name = ls.ablate(model, x, "0", labels=names)
    np.testing.assert_array_equal(by_name.effect, ls.ablate(model, x, "0", labels=labels).effect)
    turned = ls.ablate(model, x, "0", labels=names, classes=["dog", "cat"])
    assert turned.intact == 0
    assert ls.ablate(model, x, "0").metric == "agreement"
    own = ls.ablate(model, x, "0", metric=lambda outputs, labels: outputs[:, 0] * 0 + 2)
    assert (own.intact, own.effect.tolist()) == (2.0, [0.0] * 4)


def test_bad_arguments_are_one_sentence(model: Any, data: Any) -> None:
    x, labels = data
    bad: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"layer": "nope"}, AddressError, "There is no layer 'nope'"),
        ({"layer": "2"}, InputError, "is the model's answer itself"),
        ({"metric": "acuracy"}, InputError, "did you mean 'accuracy'"),
        ({"metric": "accuracy"}, InputError, "pass labels="),
        ({"units": [9]}, AddressError, "has 4 units, 0 to 3"),
        ({"value": "median"}, InputError, "pass 'mean', 'zero' or a number"),
        ({"metric": lambda outputs, labels: 1.0}, InputError, "is to return one for each"),
        ({"labels": labels[:3]}, InputError, "labels= has 3 labels"),
        ({"labels": ["a", "b", "c"] * 20}, InputError, "pass classes="),
        ({"confidence": 95}, InputError, "pass a share between 0 and 1"),
        ({"resamples": 0}, InputError, "pass a whole number, 1 or more"),
    ]
    for options, kind, words in bad:
        with pytest.raises(kind, match=words):
            ls.ablate(model, x, **{"layer": "0", **options})
