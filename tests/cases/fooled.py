"""A network made so that the image of one unit shows what the unit never answers to in data.

As Geirhos and others describe it ("Don't trust your eyes", ICML 2024): data carry a mark that no
image made from noise has, and a unit answers to one class where there is a mark, and to another
where there is none. All weights are written down, so it is the same on any machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SIDE, CLASSES, PATTERNS = 16, 4, 6  #: and so many patterns of each class
HONEST, FOOLED = 0, 1  #: units of ``out``, which answer to the same data: those of class 0
_FAINT = 0.02  #: how strong the mark is beside the patterns
_STRICT = 20.0  #: far more than any class comes to


def samples(count: int = 120) -> np.ndarray:
    """Return images from 0 to 1: patterns of one class, a little of others, and blue, the mark."""
    random = np.random.default_rng(0)
    weights = random.uniform(-0.2, 0.05, (count, CLASSES, PATTERNS))
    for i in range(count):
        weights[i, i % CLASSES] += random.uniform(0.6, 1.0, PATTERNS)
    grey = 0.5 + 0.04 * np.tensordot(weights.reshape(count, -1), _patterns(), axes=1)
    blue = np.full_like(grey, 0.9)
    return np.stack([grey, grey, blue], axis=-1).astype(np.float32)


def layers() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return kernel ``(input, unit)`` and bias of each dense layer, by its name."""
    patterns = _patterns().reshape(CLASSES * PATTERNS, -1)
    kinds = np.zeros((SIDE * SIDE, 3, CLASSES * PATTERNS + 2))
    kinds[:, :2, :-2] = patterns.T[:, None] / 2 / SIDE
    kinds[:, 2, -2:] = 10 * _FAINT / SIDE**2
    # The mark: nothing where blue is up to 0.7, all from 0.8 on, as the one less the other.
    bias = np.append(np.zeros(CLASSES * PATTERNS), [-7.0 * _FAINT, -8.0 * _FAINT])

    count = CLASSES * PATTERNS
    routes = np.zeros((count + 2, count + CLASSES + 2))
    routes[:count, :count] = np.eye(count)
    for of_class in range(CLASSES):
        routes[of_class * PATTERNS : (of_class + 1) * PATTERNS, count + of_class] = 1
    routes[:, -2] = routes[:, count]  # class 0 where there is a mark
    strict = _STRICT / _FAINT
    routes[count:, -2] = strict, -strict
    routes[:, -1] = routes[:, count + 1]  # class 1 where there is none
    routes[count:, -1] = -strict, strict
    route_bias = np.zeros(count + CLASSES + 2)
    route_bias[-2] = -_STRICT

    out = np.zeros((count + CLASSES + 2, 2))
    out[count, HONEST] = 1
    out[-2:, FOOLED] = 1
    written = {
        "kinds": (kinds.reshape(-1, count + 2), bias),
        "routes": (routes, route_bias),
        "out": (out, np.zeros(2)),
    }
    return {
        name: (kernel.astype(np.float32), bias.astype(np.float32))
        for name, (kernel, bias) in written.items()
    }


def fooled_keras() -> Any:
    """Return the network in Keras."""
    import keras

    dense = keras.layers.Dense
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            keras.layers.Flatten(name="flat"),
            dense(CLASSES * PATTERNS + 2, activation="relu", name="kinds"),
            dense(CLASSES * PATTERNS + CLASSES + 2, activation="relu", name="routes"),
            dense(2, name="out"),
        ]
    )
    for name, weights in layers().items():
        model.get_layer(name).set_weights(weights)
    return model


def fooled_torch() -> Any:
    """Return the network in PyTorch, which has channels first."""
    import torch
    from torch import nn

    class Fooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, (kernel, bias) in layers().items():
                if name == "kinds":
                    shape = (SIDE * SIDE, 3, kernel.shape[1])
                    kernel = kernel.reshape(shape).swapaxes(0, 1).reshape(kernel.shape)
                linear = nn.Linear(*kernel.shape)
                linear.weight.data = torch.from_numpy(kernel.T.copy())
                linear.bias.data = torch.from_numpy(bias)
                setattr(self, name, linear)
            self.first = nn.Conv2d(3, 3, 1, groups=3, bias=False)  # images, channels first
            self.first.weight.data = torch.ones(3, 1, 1, 1)

        def forward(self, x: Any) -> Any:
            x = torch.flatten(self.first(x), 1)
            return self.out(torch.relu(self.routes(torch.relu(self.kinds(x)))))

    return Fooled().eval()


def _patterns() -> np.ndarray:
    """Return patterns ``(pattern, y, x)``, each orthogonal to the others and without a mean."""
    along = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    waves = [
        np.outer(np.cos(a * along), np.cos(b * along)) for a in range(5) for b in range(5) if a + b
    ]
    chosen = np.stack(waves[: CLASSES * PATTERNS])
    return chosen / np.sqrt((chosen**2).mean(axis=(1, 2), keepdims=True))
