"""Why an objective did not rise, as far as looking at the network tells.

Whatever is said was seen: on the image itself, on noise and, where there are any, on samples; or it
follows from the weights. Where nothing is found, no reason is given.
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
from layerscope.instruments.features.diagnosis.activation_extremes import Looked, look
from layerscope.instruments.features.diagnosis.pre_activation import is_cut, softmax_of, underflows
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
    """For images that did not rise, what is wrong, in words.

    ``samples`` is the most that any sample scores for each image, NaN where there are none.
    """
    if not images or not task.program.scorer.taps:
        return dict.fromkeys(images, "it did not rise")
    softmax = softmax_of(task)
    if softmax is not None:
        return dict.fromkeys(images, _OF_SOFTMAX.format(softmax))
    cut = is_cut(task, [i for i in images if not np.any(outcome.slopes[i])])
    vanishing = underflows(task, [image for image in images if cut.get(image)])
    layers = ancestors(task.network, [tap.layer for tap in task.program.scorer.taps])
    term = _unit_term(task)
    path = None if term is None else unit_path(task.network, *task.program.scorer.taps)
    gates = () if path is None else path.gates
    taps = dict.fromkeys([*(Tap(layer) for layer in layers), *(gate.before for gate in gates)])
    looked = look(task, outcome.images[list(images)], list(taps))
    kernel, bias = (None, None) if path is None else _weights(task, path)
    said = {}
    for row, image in enumerate(images):
        still = not np.any(outcome.slopes[image])
        if cut.get(image):
            said[image] = _cut_by(task, layers, vanishing[image])
            continue
        if term is None or path is None:
            said[image] = _of_objective(task, looked, layers, still)
            continue
        unit = term.indices[image // task.variants % len(term.indices)]
        reached = float(outcome.reached[image])
        own = None if kernel is None else kernel[..., unit]
        own_bias = 0.0 if bias is None else float(bias[unit])
        most = np.nan if samples is None else float(samples[image])
        finding = _Finding(task, looked, path, layers, unit, own, own_bias, most)
        said[image] = finding.told(term, row, reached, still)
    return said


def _of_objective(task: Task, looked: Looked, layers: Sequence[str], still: bool) -> str:
    if not still:
        return "it did not rise"
    head = "it did not rise: its gradient was 0 in every step"
    silent = _first_silent(looked, layers, [tap.layer for tap in task.program.scorer.taps])
    if silent is None:
        return head
    small = _too_small(task, looked, silent)
    return f"{head}; the first silent layer on the way is {silent!r}{small}"


@dataclass(frozen=True)
class _Finding:
    """What was seen of one unit."""

    _task: Task
    _looked: Looked
    _path: UnitPath
    _layers: Sequence[str]
    _unit: int
    _kernel: Array | None  #: its weights, where it has any of its own
    _bias: float
    _samples: float  #: the most that a sample scores; NaN where there are none

    def told(self, term: Unit, row: int, reached: float, still: bool) -> str:
        """What is wrong with it, in words, after one of the images that failed."""
        if term.read == "probability":
            return _of_probability(reached, still)
        seen = self._looked.most_on_image(self._task.program.scorer.taps[0], self._unit, row)
        head = _head(seen <= 0 and bool(still or self._path.gates), reached, still)
        if self._samples > max(reached, 0) and self._relu() is not None:
            return f"{head}: {_FIRES['samples']}"
        reason = self._reason(still) or (self._where_it_fires() if term.position is None else "")
        return f"{head}: {reason}" if reason else head

    def _reason(self, still: bool) -> str:
        if self._kernel is not None and not np.any(self._kernel):
            return f"dead — {self._whose()} weights are all 0"
        before = self._path.owner_inputs if self._path.owner else (self._path.layer,)
        silent = _first_silent(self._looked, self._layers, before) if still else None
        if silent is not None:
            said = f"nothing gets to it: the first silent layer on the way is {silent!r}"
            return f"{said}{_too_small(self._task, self._looked, silent)}"
        return self._blocked() or (self._saturated() if still else "")

    def _whose(self) -> str:
        owner = self._path.owner
        return "its" if owner == self._path.layer else f"in {owner!r}, the"

    def _where_it_fires(self) -> str:
        """Where it was seen to fire, if there is a ReLU that it could be behind."""
        gate = self._relu()
        if gate is None:
            return ""
        for source, advice in _FIRES.items():
            if self._looked.most(gate.before, self._unit, source) > 0:
                return advice
        return ""

    def _relu(self) -> Gate | None:
        return next((g for g in self._path.gates if g.activation in FLAT_BELOW_0), None)

    def _blocked(self) -> str:
        for gate in self._path.gates:
            if gate.activation not in FLAT_BELOW_0:
                continue
            largest = self._looked.most(gate.before, self._unit)
            if not largest <= 0:
                continue
            small = "" if largest else _too_small(self._task, self._looked, gate.before.layer)
            return self._dead_by_bias(gate) or (
                f"blocked by {self._gate_text(gate)}: the largest value before it is "
                f"{largest:.3g}, on {self._looked.sources_text}{small}"
            )
        return ""

    def _dead_by_bias(self, gate: Gate) -> str:
        """Where no input in range can bring it above 0."""
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
            least, most = (self._looked.least, self._looked.most)
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
            own = gate.layer == self._path.layer
            return (
                f"its own {gate.activation}" if own else f"the {gate.activation} of {gate.layer!r}"
            )
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


def _first_silent(looked: Looked, layers: Sequence[str], until: Sequence[str]) -> str | None:
    """The first of the layers, in order, that returned nothing but 0.

    None unless all of ``until`` return the same for all that was looked at: where something else
    leads there, silence is no reason.
    """
    if not until or not all(looked.is_constant(Tap(layer)) for layer in until):
        return None
    return next((layer for layer in layers if looked.is_silent(Tap(layer))), None)


def _weights(task: Task, path: UnitPath) -> tuple[Array | None, Array | None]:
    """Return the kernel and the bias of the layer that a path ends at, units last; None for none.

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


def _too_small(task: Task, looked: Looked, silent: str) -> str:
    """What to say of a layer that is silent where what it gets is too small for float16."""
    received = [Tap(name) for name in task.network[silent].inputs]
    sizes = [
        float(np.abs(seen[tap]).max())
        for of in (looked.most_of, looked.least_of)
        for seen in of.values()
        for tap in received
        if tap in seen
    ]
    most = max(sizes, default=0.0)
    if not 0 < most < _LEAST_NORMAL or _half(task, [silent]) != "float16":
        return ""
    return (
        f"; {silent!r} computes in float16, where what is below 6e-08 becomes 0, and the largest "
        f"value that it gets is {most:.3g}: build the model in float32 with the same weights"
    )


def _half(task: Task, layers: Sequence[str]) -> str | None:
    """The type of 16 bits that one of these layers computes in; None for none."""
    canvas = task.ascent.canvas
    if canvas.embedding is not None:
        return None
    gray = np.zeros((1, *canvas.shape), np.float32)
    x = canvas.to_model(canvas.received(gray))
    values = task.backend.run(x, task.backend.select(list(layers))).values
    types = {str(array.attrs.get("dtype", array.values.dtype)) for array in values.values()}
    return next((name for name in ("float16", "bfloat16") if name in types), None)


def _cut_by(task: Task, layers: Sequence[str], vanishing: bool) -> str:
    """What stops the gradient."""
    if vanishing:
        return _UNDERFLOW.format(_half(task, layers) or "the type")
    spec = next(iter(task.backend.inputs()), None)
    whole = spec is not None and spec.dtype.startswith(("int", "uint", "bool"))
    return _WHOLE.format(spec.dtype) if whole and spec is not None else _CUT


def _unit_term(task: Task) -> Unit | None:
    """The one term of the objective that looks at the network, where that is a unit."""
    looking = [
        (weight, term)
        for weight, term in task.program.objective.parts
        if not isinstance(term, Penalty)
    ]
    if len(looking) != 1:
        return None
    ((weight, term),) = looking
    return term if isinstance(term, Unit) and weight > 0 else None
