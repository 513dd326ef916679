"""What is compared: two recordings, two models on an input, two runs, or two steps of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.backends import backend_for
from layerscope.backends.base import Backend
from layerscope.backends.origin import origin_of
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.core.table import a_kind
from layerscope.instruments.comparison.layouts import arranged
from layerscope.instruments.passes import Passes, joined
from layerscope.instruments.weights import with_input_shapes
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run, open_run


@dataclass(frozen=True)
class ComparedSubject:
    """One of the two that are compared."""

    name: str
    recording: Recording  #: of one moment
    model: Any = None  #: what made it, where it can be run again
    parameters: Mapping[str, NamedArray] | None = None  #: its weights, where they are known
    run: Run | None = None  #: what it is a moment of
    step: int | None = None  #: of the run
    by_name: bool = False  #: whether it takes its inputs by their names

    @property
    def backend(self) -> Backend:
        """The backend of the model."""
        return backend_for(self.model)


@dataclass(frozen=True)
class ComparedThing:
    """What was passed, opened: a recording or a model, and what it is called.

    The name is empty where the network's own is the one.
    """

    thing: Any
    name: str
    is_recording: bool


def given(thing: Any) -> ComparedThing:
    """Return a recording or a model, opened where it was named.

    Raises
    ------
    InputError
        When it is neither, and no name of either.
    """
    if isinstance(thing, str | os.PathLike):
        name = os.fspath(thing)
        if _is_run(name):
            return ComparedThing(open_run(name), name, True)
        from layerscope.backends.opening import load_model

        return ComparedThing(load_model(name), Path(name).name, False)
    if isinstance(thing, Recording):
        return ComparedThing(thing, thing.network.name, True)
    if isinstance(thing, np.ndarray | int | float | dict | list | tuple) or thing is None:
        raise InputError(
            f"compare takes two recordings, two models or two runs, and this is {a_kind(thing)}: "
            "pass compare(acts_a, acts_b), compare(model_a, model_b, x) or compare(run_a, run_b)."
        )
    backend_for(thing)  # says what is wrong with it
    origin = origin_of(thing)
    return ComparedThing(thing, "" if origin is None else Path(origin.path).name, False)


def subjects_of(
    one: ComparedThing,
    other: ComparedThing,
    x: Any,
    layers: Any,
    step: Any,
    options: Mapping[str, Any],
) -> tuple[ComparedSubject, ComparedSubject]:
    """Return both with what their layers returned: recorded, or run now on the same input.

    A model beside a recording is run on the recording's input.

    Raises
    ------
    InputError
        When an input is missing, or there is one that nothing is run on.
    """
    if one.is_recording and other.is_recording:
        if x is not None:
            raise InputError("x is for models: two recordings have their own inputs, leave it out.")
        first, second = steps_of(one.thing, other.thing, step)
        return (
            _recorded(one, first, layers, one.thing is other.thing),
            _recorded(other, second, layers, one.thing is other.thing),
        )
    if not one.is_recording and not other.is_recording:
        if x is None:
            raise InputError(
                "Two models are compared on an input: pass compare(model_a, model_b, x)."
            )
        first_run = _run(one, x, layers, options)
        return first_run, _run_again(other, first_run.recording, x, options)
    if x is not None:
        raise InputError(
            "A model is compared with a recording on the recording's input: leave x out."
        )
    number = step[0] if isinstance(step, tuple) else step
    if one.is_recording:
        recorded = _recorded(one, _step_of(one.thing, number), layers, False)
        return recorded, _run_again(other, recorded.recording, None, options)
    recorded = _recorded(other, _step_of(other.thing, number), None, False)
    return _run_again(one, recorded.recording, None, options), recorded


def steps_of(one: Recording, other: Recording, step: Any) -> tuple[int | None, int | None]:
    """Return which steps of both are compared, None for what has none.

    Of one run its first and its last, of two the last that both have.

    Raises
    ------
    InputError
        When ``step`` is neither one nor two numbers, or two runs have no step in common.
    """
    if isinstance(step, tuple | list):
        if len(step) != 2:
            raise InputError(f"step={step!r}: pass one step, or two: the one's and the other's.")
        return step[0], step[1]
    if one is other and one.has_steps:
        if step is not None:
            raise InputError(f"step={step!r}: of one recording two are compared, as in (1, 5).")
        numbers = one.steps.tolist()
        if len(numbers) < 2:
            raise InputError("A recording is compared with itself over steps: it has one or none.")
        return numbers[0], numbers[-1]
    if step is None and one.has_steps and other.has_steps:
        common = sorted({*one.steps.tolist()} & {*other.steps.tolist()})
        if not common:
            raise InputError("The recordings have no step in common: pass step=(one, other).")
        return common[-1], common[-1]
    return _step_of(one, step), _step_of(other, step)


def _step_of(recording: Recording, step: int | None) -> int | None:
    if not recording.has_steps:
        return None
    return int(recording.steps[recording.position(step)])


def _is_run(name: str) -> bool:
    return name.rstrip("/\\").endswith(".zarr") or (Path(name) / "zarr.json").is_file()


def _recorded(of: ComparedThing, step: int | None, layers: Any, both: bool) -> ComparedSubject:
    recording = of.thing
    moment = recording.at(step) if recording.has_steps else recording
    run = recording if isinstance(recording, Run) else None
    name = of.name if step is None or not both else f"{of.name} at step {step}"
    parameters = None if run is None else _parameters(run, step)
    return ComparedSubject(name, _only(moment, layers), None, parameters, run, step)


def at_step(subject: ComparedSubject, step: int) -> ComparedSubject:
    """Return the moment of a run that another of its moments belongs to; of the same layers."""
    assert subject.run is not None
    moment = _only(subject.run.at(step), list(subject.recording))
    parameters = _parameters(subject.run, step)
    return ComparedSubject(subject.name, moment, None, parameters, subject.run, step)


def _parameters(run: Run, step: int | None) -> Mapping[str, NamedArray] | None:
    if not run.weights:
        return None
    weights = run.weights.at(step)
    return {key: weights.named(key) for key in weights}


def _only(recording: Recording, layers: Any) -> Recording:
    """Return a recording of the layers named, or of all for None."""
    if layers is None:
        return recording
    from layerscope.core.selection import matching

    kept = matching(recording.network, list(recording), layers)
    return Recording(
        {address: recording.named(address) for address in kept},
        network=recording.network,
        inputs={name: recording.named(name) for name in recording.inputs},
        notes=recording.notes,
        digest=lambda: recording.provenance,
        samples=recording.samples,
    )


def _run(of: ComparedThing, x: Any, layers: Any, options: Mapping[str, Any]) -> ComparedSubject:
    passes = Passes.on(of.thing, x, layers, **options)
    recording = joined(passes)
    weights = with_input_shapes(passes.backend.weights(), recording.network)
    name = of.name or recording.network.name
    by_name = isinstance(passes.x, Mapping)
    return ComparedSubject(name, recording, of.thing, weights, by_name=by_name)


def _run_again(
    of: ComparedThing, recorded: Recording, x: Any, options: Mapping[str, Any]
) -> ComparedSubject:
    """Run a model on what another received, brought to this one's layout."""
    specs = backend_for(of.thing).inputs()
    same = arranged(recorded, specs)
    batches = {name: options[name] for name in ("batch_size",) if name in options}
    return _run(of, x if same is None else same, None, batches if same is not None else options)
