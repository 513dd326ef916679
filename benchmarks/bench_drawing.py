"""What drawing all 704 maps of C1 to PNG costs beside a vectorised mosaic and Pillow alone.

Usage: ``python benchmarks/bench_drawing.py [--rounds N] [--profile]``.

A picture per layer, the three measured in turn in one process, medians:

- ours: ``sheet(acts, address).png()``, with its heading, labels, scale and blank maps;
- same size: the maps of a layer on its range as bytes, enlarged as in ours, reshaped into a mosaic
  on a canvas of the same size, written by Pillow as a palette PNG at compression level 1;
- native: the same without enlarging, on a canvas of just that size.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import pstats
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image

import layerscope as ls
from layerscope.core.axes import NamedArray
from layerscope.core.network import Network
from layerscope.recordings.recording import Recording
from layerscope.views.render.palette import table

SIZES = [
    (148, 32), (74, 32), (72, 64), (36, 64), (34, 128), (17, 128), (15, 128), (7, 128),
]  # fmt: skip
AXES = ("sample", "y", "x", "channel")


@dataclass(frozen=True)
class Mosaic:
    """How our picture of a layer is laid out."""

    columns: int
    times: int  #: how much it enlarges each map
    canvas: tuple[int, int]  #: height and width


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    layers = {f"layer{i}": relu_maps(rng, side, n) for i, (side, n) in enumerate(SIZES)}
    if arguments.profile:
        profile(layers, arguments.rounds)
        return
    mosaics = {address: mosaic_of(drawn(layers), address) for address in layers}
    print(f"{'layer':>12} {'ours ms':>9} {'same size':>10} {'native':>8} {'ratio':>6}")
    for address, values in layers.items():
        mosaic = mosaics[address]
        ways = [
            lambda address=address: ls.sheet(drawn(layers), address).png(),
            lambda values=values, mosaic=mosaic: reference(values, mosaic),
            lambda values=values, mosaic=mosaic: reference(values, native(values, mosaic)),
        ]
        print(row(f"{values.shape[1]}²×{values.shape[3]}", in_turn(ways, arguments.rounds)))
    ways = [
        lambda: [ls.sheet(acts, a).png() for acts in (drawn(layers),) for a in acts],
        lambda: [reference(values, mosaics[a]) for a, values in layers.items()],
        lambda: [reference(values, native(values, mosaics[a])) for a, values in layers.items()],
    ]
    print(row("all 704", in_turn(ways, arguments.rounds)))


def row(name: str, times: list[float]) -> str:
    """One row of the table."""
    ours, same, small = times
    return f"{name:>12} {ours:9.2f} {same:10.2f} {small:8.2f} {ours / same:6.2f}"


def in_turn(ways: list[Callable[[], object]], rounds: int) -> list[float]:
    """The median time of each in milliseconds of the processor, in turn in every round."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, own in zip(ways, times, strict=True):
            start = time.process_time()
            way()
            own.append(1000 * (time.process_time() - start))
    return [median(own) for own in times]


def drawn(layers: dict[str, npt.NDArray[np.float32]]) -> Recording:
    """A recording that nothing has been read from yet."""
    arrays = {address: NamedArray(values, AXES) for address, values in layers.items()}
    return Recording(arrays, network=Network("C1", "none", ()))


def relu_maps(rng: np.random.Generator, side: int, channels: int) -> npt.NDArray[np.float32]:
    """Smooth random fields, rectified: about half the values are zero."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))[..., None]
    noise = np.fft.rfft2(rng.normal(size=(side, side, channels)), axes=(0, 1))
    fields = np.fft.irfft2(noise * np.exp(-((8 * frequency) ** 2)), s=(side, side), axes=(0, 1))
    return np.maximum(fields, 0, dtype=np.float32, casting="same_kind")[None]


def mosaic_of(recording: Recording, address: str) -> Mosaic:
    """The layout of our picture."""
    header = ls.sheet(recording, address).header
    tile = header["tiles"][0]
    width, height = header["size"]
    return Mosaic(header["columns"], tile["box"][2] // tile["shape"][1], (height, width))


def native(values: npt.NDArray[np.float32], mosaic: Mosaic) -> Mosaic:
    """The same mosaic at one pixel to a value."""
    _, height, width, channels = values.shape
    rows = -(-channels // mosaic.columns)
    return Mosaic(mosaic.columns, 1, (rows * height, mosaic.columns * width))


def reference(values: npt.NDArray[np.float32], mosaic: Mosaic) -> bytes:
    """A mosaic as short and quick as NumPy and Pillow make it; one range for the layer."""
    maps = np.ascontiguousarray(values[0].transpose(2, 0, 1))
    low, high = maps.min(), maps.max()
    pixels = ((maps - low) * (255 / (high - low))).astype(np.uint8)
    if mosaic.times > 1:
        pixels = pixels.repeat(mosaic.times, axis=1).repeat(mosaic.times, axis=2)
    count, height, width = pixels.shape
    rows = -(-count // mosaic.columns)
    full = np.zeros((rows * mosaic.columns, height, width), np.uint8)
    full[:count] = pixels
    whole = full.reshape(rows, mosaic.columns, height, width).swapaxes(1, 2)
    canvas = np.zeros(mosaic.canvas, np.uint8)
    canvas[-rows * height :, : mosaic.columns * width] = whole.reshape(rows * height, -1)
    image = Image.fromarray(canvas, "P")
    image.putpalette(table("viridis", "dark").tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def profile(layers: dict[str, npt.NDArray[np.float32]], rounds: int) -> None:
    """Where our time goes, once everything has been imported."""
    ls.sheet(drawn(layers), "layer7").png()
    with cProfile.Profile() as profiler:
        for _ in range(rounds):
            recording = drawn(layers)
            for address in recording:
                ls.sheet(recording, address).png()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
