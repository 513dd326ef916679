"""Tensors of TensorFlow as inputs."""

from __future__ import annotations

import pytest

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import prepare

tensorflow = pytest.importorskip("tensorflow")

TOKENS = InputSpec("x", (None, None), dtype="int32")


@pytest.mark.parametrize("rows", [[[1, 2, 3], [4]], [[1, 2], [3, 4]]])
def test_a_ragged_tensor_is_to_be_padded(rows: list[list[int]]) -> None:
    ragged = tensorflow.ragged.constant(rows)
    with pytest.raises(InputError, match=r"rows of different lengths: pad them to one length"):
        prepare(ragged, [TOKENS])
