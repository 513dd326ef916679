"""What a dense layer or a convolution makes of values, and what it must have received."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.windows import reads
from layerscope.instruments.comparison.reasons.chain import Chain, distance
from layerscope.instruments.comparison.reasons.roles import roles

Values = npt.NDArray[np.float64]

_FITS = 1e-5  #: the distance of values that follow from others but for roundings
_VALUES = 100_000  #: of a convolution, which are computed in float64 at most: some of its rows


@dataclass(frozen=True, slots=True)
class LayerOutput:
    """What a layer makes of values, and at which of its rows; None stands for all."""

    values: Values
    rows: npt.NDArray[np.intp] | None = None

    def beside(self, values: Values) -> Values:
        """Return, of values that the layer returned, those of the same samples and rows."""
        some = values[: len(self.values)]
        return some if self.rows is None else some[:, self.rows]


def effective(chain: Chain) -> NamedArray | None:
    """Return what the core has received, also where something unseen came between.

    A factor or a shift by a number is no layer in PyTorch: where the recorded value does not give
    what the core returned, one that is scaled and shifted may. None where nothing does, and what
    was recorded where the core is nothing that can be computed here.
    """
    received, value = chain.received(chain.core), chain.value(chain.core)
    if received is None or value is None:
        return None
    returned = computed(chain, received)
    if returned is None:
        return received
    actual, values = returned.beside(value.values), returned.values
    shown = _comparable(chain, actual)
    if shown is None or distance(actual[shown], values[shown]) <= _FITS:
        return received
    nothing = computed(chain, NamedArray(np.zeros_like(received.values), received.axes))
    ones = computed(chain, NamedArray(np.ones_like(received.values), received.axes))
    if nothing is None or ones is None:
        return received
    zero = nothing.values[shown]
    by_factor, by_shift = values[shown] - zero, ones.values[shown] - zero
    (factor, shift), *_ = np.linalg.lstsq(
        np.stack([by_factor, by_shift], axis=1), actual[shown] - zero, rcond=None
    )
    left = distance(actual[shown], zero + factor * by_factor + shift * by_shift)
    if left > _FITS:
        return None
    shift = shift if abs(shift) > _FITS * np.abs(factor * received.values).max() else 0.0
    return NamedArray(received.values * factor + shift, received.axes)


def _comparable(chain: Chain, values: Values) -> npt.NDArray[np.bool_] | None:
    """Return which values are those before the activation; None where that can't be told."""
    if chain.core.activation is None:
        return np.ones(values.shape, bool)
    if chain.core.activation == "relu" and (values > 0).any():
        return values > 0
    return None


def computed(chain: Chain, received: NamedArray) -> LayerOutput | None:
    """Return what the core makes of values before its activation, by its weights; or None.

    Of a large convolution some rows are computed, from its first to its last.
    """
    core = chain.core
    weights = roles(core, chain.parameters)
    kernel = weights.get("kernel")
    if kernel is None or kernel.attrs["whole"]:  # whole numbers stand for others
        return None
    bias = weights["bias"].values if "bias" in weights else 0.0
    if core.kind == "dense" and kernel.axes == ("input", "unit"):
        if received.values.shape[-1] != kernel.values.shape[0]:
            return None
        return LayerOutput(received.values @ kernel.values + bias)
    if core.kind == "conv" and kernel.axes == ("y", "x", "input", "channel"):
        convolved = _convolved(chain, received, kernel.values)
        return None if convolved is None else replace(convolved, values=convolved.values + bias)
    return None


def _convolved(chain: Chain, received: NamedArray, kernel: Values) -> LayerOutput | None:
    windows, value = chain.core.reads.windows, chain.value(chain.core)
    if windows is None or value is None or received.axes != ("sample", "y", "x", "channel"):
        return None
    windows = windows * 2 if len(windows) == 1 else windows
    if received.values.shape[-1] != kernel.shape[2] or len(windows) != 2:
        return None  # in groups
    y, x = (
        reads(window, received.values.shape[place], value.values.shape[place])
        for place, window in ((1, windows[0]), (2, windows[1]))
    )
    wanted = max(2, _VALUES // max(1, len(x) * kernel.shape[3]))
    rows = np.unique(np.linspace(0, len(y) - 1, min(wanted, len(y))).astype(np.intp))
    padded = np.pad(received.values[:1], ((0, 0), (0, 1), (0, 1), (0, 0)))  # -1 reads a zero
    result: Values = np.zeros((1, len(rows), len(x), kernel.shape[3]))
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            taken = padded[:, y[rows, row]][:, :, x[:, column]]
            result += taken @ kernel[row, column]
    return LayerOutput(result, rows)
