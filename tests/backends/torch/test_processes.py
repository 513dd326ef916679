"""A training in PyTorch whose data come from other processes: they leave its recording alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("zarr")

from cases.amounts import amount
from cases.forked_runs import Program, started
from layerscope.recordings.run import open_run

KILLER = Path(__file__).parents[2] / "cases" / "killed_recorder.py"
KILLS = amount(3, full=100)

#: Epochs of two batches; the recording is begun before the workers are, or after.
SCRIPT = """
import gc, multiprocessing
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, _utils
import layerscope as ls

def killed(process):
    print("a worker had to be killed", flush=True)

def main(place, method, persistent, begins, ends, epochs):
    # What PyTorch does to a worker that does not end by itself in five seconds; a busy machine
    # may need more. A worker looks as often whether the training was killed.
    context = multiprocessing.get_context(method)
    context.Process.terminate = killed
    _utils.MP_STATUS_CHECK_INTERVAL, _utils.worker.MP_STATUS_CHECK_INTERVAL = 60, 0.5
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x, y = torch.randn(64, 1, 8, 8), torch.randint(0, 10, (64,))
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    recorder = ls.Recorder(place, model, probe=x[:4].numpy(), steps=9, every=1, quiet=True)
    data = TensorDataset(x, y)
    loader = DataLoader(
        data, 32, num_workers=2 if method == "fork" else 1, multiprocessing_context=context,
        persistent_workers=persistent == "persistent",
    )
    if begins == "begun":
        recorder.snap(0)
    step = 1
    for epoch in range(int(epochs)):
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
            recorder.snap(step)
            step += 1
    if ends == "closed":
        recorder.close()
    if ends == "killed":
        recorder.flush()
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    del loader
    gc.collect()

if __name__ == "__main__":
    # What a training and a recorder import besides, once for all runs.
    import torch._dynamo, xarray
    import layerscope.backends.torch.backend
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
    with started(KILLER, "torch") as program:
        yield program


@pytest.mark.parametrize(
    ("method", "persistent", "begins", "ends"),
    [
        ("fork", "persistent", "begun", "closed"),
        ("fork", "persistent", "begun", "left open"),
        ("fork", "persistent", "begun", "killed"),
        ("fork", "anew", "begun", "closed"),
        ("fork", "anew", "not begun", "left open"),
        ("spawn", "persistent", "begun", "closed"),
        ("forkserver", "anew", "begun", "closed"),
    ],
)
def test_the_workers_of_a_loader_leave_a_recording_alone(
    method: str, persistent: str, begins: str, ends: str, script: Program, tmp_path: Path
) -> None:
    place = tmp_path / "run.zarr"
    # Where processes are not forked, each worker imports a framework: an epoch, and one more.
    epochs = 4 if method == "fork" else 2
    done = script.run(place, method, persistent, begins, ends, epochs)
    assert done.returncode == (-9 if ends == "killed" else 0), done.stderr
    assert done.stdout == ""
    first = 0 if begins == "begun" else 1
    assert open_run(place).steps.tolist() == list(range(first, 2 * epochs + 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, for speed")
@pytest.mark.timeout(120 + 10 * KILLS)
@pytest.mark.parametrize("how", [[], ["exact"]], ids=["at random times", "within each operation"])
def test_a_training_that_is_killed_goes_on_when_it_is_started_again(
    how: list[str], killer: Program, tmp_path: Path
) -> None:
    done = killer.run(tmp_path, KILLS, 1, *how, seconds=120 + 10 * KILLS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"kill"') == KILLS
