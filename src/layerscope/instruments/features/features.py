"""``features``: what does a unit look for? An image is changed until it fires."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy.typing as npt

from layerscope.core.addresses import with_units
from layerscope.core.errors import InputError
from layerscope.instruments.features.ascent.watching import Watch
from layerscope.instruments.features.every_unit import FeatureOptions, every_unit
from layerscope.instruments.features.image.recipes import Recipe
from layerscope.instruments.features.image.recipes import recipe as recipe_of
from layerscope.instruments.features.image.starts import usual_recipe
from layerscope.instruments.features.image.transforms import Transform
from layerscope.instruments.features.visualized import visualized
from layerscope.recordings.visualization import FeatureVisualization

Array = npt.NDArray[Any]


def features(
    model: Any,
    objective: Any,
    *,
    units: int | Iterable[int] | None = None,
    recipe: str | Recipe | None = None,
    samples: Any = None,
    start: Any = None,
    seed: int = 0,
    batch: int = 1,
    size: int | tuple[int, int] | None = None,
    input_range: tuple[float, float] | None = None,
    steps: int | None = None,
    step_size: float | None = None,
    optimizer: Any = None,
    transforms: Sequence[Transform] | None = None,
    blur: float | None = None,
    jitter: int | None = None,
    pad: int | None = None,
    octaves: int | None = None,
    octave_scale: float | None = None,
    parameterization: str | None = None,
    decorrelate: bool | None = None,
    every: int | None = None,
    retry: bool = True,
    progress: bool | None = None,
    at_once: int | None = None,
    watch: Watch | None = None,
    to: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    **more: Any,
) -> FeatureVisualization:
    """Make images that excite a unit, a layer or a class as strongly as they can.

    Feature visualization by optimization: beginning with noise, the image is moved up the gradient
    of the objective, a number computed from the network's activations. The network runs in
    inference mode, its weights stay as they are.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module`` or a scikit-learn MLP, with one input. For a PyTorch
        module Keras has to run on PyTorch.
    objective
        What the image is to excite: ``"conv2d:3"`` a channel (its mean over the map),
        ``"conv2d:3@7,7"`` a neuron, ``"predictions:3"`` a class (its logit, also where a softmax is
        fused into the layer or comes after it), ``"conv2d"`` a layer (DeepDream: its mean), a list
        of layers, or ``"conv2d:3,30"``, an image for each unit. Or a sum of
        :mod:`layerscope.objectives`: ``channel("a", 3) + 0.5 * channel("b", 7) -
        total_variation(0.1)``; or a function of a mapping from addresses to activations, written
        with ``keras.ops``, that returns a number.
    units
        Which units of the layer that ``objective`` names: ``features(model, "conv2d", units=[3,
        30])`` is ``features(model, "conv2d:3,30")``.
    recipe
        ``"lucid"`` (the usual one), ``"deepdream"`` (the usual one for an image to start with),
        ``"tutorial"``, ``"chollet"`` or ``"maco"``, which moves phases alone, under the magnitudes
        of ``samples``; every value of it can be changed by the keyword of its name, those below
        and the others of :class:`Recipe`.
    samples
        Data that the network is for, as :func:`activations` takes it, or a survey of them: each
        image is compared with the largest value that the data reaches, and gets its colour
        statistics, its range and, for MACO, its spectrum from it.
    start
        ``"normal"``, ``"uniform"``, ``"fourier"`` or ``"zeros"``; or an image, as
        :func:`activations` takes it.
    seed, batch
        Of the noise to start with and of the transforms; ``batch`` is how many images to make of
        each objective, with as many seeds that follow one another.
    size
        Height and width of the image, by default those that the network takes (224×224 where it
        takes any). A network of a fixed size is always given that size. For a network that takes
        vectors that are images, such as 8×8 digits, it tells their shape.
    input_range
        The lowest and the highest value that the network takes; by default (0, 255) for a network
        that begins by scaling pixels, else that of the samples or of the start image, else (0, 1).
    steps, step_size, optimizer
        How often and how far to move at each octave, and how: ``"ascent"`` with a normalized
        gradient, ``"adam"``, or one of ``keras.optimizers``. Step sizes are for a range from -1 to
        1, whatever ``input_range`` is.
    transforms
        What is done to the copy that the network sees in each step, of
        :mod:`layerscope.transforms`; ``[]`` is nothing, which shows why there are any.
    blur, jitter, pad
        The same in short: the width of a Gaussian, and so many pixels; 0 for none.
    octaves, octave_scale
        How many sizes to go through, and from each to the next; ``steps`` are made at each.
    parameterization, decorrelate
        What is moved: ``"pixel"`` values, the coefficients of ``"fourier"``, each scaled as in
        photographs, or the ``"phase"`` of these alone; and whether colours are independent of one
        another.
    every
        Keep an image after every so many steps: ``film(features, address, path)`` shows them.
    retry
        Whether to try once more, with larger steps and the gradient let through ReLUs that are off,
        where a unit never fired.
    progress
        Whether to show a bar; by default in a terminal or a notebook.
    at_once
        How many images to change in one batch; by default what fits, up to 16. The images are the
        same, up to floating point.
    watch
        A function that is called after each step with a report of it: ``report.step`` of
        ``report.steps`` are made, ``report.value`` is what the objective was, and
        ``report.images()`` are the images as they are now, ``(image, …)``. Where it returns True,
        the optimization ends with what there is, ``interrupted``.
    to
        A folder: ``objective`` is then a layer, an image of every unit of which is made, in
        batches, and kept in a file (``000.npz``, with its history, its grades, and all that
        decides what it is) as soon as it is finished. The same call goes on where it was stopped.
    overwrite
        Replace units in that folder that were made otherwise, and write into one that holds other
        files.

    Returns
    -------
    FeatureVisualization
        A recording of the images, with ``history``, ``settings`` and ``grades``; ``sheet`` shows
        it. Ctrl-C ends it with what there is, ``interrupted``; with ``to=``, with the units that
        are finished.

    Raises
    ------
    AddressError
        When there is no such layer, unit or position.
    InputError
        When a value makes no sense, or an image does not fit.
    ModelError
        When the model gives no gradients, or has several inputs.
    OutputError
        When the folder holds units that were made otherwise, or other files.
    """
    if units is not None:
        objective = _of_units(objective, units)
    named = {
        "start": start, "size": size, "input_range": input_range, "steps": steps,
        "step_size": step_size, "optimizer": optimizer, "transforms": transforms, "blur": blur,
        "jitter": jitter, "pad": pad, "octaves": octaves, "octave_scale": octave_scale,
        "parameterization": parameterization, "decorrelate": decorrelate,
    }  # fmt: skip
    if "data" in more:
        raise InputError("There is no data=: pass samples=, some data that the network is for.")
    if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
        raise InputError(f"every={every!r}: pass a whole number of steps, 1 or more.")
    made = recipe_of(recipe or usual_recipe(start), **named, **more)
    options = FeatureOptions(made, samples, seed, batch, at_once, retry)
    if to is not None:
        return every_unit(
            model, _whole_layer(objective, every, watch), to, options, overwrite, progress
        )
    task = options.task(model, objective)
    return visualized(task, retry=retry, every=every, progress=progress, watch=watch)


def _whole_layer(objective: Any, every: int | None, watch: Watch | None) -> str:
    if not isinstance(objective, str):
        raise InputError(
            f"to= keeps every unit of one layer: pass its address, such as 'conv2d', not "
            f"{objective!r:.80}."
        )
    if every is not None or watch is not None:
        raise InputError("every= and watch= are of a single pass: leave them out beside to=.")
    return objective


def _of_units(objective: Any, units: Any) -> str:
    if not isinstance(objective, str):
        raise InputError(
            f"units={units!r} are those of a layer: pass its address, such as 'conv2d'."
        )
    return with_units(objective, units)
