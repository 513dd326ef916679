"""Which operations the steps of a pipeline and its perceptron come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from layerscope.backends.operations import NotExpressibleError, OperationWriter, Symbol, refusal
from layerscope.backends.trace import Subject
from layerscope.core.operations import OperationGraph

Array = npt.NDArray[Any]


def operations_of(
    features: int,
    steps: Sequence[tuple[str, Any]],
    layers: Sequence[tuple[Subject, Array, Array]],
) -> OperationGraph:
    """Return what a pass computes: the steps of a pipeline, then kernel, bias and activation.

    Raises ModelError for a step that is no operation; it names the step.
    """
    writer = OperationWriter("input", (features,), ("unit",))
    x = writer.input
    for name, step in steps:
        try:
            x = writer.named(_transformed(writer, x, step), name, None)
        except NotExpressibleError as error:
            raise refusal(name, type(step).__name__, str(error)) from None
    for subject, kernel, bias in layers:
        arrays = {"kernel": kernel, "bias": bias}
        x = writer.add("dense", [x], (kernel.shape[1],), arrays=arrays)
        if subject.activation is not None:
            x = writer.applied(subject.activation, x)
        x = writer.named(x, subject.address, None)
    return writer.graph(x)


def _transformed(writer: OperationWriter, x: Symbol, step: Any) -> Symbol:
    translate = _STEPS.get(type(step))
    if translate is None:
        raise NotExpressibleError("is a step that a page does not know")
    return translate(writer, x, step)


def _standard(writer: OperationWriter, x: Symbol, step: StandardScaler) -> Symbol:
    centre = step.mean_ if step.with_mean else 0.0
    return writer.standardized(x, centre, 1.0 if step.scale_ is None else step.scale_)


def _robust(writer: OperationWriter, x: Symbol, step: RobustScaler) -> Symbol:
    centre = step.center_ if step.with_centering else 0.0
    return writer.standardized(x, centre, step.scale_ if step.with_scaling else 1.0)


def _min_max(writer: OperationWriter, x: Symbol, step: MinMaxScaler) -> Symbol:
    low, high = step.feature_range
    scaled = writer.standardized(x, step.data_min_, 1 / np.asarray(step.scale_))
    scaled = writer.scaled(scaled, 1.0, low)
    return _clipped(writer, scaled, low, high) if step.clip else scaled


def _max_abs(writer: OperationWriter, x: Symbol, step: MaxAbsScaler) -> Symbol:
    scaled = writer.scaled(x, 1 / np.asarray(step.scale_))
    return _clipped(writer, scaled, -1.0, 1.0) if getattr(step, "clip", False) else scaled


def _clipped(writer: OperationWriter, x: Symbol, low: float, high: float) -> Symbol:
    return writer.applied("clip", x, low=float(low), high=float(high))


_STEPS: dict[type, Callable[[OperationWriter, Symbol, Any], Symbol]] = {
    StandardScaler: _standard,
    RobustScaler: _robust,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
}
