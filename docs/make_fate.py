"""Draws the picture of units' fates: ``python docs/make_fate.py``, with Keras and scikit-learn.

A small network learns the digits; in one epoch its steps are thirty times too large.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import layerscope as ls

FOLDER = Path(__file__).parent / "images" / "recording"
EPOCHS, HUGE = 40, 20


def make_fate() -> None:
    """Train, record and draw."""
    import keras
    from sklearn.datasets import load_digits

    class HugeSteps(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 3.0 if epoch == HUGE else 0.1

    keras.utils.set_random_seed(0)
    x, y = load_digits().images[..., None].astype("float32") / 16, load_digits().target
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu", name="conv"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(128, activation="relu", name="dense"),
            keras.layers.Dense(10, activation="softmax", name="out"),
        ],
        name="digits",
    )
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        recorder = ls.Recorder("run.zarr", model, probe=x[:256], samples=4, quiet=True)
        held_out = (x[:256], y[:256])
        options: dict[str, Any] = {"batch_size": 64, "verbose": 0, "validation_data": held_out}
        model.fit(x[256:], y[256:], epochs=EPOCHS, callbacks=[HugeSteps(), recorder], **options)
        run = ls.open_recording("run.zarr")
        FOLDER.mkdir(parents=True, exist_ok=True)
        run.fate().picture().save(FOLDER / "fate.png")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    make_fate()
