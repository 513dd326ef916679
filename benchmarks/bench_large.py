"""What is large: memory of recording 2,000 layers, and the time of describing and drawing.

Usage: ``python benchmarks/bench_large.py [memory] [describe] [pictures]``; all by default.

- memory: the peak of a process that records a PyTorch network of 2,000 layers, above what it had
  before, over the bytes of the activations; each in a process of its own.
- describe: seconds for ``describe`` and its table, of 4,000 layers of PyTorch; the aim is 1.
- pictures: seconds to make a picture, and to save it as PNG, SVG and figure; the aim is 5.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

LAYERS, WIDTH, STEPS = 2000, 48, 4
PICTURES: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "65,536 channels": ((1, 7, 7, 65_536), ("sample", "y", "x", "channel")),
    "10^6 units": ((1, 1_000_000), ("sample", "unit")),
    "64 x 64^3 volume": ((1, 64, 64, 64, 64), ("sample", "z", "y", "x", "channel")),
    "100,000 positions": ((1, 100_000, 8), ("sample", "position", "channel")),
    "4096 x 4096 kernel": ((4096, 4096), ("input", "unit")),
    "64 heads of 512": ((1, 64, 512, 512), ("sample", "head", "query", "key")),
}


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--batch"]:
        print(peak(int(sys.argv[2])))
        return
    chosen = sys.argv[1:] or ["memory", "describe", "pictures"]
    if "memory" in chosen:
        memory()
    if "describe" in chosen:
        describe()
    if "pictures" in chosen:
        pictures()


def memory() -> None:
    """Networks with more and less to record."""
    for batch in (8, 256, 1024):
        command = [sys.executable, __file__, "--batch", str(batch)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        most = float(done.stdout.split()[-1])
        activations = LAYERS * WIDTH * batch * 4
        print(
            f"memory   activations {activations / 1e6:4.0f} MB: peak {most / 1e6:4.0f} MB, "
            f"{most / activations:.2f} x",
            flush=True,
        )


def peak(batch: int) -> float:
    """Bytes above what the process had, on Linux."""
    import torch
    from torch import nn

    from layerscope import Recorder

    torch.set_num_threads(1)
    parts = (part for _ in range(LAYERS // 2) for part in (nn.LayerNorm(WIDTH), nn.ReLU()))
    network = nn.Sequential(*parts)
    x = np.random.default_rng(0).standard_normal((batch, WIDTH), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        with Recorder(f"{folder}/warm", nn.Linear(WIDTH, 2), probe=x[:2], quiet=True) as recorder:
            recorder.snap(0)
        network(torch.from_numpy(x[:2]))
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        with Recorder(f"{folder}/run", network, probe=x, steps=STEPS, quiet=True) as recorder:
            for step in range(STEPS):
                recorder.snap(step)
    return resident("VmHWM") - before


def resident(which: str) -> float:
    """Bytes of memory, now or at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * int(next(line for line in lines if line.startswith(which)).split()[1])


def describe() -> None:
    """A long Sequential, as a table."""
    from torch import nn

    import layerscope as ls

    network = nn.Sequential(*(p for _ in range(2000) for p in (nn.Linear(16, 16), nn.ReLU())))
    ls.describe(nn.Linear(2, 2))
    start = time.perf_counter()
    rows = str(ls.describe(network)).count("\n")
    print(f"describe {rows} lines in {time.perf_counter() - start:.2f} s", flush=True)


def pictures() -> None:
    """Layers that are large, each in its own way."""
    import layerscope as ls
    from layerscope.core.axes import NamedArray
    from layerscope.core.network import Network
    from layerscope.recordings.recording import Recording

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, (shape, axes) in PICTURES.items():
            array = NamedArray(rng.random(shape, np.float32), axes)
            recording = Recording({"layer": array}, network=Network("large", "none", ()))
            times = {}
            panel, times["make"] = timed(lambda recording=recording: ls.sheet(recording, "layer"))
            for kind in ("png", "svg"):
                place = Path(folder) / f"picture.{kind}"
                times[kind] = timed(lambda panel=panel, place=place: panel.save(place))[1]
            times["figure"] = timed(panel.figure)[1]
            said = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in times.items())
            print(f"{name:>20}: {said}; {panel.header['size']}", flush=True)


def timed(run: Any) -> tuple[Any, float]:
    """What it returns, and seconds."""
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
