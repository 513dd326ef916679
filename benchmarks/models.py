"""The models that are measured, and their framework's own best forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SHAPES = {"c1": (150, 150, 3), "inception": (299, 299, 3)}


def keras_model(name: str) -> Any:
    """C1 (four convolutions, 3.5 million parameters) or InceptionV3, random weights."""
    import keras
    from keras import layers

    if name == "inception":
        return keras.applications.InceptionV3(weights=None)
    stack: list[Any] = [keras.Input(SHAPES["c1"])]
    for filters in (32, 64, 128, 128):
        stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(512, activation="relu"), layers.Dense(1, "sigmoid")]
    return keras.Sequential(stack)


def torch_model() -> Any:
    """C1 as a PyTorch user writes it, with its rectifiers in place."""
    from torch import nn

    stack: list[Any] = []
    channels = 3
    for filters in (32, 64, 128, 128):
        stack += [nn.Conv2d(channels, filters, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels = filters
    stack += [nn.Flatten(), nn.Linear(6272, 512), nn.ReLU(), nn.Linear(512, 1), nn.Sigmoid()]
    return nn.Sequential(*stack).eval()


def plain_passes(model: Any, x: np.ndarray, framework: str) -> dict[str, Callable[[], Any]]:
    """The framework's own forward passes, eager and compiled, on an input that is in place."""
    if framework == "torch":
        import torch

        tensor = torch.from_numpy(x)

        def eager() -> Any:
            with torch.inference_mode():
                return model(tensor)

        return {"eager": eager}
    if framework == "keras-jax":
        import jax
        import keras

        variables = [v.value for v in model.trainable_variables]
        others = [v.value for v in model.non_trainable_variables]
        compiled = jax.jit(lambda a, b, x: model.stateless_call(a, b, x, training=False)[0])
        placed = jax.numpy.asarray(x)

        def jax_eager() -> Any:
            with keras.StatelessScope():
                return jax.block_until_ready(model(placed, training=False))

        return {
            "eager": jax_eager,
            "compiled": lambda: jax.block_until_ready(compiled(variables, others, placed)),
        }
    if framework == "keras-tensorflow":
        import tensorflow as tf

        constant = tf.constant(x)
        graph = tf.function(lambda x: model(x, training=False))
        return {
            "eager": lambda: model(constant, training=False),
            "compiled": lambda: graph(constant),
        }
    import torch

    on_torch = torch.from_numpy(x)

    def keras_eager() -> Any:
        with torch.inference_mode():
            return model(on_torch, training=False)

    return {"eager": keras_eager}


def torch_inception() -> Any:
    """InceptionV3 as far as ``mixed4``, and a head after it; random weights, evaluation mode."""
    import torch
    from torch import nn

    def conv(into: int, out: int, size: Any, stride: int = 1, padding: Any = 0) -> Any:
        bare = nn.Conv2d(into, out, size, stride, padding, bias=False)
        return nn.Sequential(bare, nn.BatchNorm2d(out, eps=1e-3), nn.ReLU(inplace=True))

    class Block(nn.Module):
        def __init__(self, *branches: Any) -> None:
            super().__init__()
            self.branches = nn.ModuleList(branches)

        def forward(self, x: Any) -> Any:
            return torch.cat([branch(x) for branch in self.branches], 1)

    def mixed(into: int, pooled: int) -> Any:
        return Block(
            conv(into, 64, 1),
            nn.Sequential(conv(into, 48, 1), conv(48, 64, 5, padding=2)),
            nn.Sequential(
                conv(into, 64, 1), conv(64, 96, 3, padding=1), conv(96, 96, 3, padding=1)
            ),
            nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(into, pooled, 1)),
        )

    def long(into: int, through: int) -> Any:
        across = lambda a, b: conv(a, b, (1, 7), padding=(0, 3))  # noqa: E731
        down = lambda a, b: conv(a, b, (7, 1), padding=(3, 0))  # noqa: E731
        c = through
        return Block(
            conv(into, 192, 1),
            nn.Sequential(conv(into, c, 1), across(c, c), down(c, 192)),
            nn.Sequential(conv(into, c, 1), down(c, c), across(c, c), down(c, c), across(c, 192)),
            nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(into, 192, 1)),
        )

    parts: dict[str, Any] = {
        "stem": nn.Sequential(
            conv(3, 32, 3, 2), conv(32, 32, 3), conv(32, 64, 3, padding=1), nn.MaxPool2d(3, 2),
            conv(64, 80, 1), conv(80, 192, 3), nn.MaxPool2d(3, 2),
        ),
        "mixed0": mixed(192, 32), "mixed1": mixed(256, 64), "mixed2": mixed(288, 64),
        "mixed3": Block(
            conv(288, 384, 3, 2),
            nn.Sequential(conv(288, 64, 1), conv(64, 96, 3, padding=1), conv(96, 96, 3, 2)),
            nn.MaxPool2d(3, 2),
        ),
        "mixed4": long(768, 128), "mixed5": long(768, 160), "mixed6": long(768, 160),
        "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "head": nn.Linear(768, 1000),
    }  # fmt: skip
    model = nn.Sequential()
    for name, part in parts.items():
        model.add_module(name, part)
    return model.eval()


def small_keras_model(name: str, framework: str) -> tuple[Any, np.ndarray, Callable[[], Any]]:
    """A network that takes next to no time, an input, and a pass that returns all its values."""
    import keras
    from keras import layers

    random = np.random.default_rng(0)
    if name == "mlp":
        parts: list[Any] = [layers.Dense(n, activation="relu") for n in (64, 32, 10)]
        x, walk = random.random((4, 20), np.float32), _in_turn
    elif name == "cnn":
        parts = [part for n in (8, 16) for part in (layers.Conv2D(n, 3), layers.MaxPooling2D())]
        parts += [layers.Flatten(), layers.Dense(32, activation="relu"), layers.Dense(10)]
        x, walk = random.random((4, 28, 28, 1), np.float32), _in_turn
    elif name == "long":
        parts = [part for _ in range(50) for part in (layers.Dense(16), layers.ReLU())]
        x, walk = random.random((4, 16), np.float32), _in_turn
    elif name == "nested":
        inner = keras.Sequential(
            [keras.Input((16,)), *(layers.Dense(16, activation="relu") for _ in range(4))]
        )
        parts = [part for _ in range(4) for part in (layers.Dense(16), layers.LayerNormalization())]
        parts += [inner, layers.ReLU(), layers.Dropout(0.5), layers.Dense(3)]
        x, walk = random.random((4, 16), np.float32), _in_turn
    else:
        parts = [layers.Embedding(100, 16)]
        for _ in range(2):
            parts += [layers.MultiHeadAttention(2, 8), layers.Add(), layers.LayerNormalization()]
            parts += [layers.Dense(32, activation="gelu"), layers.Dense(16), layers.Add()]
        parts += [layers.GlobalAveragePooling1D(), layers.Dense(3, activation="softmax")]
        x, walk = random.integers(0, 100, (2, 12)).astype(np.int32), _with_residuals
    entry = keras.Input(x.shape[1:], dtype=str(x.dtype))
    model = keras.Model(entry, walk(parts, entry)[-1])

    def values(x: Any) -> list[Any]:
        return list(walk(parts, x))

    return model, x, _pass_of(values, model, x, framework)


def _in_turn(parts: Any, x: Any) -> list[Any]:
    """What each layer returns, those of a nested model too."""
    values = []
    for part in parts:
        if hasattr(part, "layers") and hasattr(x, "device"):  # a model, on numbers
            values += _in_turn(part.layers, x)
            x = values[-1]
        else:
            x = part(x)
            values.append(x)
    return values


def _with_residuals(parts: Any, x: Any) -> list[Any]:
    """What each layer returns; a sum adds what was there before the last sum to what came of it."""
    values: list[Any] = []
    kept = None
    for part in parts:
        kind = type(part).__name__
        if kind == "Add":
            x = part([x, kept])
        elif kind == "MultiHeadAttention":
            x, kept = part(x, x), x
        else:
            x = part(x)
            kept = x if kind == "LayerNormalization" else kept
        values.append(x)
    return values


def _pass_of(
    values: Callable[[Any], Any], model: Any, x: np.ndarray, framework: str
) -> Callable[[], Any]:
    """The pass as the framework runs it best, on an input that is in place."""
    import keras

    if framework == "keras-jax":
        import jax

        def stateless(held: Any, x: Any) -> Any:
            with keras.StatelessScope(list(zip(model.variables, held, strict=True))):
                return values(x)

        compiled, placed = jax.jit(stateless), jax.numpy.asarray(x)
        held = [variable.value for variable in model.variables]
        return lambda: jax.block_until_ready(compiled(held, placed))
    if framework == "keras-tensorflow":
        import tensorflow as tf

        graph, constant = tf.function(values), tf.constant(x)
        return lambda: graph(constant)
    import torch

    tensor = torch.from_numpy(x)

    def eager() -> Any:
        with torch.inference_mode():
            return values(tensor)

    return eager


def small_torch_model(name: str) -> tuple[Any, np.ndarray, Callable[[], Any]]:
    """A PyTorch network of the same kind, an input, and a pass whose values hooks have copied."""
    import torch
    from torch import nn

    random = np.random.default_rng(0)
    x = random.random((4, 20), np.float32)
    if name == "mlp":
        model: Any = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 10), nn.Softmax(-1))
    elif name == "cnn":
        model = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1352, 10)
        )
        x = random.random((4, 1, 28, 28), np.float32)
    elif name == "long":
        model = nn.Sequential(*(p for _ in range(50) for p in (nn.Linear(20, 20), nn.Tanh())))
    elif name == "nested":
        block = nn.Sequential(*(p for _ in range(4) for p in (nn.Linear(20, 20), nn.Tanh())))
        model = nn.Sequential(nn.Linear(20, 20), nn.LayerNorm(20), block, nn.Linear(20, 3))
    else:
        model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2)
        x = random.random((2, 12, 16), np.float32)
    model.eval()
    tensor, values = torch.from_numpy(x), list[Any]()

    def copied(module: Any, arguments: Any, result: Any) -> None:
        if torch.is_tensor(result):
            values.append(result.clone())

    def hooked() -> Any:
        values.clear()
        handles = [module.register_forward_hook(copied) for module in model.modules()]
        try:
            with torch.inference_mode():
                model(tensor)
        finally:
            for handle in handles:
                handle.remove()
        return values

    return model, x, hooked
