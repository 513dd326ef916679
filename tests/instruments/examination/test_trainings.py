"""Trainings over seeds, healthy and sick: no false alarm, and each sickness in words.

What a training ends with differs from machine to machine, so these are no part of the gate; the
gate has networks whose weights are written down.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.amounts import amount

keras = pytest.importorskip("keras")
pytest.importorskip("sklearn")

pytestmark = pytest.mark.full
layers = keras.layers
SEEDS = range(amount(1, full=5))


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    bundled = load_digits()
    return bundled.images[..., None].astype("float32") / 16, bundled.target


def convolutional(function: str = "relu") -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation=function, name="first"),
            layers.Conv2D(32, 3, activation=function, name="second"),
            layers.Flatten(name="flat"),
            layers.Dense(64, activation=function, name="hidden"),
            layers.Dense(10, activation="softmax", name="out"),
        ]
    )


def normalized() -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, use_bias=False, name="first"),
            layers.BatchNormalization(momentum=0.9, name="norm"),
            layers.Activation("relu", name="relu"),
            layers.Conv2D(32, 3, use_bias=False, name="second"),
            layers.BatchNormalization(momentum=0.9, name="second_norm"),
            layers.Activation("relu", name="second_relu"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(10, activation="softmax", name="out"),
        ]
    )


def perceptron() -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(name="flat"),
            *[layers.Dense(64, activation="tanh", name=f"h{i}") for i in range(3)],
            layers.Dense(10, activation="softmax", name="out"),
        ]
    )


def residual() -> Any:
    inputs = keras.Input((8, 8, 1))
    y = layers.Conv2D(16, 3, padding="same", name="stem")(inputs)
    for i in range(4):
        z = layers.BatchNormalization(momentum=0.9, name=f"norm{i}")(y)
        z = layers.Activation("relu", name=f"relu{i}")(z)
        y = layers.Add(name=f"add{i}")(
            [y, layers.Conv2D(16, 3, padding="same", name=f"conv{i}")(z)]
        )
    y = layers.GlobalAveragePooling2D(name="pool")(y)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="out")(y))


def trained(
    model: Any,
    x: Any,
    y: Any,
    where: Path,
    *,
    optimizer: Any = "adam",
    loss: Any = "sparse_categorical_crossentropy",
    epochs: int = 6,
    batch: int = 32,
    count: int = 1200,
) -> Any:
    model.compile(optimizer, loss, metrics=["accuracy"])
    recorder = ls.Recorder(where, model, probe=x[1200:1300], quiet=True)
    model.fit(
        x[:count], y[:count], epochs=epochs, batch_size=batch, verbose=0, callbacks=[recorder]
    )
    return model


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [convolutional, normalized, perceptron, residual])
def test_a_healthy_training_has_no_failing_finding(
    make: Callable[[], Any], seed: int, digits: tuple[Any, Any], tmp_path: Path
) -> None:
    x, y = digits
    keras.utils.set_random_seed(seed)
    model = trained(make(), x, y, tmp_path / "run.zarr")
    for report in (
        ls.examine(tmp_path / "run.zarr"),
        ls.examine(model, x[1200:], labels=y[1200:], progress=False),
        ls.examine(model, x[1200:], labels=y[1200:], run=tmp_path / "run.zarr", progress=False),
    ):
        assert report.failing == (), str(report)


def _huge_steps(x: Any, y: Any, where: Path) -> None:
    trained(convolutional(), x, y, where, optimizer=keras.optimizers.SGD(3.0))


def _unscaled_into_sigmoids(x: Any, y: Any, where: Path) -> None:
    spread = keras.initializers.RandomNormal(stddev=1.0)
    hidden = [
        layers.Dense(64, activation="sigmoid", kernel_initializer=spread, name=f"h{i}")
        for i in range(6)
    ]
    model = keras.Sequential(
        [keras.Input((64,)), *hidden, layers.Dense(10, activation="softmax", name="out")]
    )
    trained(model, x.reshape(-1, 64) * 16, y, where, optimizer=keras.optimizers.SGD(0.01))


def _pixels_to_255(x: Any, y: Any, where: Path) -> None:
    trained(convolutional(), x * 255, y, where, optimizer=keras.optimizers.SGD(0.01))


def _frozen_first(x: Any, y: Any, where: Path) -> None:
    model = convolutional()
    model.get_layer("first").trainable = False
    trained(model, x, y, where)


def _double_softmax(x: Any, y: Any, where: Path) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained(convolutional(), x, y, where, loss=loss)


def _batches_of_one(x: Any, y: Any, where: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(64, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Activation("relu", name="relu"),
            layers.Dense(10, activation="softmax", name="out"),
        ]
    )
    trained(model, x.reshape(-1, 64), y, where, epochs=3, batch=1, count=400)


SICK: dict[str, tuple[Callable[[Any, Any, Path], None], set[tuple[str, str]]]] = {
    "dying ReLU by a huge step": (_huge_steps, {("dying", "second")}),
    "unscaled inputs into sigmoids": (
        _unscaled_into_sigmoids, {("input-scale", "h0"), ("saturation", "h0")},
    ),
    "0 to 255 where 0 to 1 is wanted": (
        _pixels_to_255, {("input-scale", "first"), ("start-loss", "out")},
    ),
    "a frozen first layer": (_frozen_first, {("frozen", "first")}),
    "double softmax": (_double_softmax, {("softmax-twice", "out")}),
    "batches of one": (_batches_of_one, {("running-statistics", "norm"), ("frozen", "first")}),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SICK)
def test_a_sick_training_is_diagnosed(
    name: str, seed: int, digits: tuple[Any, Any], tmp_path: Path
) -> None:
    x, y = digits
    keras.utils.set_random_seed(seed)
    train, expected = SICK[name]
    train(x, y, tmp_path / "run.zarr")
    report = ls.examine(tmp_path / "run.zarr")
    found = {(f.kind, f.layer) for f in report.failing}
    assert expected <= found, str(report)


def test_a_softmax_taken_twice_shows_by_the_loss_alone(
    digits: tuple[Any, Any], tmp_path: Path
) -> None:
    """As of a loop in PyTorch, whose recording knows no loss but its values."""
    torch = pytest.importorskip("torch")
    x, y = digits
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10),
        torch.nn.Softmax(dim=1),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    inputs = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    images, labels = torch.from_numpy(inputs[:1200]), torch.from_numpy(y[:1200])
    with ls.Recorder(tmp_path / "run.zarr", model, probe=inputs[1200:1300], quiet=True) as rec:
        rec.snap(0)
        for epoch in range(1, 11):
            total = 0.0
            for rows in torch.randperm(1200).split(32):
                loss = torch.nn.functional.cross_entropy(model(images[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(rows) / 1200
            rec.snap(epoch, loss=total)
    assert [f.kind for f in ls.examine(tmp_path / "run.zarr").failing] == ["softmax-twice"]
