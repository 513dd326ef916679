"""A training in PyTorch whose data come from other processes: they leave its recording alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("zarr")

from cases.amounts import amount
from layerscope.recordings.run import open_run

KILLER = Path(__file__).parents[2] / "cases" / "killed_recorder.py"
KILLS = amount(3, full=100)

#: Epochs of two batches; the recording is begun before the workers are, or after.
SCRIPT = """
import gc, multiprocessing, sys
from multiprocessing.process import BaseProcess
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
import layerscope as ls

place, method, persistent, begins, ends, epochs = sys.argv[1:]

def killed(process):
    print("a worker had to be killed", flush=True)

def main():
    # What PyTorch does to a worker that does not end by itself.
    context = multiprocessing.get_context(method)
    context.Process.terminate = killed
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x, y = torch.randn(64, 1, 8, 8), torch.randint(0, 10, (64,))
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    recorder = ls.Recorder(place, model, probe=x[:4].numpy(), steps=9, every=1, quiet=True)
    data = TensorDataset(x, y)
    loader = DataLoader(
        data, 32, num_workers=2, persistent_workers=persistent == "persistent",
        multiprocessing_context=context,
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
    main()
"""


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
    method: str, persistent: str, begins: str, ends: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    place = tmp_path / "run.zarr"
    command = [sys.executable, "-W", "ignore", str(tmp_path / "script.py"), str(place)]
    # Where processes are not forked, each of them imports a framework: an epoch, and one more.
    epochs = 4 if method == "fork" else 2
    done = subprocess.run(
        [*command, method, persistent, begins, ends, str(epochs)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (-9 if ends == "killed" else 0), done.stderr
    assert done.stdout == ""
    first = 0 if begins == "begun" else 1
    assert open_run(place).steps.tolist() == list(range(first, 2 * epochs + 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, for speed")
@pytest.mark.timeout(120 + 10 * KILLS)
@pytest.mark.parametrize("how", [[], ["exact"]], ids=["at random times", "within each operation"])
def test_a_training_that_is_killed_goes_on_when_it_is_started_again(
    how: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "ignore", str(KILLER), str(tmp_path)]
    command += [str(KILLS), "1", "torch", *how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"kill"') == KILLS
