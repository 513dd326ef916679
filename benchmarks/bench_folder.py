"""What looking at a folder of images costs beside a bare loop over it of the same batch size.

Usage: ``python benchmarks/bench_folder.py [FRAMEWORK …] [images=2000] [network=inception]
[batch=8] [folder=PATH]``; the frameworks are keras-jax, keras-tensorflow, keras-torch and torch,
all by default. Of a folder its first images are taken, and none are generated.

Photographs of 640 × 480, JPEG and PNG in turn, are generated. Each way is a process of its own, so
that its peak memory is its own, and is run in turn with the others; times are of the second run, on
all images, when all that is compiled is.

- bare: open, resize and scale the images of a batch with Pillow, and run the framework's own best
  pass on it, which returns the answer alone. PyTorch gets channels first, as ``ToTensor`` gives
  them.
- activations: ``activations(layers=-1)``, the answer on every image.
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
            compare(framework, folder, options.get("network", "inception"))


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


def compare(framework: str, folder: str, network: str) -> None:
    """Print the times and peaks of all ways, beside those of the bare loop."""
    ways = {way: one(framework, way, folder, network) for way in ("bare", "activations", "look")}
    ways["few"] = one(framework, "look", str(Path(folder) / "few"), network)
    bare = ways["bare"]
    for way, result in ways.items():
        ratio = "" if way == "few" else f"  {result['seconds'] / bare['seconds']:5.2f} ×"
        print(
            f"{framework:17} {network:10} {way:12} {result['images']:5} images "
            f"{result['seconds']:7.1f} s  of processors {result['processor']:7.1f} s  peak "
            f"{result['peak'] / 1e6:6.0f} MB{ratio}",
            flush=True,
        )


def one(framework: str, way: str, folder: str, network: str) -> dict[str, Any]:
    """Measure one way in a process of its own."""
    backend = framework.removeprefix("keras-")
    environment = os.environ | {"KERAS_BACKEND": "torch" if backend == "torch" else backend}
    command = [sys.executable, __file__, "--one", framework, way, folder, network]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def measured(framework: str, way: str, folder: str, network: str) -> dict[str, Any]:
    """Run one way twice, first on a few images, and return the time of the second and the peak."""
    import models

    paths = sorted(path for path in Path(folder).iterdir() if path.is_file())
    model = models.torch_model() if framework == "torch" else models.keras_model(network)
    size = models.SHAPES["c1" if framework == "torch" else network]
    run = {"bare": bare, "activations": answers, "look": look}[way](framework, model, size)
    run(paths[:BATCH])
    if len(paths) % BATCH:
        run(paths[: len(paths) % BATCH])  # what is compiled for the last batch
    start, processor = time.perf_counter(), time.process_time()
    run(paths)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "processor": processor, "peak": peak, "images": len(paths)}


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
