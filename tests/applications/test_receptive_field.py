"""Receptive fields in deep networks: those published, and what trying finds at their edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls

keras = pytest.importorskip("keras")

from cases.fields import assert_edges

#: Size and stride of the last map: Araujo, Norris and Sim, "Computing Receptive Fields of
#: Convolutional Neural Networks" (Distill, 2019).
PUBLISHED = {
    "InceptionV3": (299, "mixed10", 1311, 32),
    "ResNet50": (224, "conv5_block3_out", 483, 32),
    "MobileNet": (224, "conv_pw_13_relu", 315, 32),
    "VGG16": (224, "block5_pool", 212, 32),
}
#: Some layers whose fields are smaller than the image.
TRIED = {
    "InceptionV3": (171, ["max_pooling2d", "mixed0", "mixed2"]),
    "ResNet50": (160, ["conv2_block1_out", "conv3_block4_out"]),
    "MobileNetV2": (160, ["block_3_depthwise", "block_4_add"]),
    "EfficientNetB0": (128, ["block2a_dwconv", "block2b_add", "block3a_bn"]),
}


def _above_zero(model: Any) -> None:
    """Make all weights more than 0, without biases, so that nothing cancels."""
    generator = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name.endswith("kernel"):
            fan = np.prod(variable.shape[:2]) * (1 if "depthwise" in variable.name else 8)
            variable.assign(generator.uniform(0.5, 1, variable.shape) / fan)
        elif variable.name in ("bias", "mean"):
            variable.assign(np.zeros(variable.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.mean = layer.mean * 0


def _network(name: str, size: int) -> tuple[Any, Any]:
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    _above_zero(model)
    return model, ls.activations(model, np.zeros((1, size, size, 3), np.float32))


@pytest.mark.parametrize("name", TRIED)
def test_the_edges_of_the_box_count_and_nothing_around_it(name: str) -> None:
    size, layers = TRIED[name]
    model, acts = _network(name, size)
    for layer in layers:
        assert_edges(model, acts, layer, channels=3, channels_last=True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_size_and_stride_are_those_published(name: str) -> None:
    image, layer, size, stride = PUBLISHED[name]
    _, acts = _network(name, image)
    grid = ls.receptive_field(acts, layer).grid
    assert {(along.size, along.stride) for along in grid.values()} == {(size, stride)}


def test_squeeze_and_excite_reaches_everything_from_the_first_block_on() -> None:
    _, acts = _network("EfficientNetB0", 128)
    assert not ls.receptive_field(acts, "block1a_dwconv:3@9,9").whole
    for layer in ("block1a_se_excite", "block2a_expand_conv", "block4a_dwconv"):
        box = ls.receptive_field(acts, f"{layer}:3@3,4")
        assert (box.whole, box.because.endswith("_se_squeeze")) == (True, True)
        assert not box.local.whole
