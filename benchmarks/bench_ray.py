"""A survey on Ray: two workers against one, and what is handed over, by the unit.

Usage: ``python benchmarks/bench_ray.py [images=2048] [turns=5]``; needs ``layerscope[ray]`` and
PyTorch. Each worker has one processor to itself. One worker and two take turns; they are timed from
when all have the model until what they hand over is merged. Medians are printed; and the time that
all processes together took of the processors, which tells what Ray costs also where processors are
busy with something else.

Then what a survey that is handed over takes by the unit, and the time to merge two of them.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import pickle
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.instruments.survey.coordination import Coordinator


def network() -> Any:
    """Return a small CNN, computed on one processor that no other worker has."""
    import torch

    for core in sorted(os.sched_getaffinity(0)):
        # Held until the process ends.
        lock = os.open(f"/tmp/layerscope-bench-core{core}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
        break
    torch.manual_seed(0)
    torch.set_num_threads(1)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3), nn.ReLU(), nn.Conv2d(128, 128, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    import ray

    import layerscope as ls

    options = dict(word.split("=", 1) for word in sys.argv[1:])
    count, turns = int(options.get("images", "2048")), int(options.get("turns", "5"))
    images = np.random.default_rng(0).random((count, 3, 48, 48), np.float32)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    asked: dict[str, Any] = {"batch_size": 32, "progress": False}
    ways: dict[str, Any] = {
        f"{n} worker{'s' * (n - 1)}": functools.partial(
            ls.survey, network, ray=True, workers=n, **asked
        )
        for n in (1, 2)
    }
    clock: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, survey in ways.items():
            timed = _timed(survey, images)
            clock[name].append(timed[0])
            busy[name].append(timed[1])
    clocks = {name: statistics.median(values) for name, values in clock.items()}
    for name, seconds in clocks.items():
        print(
            f"{name:10} {seconds:6.1f} s by the clock, {statistics.median(busy[name]):6.1f} s of "
            f"processors, {count / seconds:5.0f} images a second"
        )
    one, two = clocks["1 worker"], clocks["2 workers"]
    ratios = [a / b / 2 for a, b in zip(clock["1 worker"], clock["2 workers"], strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"two workers: {one / two / 2:.2f} of twice one ({spread})")
    ray.shutdown()
    print_merges()


def _timed(survey: Any, images: Any) -> tuple[float, float]:
    """Return how long it takes by the clock, and of the processors, once all workers are ready."""
    run, spent = Coordinator.run, [0.0, 0.0]

    def timed(self: Any, *given: Any) -> None:
        while not all(worker.is_ready for worker in self._workers):
            self._advance(0.1)
        start, processors = time.perf_counter(), _processor_seconds()
        run(self, *given)
        spent[:] = time.perf_counter() - start, _processor_seconds() - processors

    Coordinator.run = timed  # type: ignore[method-assign]
    try:
        survey(images)
    finally:
        Coordinator.run = run  # type: ignore[method-assign]
    return spent[0], spent[1]


def _processor_seconds() -> float:
    """Return what this process and all that come from it took of the processors."""
    parents, spent = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(path.parent.name)
        parents[number], spent[number] = int(fields[1]), sum(map(int, fields[11:15]))
    family = {os.getpid()}
    for _ in range(6):
        family |= {number for number, parent in parents.items() if parent in family}
    return sum(spent.get(number, 0) for number in family) / os.sysconf("SC_CLK_TCK")


def print_merges() -> None:
    """Print what a survey takes by the unit, and how long two of them take to be merged."""
    import keras

    import layerscope as ls

    layers = keras.layers
    x = np.random.default_rng(0).random((2000, 6, 6, 1), np.float32)
    for units in (256, 1024, 4096):
        model = keras.Sequential(
            [keras.Input((6, 6, 1)), layers.Conv2D(units, 3, activation="relu", name="maps")]
        )
        for comoments in (True, False):
            asked: dict[str, Any] = {"comoments": comoments, "progress": False}
            parts = [ls.survey(model, x[a : a + 500], first=a, **asked) for a in (0, 500, 1000)]
            size = len(pickle.dumps(parts[0].tallies))
            merged = parts[0].merge(parts[1])
            start = time.perf_counter()
            whole = merged.merge(parts[2])
            seconds = time.perf_counter() - start
            bins = whole.tallies["maps"].values.bins
            print(
                f"{units:5} units, {'with' if comoments else 'without':7} co-moments: "
                f"{size / units:8,.0f} bytes a unit, {bins} bins; a third part is merged in "
                f"{1e3 * seconds:6.1f} ms"
            )


if __name__ == "__main__":
    main()
