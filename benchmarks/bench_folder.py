"""What looking at a folder of images costs beside a bare loop over it of the same batch size.

Usage: ``python benchmarks/bench_folder.py [FRAMEWORK …] [images=2000] [network=inception]
[batch=8] [part=80] [folder=PATH]``; the frameworks are keras-jax, keras-tensorflow, keras-torch
and torch, all by default. Of a folder its first images are taken, and none are generated.

Photographs of 640 × 480, JPEG and PNG in turn, are generated. All ways take turns in one process,
each on the same ``part`` of the images, once all that is compiled is: ratios are medians over the
parts, of the clock and of the processors' time. Peaks are of a process each, on all images.

- bare: open, resize and scale the images of a batch with Pillow, and run the framework's own best
  pass on it, which returns the answer alone. PyTorch gets channels first, as ``ToTensor`` gives
  them.
- answers: ``activations(layers=-1)``, the answer on every image.
- look: what ``layerscope look FOLDER`` does but draw: figures of every layer over every image.
- few: look on 24 of the images; its peak tells whether memory grows with their number.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

FRAMEWORKS = ("keras-jax", "keras-tensorflow", "keras-torch", "torch")
BATCH = int(os.environ.get("BENCH_BATCH", "8"))
FEW = 24


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(*sys.argv[2:])))
        return
    options = dict(word.split("=") for word in sys.argv[1:] if "=" in word)
    chosen = [word for word in sys.argv[1:] if "=" not in word] or FRAMEWORKS
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_BATCH"] = options.get("batch", "8")
        images = int(options.get("images", 2000))
        if "folder" in options:
            for path in sorted(Path(options["folder"]).iterdir())[:images]:
                (Path(folder) / path.name).symlink_to(path.absolute())
        else:
            photographs(Path(folder), images)
        few = Path(folder) / "few"
        few.mkdir()
        for path in sorted(Path(folder).glob("*.*"))[:FEW]:
            (few / path.name).write_bytes(path.read_bytes())
        for framework in chosen:
            compare(framework, folder, options)


def photographs(folder: Path, count: int) -> None:
    """Write images that compress as photographs do: smooth shapes with some noise."""
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(count):
        coarse = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        large = Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)
        noise = random.integers(0, 24, (480, 640, 3), dtype=np.uint8)
        pixels = np.clip(np.asarray(large).astype(np.int16) + noise - 12, 0, 255).astype(np.uint8)
        suffix = "png" if number % 4 == 0 else "jpg"
        Image.fromarray(pixels).save(folder / f"{number:05}.{suffix}")


def compare(framework: str, folder: str, options: dict[str, str]) -> None:
    """Print what each way takes beside the bare loop, and the peaks of a look."""
    network, part = options.get("network", "inception"), options.get("part", "80")
    turns = one(framework, "turns", folder, network, part)
    for way, (clock, processor) in turns.items():
        print(
            f"{framework:17} {network:10} {way:8} {_middle(clock) * 1e3:7.0f} ms an image, of "
            f"processors {_middle(processor) * 1e3:7.0f} ms; beside bare "
            f"{_beside(clock, turns['bare'][0])} × and {_beside(processor, turns['bare'][1])} ×",
            flush=True,
        )
    for way, images in (("few", str(Path(folder) / "few")), ("all", folder)):
        peak = one(framework, "look", images, network, part)
        print(f"{framework:17} {network:10} {way:8} peak {peak / 1e6:6.0f} MB", flush=True)


def _middle(numbers: list[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]


def _beside(ours: list[float], bare: list[float]) -> str:
    """Return the median of the ratios, and its quartiles."""
    ratios = sorted(mine / plain for mine, plain in zip(ours, bare, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return f"{_middle(ratios):.2f} ({low:.2f}–{high:.2f})"


def one(framework: str, *words: str) -> Any:
    """Measure in a process of its own."""
    backend = framework.removeprefix("keras-")
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, __file__, "--one", framework, *words]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(framework: str, way: str, folder: str, network: str, part: str) -> Any:
    """Return the times an image of all ways, by parts of the images, or the peak of a look."""
    from layerscope.interfaces.cli.freed_memory import keep_freed_memory

    keep_freed_memory()  # as the shell does
    import models

    paths = sorted(path for path in Path(folder).iterdir() if path.is_file())
    model = models.torch_model() if framework == "torch" else models.keras_model(network)
    size = models.SHAPES["c1" if framework == "torch" else network]
    if way == "look":
        look(framework, model, size)(paths)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    step = int(part)
    parts = [paths[i : i + step] for i in range(0, len(paths) - step + 1, step)]
    runs = {
        name: make(framework, model, size)
        for name, make in (("bare", bare), ("answers", answers), ("look", look))
    }
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in runs}
    for run in runs.values():
        run(paths[: 2 * BATCH])
        if step % BATCH:
            run(paths[: step % BATCH])  # what is compiled for the last batch
    for some in parts:
        for name, run in runs.items():
            start, processor = time.perf_counter(), time.process_time()
            run(some)
            times[name][0].append((time.perf_counter() - start) / len(some))
            times[name][1].append((time.process_time() - processor) / len(some))
    return times


def bare(framework: str, model: Any, size: Any) -> Callable[[list[Path]], Any]:
    """Return the loop that somebody would write."""
    from PIL import Image

    first = framework == "torch"

    def read(path: Path) -> Any:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((size[1], size[0]), Image.Resampling.BILINEAR)
        array = np.asarray(small, np.float32) / 255
        return np.ascontiguousarray(array.transpose(2, 0, 1)) if first else array

    step = best_pass(framework, model)

    def run(paths: list[Path]) -> Any:
        batches = range(0, len(paths), BATCH)
        return [step(np.stack(list(map(read, paths[at : at + BATCH])))) for at in batches]

    return run


def best_pass(framework: str, model: Any) -> Callable[[Any], Any]:
    """Return the framework's own best pass: compiled where it compiles."""
    if framework == "keras-jax":
        import jax

        variables = [v.value for v in model.trainable_variables]
        others = [v.value for v in model.non_trainable_variables]
        call = lambda a, b, x: model.stateless_call(a, b, x, training=False)[0]  # noqa: E731
        compiled = jax.jit(call)
        return lambda x: np.asarray(compiled(variables, others, x))
    if framework == "keras-tensorflow":
        import tensorflow as tf

        graph = tf.function(lambda x: model(x, training=False))
        return lambda x: graph(tf.constant(x)).numpy()
    import torch

    def eager(x: Any) -> Any:
        with torch.inference_mode():
            tensor = torch.from_numpy(x)
            return (
                model(tensor) if framework == "torch" else model(tensor, training=False)
            ).numpy()

    return eager


def answers(framework: str, model: Any, size: Any) -> Callable[[list[Path]], Any]:
    """Return the answer on every image by ``activations``."""
    import layerscope as ls

    # A few paths would be one batch, which a list of that length is anyway.
    return lambda paths: ls.activations(model, listed(paths), layers=-1, batch_size=BATCH,
                                        size=size[:2])  # fmt: skip


def look(framework: str, model: Any, size: Any) -> Callable[[list[Path]], Any]:
    """Return the figures of every layer over all images."""
    from layerscope.instruments.passes import Passes
    from layerscope.instruments.survey.tallies import DataSummary

    def run(paths: list[Path]) -> Any:
        passes = Passes.on(model, listed(paths), batch_size=BATCH, size=size[:2])
        assert passes.feed is not None
        summary = DataSummary(passes, passes.feed)
        for chunk in summary.chunks():
            del chunk
        return summary.rows

    return run


def listed(paths: list[Path]) -> Any:
    """Return the files as a folder of them would be."""
    from layerscope.inputs import listed as files

    return files([str(path) for path in paths])


if __name__ == "__main__":
    main()
