"""Networks for the tests of the page, by the names under which the shell opens them.

Weights are RandomState's numbers, promised to be the same in every version of NumPy, and no
training: what a page must show is known on every processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

#: What nobody should call a layer; a dot is the only thing that PyTorch refuses.
HOSTILE = (
    "<img src=x onerror=alert(1)>", "\"quoted' & <b>", "new\nline\ttab",
    "\u202eright to left", "</script><script>alert(1)</script>", "a:7",
    "%2e%2e/?x=1#y", "half a letter \ud800",
)  # fmt: skip
DEAD = 5  #: the channel of ``digits``' first layer that never fires
WIDE = 2048


def numbers(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers, float32."""
    return np.random.RandomState(seed).normal(size=shape).astype(np.float32)


def digits() -> Any:
    """The textbook's network for small grey images, on Keras, with one dead channel."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1), name="input_layer"),
            layers.Conv2D(8, 3, activation="relu", name="conv2d"),
            layers.MaxPooling2D(name="max_pooling2d"),
            layers.Conv2D(12, 3, activation="relu", name="conv2d_1"),
            layers.MaxPooling2D(name="max_pooling2d_1"),
            layers.Flatten(name="flatten"),
            layers.Dense(10, activation="softmax", name="dense"),
        ],
        name="digits",
    )
    bias = np.zeros(8, np.float32)
    bias[DEAD] = -1000
    model.get_layer("conv2d").set_weights([numbers(1, 3, 3, 1, 8) / 3, bias])
    model.get_layer("conv2d_1").set_weights([numbers(2, 3, 3, 8, 12) / 9, np.zeros(12, np.float32)])
    model.get_layer("dense").set_weights([numbers(3, 300, 10) / 17, np.zeros(10, np.float32)])
    return model


def digit_images(count: int = 3) -> np.ndarray:
    """Rings and bars, ``(count, 28, 28, 1)``, 0 to 1."""
    y, x = np.mgrid[:28, :28] - 13.5
    ring = np.exp(-((np.hypot(x, y) - 8) ** 2) / 4)
    bar = np.exp(-(x**2) / 4) * (np.abs(y) < 10)
    slope = np.exp(-((x + y) ** 2) / 12) * (np.hypot(x, y) < 11)
    shapes = [ring, bar, slope]
    return np.stack([shapes[i % 3] for i in range(count)])[..., None].astype(np.float32)


def _filled(model: Any) -> Any:
    """Give every parameter of a module numbers that are known."""
    import torch

    with torch.no_grad():
        for i, (name, parameter) in enumerate(model.named_parameters()):
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim > 1:
                fan = int(np.prod(parameter.shape[1:]))
                parameter.copy_(torch.from_numpy(numbers(i, *parameter.shape) / np.sqrt(fan)))
    return model.eval()


def residual() -> Any:
    """A residual network of PyTorch for ``(3, 24, 24)``, in stages of blocks."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs: int, channels: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.relu = nn.ReLU()
            self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
            self.shortcut = nn.Conv2d(inputs, channels, 1) if inputs != channels else nn.Identity()

        def forward(self, x: Any) -> Any:
            inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(inner + self.shortcut(x))

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.stage1 = nn.Sequential(Block(8, 8), Block(8, 8))
            self.stage2 = nn.Sequential(Block(8, 16), Block(16, 16))
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.head = nn.Linear(16, 6)

        def forward(self, x: Any) -> Any:
            x = self.stage2(self.stage1(self.stem(x)))
            return self.head(self.pool(x).flatten(1))

    return _filled(Residual())


def slow() -> Any:
    """A network of PyTorch for ``(3, 16, 16)`` of which a gradient takes its time anywhere."""
    import time

    from torch import nn

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: Any) -> Any:
            if x.requires_grad:
                time.sleep(0.1)
            return self.conv(x)

    return _filled(Slow())


def mlp() -> Any:
    """Dense layers of PyTorch from 6 numbers to 3."""
    from torch import nn

    return _filled(
        nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 20), nn.ReLU(), nn.Linear(20, 3))
    )


def transformer() -> Any:
    """A transformer of PyTorch over 9 tokens, whose attention is recorded head by head."""
    from torch import nn

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
            self.norm1 = nn.LayerNorm(16)
            self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
            self.norm2 = nn.LayerNorm(16)

        def forward(self, x: Any) -> Any:
            inner, _ = self.attention(x, x, x, average_attn_weights=False)
            x = self.norm1(x + inner)
            return self.norm2(x + self.mlp(x))

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(20, 16)
            self.layers = nn.ModuleList([Layer(), Layer()])
            self.head = nn.Linear(16, 4)

        def forward(self, tokens: Any) -> Any:
            x = self.embed(tokens)
            for layer in self.layers:
                x = layer(x)
            return self.head(x[:, 0])

    return _filled(Transformer())


def wide() -> Any:
    """A layer of 2,048 channels, each another mixture of three."""
    from torch import nn

    return _filled(nn.Sequential(nn.Conv2d(3, WIDE, 3), nn.ReLU()))


def hostile() -> Any:
    """Layers with names that nobody should give them."""
    from torch import nn

    model = nn.Sequential()
    for i, name in enumerate(HOSTILE):
        model.add_module(name, nn.Conv2d(1 if i == 0 else 4, 4, 3, padding=1))
    return _filled(model)


def undrawable() -> Any:
    """A network of which one layer returns what can't be drawn."""
    import torch
    from torch import nn

    class Spectrum(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.fft.fft2(x)

    class Undrawable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.Conv2d(1, 4, 3)
            self.spectrum = Spectrum()
            self.after = nn.Conv2d(4, 4, 3)

        def forward(self, x: Any) -> Any:
            return self.after(self.spectrum(self.before(x)).abs())

    return _filled(Undrawable())


def branches() -> Any:
    """Two branches side by side, then squeeze-and-excite, on Keras; for ``(24, 24, 1)``."""
    import keras
    from keras import layers

    image = keras.Input((24, 24, 1), name="image")
    narrow = layers.Conv2D(3, 3, strides=2, padding="same", name="narrow")(image)
    wide = layers.Conv2D(3, 9, strides=2, padding="same", name="wide")(image)
    both = layers.Concatenate(name="both")([narrow, wide])
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(both)
    gate = layers.Conv2D(6, 1, activation="sigmoid", name="gate")(squeezed)
    excited = layers.Multiply(name="excited")([both, gate])
    model = keras.Model(image, layers.Conv2D(4, 3, padding="same", name="last")(excited))
    for i, variable in enumerate(model.weights):
        variable.assign(numbers(i, *variable.shape) / variable.shape[0] ** 2)
    return model


#: What each network is shown; float32 of the shape that it takes.
INPUTS: dict[str, Callable[[], np.ndarray]] = {
    "digits": digit_images,
    "residual": lambda: numbers(10, 2, 3, 24, 24),
    "slow": lambda: numbers(16, 1, 3, 16, 16),
    "mlp": lambda: numbers(11, 3, 6),
    "transformer": lambda: np.random.RandomState(12).randint(0, 20, (2, 9)),
    "wide": lambda: numbers(13, 1, 3, 10, 10),
    "hostile": lambda: numbers(14, 1, 1, 12, 12),
    "undrawable": lambda: numbers(15, 1, 1, 12, 12),
    "branches": lambda: numbers(17, 1, 24, 24, 1),
}
