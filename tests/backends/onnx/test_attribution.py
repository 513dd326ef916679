"""Maps of ONNX models: by methods that only run them; the others say what works."""

from __future__ import annotations

import numpy as np
import pytest

from cases import onnx_cases
from layerscope.errors import ModelError
from layerscope.instruments.attribution.attribute import attribute


def test_occlusion_is_the_default_and_takes_the_weights_apart() -> None:
    model = onnx_cases.mlp()
    x = np.array([[1.0, 2.0, -1.0], [0.0, -2.0, 4.0]], np.float32)
    made = attribute(model, x)
    assert made.methods == ("occlusion",)
    whole = made.scores
    for place in range(3):
        without = x.copy()
        without[:, place] = 0
        left = attribute(model, without, made.targets[0].partition(",")[0], "rise", masks=2).scores
        np.testing.assert_allclose(
            made.named("occlusion").values[:, place], whole - left, atol=1e-5
        )


def test_the_controls_run_without_gradients() -> None:
    x = np.array([[1.0, 2.0, -1.0]], np.float32)
    (check,) = attribute(onnx_cases.mlp(), x, method="occlusion").check().checks
    assert not check.shuffled
    assert np.isfinite(check.sensitivity)


def test_methods_of_gradients_say_what_works() -> None:
    x = np.array([[1.0, 2.0, -1.0]], np.float32)
    with pytest.raises(ModelError, match=r"computes no gradients.*occlusion and rise work"):
        attribute(onnx_cases.mlp(), x, method="saliency")
