"""What a map is of: a class, an address, an objective, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.backends.class_names import class_names
from layerscope.core.axes import presented
from layerscope.core.errors import InputError
from layerscope.core.network import Layer, Network
from layerscope.core.text import shown_name
from layerscope.instruments.attribution.attributed_input import AttributedInput
from layerscope.instruments.attribution.engine import GradientEngine, PassEngine
from layerscope.instruments.features.objective import terms
from layerscope.instruments.features.objective.objectives import Objective, as_objective
from layerscope.instruments.features.objective.program import Program, bind
from layerscope.instruments.features.objective.sites import Sites

Array = npt.NDArray[Any]

READS = ("logit", "probability")


@dataclass(frozen=True)
class Target:
    """An objective for each sample, bound to the network."""

    program: Program
    names: tuple[str, ...]  #: one for each sample
    units: tuple[int | None, ...]  #: the classes, where it is classes
    notes: tuple[str, ...] = ()


def target_of(
    subject: AttributedInput,
    target: Any,
    read: str,
    classes: Sequence[str] | None,
    engine_of: Any,
) -> Target:
    """Return what maps are to be of; ``engine_of`` makes an engine for a program.

    Raises AddressError and InputError.
    """
    if read not in READS:
        raise InputError(f"read={read!r}: pass 'logit' or 'probability'.")
    sites = Sites(subject.network, lambda address: _value(subject, address), subject.aliases)
    sees_before = hasattr(type(subject.backend), "gradient")
    if target is None:
        return _top(subject, sites, read, classes, engine_of, sees_before=sees_before)
    numbers = _class_numbers(target, len(subject))
    if numbers is not None:
        output = output_of(subject.network)
        return _of_classes(subject, sites, output, numbers, read, classes, sees_before)
    objective = as_objective(target, sites.addresses).in_network(sites)
    program = bind(objective, sites)
    _check_count(program, len(subject))
    if not program.scorer.taps:
        raise InputError(f"{objective} is of the image alone, not of what the network makes of it.")
    program, notes = _as_seen(program, subject, sees_before)
    count = len(subject)
    names = tuple(objective.label(i) for i in range(count))
    units = tuple(_unit_of(objective, i) for i in range(count))
    return Target(program, names, units, notes)


def output_of(network: Network) -> Layer:
    """Return the layer whose units are the classes.

    Raises InputError where the network has no such layer.
    """
    read = {source for row in network for source in row.inputs}
    ends = [row for row in network if row.address not in read and row.role != "input"]
    vectors = [row for row in ends if _is_vector(row)]
    if not vectors:
        some = ", ".join(repr(row.address) for row in ends[-3:])
        raise InputError(
            f"The network ends in {some}, which are no classes: say target=, an address such as "
            f"{(ends or list(network))[-1].address + ':0'!r}."
        )
    return vectors[-1]


def _is_vector(row: Layer) -> bool:
    axes = presented(row.axes or ())
    return len(axes) == 2 and axes[0] == "sample" and axes[1] in ("unit", "channel")


def _class_numbers(target: Any, count: int) -> list[int] | None:
    """Return the class for each sample, where target is numbers of classes; None where not."""
    if hasattr(target, "detach"):
        target = target.detach().cpu().numpy()
    several = isinstance(target, np.ndarray | list | tuple | range)
    if isinstance(target, bool) or not (several or isinstance(target, int | np.integer)):
        return None
    values = np.asarray(target)
    if values.dtype.kind not in "iu" or values.ndim > 1:
        return None
    numbers = [int(value) for value in np.atleast_1d(values)]
    if len(numbers) not in (1, count):
        raise InputError(
            f"target= has {len(numbers)} classes, and there are {count} samples: pass one for "
            "each, or one for all."
        )
    if min(numbers, default=0) < 0:
        raise InputError(f"target={target!r}: classes are counted from 0.")
    return numbers * count if len(numbers) == 1 else numbers


def _of_classes(
    subject: AttributedInput,
    sites: Sites,
    output: Layer,
    numbers: Sequence[int],
    read: str,
    classes: Sequence[str] | None,
    sees_before: bool,
) -> Target:
    how: Any = "logit" if read == "logit" else "probability"
    same = len(set(numbers)) == 1
    unit = terms.Unit(output.address, (numbers[0],) if same else tuple(numbers), read=how)
    program, notes = _as_seen(bind(Objective(((1.0, unit),)), sites), subject, sees_before)
    words = _read_words(sites, output, how, sees_before)
    count = sites.read(output.address, how).units
    names = class_names(subject.model) if classes is None else classes
    named = names if len(names) == count else ()
    texts = tuple(_class_text(output.address, n, named, words) for n in numbers)
    return Target(program, texts, tuple(numbers), notes)


def _class_text(address: str, number: int, names: Sequence[str], words: str) -> str:
    text = f"{address}:{number}"
    if names:
        text = f"{shown_name(names[number])} ({text})"
    return f"{text}, its {words}"


def _read_words(sites: Sites, output: Layer, how: str, sees_before: bool) -> str:
    """Return what is read of a class: its logit, its probability, or its value."""
    if how == "probability":
        return "probability"
    site = sites.read(output.address, "logit")
    squashed = output.activation in ("softmax", "log_softmax", "sigmoid")
    as_returned = squashed and site.tap == Tap(output.address)
    if as_returned or site.tap.before_activation > sees_before:
        return "value after the " + str(output.activation)
    return "logit" if squashed or site.units > 1 else "value"


def _top(
    subject: AttributedInput,
    sites: Sites,
    read: str,
    classes: Sequence[str] | None,
    engine_of: Any,
    *,
    sees_before: bool,
) -> Target:
    """Return the class of each sample that the network answers with."""
    output = output_of(subject.network)
    site = sites.read(output.address, "logit")
    first = _of_classes(subject, sites, output, [0] * len(subject), read, classes, sees_before)
    engine: GradientEngine | PassEngine = engine_of(first.program)
    tap = site.tap if sees_before else Tap(site.tap.layer)
    values = engine.read(tap, subject.values, np.arange(len(subject)))
    values = values.reshape(len(values), -1)
    finite = np.where(np.isfinite(values), values, -np.inf)
    numbers = [int(n) for n in finite.argmax(axis=1)]
    chosen = _of_classes(subject, sites, output, numbers, read, classes, sees_before)
    notes = chosen.notes
    if values.shape[1] == 1:
        notes = (*notes, f"{output.address!r} has one unit, which maps are of")
    return replace(chosen, notes=notes)


def _as_seen(
    program: Program, subject: AttributedInput, sees_before: bool
) -> tuple[Program, tuple[str, ...]]:
    """Return the program as a backend can compute it that sees nothing before an activation."""
    taps = program.scorer.taps
    hidden = [tap for tap in taps if tap.before_activation]
    if sees_before or not hidden:
        return program, ()
    after = {tap: Tap(tap.layer) for tap in taps}
    scores = tuple((i, _after(score, after)) for i, score in program.scorer.of_values)
    scorer = replace(program.scorer, of_values=scores, taps=tuple(after.values()))
    note = (
        f"{subject.backend.framework} shows {hidden[0].layer!r} after its activation only: maps "
        "are of that"
    )
    return replace(program, scorer=scorer), (note,)


def _after(score: terms.Score, after: Mapping[Tap, Tap]) -> terms.Score:
    def scored(ops: Any, values: Any, arrays: Any) -> Any:
        return score(ops, {before: values[tap] for before, tap in after.items()}, arrays)

    return scored


def _unit_of(objective: Objective, sample: int) -> int | None:
    if len(objective.parts) != 1:
        return None
    (_, term) = objective.parts[0]
    if not isinstance(term, terms.Unit):
        return None
    return term.indices[sample % len(term.indices)]


def _check_count(program: Program, count: int) -> None:
    if program.images not in (1, count):
        raise InputError(
            f"{program.objective} is {program.images} targets, and there are {count} samples: name "
            "one for each, or one for all."
        )


def _value(subject: AttributedInput, address: str) -> Any:
    tap = Tap(address)
    backend: Any = subject.backend
    if not hasattr(type(backend), "values"):
        raise InputError("A function of one's own needs gradients: pass a Keras or PyTorch model.")
    given = subject.given_to(np.arange(1))
    if subject.is_several:
        tensors = {name: backend.ops.convert_to_tensor(one) for name, one in given.items()}
        return backend.altered([tap])(subject.layouts.inward(backend.ops, tensors))[tap]
    x = backend.ops.convert_to_tensor(given)
    return (backend.altered([tap]) if subject.entries else backend.values([tap]))(x)[tap]
