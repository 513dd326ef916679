"""A recording made after the fact, from the checkpoints that a training left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from layerscope.backends.opening import load_model
from layerscope.core.errors import InputError
from layerscope.instruments.record.checkpoint_names import Named, in_order
from layerscope.instruments.record.recorder import Recorder


def record_checkpoints(
    url: str | os.PathLike[str],
    paths: Iterable[str | os.PathLike[str]],
    probe: Any,
    *,
    layers: Any = None,
    samples: int | Sequence[int | str] | None = None,
    weights: bool | str | Sequence[str] = True,
    dtype: str = "float16",
    budget: str | float | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
    watch: Callable[[str, int, int], object] = lambda path, number, count: None,
    **opening: Any,
) -> str:
    """Record the networks in the files of one training, in the order of the numbers in their names.

    A file is a step. Its name gives the step's number, epoch and metrics: ``w.12-0.56.hdf5`` is
    epoch 12, and 0.56 the metric ``monitor``; ``epoch=12-step=300-val_loss=0.3.ckpt`` is step 300.
    Where no name has a number, the order is the one given.

    Parameters
    ----------
    paths
        What :func:`layerscope.load_model` opens; ``opening`` are its own arguments.
    watch
        Is told, before each file is opened, its path, its place from 1 on, and how many there are.

    The others are those of :class:`Recorder`. Returns a line on how much was recorded.

    Raises
    ------
    InputError
        When there is no file, or the numbers in their names don't tell one from the other.
    ModelError
        When one can't be opened, or they are not of one network.
    OutputError
        When something is there already, or it can't be written.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    files = in_order([os.fspath(path) for path in paths])
    if not files:
        raise InputError("There is no checkpoint to record: pass at least one file.")
    options = {
        "probe": probe, "every": 1, "layers": layers, "samples": samples, "weights": weights,
        "dtype": dtype, "budget": budget, "steps": len(files), "classes": classes,
        "overwrite": overwrite, "quiet": quiet, "input_range": input_range, "resize": resize,
        "size": size, "preprocess": preprocess,
    }  # fmt: skip
    recorder: Recorder | None = None
    try:
        for number, file in enumerate(files, 1):
            watch(file.path, number, len(files))
            model = load_model(file.path, **opening)
            if recorder is None:
                recorder = Recorder(url, model, **options)
            else:
                recorder.follow(model, file.path)
            _snap(recorder, file)
        assert recorder is not None
    finally:
        if recorder is not None:
            recorder.close()
    return recorder.plan


def _snap(recorder: Recorder, file: Named) -> None:
    epoch = file.epoch
    recorder.snap(file.number, epoch=epoch, **file.metrics)
