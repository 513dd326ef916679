"""All that is settled before the first step: canvas, recipe, objective, start, colours."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from layerscope.backends import backend_for
from layerscope.backends.base import Backend, Differentiable, Tap
from layerscope.core.axes import Layout
from layerscope.core.errors import AddressError, InputError, ModelError
from layerscope.core.foreign_errors import checked_pass
from layerscope.core.network import InputSpec, Network, computing
from layerscope.inputs import free_memory
from layerscope.instruments.features.ascent.ascent import Ascent
from layerscope.instruments.features.ascent.examples import Examples, unit_samples
from layerscope.instruments.features.image.canvas import (
    Canvas,
    canvas_of,
    check_batch_axis,
    only_input,
    range_of,
    scaled_already,
    takes_pixels,
)
from layerscope.instruments.features.image.colours import Colours
from layerscope.instruments.features.image.phases import spectrum_maker
from layerscope.instruments.features.image.recipes import Recipe
from layerscope.instruments.features.image.starts import STARTS, check_count, given_images
from layerscope.instruments.features.objective.objectives import as_objective
from layerscope.instruments.features.objective.program import Program, bind
from layerscope.instruments.features.objective.sites import Sites

Array = npt.NDArray[Any]

_MOST_AT_ONCE = 16
#: How many times what its layers return an image takes while its gradient is computed.
_GRADIENT_BYTES = 3
#: Of an image on which a network's first layers are tried, where it takes any.
_TRIAL_SIDE = 32
#: Of images whose phases alone are moved, where there are no data.
_NO_SPECTRUM = (
    "the magnitudes of the spectrum fall as 1/f, as those of photographs do: for your data's own, "
    "pass samples= some of your data"
)


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

    def redirected(self) -> Task:
        """Return the same task with gradients that go on behind ReLUs that are off."""
        return replace(self, ascent=replace(self.ascent, redirected=True))

    def arrays(self, images: Sequence[int]) -> dict[str, Array]:
        """Return the objective's arrays for some of the images."""
        return self.program.arrays_of([image // self.variants for image in images])

    def start_of(self, images: Sequence[int]) -> Any:
        """Return what these images begin with."""
        return self.start if isinstance(self.start, str) else self.start[list(images)]

    def label(self, image: int) -> str:
        """Return what an image is of, in words."""
        text = self.program.objective.label(image // self.variants)
        return f"{text} [{image % self.variants}]" if self.variants > 1 else text

    @property
    def batches(self) -> list[list[int]]:
        """The images in batches of one size: the last is filled up with its last image."""
        return self.batches_of(range(len(self.seeds)))

    def batches_of(self, images: Sequence[int]) -> list[list[int]]:
        """Return some of the images, in batches of the same size."""
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
    _check_numbers(seed, variants, at_once)
    backend = differentiable(model)
    spec = only_input(backend)
    static = backend.describe()
    limits = recipe.input_range
    notes: tuple[str, ...] = ()
    scaling = None
    if limits is None:
        images = spec is not None and spec.shape is not None and len(spec.shape) == 4
        scaling = takes_pixels(static, _scaled_by(backend, spec), images=images)
    if scaling is not None:
        limits = 0.0, 255.0
    examples = None
    if samples is not None:
        options = {} if limits is None else {"input_range": limits}
        examples = Examples.of(model, samples, size=recipe.size, **options)
    example = _example(samples, recipe.start, examples)
    if scaling is not None and (note := scaled_already(scaling, example)):
        notes = (note,)
    canvas = _canvas(backend, spec, recipe, static, example, limits)
    if not _is_noise(recipe.start):
        given = _given(canvas, recipe)
        canvas = replace(canvas, shape=tuple(given.shape[1:]))
    recipe = recipe.suited_to(canvas.shape)
    start = recipe.start if _is_noise(recipe.start) else given
    network, program = _bound(backend, static, objective, canvas, recipe, start, variants)
    seeds = tuple(seed + i % variants for i in range(program.images * variants))
    colours = _colours(recipe, canvas, examples, start)
    if not isinstance(start, str):
        check_count(start, len(seeds))
        start = np.broadcast_to(start, (len(seeds), *start.shape[1:]))
    spectrum = None
    if recipe.parameterization == "phase":
        data = None
        if examples is None:
            notes = (*notes, _NO_SPECTRUM)
        else:
            data = functools.partial(unit_samples, backend, network, canvas, examples)
        spectrum = spectrum_maker(data, canvas.shape, colours, recipe.bounds)
    ascent = Ascent(backend, program.scorer, canvas, recipe, colours, spectrum)
    size = at_once or max(1, _at_once(network, program, canvas) // recipe.copies)
    size = max(variants, min(size, len(seeds)) // variants * variants)
    return Task(backend, network, program, ascent, start, seeds, variants, size, examples, notes)


def differentiable(model: Any) -> _Backend:
    """Return the backend of a model, which must be able to give gradients.

    Raises ModelError where it is not.
    """
    backend = backend_for(model)
    # Not by ``isinstance``, which in Python 3.11 would ask for ``ops``, and so may import Keras.
    if not hasattr(type(backend), "gradient"):
        raise ModelError(
            f"{backend.framework} computes no gradients, which features are made with: pass a "
            "Keras or PyTorch model, such as the one that this was exported from."
        )
    return backend  # type: ignore[return-value]


def _check_numbers(seed: Any, variants: Any, at_once: Any) -> None:
    for name, value, least in (("seed", seed, 0), ("batch", variants, 1), ("at_once", at_once, 1)):
        if name == "at_once" and value is None:
            continue
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not whole or value < least:
            raise InputError(f"{name}={value!r}: pass a whole number, {least} or more.")


def _is_noise(start: Any) -> bool:
    return isinstance(start, str) and start in STARTS


def _example(samples: Any, start: Any, examples: Examples | None) -> Array | None:
    """Return some of what the network takes, in its own layout, as far as there is any."""
    given = start if examples is None else samples
    example = examples.first if examples is not None else _array(start)
    # Pixels, whatever the largest of them is, also where they were made floats.
    is_pixels = str(getattr(given, "dtype", "")).endswith("uint8")
    return example.astype(np.uint8) if is_pixels and example is not None else example


def _array(value: Any) -> Array | None:
    if not hasattr(value, "shape"):
        return None
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _scaled_by(backend: _Backend, spec: InputSpec | None) -> Callable[[str, float], Array]:
    """Return what a layer at the beginning makes of an input that is one number everywhere."""

    def scaled(address: str, value: float) -> Array:
        if spec is None or spec.shape is None:
            return np.zeros(1)  # It can't be tried: most take 0 to 255.
        shape = [length or _TRIAL_SIDE for length in spec.shape[1:]]
        if spec.layout == "channels_first" and len(shape) > 1:
            shape = [*shape[1:], shape[0]]
        x = backend.ops.convert_to_tensor(np.full((1, *shape), value, np.float32))
        tap = Tap(address)
        return np.asarray(backend.ops.convert_to_numpy(checked_pass(backend.values([tap]))(x)[tap]))

    return scaled


def _canvas(
    backend: Backend,
    spec: InputSpec | None,
    recipe: Recipe,
    network: Network,
    example: Array | None,
    limits: tuple[float, float] | None,
) -> Canvas:
    """Return the canvas, as far as it can be known before a start image is read."""
    if example is not None and (spec is None or spec.shape is None):
        check_batch_axis(example, network)
    canvas = canvas_of(spec, recipe, network, limits or range_of(example), example)
    if canvas.embedding is None or recipe.input_range is not None:
        return canvas
    # The vectors that there are tell what the network takes.
    table = next(row for row in network if row.address == canvas.embedding).parameters[0]
    values = backend.weights()[table.key].values
    return replace(canvas, input_range=(float(values.min()), float(values.max())))


def _given(canvas: Canvas, recipe: Recipe) -> Array:
    """Return the unit images of a start that is no noise, of their own size where that is free."""
    layout: Layout = "channels_first" if canvas.channels_first else "channels_last"
    is_open = canvas.is_image and not canvas.flat and recipe.size is None
    shape = tuple(canvas.fixed) if is_open else canvas.shape
    return given_images(recipe.start, shape, input_range=canvas.input_range, layout=layout)


def _bound(
    backend: _Backend,
    static: Network,
    objective: Any,
    canvas: Canvas,
    recipe: Recipe,
    start: Any,
    variants: int,
) -> tuple[Network, Program]:
    """Return the network as far as the objective needs it, and the objective's program in it.

    Where a model does not know its own layers or shapes, they are those of a pass.
    """
    static, names = computing(static)
    shape = canvas.network_shape(canvas.shape)
    x = canvas.received(np.zeros((1, *shape), np.float32))
    if not isinstance(start, str) and start.shape[1:] == shape:
        x = canvas.received(start[:1])

    def value(address: str) -> Any:
        tap = Tap(address)
        values = checked_pass(backend.values([tap], canvas.embedding))
        return values(backend.ops.convert_to_tensor(x))[tap]

    def program_in(network: Network, aliases: Mapping[str, str]) -> Program:
        sites = Sites(network, value, aliases, variants, recipe.border)
        return bind(as_objective(objective, sites.addresses).in_network(sites), sites)

    known = all(row.shape is not None and row.axes is not None for row in static)
    if known and len(static):
        try:
            return static, program_in(static, names)
        except AddressError:
            if not static.notes:
                raise
    received = np.zeros((1, shape[0]), np.int32) if canvas.embedding else canvas.to_model(x)
    run = checked_pass(lambda x: backend.run(x, backend.select(None)))(received)
    network, names = computing(run.network, run.aliases)
    return network, program_in(network, names)


def _colours(
    recipe: Recipe, canvas: Canvas, examples: Examples | None, start: Any
) -> Colours | None:
    if not recipe.decorrelate:
        return None
    if examples is not None:
        return Colours.of(canvas.unit(canvas.presented(examples.first)))
    return Colours.photographs() if isinstance(start, str) else Colours.of(start)


def _at_once(network: Network, program: Program, canvas: Canvas) -> int:
    """Return how many images a quarter of the free memory holds, up to 16: a batch."""
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
