"""A fit in Keras whose data come from other processes: they leave its recording alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("keras")
pytest.importorskip("zarr")

from cases.amounts import amount
from layerscope.recordings.run import open_run

KILLER = Path(__file__).parents[2] / "cases" / "killed_recorder.py"
KILLS = amount(3, full=75)

#: Epochs of two batches, which other processes make.
SCRIPT = """
import multiprocessing, sys
import numpy as np
import keras
import layerscope as ls

place, method, every, epochs, workers = sys.argv[1:]

class Data(keras.utils.PyDataset):
    def __len__(self):
        return 2
    def __getitem__(self, number):
        rng = np.random.default_rng(number)
        return rng.random((8, 6), np.float32), rng.integers(0, 3, 8)

def main():
    multiprocessing.set_start_method(method)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    probe = np.random.default_rng(0).random((2, 6), np.float32)
    every_ = every if every == "epoch" else int(every)
    recorder = ls.Recorder(place, model, probe=probe, every=every_, quiet=True)
    data = Data(workers=int(workers), use_multiprocessing=True)
    with recorder:
        for fit in range(2 if method == "fork" else 1):
            model.fit(data, epochs=int(epochs), verbose=0, callbacks=[recorder])

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "every", "epochs", "steps"),
    [
        ("fork", "epoch", 3, [0, 1, 2, 3, 4, 5, 6]),
        ("fork", "2", 3, [0, 2, 4, 6, 7, 9, 11, 13]),
        # Each epoch has new processes, and each of them imports a framework: one of them is enough.
        pytest.param("spawn", "epoch", 1, [0, 1], marks=pytest.mark.one_backend),
        pytest.param("forkserver", "epoch", 1, [0, 1], marks=pytest.mark.one_backend),
    ],
)
def test_the_workers_of_a_fit_leave_a_recording_alone(
    method: str, every: str, epochs: int, steps: list[int], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    place = tmp_path / "run.zarr"
    command = [sys.executable, "-W", "ignore", str(tmp_path / "script.py"), str(place)]
    workers = 2 if method == "fork" else 1
    done = subprocess.run(
        [*command, method, every, str(epochs), str(workers)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert open_run(place).steps.tolist() == steps


@pytest.mark.one_backend
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, for speed")
@pytest.mark.timeout(120 + 10 * KILLS)
@pytest.mark.parametrize("how", [[], ["exact"]], ids=["at random times", "within each operation"])
def test_a_fit_that_is_killed_goes_on_when_it_is_started_again(
    how: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "ignore", str(KILLER), str(tmp_path)]
    command += [str(KILLS), "1", "keras", *how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"kill"') == KILLS
