"""``ablate``: what each unit's absence does to the outcome."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends import backend_for
from layerscope.backends.base import Alterable, Backend, Compiling, Tap
from layerscope.backends.editing import Change, LayerEdit
from layerscope.core.addresses import unknown_address
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError, InputError
from layerscope.core.network import Network
from layerscope.core.progress import Bar
from layerscope.core.selection import Selection
from layerscope.core.table import shape_text
from layerscope.instruments.interventions.edited import edits_made
from layerscope.instruments.interventions.outcomes import metric_of, numbered
from layerscope.instruments.passes import Passes, digests
from layerscope.instruments.survey.data import data_of
from layerscope.recordings.ablation import Ablation, resampled

Array = npt.NDArray[Any]

_BATCH = 64


def ablate(
    model: Any,
    data: Any,
    layer: str,
    *,
    metric: str | Callable[[Array, Array | None], Array] | None = None,
    labels: Sequence[Any] | Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    value: str | float = "mean",
    units: Iterable[int] | None = None,
    batch_size: int | None = None,
    samples: int | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
) -> Ablation:
    """Take out each unit of a layer in turn, and measure what that does to the outcome.

    A unit is taken out by giving it the same value everywhere: by default the mean of what it had
    on these data, so that what is measured is the loss of what it *tells*, and not the shock of a
    value that the network has never met. There is a forward pass over the data for each unit.

    Parameters
    ----------
    model, data, labels, batch_size, samples
        As :func:`survey` takes them; what the network receives is held in memory.
    layer
        The address of a layer.
    metric
        ``"accuracy"`` (the default where there are labels), ``"agreement"``: how often the answer
        is that of the intact model (the default otherwise), ``"cross_entropy"``,
        ``"squared_error"``; or a function of outputs ``(sample, …)`` and labels that returns a
        number for each sample.
    classes
        The names of the model's outputs in their order, for labels that are names; in alphabetical
        order by default.
    value
        What a unit is given: ``"mean"``, ``"zero"``, or a number.
    units
        Which units; all by default.
    confidence, resamples, seed
        The interval of each effect: how sure it is to be, from how many resamplings of the samples.
    progress
        Whether to show a bar; by default in a terminal or a notebook.
    **options
        How files become inputs, as :func:`activations` takes it: ``input_range`` and so on.

    Returns
    -------
    Ablation
        ``print`` shows the largest effects, ``to_frame`` all, ``picture`` draws them.

    Raises
    ------
    AddressError
        When there is no such layer or unit.
    InputError
        When a value makes no sense, labels are missing, or the data can't be read.
    ModelError
        When values of this model can't be replaced.
    """
    _check(value, confidence, resamples)
    subject = _Subject.of(model, data, layer, labels, batch_size or _BATCH, samples, options)
    right = numbered(subject.labels, classes, subject.intact.shape[-1])
    name, score = metric_of(metric, right is not None)
    chosen = subject.chosen(units)
    before = _scores(score(subject.intact, right, subject.intact), len(subject.intact), name)
    put = subject.means[chosen] if value == "mean" else np.full(len(chosen), _number(value))
    changes = np.empty((len(chosen), len(before)))
    with Bar(f"Ablating {layer}", len(chosen), shown=progress) as bar:
        for i, unit in enumerate(chosen):
            answers = subject.without(int(unit), float(put[i]))
            after = _scores(score(answers, right, subject.intact), len(before), name)
            changes[i] = after - before
            bar.advance()
    low, high = resampled(changes, confidence, resamples, seed)
    inputs = subject.received
    return Ablation(
        layer, tuple(map(int, chosen)), name, float(before.mean()), changes.mean(axis=1), low, high,
        put, confidence, len(before), subject.name,
        lambda: digests(subject.backend, inputs),
    )  # fmt: skip


@dataclass(frozen=True)
class _Subject:
    """A model, the batches that it is run on, and what it did as it is."""

    backend: Backend
    name: str
    layer: str
    answer: str  #: the address of its output
    batches: list[Any]  #: as the model takes them
    inputs: list[Array]  #: the first of what the network received, as presented, batch by batch
    values: list[NamedArray]  #: of the layer, as presented, batch by batch
    received: Mapping[str, NamedArray]  #: of the first batch
    labels: list[Any]
    intact: Array  #: what it answers
    means: Array  #: of each unit
    network: Network
    axes: tuple[str, ...]  #: of the layer's value, in the framework's own order

    @classmethod
    def of(
        cls, model: Any, data: Any, layer: str, labels: Any, batch: int, samples: Any,
        options: dict[str, Any],
    ) -> _Subject:  # fmt: skip
        """Run the model as it is on all data."""
        backend = backend_for(model)
        read = data_of(data, labels, batch)
        size = None if read.has_own_batches else batch
        passes = Passes.on(model, read.x, layer, batch_size=size, samples=samples, **options)
        batches: list[Any] = []
        inputs: list[Array] = []
        values: list[NamedArray] = []
        answers: list[Array] = []
        known: list[Any] = []
        first = None
        for prepared in passes.inputs():
            first = first or backend.run(prepared.value, Selection(everything=True))
            answer = _answer(first.network, layer)
            run = backend.run(prepared.value, Selection(exact=frozenset({layer, answer})))
            batches.append(prepared.value)
            inputs.append(next(iter(run.inputs.values())).presented().values)
            values.append(run.values[layer].presented())
            outputs = run.values[answer].presented().values
            known += read.labels_of(prepared, sum(map(len, answers)), len(outputs))
            answers.append(outputs)
        if first is None:
            raise InputError("The data hold no sample.")
        if values[0].axes[-1] not in ("channel", "unit") or values[0].axes[0] != "sample":
            raise AddressError(f"{layer!r} has no units: its axes are {', '.join(values[0].axes)}.")
        flat = [v.values.reshape(-1, v.values.shape[-1]) for v in values]
        means = sum(v.sum(axis=0, dtype=np.float64) for v in flat) / sum(len(rows) for rows in flat)
        return cls(
            backend, first.network.name, layer, answer, batches, inputs, values, first.inputs,
            known,
            np.concatenate(answers), np.asarray(means), first.network, run.values[layer].axes,
        )  # fmt: skip

    def chosen(self, units: Iterable[int] | None) -> npt.NDArray[np.int64]:
        """Return the units that are asked for.

        Raises AddressError where the layer has no such unit.
        """
        count = len(self.means)
        chosen = np.arange(count) if units is None else np.asarray(list(units), np.int64)
        wrong = [int(unit) for unit in chosen if not 0 <= unit < count]
        if wrong or not len(chosen):
            raise AddressError(
                f"units={wrong or []}: {self.layer!r} has {count} units, 0 to {count - 1}."
            )
        return chosen

    def without(self, unit: int, value: float) -> Array:
        """Return what the model answers where a unit has this value everywhere."""
        shifted = self._shifted
        if shifted is not None:
            rows = zip(self.inputs, self.values, strict=True)
            answers = [shifted(x, _shift(values, unit, value)) for x, values in rows]
            return np.concatenate(answers)
        change = Change(f"{self.layer}:{unit}", value, unit)
        wanted = Selection(exact=frozenset({self.answer}))
        axes = {self.layer: self.axes}
        with edits_made(self.backend, [LayerEdit(self.layer, (change,))], axes):
            runs = [self.backend.run(batch, wanted) for batch in self.batches]
        return np.concatenate([run.values[self.answer].values for run in runs])

    @functools.cached_property
    def _shifted(self) -> Callable[[Any, Any], Array] | None:
        """Return a pass that adds something to the layer's value; None where edits are as quick.

        Where passes are compiled, another edit is another compilation, and another number is not.
        """
        backend = self.backend
        is_one = len(self.received) == 1
        if not (isinstance(backend, Compiling) and isinstance(backend, Alterable)):
            return None
        if not backend.compiles_edits:
            return None
        row = self.network[self.layer]
        if not is_one or row.role == "container":
            return None
        tap = Tap(self.answer)
        run = backend.altered((tap,), shifted=(row,))
        key = ("ablate", self.layer, self.answer)
        compiled = backend.compiled(lambda x, shift: run(x, (shift,))[tap], key, network=True)
        return lambda x, shift: np.asarray(backend.ops.convert_to_numpy(compiled(x, shift)))


def _shift(values: NamedArray, unit: int, value: float) -> Array:
    """Return what is added to a layer's value, as presented, to give a unit another value."""
    shift = np.zeros(values.values.shape, np.float32)
    shift[..., unit] = value - values.values[..., unit]
    return shift


def _answer(network: Network, layer: str) -> str:
    """Return the address of the model's answer: of several outputs, the first."""
    if layer not in network:
        raise unknown_address(layer, [each.address for each in network])
    read = {source for each in network for source in each.inputs}
    computing = [each for each in network if each.role not in ("container", "input")]
    outputs = [each.address for each in computing if each.address not in read]
    if layer in outputs[:1]:
        raise InputError(f"{layer!r} is the model's answer itself: name a layer before it.")
    return outputs[0]


def _scores(scores: Array, count: int, metric: str) -> npt.NDArray[np.float64]:
    scores = np.asarray(scores, np.float64)
    if scores.shape != (count,):
        raise InputError(
            f"metric={metric!r} returned {shape_text(scores.shape)} numbers for {count} samples: "
            "it is to return one for each."
        )
    return scores


def _check(value: Any, confidence: Any, resamples: Any) -> None:
    if value not in ("mean", "zero") and (
        isinstance(value, bool | str) or not isinstance(value, int | float)
    ):
        raise InputError(f"value={value!r}: pass 'mean', 'zero' or a number.")
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise InputError(f"confidence={confidence!r}: pass a share between 0 and 1, such as 0.95.")
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 1:
        raise InputError(f"resamples={resamples!r}: pass a whole number, 1 or more.")


def _number(value: str | float) -> float:
    return 0.0 if value == "zero" else float(value)
