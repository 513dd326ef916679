"""What keeping a run costs: time, bytes and memory, beside raw writes, Zarr, npz and JSON.

Usage: ``python benchmarks/bench_store.py [write read append memory] [--folder FOLDER]``; all four
by default, in a temporary folder.

- write: C1's maps of 16 photographs, 97 MB in float32; megabytes of float32 per second and the
  share of the bytes that is left, for each way in turn; every way ends with fsync.
- read: one channel of ``conv2d_1`` over 50 steps, beside Zarr arrays made for that question alone.
- append: a step of all statistics of 311 layers and 378 parameters (InceptionV3's).
- memory: the peak of a process that writes 10 steps, and of one that writes 1,000.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

Maps = dict[str, np.ndarray]
REAL = Path(__file__).parents[2] / "shared/real/images"


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["write", "read", "append", "memory"])
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.child:
            print(json.dumps(steps_of(Path(folder), arguments.child)))
            return
        for what in arguments.what:
            print(f"\n{what}", flush=True)
            MEASURES[what](Path(folder), arguments.repeats)


def c1_maps(folder: Path) -> Maps:
    """What C1's layers make of 16 crops of photographs; computed in a process of its own."""
    kept = folder / "maps.npz"
    if not kept.exists():
        code = "import bench_store as b, sys; b.compute_maps(sys.argv[1])"
        environment = {"KERAS_BACKEND": "jax", **os.environ}
        command = [sys.executable, "-c", code, str(kept)]
        subprocess.run(command, cwd=Path(__file__).parent, env=environment, check=True)
    with np.load(kept) as maps:
        return dict(maps)


def compute_maps(path: str) -> None:
    """Save the maps; without photographs, of smooth noise."""
    import layerscope as ls
    import models  # beside this file

    recording = ls.activations(models.keras_model("c1"), photographs())
    np.savez(path, **{layer: array.values for layer, array in recording.items()})


def photographs(size: int = 150, count: int = 16) -> np.ndarray:
    """Crops, all different, of the photographs beside the repository, or smooth noise."""
    rng = np.random.default_rng(0)
    if not REAL.is_dir():
        waves = np.fft.rfft2(rng.normal(size=(count, 3, size, size)))
        distance = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) + 1 / size
        smooth = np.fft.irfft2(waves / distance, s=(size, size)).transpose(0, 2, 3, 1)
        smooth -= smooth.min(axis=(1, 2), keepdims=True)
        return np.asarray(smooth / smooth.max(axis=(1, 2), keepdims=True), np.float32)
    from PIL import Image

    pictures = [Image.open(path).convert("RGB") for path in sorted(REAL.glob("*.png"))]
    crops = []
    for i in range(count):
        picture = pictures[i % len(pictures)]
        side = min(picture.size) // (1 + i // len(pictures))
        x, y = (int(rng.integers(0, length - side + 1)) for length in picture.size)
        crops.append(np.asarray(picture.crop((x, y, x + side, y + side)).resize((size, size))))
    return np.stack(crops).astype(np.float32) / 255


def schema_of(maps: Maps, dtype: str) -> Any:
    from layerscope.core.axes import named_axes
    from layerscope.recordings.store import ArrayGroup, Schema, Variable

    return Schema(
        tuple(
            ArrayGroup(
                "activations",
                layer,
                {"values": Variable(named_axes(a.shape), a.shape, dtype, scaled=dtype == "uint8")},
            )
            for layer, a in maps.items()
        ),
        tuple(str(i) for i in range(len(next(iter(maps.values()))))),
    )


def step_of(maps: Maps) -> dict[tuple[str, str, str], np.ndarray]:
    return {("activations", layer, "values"): array for layer, array in maps.items()}


def write(folder: Path, repeats: int) -> None:
    """Seconds and bytes of one step, each way in turn."""
    from layerscope.recordings.store import Writer

    maps = c1_maps(folder)
    total = sum(array.nbytes for array in maps.values())
    ways: dict[str, Callable[[int], int]] = {
        "raw, one file": lambda i: raw(folder / "raw", maps),
        "npz": lambda i: npz(folder / "npz", maps, np.savez),
        "npz, compressed": lambda i: npz(folder / "npz", maps, np.savez_compressed),
        "zarr, one chunk per channel": lambda i: zarr_write(folder / "stock", maps, i, "channel"),
        "zarr, sharded": lambda i: zarr_write(folder / "sharded", maps, i, "shard"),
        "zarr, sharded, zarrs": lambda i: zarr_write(folder / "zarrs", maps, i, "zarrs"),
    }
    writers = {}
    for dtype in ("float32", "float16", "uint8"):
        writers[dtype] = Writer.create(folder / dtype, schema_of(maps, dtype), overwrite=True)
        ways[f"layerscope, {dtype}"] = lambda i, w=writers[dtype]: w.append(
            i, wall_time=0, arrays=step_of(maps)
        )
    slow = {"npz, compressed", "zarr, one chunk per channel"}
    times: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, int] = {}
    for i in range(repeats):
        for name, way in ways.items():
            if name in slow and i > 1:
                continue
            before = time.perf_counter()
            sizes[name] = way(i)
            times[name].append(time.perf_counter() - before)
    for writer in writers.values():
        writer.close()
    best = total / 1e6 / median(times["raw, one file"])
    for name, seconds in times.items():
        rate = total / 1e6 / median(seconds)
        print(f"{name:30} {rate:7.0f} MB/s {rate / best:6.2f} raw {sizes[name] / total:6.3f} bytes")
    seconds, size = json_once(folder / "json", maps["max_pooling2d_3"])
    nbytes = maps["max_pooling2d_3"].nbytes
    rate = nbytes / 1e6 / seconds
    print(
        f"{'JSON (of one layer)':30} {rate:7.1f} MB/s {rate / best:6.3f} raw {size / nbytes:6.2f}"
    )


def raw(path: Path, maps: Maps) -> int:
    with path.open("wb") as file:
        size = sum(file.write(np.ascontiguousarray(array)) for array in maps.values())
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    return size


def npz(path: Path, maps: Maps, save: Callable[..., None]) -> int:
    with path.open("wb") as file:
        save(file, **maps)
        file.flush()
        os.fsync(file.fileno())
    size = path.stat().st_size
    path.unlink()
    return size


def json_once(path: Path, array: np.ndarray) -> tuple[float, int]:
    before = time.perf_counter()
    with path.open("w") as file:
        json.dump(array.tolist(), file)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - before, path.stat().st_size


def zarr_write(folder: Path, maps: Maps, step: int, how: str) -> int:
    import zarr

    codecs = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"} if how == "zarrs" else {}
    with zarr.config.set({**codecs, "array.write_empty_chunks": True}):
        group = zarr.open_group(folder, mode="a")
        for layer, array in maps.items():
            shape = (1, *array.shape)
            if layer not in group:
                group.create_array(
                    layer,
                    shape=(0, *array.shape),
                    dtype=array.dtype,
                    chunks=(*shape[:-1], 1 if array.ndim > 2 else array.shape[-1]),
                    shards=None if how == "channel" else shape,
                    compressors=[zarr.codecs.ZstdCodec(level=1)],
                )
            kept = group[layer]
            kept.resize((step + 1, *array.shape))
            kept[step] = array
    files = [path for path in folder.rglob("c/*/**/*") if path.is_file()]
    new = [path for path in files if path.relative_to(folder).parts[2] == str(step)]
    for path in new:
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.close(file)
    return sum(path.stat().st_size for path in new)


def read(folder: Path, repeats: int, steps: int = 50, layer: str = "conv2d_1") -> None:
    """The least time for one channel of one layer at every step."""
    import zarr

    from layerscope.recordings.store import StoreReader, Writer

    maps = {layer: c1_maps(folder)[layer]}
    channel = maps[layer].shape[-1] // 2
    for dtype in ("float32", "float16", "uint8"):
        with Writer.create(folder / f"r{dtype}", schema_of(maps, dtype), sync=False) as writer:
            for i in range(steps):
                writer.append(i, wall_time=0, arrays=step_of({layer: maps[layer] * (1 + i / 64)}))
    one = np.stack([maps[layer][..., channel : channel + 1] * (1 + i / 64) for i in range(steps)])
    ways: dict[str, Callable[[], Any]] = {}
    for name, chunk in {"all steps": steps, "ten steps": 10, "each step": 1}.items():
        for pipeline in (
            "zarrs.ZarrsCodecPipeline",
            "zarr.core.codec_pipeline.BatchedCodecPipeline",
        ):
            with zarr.config.set({"codec_pipeline.path": pipeline}):
                array = zarr.create_array(
                    folder / f"hand {name}",
                    shape=(steps, *maps[layer].shape),
                    chunks=(chunk, *maps[layer].shape[:-1], 1),
                    dtype=np.float32,
                    compressors=[zarr.codecs.ZstdCodec(level=1)],
                    overwrite=True,
                )
                array[..., channel : channel + 1] = one
                ways[f"by hand, a chunk for {name}, {pipeline.split('.')[0]}"] = lambda a=array: a[
                    ..., channel : channel + 1
                ]
    for dtype in ("float32", "float16", "uint8"):
        reader = StoreReader.open(folder / f"r{dtype}")
        ways[f"layerscope, {dtype}"] = lambda r=reader: r.read(
            "activations", layer, channel=channel
        )
    plain = zarr.open(folder / "rfloat32")[f"activations.{layer}/values"]
    ways["layerscope, float32, read with zarr"] = lambda: plain[..., channel : channel + 1]
    times = in_turn(ways, repeats)
    hand = min(min(t) for name, t in times.items() if name.startswith("by hand"))
    for name, seconds in times.items():
        print(f"{name:42} {1e3 * min(seconds):8.1f} ms {min(seconds) / hand:6.2f}")
    npz(folder / "one", maps, np.savez)
    np.savez(folder / "one.npz", **maps)
    seconds = min(
        in_turn({"npz": lambda: np.load(folder / "one.npz")[layer][..., channel]}, 3)["npz"]
    )
    print(f"{'npz, 50 files':42} {1e3 * steps * seconds:8.1f} ms {steps * seconds / hand:6.2f}")
    json_once(folder / "json", maps[layer][:2])
    before = time.perf_counter()
    np.asarray(json.loads((folder / "json").read_text()))[..., channel]
    seconds = steps * len(maps[layer]) / 2 * (time.perf_counter() - before)
    print(
        f"{'JSON, 50 files (from a part of one)':42} {1e3 * seconds:8.0f} ms {seconds / hand:6.0f}"
    )


def in_turn(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            before = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - before)
    return times


def many_layers() -> tuple[Any, dict[tuple[str, str, str], np.ndarray]]:
    """Statistics of as many layers and parameters as InceptionV3 has."""
    from layerscope.recordings.store import ArrayGroup, Schema, Variable

    statistics = dict.fromkeys(("mean", "std", "min", "max", "zeros"))
    unit = {name: Variable(("channel",), (200,), "float32") for name in statistics}
    scalar = {name: Variable((), (), "float32") for name in ("norm", "change")}
    groups = [ArrayGroup("activations", f"layer/{i}", unit) for i in range(311)]
    groups += [ArrayGroup("weights", f"layer/{i}", scalar) for i in range(378)]
    rng = np.random.default_rng(0)
    arrays = {
        (g.kind, g.address, name): rng.normal(size=v.shape).astype(np.float32)
        for g in groups
        for name, v in g.variables.items()
    }
    return Schema(tuple(groups)), arrays


def append(folder: Path, repeats: int) -> None:
    """Milliseconds to create a run of many layers, to append a step, to read what it says."""
    from layerscope.recordings.store import StoreReader, Writer

    schema, arrays = many_layers()
    before = time.perf_counter()
    writer = Writer.create(folder / "many", schema)
    print(f"create {1e3 * (time.perf_counter() - before):8.1f} ms")
    for sync in (True, False):
        writer.close()
        writer = Writer.resume(folder / "many", schema, sync=sync)
        times = []
        for _ in range(10 * repeats):
            before = time.perf_counter()
            at = len(writer.steps)
            size = writer.append(at, wall_time=0, metrics={"loss": 1.0}, arrays=arrays)
            times.append(time.perf_counter() - before)
        print(f"append {1e3 * median(times):8.1f} ms, {size} bytes, sync={sync}")
    before = time.perf_counter()
    reader = StoreReader.open(folder / "many")
    print(f"open   {1e3 * (time.perf_counter() - before):8.1f} ms")
    for _ in range(2):
        before = time.perf_counter()
        reader.read("activations", "layer/7", "mean")
        print(
            f"read one layer's mean at {len(reader.steps)} steps "
            f"{1e3 * (time.perf_counter() - before):8.1f} ms"
        )
    writer.close()


def memory(folder: Path, repeats: int) -> None:
    """Peaks in megabytes, of processes of their own."""
    del repeats
    peaks = {}
    for steps in (10, 1000):
        command = [sys.executable, __file__, "--folder", str(folder), "--child", str(steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[steps] = json.loads(done.stdout.splitlines()[-1])
        said = peaks[steps]
        print(
            f"{steps:5} steps: peak {said['peak'] / 1e6:7.1f} MB, last appends {said['ms']:.2f} ms"
        )
    print(f"ratio {peaks[1000]['peak'] / peaks[10]['peak']:.3f}")


def steps_of(folder: Path, steps: int) -> dict[str, float]:
    """Write that many steps of small maps; the peak, and the time of the last ten."""
    from layerscope.recordings.store import Writer

    rng = np.random.default_rng(0)
    maps = {
        "conv": rng.normal(size=(16, 24, 24, 16)).astype(np.float32),
        "dense": rng.normal(size=(16, 40)).astype(np.float32),
    }
    times = []
    with Writer.create(folder / "flat", schema_of(maps, "float16"), sync=False) as writer:
        for i in range(steps):
            before = time.perf_counter()
            writer.append(i, epoch=i, wall_time=i, metrics={"loss": i}, arrays=step_of(maps))
            times.append(time.perf_counter() - before)
    shutil.rmtree(folder / "flat")
    # Not ru_maxrss: that is the parent's where it was larger when this process began.
    status = Path("/proc/self/status").read_text()
    peak = 1024 * int(status.partition("VmHWM:")[2].split()[0])
    return {"peak": peak, "ms": 1e3 * median(times[-10:])}


MEASURES: dict[str, Callable[[Path, int], None]] = {
    "write": write,
    "read": read,
    "append": append,
    "memory": memory,
}

if __name__ == "__main__":
    main()
