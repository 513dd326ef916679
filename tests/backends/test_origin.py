"""Where a model came from, whatever the model is."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from layerscope.backends import origin
from layerscope.backends.origin import origin_of, remember
from layerscope.core.network import Origin

pytestmark = pytest.mark.one_backend

ORIGIN = Origin("weights.toy", "Toy")


class Unhashable:
    """Equal to all of its kind, as a dataclass of the same numbers is."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unhashable)

    __hash__: Any = None


@pytest.mark.parametrize("model", [Unhashable(), type("Net", (), {})()])
def test_a_model_is_remembered_by_identity_as_long_as_it_lives(model: Any) -> None:
    before = len(origin._ORIGINS)
    other = type(model)()
    assert remember(other, ORIGIN) is other
    assert origin_of(other) is ORIGIN
    assert origin_of(model) is None
    del other
    gc.collect()
    assert len(origin._ORIGINS) == before


def test_what_opening_was_never_asked_for_has_none() -> None:
    assert origin_of(3) is None
    assert origin_of((1, 2)) is None
