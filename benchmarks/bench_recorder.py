"""What recording a training costs beside the training.

Usage: ``python benchmarks/bench_recorder.py [overhead] [digits] [memory]``; all by default.

- overhead: C1 on 16 samples, in Keras on JAX. The time that a snapshot keeps the training waiting
  (``snap``), and the time until it is on the disk (``written``), over that of a plain compiled
  forward pass on the probe plus a raw sequential write, fsync included, of the bytes that are
  stored; measured in turn in one process.
- digits: the share of an epoch of the digits network that its recording adds.
- memory: peak memory of a process that records 10 steps and of one that records 1,000.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parent))

SAMPLES = 16


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--steps"]:
        print(json.dumps(peak(int(sys.argv[2]))))
        return
    chosen = sys.argv[1:] or ["overhead", "digits", "memory"]
    if "overhead" in chosen:
        for dtype in ("float16", "float32", "uint8"):
            overhead(dtype)
    if "digits" in chosen:
        digits()
    if "memory" in chosen:
        memory()


def overhead(dtype: str) -> None:
    """One snapshot of C1, beside what it can't do without."""
    import models
    from layerscope.instruments.record.recorder import Recorder

    model = models.keras_model("c1")
    x = np.random.default_rng(0).random((SAMPLES, *models.SHAPES["c1"]), np.float32)
    plain = models.plain_passes(model, x, "keras-jax")["compiled"]
    times: dict[str, list[float]] = {"pass": [], "write": [], "snap": [], "written": []}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run.zarr"
        recorder = Recorder(place, model, probe=x, dtype=dtype, steps=20, quiet=True)
        recorder.snap(0)
        recorder.flush()
        plain()
        before = stored(place)
        for step in range(1, 9):
            times["pass"].append(timed(plain))
            start = time.perf_counter()
            recorder.snap(step)
            times["snap"].append(time.perf_counter() - start)
            recorder.flush()
            times["written"].append(time.perf_counter() - start)
            each = (stored(place) - before) // step
            times["write"].append(timed(lambda size=each: raw_write(Path(folder) / "raw", size)))
        recorder.close()
    found = {name: 1e3 * median(values) for name, values in times.items()}
    least = found["pass"] + found["write"]
    print(
        f"{dtype:8} {each / 1e6:6.1f} MB a step; pass {found['pass']:.0f} ms + raw write "
        f"{found['write']:.0f} ms = {least:.0f} ms; snap {found['snap']:.0f} ms "
        f"({found['snap'] / least:.2f} ×), written {found['written']:.0f} ms "
        f"({found['written'] / least:.2f} ×)",
        flush=True,
    )


def digits() -> None:
    """Epochs of the digits network, with and without a recorder, in turn."""
    import keras

    from layerscope.backends.keras import digits_network
    from layerscope.instruments.record.recorder import Recorder

    data = digits_network.load("digits")
    model = digits_network.build()
    model.compile("adam", "sparse_categorical_crossentropy")
    times: dict[bool, list[float]] = {False: [], True: []}

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch:  # the first epoch compiles
                times[self.recorded].append(time.perf_counter() - self.start)

    with tempfile.TemporaryDirectory() as folder:
        for turn in range(3):
            for recorded in (False, True):
                clock = Clock()
                clock.recorded = recorded
                callbacks: list[Any] = [clock]
                if recorded:
                    place = Path(folder) / f"run{turn}.zarr"
                    probe = data.x_held_out[:SAMPLES]
                    callbacks = [Recorder(place, model, probe=probe, quiet=True), clock]
                model.fit(data.x_train, data.y_train, epochs=6, batch_size=128, verbose=0,
                          callbacks=callbacks)  # fmt: skip
    without, within = median(times[False]), median(times[True])
    print(
        f"digits   an epoch {1e3 * without:.0f} ms, recorded {1e3 * within:.0f} ms: "
        f"{100 * (within / without - 1):+.0f} %",
        flush=True,
    )


def memory() -> None:
    """Peak memory over few and over many steps, each in a process of its own."""
    peaks = {}
    for steps in (10, 1000):
        command = [sys.executable, __file__, "--steps", str(steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[steps] = json.loads(done.stdout.splitlines()[-1])["peak"]
    apart = 100 * (peaks[1000] / peaks[10] - 1)
    print(
        f"memory   10 steps {peaks[10] / 1e6:.0f} MB, 1,000 steps {peaks[1000] / 1e6:.0f} MB: "
        f"{apart:+.1f} %"
    )


def peak(steps: int) -> dict[str, float]:
    """Record so many steps of the digits network; no training between them."""
    from layerscope.backends.keras import digits_network
    from layerscope.instruments.record.recorder import Recorder

    model = digits_network.build()
    x = np.random.default_rng(0).random((SAMPLES, 28, 28, 1), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run.zarr"
        with Recorder(place, model, probe=x, steps=steps, quiet=True) as recorder:
            for step in range(steps):
                recorder.snap(step, loss=1.0)
    return {"peak": 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def timed(run: Any) -> float:
    """Seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def stored(place: Path) -> int:
    """The bytes in a folder."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def raw_write(path: Path, size: int) -> None:
    """Write so many bytes one after the other, and wait for the disk."""
    data = memoryview(bytes(size))
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
