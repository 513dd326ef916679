"""A process that has trainings killed, again and again, and looks at the recordings they leave.

Usage: ``python killed_recorder.py torch|keras``, and FOLDER KILLS SEED [exact] for each run that
:mod:`cases.forked_runs` asks for. Each training is a process of its own, forked here: always the
same script, which passes ``resume=True``, begins at the first step and skips what is there. A
SIGKILL ends it: after a random time, or, with ``exact``, in the middle of its n-th write, fsync or
rename, n being each number in turn. PyTorch's batches come from two processes of a DataLoader;
Keras records the epochs of a ``fit``. The weights at a step are always the same, so that each value
of a recording can be compared. Prints a line of JSON for each kill; what is wrong with a recording
ends the process.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray  # noqa: F401  (imported before forking, for speed)
from killed_writer import die_at, forked

import layerscope as ls
import layerscope.instruments.record.recorder
import layerscope.recordings.run
import layerscope.recordings.store.reader
import layerscope.recordings.store.writer
from cases.forked_runs import arguments

FRAMEWORK = sys.argv[1] if len(sys.argv) > 1 else "torch"
if FRAMEWORK == "torch":
    import torch

    import layerscope.backends.torch.backend

    torch.set_num_threads(1)
else:
    import keras

    import layerscope.backends.keras.backend

X = np.linspace(-1, 1, 4 * 6, dtype=np.float32).reshape(4, 6)
STEPS = 12
#: What a kill may cost of what was taken: what waits to be written.
LOST = 2


def kernel(step: int) -> np.ndarray:
    """The weights at a step."""
    return np.random.default_rng(step).normal(size=(6, 300)).astype(np.float32)


def train(place: Path, log: int) -> None:
    """The script that is started again and again."""
    options: dict[str, Any] = {"probe": X, "resume": True, "quiet": True, "dtype": "float32"}
    (_train_torch if FRAMEWORK == "torch" else _train_keras)(place, log, options)
    os.write(log, b"closed\n")


def _train_torch(place: Path, log: int, options: dict[str, Any]) -> None:
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset, _utils

    _utils.worker.MP_STATUS_CHECK_INTERVAL = 0.5  # workers end soon after a training was killed
    layer = nn.Linear(6, 300, bias=False)
    model = nn.Sequential(layer, nn.ReLU())
    data = TensorDataset(torch.from_numpy(X))
    loader = DataLoader(data, 2, num_workers=2, multiprocessing_context="fork")
    with ls.Recorder(place, model, steps=STEPS, every=1, **options) as recorder:
        os.write(log, b"open\n")
        step = 0
        while step < STEPS:
            for (batch,) in loader:
                with torch.no_grad():
                    layer.weight.copy_(torch.from_numpy(kernel(step).T))
                model(batch)
                recorder.snap(step, loss=step / 3)
                os.write(log, f"{step}\n".encode())
                if step % 3 == 0:
                    recorder.flush()
                    os.write(log, f"flushed {step}\n".encode())
                step += 1


def _train_keras(place: Path, log: int, options: dict[str, Any]) -> None:
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(300, use_bias=False), keras.layers.ReLU()]
    )
    model.compile("sgd", "mse")

    class SetWeights(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.set_weights([kernel(epoch)])

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.set_weights([kernel(epoch + 1)])

    class Log(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            os.write(log, f"{epoch + 1}\n".encode())

    recorder = ls.Recorder(place, model, **options)
    os.write(log, b"open\n")
    before = there(place)
    model.fit(
        X, np.zeros((4, 300)), epochs=STEPS - 1, initial_epoch=max(0, before - 1), verbose=0,
        callbacks=[SetWeights(), recorder, Log()],
    )  # fmt: skip


def there(place: Path) -> int:
    """How many steps can be opened; all of them must be as they were recorded."""
    try:
        run = ls.open_recording(place)
    except ls.errors.InputError as error:
        if "there is no recording" in str(error) or "was begun, but" in str(error):
            return 0
        raise
    steps = run.steps.tolist()
    assert steps == list(range(len(steps))), steps
    relu = run[next(name for name in run if name in ("1", "re_lu"))]
    weights = run.weights[next(iter(run.weights))]
    for step in steps:
        stored = np.sort(np.asarray(weights[step]).ravel())
        np.testing.assert_array_equal(stored, np.sort(kernel(step).ravel()), err_msg=f"step {step}")
        expected = np.maximum(X @ kernel(step), 0)
        np.testing.assert_allclose(relu[step], expected, rtol=1e-4, atol=1e-5)
        if "loss" in run.metrics and FRAMEWORK == "torch":
            assert run.metrics["loss"][step] == step / 3
    return len(steps)


def kill_one(place: Path, log: Path, delay: float | None, operation: int) -> int:
    """Start the training and have it killed; returns the status it ended with."""
    log.write_bytes(b"")

    def work() -> None:
        report = os.open(log, os.O_WRONLY | os.O_APPEND)
        if delay is None:
            die_at(operation)
        train(place, report)

    process = forked(work)
    if delay is not None:
        while not log.stat().st_size and os.waitpid(process, os.WNOHANG) == (0, 0):
            time.sleep(0.005)
        time.sleep(delay)
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(folder: Path, kills: int, seed: int, exact: bool) -> None:
    chance = random.Random(seed)
    place, log = folder / "run.zarr", folder / "log"
    finished = 0
    for number in range(kills):
        if (number % 3 == 0 if exact else number % 4 == 0) or finished == STEPS:
            shutil.rmtree(place, ignore_errors=True)
            finished = 0
        operation = number if kills >= 100 else chance.randrange(200)
        status = kill_one(place, log, None if exact else chance.uniform(0, 1), operation)
        lines = log.read_text().split("\n")
        reported = [int(line) for line in lines if line.isdigit()]
        flushed = [int(line.split()[1]) for line in lines if line.startswith("flushed")]
        # One that was not killed has come to its end; nothing else may end it.
        assert status == -signal.SIGKILL or (status == 0 and "closed" in lines), (status, lines)
        reading, writing = os.pipe()

        def see(to: int = writing) -> None:
            os.write(to, str(there(place)).encode())

        _, looked = os.waitpid(forked(see), 0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        if looked:
            raise SystemExit(f"kill {number}: the recording is not as it should be")
        steps = int(text)
        line = {"kill": number, "status": status, "steps": steps, "of": len(reported)}
        sys.stdout.write(f"{json.dumps(line)}\n")
        sys.stdout.flush()
        assert steps >= max([finished, *(step + 1 for step in flushed)]), "a finished step is lost"
        assert steps >= max([0, *(step + 1 for step in reported)]) - LOST, "more than two are lost"
        finished = steps


if __name__ == "__main__":
    to, number, begin, *how = arguments()
    main(Path(to), int(number), int(begin), how == ["exact"])
