"""ONNX graphs are no programs of a page yet, and this is said."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from cases import onnx_cases
from layerscope.errors import ModelError
from layerscope.instruments.portable import portable


def test_that_they_are_none_is_said() -> None:
    case = onnx_cases.cnn()
    with pytest.raises(
        ModelError, match=r"ONNX .* can't be computed in a page: those of Keras, Py"
    ):
        portable(case.model, case.x)
