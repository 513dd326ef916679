"""What a film of 100 steps of a 64-channel layer costs beside encoding its frames with Pillow.

Usage: ``python benchmarks/bench_film.py [--steps N] [--rounds N]``.

In turn, each round:

- ours: ``film(run, "conv2d", "film.webp")``: reading, finding the range, drawing, encoding;
- library: Pillow's ``save`` with all frames of that film at hand, with the same settings.

The run is recorded to a folder first: smooth random maps of 26×26, 16 samples, in float16. Peak
memory is that of a process that makes one film, over few steps and over many.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageSequence

import layerscope as ls
from layerscope.core.network import Network, to_json
from layerscope.recordings.store.schema import ArrayGroup, Schema, Variable
from layerscope.recordings.store.writer import Writer
from layerscope.views.render import encoding

SHAPE = (16, 26, 26, 64)
MEMORY = """
import resource, sys, layerscope as ls
ls.film(ls.open_recording(sys.argv[1]), "conv2d", sys.argv[2], overwrite=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record(folder / "run.zarr", arguments.steps)
        record(folder / "short.zarr", max(2, arguments.steps // 10))
        for kind in ("webp", "gif"):
            compare(folder, kind, arguments.rounds)
        peaks = [peak(folder / n, folder / "film.webp") for n in ("short.zarr", "run.zarr")]
        print(f"peak memory, a tenth of the steps: {peaks[0]:.0f} MB; all: {peaks[1]:.0f} MB")


def record(path: Path, steps: int) -> None:
    """A run whose maps drift from one random field to another."""
    values = Variable(("sample", "y", "x", "channel"), SHAPE, "float16")
    group = ArrayGroup("activations", "conv2d", {"values": values})
    network = to_json(Network("bench", "none", ()))
    writer = Writer.create(str(path), Schema((group,), (), {"network": network}), constants={})
    ends = [field(seed) for seed in (0, 1)]
    for step in range(steps):
        share = step / max(1, steps - 1)
        maps = np.maximum((1 - share) * ends[0] + share * ends[1], 0).astype(np.float16)
        writer.append(
            step,
            epoch=float(step),
            wall_time=float(step),
            metrics={"loss": 1 / (step + 1), "accuracy": share},
            arrays={("activations", "conv2d", "values"): maps},
        )
    writer.close()


def field(seed: int) -> np.ndarray:
    """Smooth random maps."""
    samples, height, width, channels = SHAPE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))[..., None]
    noise = np.random.default_rng(seed).normal(size=(samples, height, width, channels))
    spectrum = np.fft.rfft2(noise, axes=(1, 2)) * np.exp(-((8 * frequency) ** 2))
    return np.fft.irfft2(spectrum, s=(height, width), axes=(1, 2))


def compare(folder: Path, kind: str, rounds: int) -> None:
    """Print the medians of both, and their ratio."""
    run, path = ls.open_recording(folder / "run.zarr"), folder / f"film.{kind}"
    film = ls.film(run, "conv2d", path)
    with Image.open(path) as image:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(image)]
    if kind == "gif":
        frames = [frame.quantize(256) for frame in frames]
        options = {}
    else:
        options = {"lossless": True, "method": encoding._METHOD, "quality": encoding._EFFORT}
    ours, library = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        ls.film(run, "conv2d", path, overwrite=True)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        frames[0].save(
            folder / f"library.{kind}", save_all=True, append_images=frames[1:], duration=125,
            loop=0, **options,
        )  # fmt: skip
        library.append(time.perf_counter() - start)
    one, other = median(ours), median(library)
    sizes = [(folder / f"{name}.{kind}").stat().st_size / 1e6 for name in ("film", "library")]
    print(
        f"{kind}: {film.frames} frames of {film.size[0]}×{film.size[1]}: ours {one:.2f} s, "
        f"library {other:.2f} s, ratio {one / other:.2f}; {sizes[0]:.1f} and {sizes[1]:.1f} MB"
    )


def peak(run: Path, film: Path) -> float:
    """The largest memory of a process that makes the film, in megabytes."""
    command = [sys.executable, "-c", MEMORY, str(run), str(film)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


if __name__ == "__main__":
    main()
