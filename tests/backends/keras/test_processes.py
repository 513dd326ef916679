"""A fit in Keras whose data come from other processes: they leave its recording alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("keras")
pytest.importorskip("zarr")

from cases.amounts import amount
from cases.forked_runs import Program, started
from layerscope.recordings.run import open_run

KILLER = Path(__file__).parents[2] / "cases" / "killed_recorder.py"
KILLS = amount(3, full=75)

#: Epochs of two batches, which other processes make.
SCRIPT = """
import multiprocessing
import numpy as np
import keras
import layerscope as ls

class Data(keras.utils.PyDataset):
    def __len__(self):
        return 2
    def __getitem__(self, number):
        rng = np.random.default_rng(number)
        return rng.random((8, 6), np.float32), rng.integers(0, 3, 8)

def main(place, method, every, epochs, workers):
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
    import layerscope.backends.keras.backend
    import layerscope.instruments.record.recorder
    import layerscope.recordings.store.writer
    from cases.forked_runs import arguments

    main(*arguments())
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    path = tmp_path_factory.mktemp("script") / "script.py"
    path.write_text(SCRIPT)
    with started(path) as program:
        yield program


@pytest.fixture(scope="module")
def killer() -> Iterator[Program]:
    with started(KILLER, "keras") as program:
        yield program


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "every", "epochs", "steps"),
    [
        ("fork", "epoch", 3, [0, 1, 2, 3, 4, 5, 6]),
        ("fork", "2", 3, [0, 2, 4, 6, 7, 9, 11, 13]),
        # Each epoch has new processes, and each of them imports a framework: one of them is enough.
        # A server's processes know as little of the recording as those that are spawned.
        pytest.param("spawn", "epoch", 1, [0, 1], marks=pytest.mark.one_backend),
        pytest.param("forkserver", "epoch", 1, [0, 1], marks=pytest.mark.full),
    ],
)
def test_the_workers_of_a_fit_leave_a_recording_alone(
    method: str, every: str, epochs: int, steps: list[int], script: Program, tmp_path: Path
) -> None:
    place = tmp_path / "run.zarr"
    done = script.run(place, method, every, epochs, 2 if method == "fork" else 1)
    assert done.returncode == 0, done.stderr
    assert open_run(place).steps.tolist() == steps


@pytest.mark.one_backend
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, for speed")
@pytest.mark.timeout(120 + 10 * KILLS)
@pytest.mark.parametrize("how", [[], ["exact"]], ids=["at random times", "within each operation"])
def test_a_fit_that_is_killed_goes_on_when_it_is_started_again(
    how: list[str], killer: Program, tmp_path: Path
) -> None:
    done = killer.run(tmp_path, KILLS, 1, *how, seconds=120 + 10 * KILLS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"kill"') == KILLS
