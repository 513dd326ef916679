"""The architectures of ``keras.applications``, with random weights that are drawn quickly."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

#: By name, every function of ``keras.applications`` that builds a model.
BUILDERS: dict[str, Callable[..., Any]] = {
    name: build
    for name, build in vars(keras.applications).items()
    if callable(build) and not name.startswith("_")
}

#: The smallest architecture of each of Keras' modules.
FAMILIES = (
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2",
    "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50",
    "ResNet50V2", "VGG16", "VGG19", "Xception",
)  # fmt: skip

#: By backend, those that the gate builds on it. A graph is walked and drawn alike on all of them:
#: each family is looked at on one, and a small one on all. Most are on PyTorch, which compiles
#: nothing; those that it does not build, or are quick elsewhere, are shared out.
SHARES = {
    "jax": ("MobileNet", "MobileNetV2", "VGG16"),
    "tensorflow": ("MobileNetV2", "NASNetMobile", "VGG19"),
    "torch": (
        "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2",
        "InceptionV3", "MobileNetV2", "MobileNetV3Small", "ResNet50", "ResNet50V2", "Xception",
    ),
}  # fmt: skip

#: By backend, what Keras itself refuses to build on it.
REFUSED = {"torch": ("NASNetMobile",)}


def family(name: str) -> str:
    """The module of Keras that an architecture is in: ``resnet`` for ``ResNet50``."""
    return BUILDERS[name].__module__.rpartition(".")[2]


def side(name: str) -> int:
    """The height and width of the images that :func:`build` makes it for.

    All those that pool before they classify have the same parameters at every size.
    """
    return 224 if name.startswith("VGG") else 96


def build(name: str) -> Any:
    """An architecture with random weights and all of its 1000 classes."""
    keras.utils.clear_session()  # the first Conv2D is called conv2d, whatever was built before
    with _quick_weights():
        return BUILDERS[name](weights=None, input_shape=(side(name), side(name), 3))


def image(name: str) -> np.ndarray:
    """A batch of one image of noise, 0 to 255."""
    shape = (1, side(name), side(name), 3)
    return np.random.default_rng(1).uniform(0, 255, shape).astype("float32")


@contextlib.contextmanager
def _quick_weights() -> Iterator[None]:
    """Draws kernels with NumPy, as He et al. do, so that values neither vanish nor explode.

    JAX would compile a sampler for each shape of a kernel, which takes longer than all the rest;
    and every backend gets the same weights.
    """
    rng = np.random.default_rng(0)

    def draw(_: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
        depthwise = len(shape) == 4 and shape[-1] == 1
        received = math.prod(shape[:-2] if depthwise else shape[:-1])
        values = rng.random(shape, dtype=np.float32)
        values -= 0.5
        values *= 2 * math.sqrt(6 / received)
        return keras.ops.convert_to_tensor(values, dtype=dtype)

    scaling = keras.initializers.VarianceScaling
    original = scaling.__call__
    scaling.__call__ = draw
    try:
        yield
    finally:
        scaling.__call__ = original
