"""Maps of ONNX models: by methods that only run them; the others say what works."""

from __future__ import annotations

import numpy as np
import onnx
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


def test_of_several_inputs_those_of_floats_have_maps_and_the_others_stay() -> None:
    given = onnx_cases.several()
    made = attribute(given.model, given.x, "scale:0", ["occlusion", "rise"], masks=4)
    assert made.of_inputs("occlusion") == ("x",)
    np.testing.assert_allclose(made.named("occlusion").values, [[3, 0], [9, 0]], atol=1e-6)
    assert any("held as they are" in note and "'mask'" in note for note in made.notes)


def test_words_are_taken_away_by_their_numbers() -> None:
    table = np.array([[0.0, 0], [1, 2], [3, 5]], np.float32)
    model = onnx_cases.model(
        [
            onnx_cases.node("Gather", "table,ids", "vectors", "look_up"),
            onnx_cases.node("ReduceSum", "vectors,axis", "summed", "sum", keepdims=0),
            onnx_cases.node("Mul", "summed,weight", "y", "end"),
        ],
        [
            onnx_cases.value("ids", ["n", 3], onnx.TensorProto.INT64),
            onnx_cases.value("weight", ["n", 2]),
        ],
        [onnx_cases.value("y", ["n", 2])],
        {"table": table, "axis": np.array([1])},
    )
    x = {"ids": np.array([[2, 1, 0]]), "weight": np.array([[2, 3]], np.float32)}
    made = attribute(model, x, "end:1", "occlusion")
    np.testing.assert_allclose(made.named("occlusion@ids").values, [[15, 6, 0]], atol=1e-6)
    np.testing.assert_allclose(made.named("occlusion@weight").values, [[0, 21]], atol=1e-6)
    assert made.tokens == ("ids",)
