"""Diagnose why an optimized unit stayed dead, or an objective did not rise.

Each reason was observed: on the image itself, on noise and, where there are any, on samples; or it
follows from the weights. Where nothing is observed, no reason is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.core.axes import UNIT_AXES
from layerscope.instruments.features.ascent.outcome import Outcome
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.activation_extremes import (
    ActivationExtremes,
    activation_extremes,
)
from layerscope.instruments.features.diagnosis.obstacles import (
    blocked_on_noise,
    constant_softmax,
    underflows,
)
from layerscope.instruments.features.diagnosis.unit_path import (
    FLAT_AT_BOTH_ENDS,
    FLAT_BELOW_0,
    Gate,
    UnitPath,
    ancestors,
    most_of_kernel,
    unit_path,
)
from layerscope.instruments.features.objective.penalties import Penalty
from layerscope.instruments.features.objective.terms import Unit

Array = npt.NDArray[Any]

_LEAST_NORMAL = float(np.finfo(np.float16).smallest_normal)
_FLAT = 1e-6  #: a range of an activation function's values that is hardly one
#: What to do where a unit fires on something else than its image.
_FIRES = {
    "samples": "it fires on the samples, but not from this start: pass start= one of them",
    "noise": "it fires on other noise: pass another seed= or start=",
}

_CUT = (
    "no gradient reaches the image, though other noise changes what is asked for: it is cut on the "
    "way, as by detach(), no_grad() or stop_gradient()"
)
_WHOLE = (
    "no gradient reaches the image: the model's input is {0}, so what comes in is made whole "
    "numbers first; build it with an input of float32 and the same weights"
)
_UNDERFLOW = (
    "no gradient reaches the image: on its way it gets too small for {0}, in which the network "
    "computes, and becomes 0; build the model in float32 with the same weights"
)
_OF_SOFTMAX = (
    "the mean of the softmax {0!r} is always 1 over the number of its units: pass one of these, as "
    "'{0}:0'"
)


def reasons(
    task: Task, outcome: Outcome, images: Sequence[int], samples: Array | None = None
) -> dict[int, str]:
    """Return for images that did not rise what is wrong, in words.

    ``samples`` is the most that any sample scores for each image, NaN where there are none.
    """
    if not images or not task.program.scorer.taps:
        return dict.fromkeys(images, "it did not rise")
    softmax = constant_softmax(task)
    if softmax is not None:
        return dict.fromkeys(images, _OF_SOFTMAX.format(softmax))
    diagnosis = _diagnosis(task, outcome, images)
    still = [image for image in images if not np.any(outcome.slopes[image])]
    cut = _cut(diagnosis, still)
    vanishing = underflows(task, cut) if cut else {}
    texts = {image: _cut_by(task, diagnosis.layers, vanishing[image]) for image in cut}
    for row, image in enumerate(images):
        if image in texts:
            continue
        unit = diagnosis.unit_of(image)
        if unit is None:
            texts[image] = _of_objective(diagnosis, image in still)
            continue
        reached = float(outcome.reached[image])
        most = np.nan if samples is None else float(samples[image])
        texts[image] = unit.text(row, reached, most, image in still)
    return texts


@dataclass(frozen=True)
class _Diagnosis:
    """What is known of the layers that an objective depends on."""

    task: Task
    extremes: ActivationExtremes
    layers: Sequence[str]  #: that the objective depends on, in order
    term: Unit | None  #: where the objective is a unit
    path: UnitPath | None  #: of that
    kernel: Array | None
    bias: Array | None

    def unit_of(self, image: int) -> _UnitDiagnosis | None:
        """Return what is known of the unit that an image is for, where it is for one."""
        if self.term is None or self.path is None:
            return None
        unit = self.index(image)
        if unit is None:
            return None
        kernel = None if self.kernel is None else self.kernel[..., unit]
        bias = 0.0 if self.bias is None else float(self.bias[unit])
        return _UnitDiagnosis(
            self.task, self.extremes, self.term, self.path, self.layers, unit, kernel, bias
        )

    def index(self, image: int) -> int | None:
        """Return the number of the unit that an image is for; None for more than one."""
        if self.term is None:
            return None
        return self.term.indices[image // self.task.variants % len(self.term.indices)]


def _diagnosis(task: Task, outcome: Outcome, images: Sequence[int]) -> _Diagnosis:
    """Return what can be known before it is asked which of the images, and why."""
    layers = ancestors(task.network, [tap.layer for tap in task.program.scorer.taps])
    paths = [unit_path(task.network, tap) for tap in task.program.scorer.taps]
    gates = [gate for path in paths if path is not None for gate in path.gates]
    taps = dict.fromkeys([*(Tap(layer) for layer in layers), *(gate.before for gate in gates)])
    extremes = activation_extremes(task, outcome.images[list(images)], list(taps))
    term = _unit_term(task)
    path = None if term is None else paths[0]
    kernel, bias = (None, None) if path is None else _weights(task, path)
    return _Diagnosis(task, extremes, layers, term, path, kernel, bias)


def _cut(diagnosis: _Diagnosis, images: Sequence[int]) -> list[int]:
    """Return the images that no gradient reaches, though noise changes what their objective reads.

    Of a unit that is off that is what its ReLU gets.
    """
    task = diagnosis.task
    varies = blocked_on_noise(task, images)
    return [
        image
        for image in images
        if image in varies and (varies[image] or _moves_below_0(diagnosis, image))
    ]


def _moves_below_0(diagnosis: _Diagnosis, image: int) -> bool:
    """Return whether what the ReLU gets that an objective is read from depends on the image."""
    network, extremes = diagnosis.task.network, diagnosis.extremes
    paths = [unit_path(network, tap) for tap in diagnosis.task.program.scorer.taps]
    gates = [path.gates[0] for path in paths if path is not None and path.gates]
    return any(
        not extremes.is_constant(gate.before, diagnosis.index(image))
        for gate in gates
        if gate.activation in FLAT_BELOW_0 and extremes.is_known(gate.before)
    )


def _of_objective(diagnosis: _Diagnosis, still: bool) -> str:
    if not still:
        return "it did not rise"
    head = "it did not rise: its gradient was 0 in every step"
    task = diagnosis.task
    taps = [tap.layer for tap in task.program.scorer.taps]
    silent = _first_silent(diagnosis.extremes, diagnosis.layers, taps)
    if silent is None:
        return head
    small = _too_small(task, diagnosis.extremes, silent)
    return f"{head}; the first silent layer on the way is {silent!r}{small}"


@dataclass(frozen=True)
class _UnitDiagnosis:
    """What is known of one unit."""

    _task: Task
    _extremes: ActivationExtremes
    _term: Unit
    _path: UnitPath
    _layers: Sequence[str]
    _unit: int
    _kernel: Array | None  #: its weights, where it has any of its own
    _bias: float

    def text(self, row: int, reached: float, samples: float, still: bool) -> str:
        """Return what is wrong with it, in words, after one of the images that failed.

        ``samples`` is the most that a sample scores, NaN where there are none.
        """
        if self._term.read == "probability":
            return _of_probability(reached, still)
        tap = self._task.program.scorer.taps[0]
        most = self._extremes.most_on_image(tap, self._unit, row)
        head = _head(most <= 0 and bool(still or self._path.gates), reached, still)
        if samples > max(reached, 0) and self._relu() is not None:
            return f"{head}: {_FIRES['samples']}"
        reason = self._reason(still)
        if not reason and self._term.position is None:
            reason = self._where_it_fires()
        return f"{head}: {reason}" if reason else head

    def _reason(self, still: bool) -> str:
        if self._kernel is not None and not np.any(self._kernel):
            return f"dead — {self._whose()} weights are all 0"
        before = self._path.owner_inputs if self._path.owner else (self._path.layer,)
        silent = _first_silent(self._extremes, self._layers, before) if still else None
        if silent is not None:
            small = _too_small(self._task, self._extremes, silent)
            return f"nothing gets to it: the first silent layer on the way is {silent!r}{small}"
        return self._blocked() or (self._saturated() if still else "")

    def _whose(self) -> str:
        owner = self._path.owner
        return "its" if owner == self._path.layer else f"in {owner!r}, the"

    def _where_it_fires(self) -> str:
        """Return where it fires, if there is a ReLU that it could be behind."""
        gate = self._relu()
        if gate is None:
            return ""
        for source, advice in _FIRES.items():
            if self._extremes.most(gate.before, self._unit, source) > 0:
                return advice
        return ""

    def _relu(self) -> Gate | None:
        return next((g for g in self._path.gates if g.activation in FLAT_BELOW_0), None)

    def _blocked(self) -> str:
        for gate in self._path.gates:
            if gate.activation not in FLAT_BELOW_0:
                continue
            largest = self._extremes.most(gate.before, self._unit)
            if not largest <= 0:
                continue
            small = "" if largest else _too_small(self._task, self._extremes, gate.before.layer)
            return self._dead_by_bias(gate) or (
                f"blocked by {self._gate_text(gate)}: the largest value before it is "
                f"{largest:.3g}, on {self._extremes.sources_text}{small}"
            )
        return ""

    def _dead_by_bias(self, gate: Gate) -> str:
        """Return why no input in range can bring it above 0; nothing where one can."""
        if self._kernel is None or not self._path.is_straight(gate):
            return ""
        limits = self._path.limits(self._task.network, self._task.ascent.canvas.input_range)
        bias, most = self._bias, most_of_kernel(self._kernel, limits)
        if not most + bias <= 0:
            return ""
        if bias < 0 < most:
            return (
                f"dead — {self._whose()} bias of {bias:.3g} outweighs the {most:.3g} that its "
                "kernel can add at most"
            )
        return (
            f"dead — for inputs in range its kernel and bias come to no more than {most + bias:.3g}"
        )

    def _saturated(self) -> str:
        for gate in self._path.gates:
            if gate.activation not in FLAT_AT_BOTH_ENDS:
                continue
            least, most = self._extremes.least, self._extremes.most
            moves = most(gate.after, self._unit) - least(gate.after, self._unit)
            low, high = least(gate.before, self._unit), most(gate.before, self._unit)
            if moves < _FLAT < high - low:
                return (
                    f"saturated: {self._gate_text(gate)} gets {low:.3g} to {high:.3g}, where it is "
                    "flat"
                )
        return ""

    def _gate_text(self, gate: Gate) -> str:
        if gate.fused:
            if gate.layer == self._path.layer:
                return f"its own {gate.activation}"
            return f"the {gate.activation} of {gate.layer!r}"
        if gate.activation == "relu":
            return f"the ReLU {gate.layer!r}"
        return f"the {gate.activation} {gate.layer!r}"


def _head(silent: bool, reached: float, still: bool) -> str:
    if silent:
        return "the unit never fired"
    return f"the unit stayed at {reached:.3g}" if still else "the unit did not rise"


def _of_probability(reached: float, still: bool) -> str:
    if still and not _FLAT < reached < 1 - _FLAT:
        return (
            f"saturated: the probability is {reached:.3g}, where the softmax is flat; its logit is "
            "not"
        )
    return "it did not rise"


def _first_silent(
    extremes: ActivationExtremes, layers: Sequence[str], until: Sequence[str]
) -> str | None:
    """Return the first of the layers, in order, that returned nothing but 0.

    None unless all of ``until`` return the same for all inputs: where something else leads there,
    silence is no reason.
    """
    if not until or not all(extremes.is_constant(Tap(layer)) for layer in until):
        return None
    return next((layer for layer in layers if extremes.is_silent(Tap(layer))), None)


def _weights(task: Task, path: UnitPath) -> tuple[Array | None, Array | None]:
    """Return the kernel and the bias of the layer that a path ends at, units last.

    None also where the weights are laid out otherwise, as somebody's own layer may have them.
    """
    if path.owner is None:
        return None, None
    arrays = task.backend.weights()
    parameters = task.network[path.owner].parameters
    kernel = next(arrays[p.key] for p in parameters if not p.bias).presented()
    if "input" not in kernel.axes or kernel.axes[-1] not in UNIT_AXES:
        return None, None
    bias = next((arrays[p.key].values for p in parameters if p.bias), None)
    return kernel.values, bias


def _too_small(task: Task, extremes: ActivationExtremes, silent: str) -> str:
    """Return what to add of a silent layer where what it gets is too small for float16."""
    received = [Tap(name) for name in task.network[silent].inputs]
    sizes = [
        float(np.abs(values[tap]).max())
        for of in (extremes.most_of, extremes.least_of)
        for values in of.values()
        for tap in received
        if tap in values
    ]
    most = max(sizes, default=0.0)
    if not 0 < most < _LEAST_NORMAL or _half(task, [silent]) != "float16":
        return ""
    return (
        f"; {silent!r} computes in float16, where what is below 6e-08 becomes 0, and the largest "
        f"value that it gets is {most:.3g}: build the model in float32 with the same weights"
    )


def _half(task: Task, layers: Sequence[str]) -> str | None:
    """Return the type of 16 bits that one of these layers computes in; None for none."""
    canvas = task.ascent.canvas
    if canvas.embedding is not None:
        return None
    gray = np.zeros((1, *canvas.shape), np.float32)
    x = canvas.to_model(canvas.received(gray))
    values = task.backend.run(x, task.backend.select(list(layers))).values
    types = {str(array.attrs.get("dtype", array.values.dtype)) for array in values.values()}
    return next((name for name in ("float16", "bfloat16") if name in types), None)


def _cut_by(task: Task, layers: Sequence[str], vanishing: bool) -> str:
    """Return what stops the gradient, in words."""
    if vanishing:
        return _UNDERFLOW.format(_half(task, layers) or "the type")
    spec = next(iter(task.backend.inputs()), None)
    whole = spec is not None and spec.dtype.startswith(("int", "uint", "bool"))
    return _WHOLE.format(spec.dtype) if whole and spec is not None else _CUT


def _unit_term(task: Task) -> Unit | None:
    """Return the one term of the objective that reads the network, where that is a unit."""
    reading = [
        (weight, term)
        for weight, term in task.program.objective.parts
        if not isinstance(term, Penalty)
    ]
    if len(reading) != 1:
        return None
    ((weight, term),) = reading
    return term if isinstance(term, Unit) and weight > 0 else None
