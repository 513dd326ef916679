"""A model that changes while somebody looks at it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from layerscope.instruments.model_watch import ModelWatch


def change(model):
    with torch.no_grad():
        model.weight += 1


@pytest.fixture
def watched():
    model, time = torch.nn.Linear(2, 2), [0.0]
    return model, ModelWatch(model, lambda: time[0]), time


def asked(watch, time, seconds=2.0):
    time[0] += seconds
    return watch.changed()


def test_nothing_is_told_of_a_model_that_stays(watched):
    _, watch, time = watched
    assert not any(asked(watch, time) for _ in range(3))


def test_a_change_is_told_once_it_rests_and_once(watched):
    model, watch, time = watched
    for _ in range(3):
        change(model)
        assert not asked(watch, time)
    assert asked(watch, time)
    assert not asked(watch, time)


def test_what_came_back_has_not_changed(watched):
    model, watch, time = watched
    before = model.weight.detach().clone()
    change(model)
    assert not asked(watch, time)
    with torch.no_grad():
        model.weight.copy_(before)
    assert not any(asked(watch, time) for _ in range(3))


def test_parameters_are_read_once_a_second_at_most(watched):
    model, watch, time = watched
    assert not asked(watch, time)
    change(model)
    assert not any(asked(watch, time, 0.3) for _ in range(3))
    assert not asked(watch, time)
    assert asked(watch, time)
