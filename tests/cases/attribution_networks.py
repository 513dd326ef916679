"""Networks whose maps are known: one of random weights, one small case, one that finds a patch.

Each is there for Keras, on whatever it runs, and for PyTorch, with the same weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SIDE, CLASSES = 12, 4


def weights() -> list[Array]:
    """Return kernels and biases: two convolutions, two dense layers, as Keras has them."""
    rng = np.random.default_rng(5)
    shapes = [(3, 3, 2, 5), (3, 3, 5, 6), (6 * 9, 12), (12, CLASSES)]
    arrays: list[Array] = []
    for shape in shapes:
        fan = int(np.prod(shape[:-1]))
        arrays.append((rng.standard_normal(shape) * np.sqrt(2 / fan)).astype(np.float32))
        arrays.append((rng.standard_normal(shape[-1]) * 0.1).astype(np.float32))
    return arrays


def samples(count: int = 3) -> Array:
    """Return inputs with channels last."""
    rng = np.random.default_rng(9)
    return rng.standard_normal((count, SIDE, SIDE, 2)).astype(np.float32)


def keras_network() -> Any:
    """Return the network in Keras: convolution, pool, convolution, ReLU, pool, two dense layers.

    No two of what bends are neighbours: Captum 0.9 loses some of DeepLIFT there, as its own
    convergence delta tells.
    """
    import keras

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((SIDE, SIDE, 2)),
        layers.Conv2D(5, 3, padding="same", name="c1"),
        layers.MaxPooling2D(2, name="p1"),
        layers.Conv2D(6, 3, padding="same", activation="relu", name="c2"),
        layers.AveragePooling2D(2, name="p2"),
        layers.Flatten(name="f"),
        layers.Dense(12, activation="tanh", name="d"),
        layers.Dense(CLASSES, activation="softmax", name="o"),
    ])  # fmt: skip
    model.set_weights(weights())
    return model


def torch_network() -> Any:
    """Return the same in PyTorch, which ends before the softmax."""
    import torch
    from torch import nn

    class Flat(nn.Module):
        """Flattens as Keras does: channels last."""

        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1).flatten(1)

    model = nn.Sequential()
    for name, module in (
        ("c1", nn.Conv2d(2, 5, 3, padding=1)), ("p1", nn.MaxPool2d(2)),
        ("c2", nn.Conv2d(5, 6, 3, padding=1)), ("r2", nn.ReLU()), ("p2", nn.AvgPool2d(2)),
        ("f", Flat()), ("d", nn.Linear(54, 12)), ("t", nn.Tanh()), ("o", nn.Linear(12, CLASSES)),
    ):  # fmt: skip
        model.add_module(name, module)
    given = weights()
    with torch.no_grad():
        for name, kernel, bias in zip(("c1", "c2", "d", "o"), given[::2], given[1::2], strict=True):
            module = getattr(model, name)
            order = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            module.weight.copy_(torch.from_numpy(kernel.transpose(order).copy()))
            module.bias.copy_(torch.from_numpy(bias))
    return model.eval()


def small_case_keras() -> Any:
    """Return ``relu(relu(x1) − 1 − relu(x2))``, which tells implementations apart."""
    import keras

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((2,)),
        layers.Dense(2, activation="relu", name="parts"),
        layers.Dense(1, activation="relu", name="f"),
    ])  # fmt: skip
    model.set_weights([np.eye(2), np.zeros(2), np.array([[1.0], [-1.0]]), np.array([-1.0])])
    return model


def small_case_torch() -> Any:
    """Return the same in another form: ``relu(relu(x1 − 1) − relu(x2))``, for x1 above 1."""
    import torch
    from torch import nn

    class Small(nn.Module):
        def forward(self, x: Any) -> Any:
            first, second = torch.relu(x[:, :1]), torch.relu(x[:, 1:])
            return torch.relu(first - 1 - second)

    return Small().eval()


#: Where the small case is looked at, and what integrated gradients from 0 are there.
SMALL_INPUT = np.array([[3.0, 1.0]], np.float32)
SMALL_ANSWER = np.array([[1.5, -0.5]])

PATCH, FIELD = 5, 32


def patch() -> Array:
    """Return the pattern that the network looks for: a ring, bright and dark."""
    at = np.arange(PATCH) - PATCH // 2
    ring = np.maximum(np.abs(at)[:, None], np.abs(at)[None])
    return np.where(ring == 1, 1.0, -1.0).astype(np.float32)


def hidden_patches(count: int = 24, seed: int = 3) -> tuple[Array, Array]:
    """Return noise with a patch at a known place, and squares that have stronger edges.

    The places are (row, column) of the patch's first corner.
    """
    rng = np.random.default_rng(seed)
    x = 0.15 * rng.standard_normal((count, FIELD, FIELD, 1))
    places = np.zeros((count, 2), int)
    for i in range(count):
        # Not at the edge, where a window of occlusion covers what others do not.
        top, left = rng.integers(3, FIELD - PATCH - 2, 2)
        while True:
            a, b = rng.integers(0, FIELD - 8 + 1, 2)
            # Apart from the patch, so that nothing that the network looks at has some of both.
            if not (top - 13 < a < top + 10 and left - 13 < b < left + 10):
                break
        x[i, a : a + 8, b : b + 8, 0] += 3.0
        x[i, top : top + PATCH, left : left + PATCH, 0] += patch()
        places[i] = top, left
    return x.astype(np.float32), places


def finder_weights() -> list[Array]:
    """Return weights by which the second class is how much of a patch there is somewhere."""
    kernel = (patch() - patch().mean())[:, :, None, None]
    return [
        kernel.astype(np.float32),
        np.array([-18.5], np.float32),
        np.array([[-1.0, 1.0]], np.float32),
        np.array([2.0, 0.0], np.float32),
    ]


def finder_keras() -> Any:
    """Return the network that finds the patch, in Keras."""
    import keras

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((FIELD, FIELD, 1)),
        layers.Conv2D(1, PATCH, padding="same", name="look"),
        layers.ReLU(name="seen"),
        layers.GlobalMaxPooling2D(name="somewhere"),
        layers.Dense(2, activation="softmax", name="answer"),
    ])  # fmt: skip
    model.set_weights(finder_weights())
    return model


def finder_torch() -> Any:
    """Return the same in PyTorch."""
    import torch
    from torch import nn

    model = nn.Sequential()
    model.add_module("look", nn.Conv2d(1, 1, PATCH, padding=PATCH // 2))
    model.add_module("seen", nn.ReLU())
    model.add_module("somewhere", nn.AdaptiveMaxPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("answer", nn.Linear(1, 2))
    kernel, bias, dense, offset = (torch.from_numpy(one.copy()) for one in finder_weights())
    with torch.no_grad():
        model.look.weight.copy_(kernel.permute(3, 2, 0, 1))
        model.look.bias.copy_(bias)
        model.answer.weight.copy_(dense.T)
        model.answer.bias.copy_(offset)
    return model.eval()


def hits(maps: Array, places: Array) -> float:
    """Return the share of maps (sample, y, x) whose strongest place is in the patch."""
    strongest = np.abs(maps).reshape(len(maps), -1).argmax(axis=1)
    at = np.stack(np.unravel_index(strongest, maps.shape[1:]), axis=1)
    inside = (at >= places) & (at < places + PATCH)
    return float(inside.all(axis=1).mean())
