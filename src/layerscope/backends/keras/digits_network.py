"""The textbook's digits network: its data, its layers and its training, in Keras.

The network and how it is trained are those of the Keras example "Simple MNIST convnet"
(https://keras.io/examples/vision/mnist_convnet/), with the dropout at 0.2 and a learning rate that
falls to 0, so that the last epoch is as good as any. The channels of the second convolution begin
with different thresholds: some are silent at first and wake as the first one learns, at whichever
epoch; some never do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.availability import installed, needs
from layerscope.core.errors import InputError, MissingDependencyError

SIDE = 28
#: As in MNIST, a digit is 20×20 in the middle of its image; without the margin the convolutions
#: lose its edges.
MARGIN = 4
BATCH = 128
VALIDATION = 0.1
#: By data set: how many passes over it reach what the network can learn.
EPOCHS = {"digits": 18, "mnist": 3}
#: Adam's first learning rate, from which it goes to 0. A small data set gives few steps per epoch:
#: the usual 0.001 would need twice the epochs.
_RATE = {"digits": 0.006, "mnist": 0.002}
_HELD_OUT = 0.2
_THRESHOLD = 0.2  #: the largest: the channels of the second convolution begin at 0 to this


@dataclass(frozen=True)
class Digits:
    """Handwritten digits, ``(sample, 28, 28, 1)`` in 0..1, and which they are."""

    name: str
    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.int64]
    x_held_out: npt.NDArray[np.float32]
    y_held_out: npt.NDArray[np.int64]

    @property
    def example(self) -> npt.NDArray[np.float32]:
        """A digit to look at: the first 3 that was held out, ``(28, 28)``."""
        image: npt.NDArray[np.float32] = self.x_held_out[self.y_held_out == 3][0, :, :, 0]
        return image

    @property
    def each(self) -> npt.NDArray[np.float32]:
        """The first of each of the ten digits that was held out, ``(10, 28, 28, 1)``."""
        first = [int(np.flatnonzero(self.y_held_out == digit)[0]) for digit in range(10)]
        return self.x_held_out[first]


def load(name: str) -> Digits:
    """Load scikit-learn's digits scaled to 28×28 (``digits``), or Keras' MNIST (``mnist``).

    Raises
    ------
    InputError
        When MNIST is not on this machine and can't be fetched.
    MissingDependencyError
        When scikit-learn or Keras is not installed.
    """
    if name == "mnist":
        return _mnist()
    if not installed("sklearn"):
        raise MissingDependencyError(
            "The digits come with scikit-learn, which is not installed: "
            "pip install 'layerscope[demo]'."
        )
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bundled = load_digits()
    size = (SIDE - 2 * MARGIN, SIDE - 2 * MARGIN)
    images = np.stack(
        [
            np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
            for image in bundled.images.astype(np.float32) / 16
        ]
    )
    edges = ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    x = np.pad(np.clip(images, 0, 1)[..., None], edges)
    y = bundled.target.astype(np.int64)
    parts = train_test_split(x, y, test_size=_HELD_OUT, random_state=0, stratify=y)
    return Digits(name, parts[0], parts[2], parts[1], parts[3])


def _mnist() -> Digits:
    needs("keras")
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    # Keras raises a bare Exception where a download fails.
    except Exception as error:
        raise InputError(
            "MNIST is not on this machine and can't be fetched "
            f"({' '.join(str(error).split())}): try --dataset digits, which needs no network."
        ) from error
    scaled = [(x[..., None] / np.float32(255)).astype(np.float32) for x in (x_train, x_test)]
    return Digits("mnist", scaled[0], y_train.astype(np.int64), scaled[1], y_test.astype(np.int64))


def build() -> Any:
    """Build two convolutions with pooling, dropout and a softmax; 34,826 parameters."""
    import keras
    from keras import layers

    # Named as Keras would in a new process, whatever was built in this one before.
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(32, 3, activation="relu", name="conv2d"),
            layers.MaxPooling2D(2, name="max_pooling2d"),
            layers.Conv2D(64, 3, activation="relu", name="conv2d_1"),
            layers.MaxPooling2D(2, name="max_pooling2d_1"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.2, name="dropout"),
            layers.Dense(10, activation="softmax", name="dense"),
        ],
        name="digits",
    )


def train(
    digits: Digits,
    *,
    epochs: int | None = None,
    seed: int = 0,
    watch: Callable[[int, int, float], None] = lambda step, steps, accuracy: None,
    callbacks: Callable[[Any], Sequence[Any]] = lambda model: (),
) -> tuple[Any, float]:
    """Train a network; return it and its accuracy on the digits held out, 0 to 1.

    ``watch`` is told, after each step, which it was, of how many, and the accuracy so far;
    ``callbacks`` is given the network before it is trained, and returns Keras callbacks for it.
    """
    needs("keras")
    import keras

    keras.utils.set_random_seed(seed)
    passes = epochs or EPOCHS[digits.name]
    steps = -(-int(len(digits.x_train) * (1 - VALIDATION)) // BATCH)

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            watch(self.epoch * steps + batch + 1, passes * steps, float(logs["accuracy"]))

    model = build()
    thresholds = model.get_layer("conv2d_1").bias
    thresholds.assign(-np.linspace(0, _THRESHOLD, thresholds.shape[0], dtype=np.float32))
    rate = keras.optimizers.schedules.CosineDecay(_RATE[digits.name], passes * steps)
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.Adam(rate),
        metrics=["accuracy"],
    )
    model.fit(
        digits.x_train,
        digits.y_train,
        batch_size=BATCH,
        epochs=passes,
        validation_split=VALIDATION,
        verbose=0,
        callbacks=[Watch(), *callbacks(model)],
    )
    _, accuracy = model.evaluate(digits.x_held_out, digits.y_held_out, batch_size=500, verbose=0)
    return model, float(accuracy)
