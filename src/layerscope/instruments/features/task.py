"""All that is settled before the first step: canvas, recipe, objective, start, colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from layerscope.axes import Layout
from layerscope.backends import backend_for
from layerscope.backends.base import Backend, Differentiable, Tap
from layerscope.errors import AddressError, ModelError
from layerscope.inputs import free_memory
from layerscope.instruments.features.ascent import Ascent
from layerscope.instruments.features.canvas import Canvas, canvas_of, only_input, range_of
from layerscope.instruments.features.colours import Colours
from layerscope.instruments.features.examples import Examples
from layerscope.instruments.features.objectives import as_objective
from layerscope.instruments.features.program import Program, bind
from layerscope.instruments.features.recipes import Recipe
from layerscope.instruments.features.sites import Sites
from layerscope.instruments.features.starts import STARTS, start_images
from layerscope.network import InputSpec, Network

Array = npt.NDArray[Any]

_MOST_AT_ONCE = 16
#: How many times what its layers return an image takes while its gradient is computed.
_GRADIENT_BYTES = 3


class _Backend(Backend, Differentiable, Protocol):
    """What a backend is that has gradients."""


@dataclass(frozen=True)
class Task:
    """A model and an objective, ready for the ascent."""

    backend: _Backend
    network: Network
    program: Program
    ascent: Ascent
    start: Any  #: the name of a kind of noise, or unit images, one for each image
    seeds: tuple[int, ...]  #: one for each image
    variants: int  #: images for each objective
    at_once: int  #: images in one batch
    examples: Examples | None
    notes: tuple[str, ...] = ()

    def arrays(self, images: Sequence[int]) -> dict[str, Array]:
        """The objective's arrays for some of the images."""
        return self.program.arrays_of([image // self.variants for image in images])

    def start_of(self, images: Sequence[int]) -> Any:
        """What these images begin with."""
        return self.start if isinstance(self.start, str) else self.start[list(images)]

    def label(self, image: int) -> str:
        """What an image is of, in words."""
        text = self.program.objective.label(image // self.variants)
        return f"{text} [{image % self.variants}]" if self.variants > 1 else text

    @property
    def batches(self) -> list[list[int]]:
        """The images in batches of one size: the last is filled up with its last image."""
        return self.batches_of(range(len(self.seeds)))

    def batches_of(self, images: Sequence[int]) -> list[list[int]]:
        """Some of the images, in batches of the same size."""
        size = self.at_once
        rounds = [list(images[i : i + size]) for i in range(0, len(images), size)]
        return [each + [each[-1]] * (size - len(each)) for each in rounds]


def task_of(
    model: Any,
    objective: Any,
    recipe: Recipe,
    *,
    samples: Any = None,
    seed: int = 0,
    variants: int = 1,
    at_once: int | None = None,
) -> Task:
    """Settle everything.

    Raises ModelError, AddressError and InputError.
    """
    backend = differentiable(model)
    spec = only_input(backend)
    static = backend.describe()
    examples = None
    if samples is not None:
        options = {} if recipe.input_range is None else {"input_range": recipe.input_range}
        examples = Examples.of(model, samples, size=recipe.size, **options)
    canvas = _canvas(backend, spec, recipe, static, examples)
    recipe = recipe.suited_to(canvas.shape)
    layout: Layout = "channels_first" if canvas.channels_first else "channels_last"
    start = recipe.start
    if not (isinstance(start, str) and start in STARTS):
        open_shape = _open(canvas, recipe)
        start = start_images(
            start, [seed], open_shape, input_range=canvas.input_range, layout=layout
        )
        canvas = replace(canvas, shape=tuple(start.shape[1:]))
    network, program = _bound(backend, static, objective, canvas, recipe, start, variants)
    seeds = tuple(seed + i % variants for i in range(program.images * variants))
    if not isinstance(start, str):
        start = np.broadcast_to(start, (len(seeds), *start.shape[1:]))
    colours = _colours(recipe, canvas, examples, start)
    ascent = Ascent(backend, program.scorer, canvas, recipe, colours)
    size = at_once or _at_once(network, program, canvas)
    size = max(variants, min(size, len(seeds)) // variants * variants)
    return Task(backend, network, program, ascent, start, seeds, variants, size, examples)


def differentiable(model: Any) -> _Backend:
    """The backend of a model, which must be able to give gradients.

    Raises ModelError where it is not.
    """
    backend = backend_for(model)
    # Not by ``isinstance``, which in Python 3.11 would ask for ``ops``, and so may import Keras.
    if not hasattr(type(backend), "gradient"):
        raise ModelError(
            f"{backend.framework} computes no gradients, which features are made with: pass the "
            "Keras or PyTorch model that this one was exported from."
        )
    return backend  # type: ignore[return-value]


def _canvas(
    backend: Backend,
    spec: InputSpec | None,
    recipe: Recipe,
    network: Network,
    examples: Examples | None,
) -> Canvas:
    """The canvas, as far as it can be known before a start image is read."""
    start = recipe.start
    given = np.asarray(start) if hasattr(start, "shape") else None
    example = examples.first if examples is not None else given
    limits = recipe.input_range or range_of(network, example)
    canvas = canvas_of(spec, recipe, network, limits, example)
    if canvas.embedding is None or recipe.input_range is not None:
        return canvas
    # The vectors that there are tell what the network takes.
    table = next(row for row in network if row.address == canvas.embedding).parameters[0]
    values = backend.weights()[table.key].values
    return replace(canvas, input_range=(float(values.min()), float(values.max())))


def _open(canvas: Canvas, recipe: Recipe) -> tuple[int | None, ...]:
    """The shape of the image, None where a start image is free to tell it."""
    if not canvas.is_image or canvas.flat or recipe.size is not None:
        return canvas.shape
    return tuple(canvas.fixed)


def _bound(
    backend: _Backend,
    static: Network,
    objective: Any,
    canvas: Canvas,
    recipe: Recipe,
    start: Any,
    variants: int,
) -> tuple[Network, Program]:
    """The network as far as the objective needs it, and the objective's program in it.

    Where a model does not know its own layers or shapes, they are those of a pass.
    """
    shape = canvas.network_shape(canvas.shape)
    x = np.zeros((1, *shape), np.float32)
    if not isinstance(start, str) and start.shape[1:] == canvas.shape and not canvas.flat:
        x = canvas.values(start) if start.shape[1:] == shape else x

    def value(address: str) -> Any:
        tap = Tap(address)
        return backend.values([tap], canvas.embedding)(backend.ops.convert_to_tensor(x))[tap]

    def program_in(network: Network, aliases: Mapping[str, str]) -> Program:
        sites = Sites(network, value, aliases, variants, recipe.border)
        return bind(as_objective(objective, sites.addresses), sites)

    known = all(row.shape is not None and row.axes is not None for row in static)
    if known and len(static):
        try:
            return static, program_in(static, {})
        except AddressError:
            if not static.notes:
                raise
    received = np.zeros((1, shape[0]), np.int32) if canvas.embedding else canvas.to_model(x)
    run = backend.run(received, backend.select(None))
    return run.network, program_in(run.network, run.aliases)


def _colours(
    recipe: Recipe, canvas: Canvas, examples: Examples | None, start: Any
) -> Colours | None:
    if not recipe.decorrelate:
        return None
    if examples is not None:
        return Colours.of(canvas.unit(canvas.presented(examples.first)))
    return Colours.photographs() if isinstance(start, str) else Colours.of(start[:1])


def _at_once(network: Network, program: Program, canvas: Canvas) -> int:
    """How many images to a batch: as many as a quarter of the free memory holds, up to 16."""
    free = free_memory()
    if free is None:
        return _MOST_AT_ONCE
    layers = [tap.layer for tap in program.scorer.taps]
    total = 4 * int(np.prod(canvas.shape))
    for row in network:
        if row.shape is not None:
            total += 4 * int(np.prod([n or 1 for n in row.shape[1:]]))
        if row.address in layers:
            layers.remove(row.address)
            if not layers:
                break
    return int(min(max(free / 4 // (total * _GRADIENT_BYTES), 1), _MOST_AT_ONCE))
