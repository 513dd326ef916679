"""``advice``: is the input scaled as the model expects? Other scalings are tried."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.inputs import Prepared
from layerscope.instruments.input_scaling import WIDER, is_trained, probabilities, total_variation
from layerscope.instruments.passes import Passes

#: A prediction no further from that on zeros says nothing of the input. Digits on nets that want
#: 0..255 and get 0..1: 0.01 to 0.04; rightly scaled digits and faces: 0.45 and more.
_NOTHING = 0.1
#: How far away, and how sure, the prediction on 0..255 must be: there 0.68 and more, and 0.39 of
#: ten classes and more.
_ELSEWHERE, _SURE = 0.3, 0.35
#: What is scaled wider than this is not what a model gets by mistake that wants 0..255.
_UNIT = 2
#: An image darker than that is no test.
_DARK = 0.2


def advice(model: Any, x: Any, **options: Any) -> list[str]:
    """Return what the scaling of an image may be wrong about, in sentences; mostly none.

    Three passes compare the prediction with that on zeros and on the same image scaled to 0..255.
    Only predictions that are probabilities, of a model with one input and one output, tell
    anything.

    Parameters
    ----------
    x
        An image or a batch of them, as for :func:`layerscope.activations`; arrays tell nothing. Of
        a folder some images will do.
    options
        Those that :func:`layerscope.activations` is given: ``input_range`` and so on.

    Raises
    ------
    InputError, ModelError
        As :func:`layerscope.activations` does.
    """
    passes = Passes.on(model, x, **options)
    return advice_on(passes, next(passes.inputs()))


def advice_on(passes: Passes, prepared: Prepared) -> list[str]:
    """Return the same of an input that is prepared already."""
    settings = passes.settings
    limits = settings.input_range
    if not prepared.pixels or settings.preprocess is not None or isinstance(limits, str):
        return []
    value = prepared.value
    low, high = limits
    unit = (value - low) / (high - low)
    if value.dtype.kind != "f" or max(map(abs, limits)) > _UNIT or float(unit.max()) < _DARK:
        return []
    arrays = (value, np.zeros_like(value), unit * 255)
    here, nothing, wide = (_prediction(passes, array.astype(value.dtype)) for array in arrays)
    if here is None or nothing is None or wide is None:
        return []
    unmoved = float(np.median(total_variation(here, nothing)))
    moved = float(np.median(total_variation(here, wide)))
    sure = float(np.median(wide.max(axis=1)))
    if unmoved >= _NOTHING or moved <= _ELSEWHERE or sure <= max(_SURE, 1.5 / here.shape[1]):
        return []
    if not is_trained(passes.backend):
        return []
    return [
        f"The prediction on this input, scaled to {low:g}..{high:g}, is nearly that on zeros "
        f"({unmoved:.2g} apart), and on 0..255 another, and a sure one ({sure:.0%}): try "
        f"{WIDER}."
    ]


def _prediction(passes: Passes, value: Any) -> Any:
    """Return the probabilities that the model gives; None for none, or if it did not end.

    The layers kept are the ones of the pass before, so that a compiled pass is used again.
    """
    return probabilities(passes.backend.run(value, passes.selection).output)
