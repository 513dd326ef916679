"""``attribute``: where in the input a network has seen what it answers."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy.typing as npt

from layerscope.backends.base import Backend
from layerscope.core.errors import InputError, ModelError
from layerscope.instruments.attribution.attributed_input import AttributedInput, attributed_input
from layerscope.instruments.attribution.controls import checks
from layerscope.instruments.attribution.engine import (
    ALTERED,
    PASSES,
    GradientEngine,
    PassEngine,
    is_differentiable,
    without_gradients,
)
from layerscope.instruments.attribution.method import (
    AttributionTask,
    Maps,
    Method,
    Options,
    arrays_of,
)
from layerscope.instruments.attribution.methods import method_of, methods
from layerscope.instruments.attribution.methods.integrated import gaps
from layerscope.instruments.attribution.targets import target_of
from layerscope.instruments.features.objective.program import Program
from layerscope.instruments.passes import digests
from layerscope.recordings.attribution import Attribution

Array = npt.NDArray[Any]

_DEFAULT, _WITHOUT_GRADIENTS = "integrated_gradients", "occlusion"
_OPTIONS = tuple(field.name for field in fields(Options))


def attribute(
    model: Any,
    x: Any,
    target: Any = None,
    method: str | Sequence[str] | None = None,
    *,
    read: str = "logit",
    steps: int | None = None,
    baseline: Any = None,
    layer: str | None = None,
    window: int | tuple[int, ...] | None = None,
    stride: int | tuple[int, ...] | None = None,
    noise: Any = None,
    repeats: int | None = None,
    masks: int | None = None,
    gamma: float | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    classes: Sequence[str] | None = None,
    words: Mapping[int, str] | Sequence[str] | None = None,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
    samples: int | None = None,
) -> Attribution:
    """Return maps of where in the input what a network answers comes from, by one or more methods.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module``, an ONNX model or a scikit-learn MLP. It is left as
        it was. Methods made of gradients need one of the first two, or an MLP with Keras beside it.
    x
        As in :func:`layerscope.activations`; each sample gets its map.
    target
        What the maps are of: the number of a class, or one for each sample; an address, of a layer,
        a unit (``"mixed4:42"``) or a neuron (``"mixed4:42@7,7"``); or one of
        ``layerscope.objectives``. By default the class that the network answers with, sample by
        sample, which ``result.targets`` names.
    method
        ``"saliency"``, ``"input_x_gradient"``, ``"integrated_gradients"``, … (``docs/attribution``
        lists them), or several, for maps side by side. ``"integrated_gradients"`` by default, and
        ``"occlusion"`` where there are no gradients.
    read
        Of a class the ``"logit"``, what goes into the softmax, or the ``"probability"``.
    steps
        Of integrated gradients how many places on the way: by default as many as bring the gap of
        completeness below 1 %, from 32 up to 512. Of expected gradients how many pairs, 64.
    baseline
        What the input is compared with: ``"zeros"`` (default), ``"mean"``, ``"blur"``,
        ``"noise"``, a number, or an array of the shape of a sample, or of all.
    layer
        Of Grad-CAM and its kin: a layer that returns maps; the last by default.
    window, stride
        Of occlusion, one number or one for each axis: an eighth of each side, and half of that.
    noise, repeats
        Of SmoothGrad and VarGrad: the noise as a share of the input's range, 0.15, or the noise
        itself, ``(repeats, *x.shape)`` with channels last; and how often it is drawn, 25.
    masks
        Of RISE, how many: 1000.
    gamma
        Of LRP: how much more counts what speaks in the direction of a layer's value; 0.25 is usual.
        By default the ε rule alone.
    seed
        Of all that is drawn at random.
    batch_size
        How many samples, or variants of one, are in memory at once; up to 32.
    classes
        The names of the classes, by their numbers; by default those that the model has.
    words
        What the numbers of tokens stand for: a list, or a dict; pictures and reports write them.
    input_range, resize, size, preprocess, samples
        As in :func:`layerscope.activations`.

    Returns
    -------
    Attribution
        By method an array of signed values on the axes of the input. ``ls.sheet`` draws it,
        ``result.check()`` runs the controls.

    Raises
    ------
    InputError
        When x does not fit the model, there is no such method or class, or an option is none.
    AddressError
        When no layer is so named.
    ModelError
        When a method needs gradients and the model has none; the message says what works.
    """
    chosen = _chosen(method)
    options = Options(steps, baseline, layer, window, stride, noise, repeats, masks, gamma, seed)
    _check_options(options, chosen, batch_size)
    subject = attributed_input(
        model,
        x,
        input_range=input_range,
        resize=resize,
        size=size,
        preprocess=preprocess,
        samples=samples,
    )
    if not chosen:
        name = _DEFAULT if is_differentiable(subject.backend) else _WITHOUT_GRADIENTS
        chosen = [method_of(name)]
        _check_options(options, chosen, batch_size)
    for one in chosen:
        _check_ability(one, subject.backend)
    size_of_batch = _batch_size(subject, batch_size)

    def engine_of(program: Program) -> GradientEngine | PassEngine:
        kind = GradientEngine if is_differentiable(subject.backend) else PassEngine
        return kind(subject, program, size_of_batch)

    aim = target_of(subject, target, read, classes, engine_of)
    task = AttributionTask(subject, aim, engine_of(aim.program), options)
    made = {one.name: one.compute(task) for one in chosen}
    return _result(task, {one.name: one for one in chosen}, made, words)


def check_methods(names: Sequence[str]) -> None:
    """Raise InputError where there is no method of one of these names."""
    for name in names:
        method_of(name)


def _chosen(method: Any) -> list[Method]:
    """Return the methods that are asked for, each once; none where that is left open."""
    if method is None:
        return []
    if isinstance(method, str) or not isinstance(method, Sequence):
        return [method_of(method)]
    if not method:
        raise InputError(f"method=[]: name one or more of {', '.join(methods())}.")
    return [method_of(name) for name in dict.fromkeys(method)]


def _check_options(options: Options, chosen: Sequence[Method], batch_size: Any) -> None:
    for name in ("steps", "repeats", "masks"):
        _check_whole(name, getattr(options, name), 1)
    _check_whole("batch_size", batch_size, 1)
    _check_whole("seed", options.seed, 0)
    for name in _OPTIONS if chosen else ():
        read = any(name in one.options for one in chosen)
        if name != "seed" and getattr(options, name) is not None and not read:
            takers = [one.name for one in methods().values() if name in one.options]
            raise InputError(
                f"{name}= says nothing to {', '.join(one.name for one in chosen)}: it is for "
                f"{', '.join(takers)}."
            )


def _check_whole(name: str, value: Any, least: int) -> None:
    if value is None:
        return
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise InputError(f"{name}={value!r}: pass a whole number, {least} or more.")


def _check_ability(method: Method, backend: Backend) -> None:
    """Raise ModelError where a backend can't do what the method needs."""
    if method.needs == PASSES:
        return
    if not is_differentiable(backend):
        raise without_gradients(backend)
    if method.needs == ALTERED and not hasattr(type(backend), "altered"):
        raise ModelError(
            f"{method.name} needs gradients inside the network, and {backend.framework} gives "
            "those at the input only: saliency, integrated_gradients and occlusion work."
        )


def _batch_size(subject: AttributedInput, given: int | None) -> int:
    fixed = subject.fixed_batch
    if fixed is not None and given not in (None, fixed):
        raise InputError(f"batch_size={given}: the model takes {fixed} samples at once.")
    return fixed or given or subject.batch_size


def _result(
    task: AttributionTask, chosen: dict[str, Method], made: dict[str, Maps], words: Any
) -> Attribution:
    subject = task.subject
    arrays = {name: arrays_of(task, chosen[name], maps) for name, maps in made.items()}
    return Attribution(
        arrays,
        network=subject.network,
        inputs=subject.inputs,
        targets=task.target.names,
        units=task.target.units,
        scores=task.scores,
        settings={name: maps.settings for name, maps in made.items()},
        gaps={
            name: gaps(maps.values, maps.gain)
            for name, maps in made.items()
            if maps.values is not None and maps.gain is not None
        },
        grids={name: maps.grid for name, maps in made.items() if maps.grid is not None},
        notes=(*subject.notes, *task.target.notes, *task.notes),
        digest=lambda: digests(subject.backend, subject.inputs),
        samples=subject.samples,
        tokens=[part.name for part in subject.parts if part.is_indices],
        words=words,
        names=_names(subject),
        checking=lambda result, **how: checks(result, task, chosen, **how),
    )


def _names(subject: AttributedInput) -> tuple[str, ...]:
    """Return what the numbers of a vector are called."""
    specs = subject.backend.inputs()
    return specs[0].values if specs else ()
