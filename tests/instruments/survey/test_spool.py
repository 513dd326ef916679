"""What is spooled comes back as it was, and its place is written again once nobody has it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from layerscope.core.axes import NamedArray
from layerscope.instruments.survey.spool import Spool, SpooledInputs

AXES = ("sample", "y")


def arrays(seed: int) -> dict[str, NamedArray]:
    random = np.random.default_rng(seed)
    return {
        "a": NamedArray(random.random((1, 3), np.float32), AXES),
        "b": NamedArray(random.integers(0, 9, (1, 5)), AXES),
    }


def assert_equal(one: Any, other: Any) -> None:
    assert list(one) == list(other)
    for name in one:
        assert one[name].axes == other[name].axes
        np.testing.assert_array_equal(one[name].values, other[name].values)
        assert one[name].values.dtype == other[name].values.dtype


def test_places_are_written_again_and_never_while_somebody_has_them() -> None:
    spool, random = Spool(), np.random.default_rng(0)
    kept: dict[int, Any] = {}
    for seed in range(300):
        kept[seed] = spool.inputs(arrays(seed))
        assert isinstance(kept[seed], SpooledInputs)
        if len(kept) > 10:
            del kept[int(random.choice(list(kept)))]
    for seed, inputs in kept.items():
        assert_equal(inputs, arrays(seed))
        inputs["a"].values[:] = 0  # a copy of one's own
        assert_equal(inputs, arrays(seed))
    assert spool._end == 11 * (12 + 40)


def test_a_copy_and_another_process_have_them_in_memory() -> None:
    inputs = Spool().inputs(arrays(1))
    for again in (pickle.loads(pickle.dumps(inputs)), copy.deepcopy(inputs)):
        assert type(again) is dict
        assert_equal(again, arrays(1))


def test_what_can_not_be_written_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"x": NamedArray(np.array([["a", None]], dtype=object), AXES)}
    assert Spool().inputs(texts) is texts
    assert Spool().inputs({}) == {}
    full = Spool()

    def no_room(**_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", no_room)
    assert_equal(full.inputs(arrays(0)), arrays(0))
