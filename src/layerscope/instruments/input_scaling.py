"""Signs that an input is scaled otherwise than the model expects.

What is measured here, on real networks (digits trained on 0..1 and on 0..255, faces trained on
-1..1, ``keras.applications`` with random weights), is what the limits stand on; predictions are
compared by total variation, half the sum of the absolute differences of their probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend, ForwardPass
from layerscope.core.axes import NamedArray
from layerscope.core.layer_kinds import Kind
from layerscope.core.network import Layer, Network

Array = npt.NDArray[Any]

#: What to do where 0..255 is wanted.
WIDER = "--input-range 0,255 (in Python input_range=(0, 255))"

#: Layers that may rescale what comes in; whether they do, their values tell. Batch normalization is
#: one as the first layer of a network; a shift is half of one, and so is a product with a constant.
_RESCALING: frozenset[Kind] = frozenset(
    {"rescale", "standardize", "batch_norm", "function", "add", "merge"}
)
#: Layers that may stand before them, and leave the range of values as it is: those that augment
#: images do nothing in inference mode.
_PASSING: frozenset[Kind] = frozenset(
    {"input", "pad", "crop", "resize", "identity", "quantize", "reshape", "augment", "dropout"}
)

#: A layer that takes 0..255 makes its spread 1/255 (Rescaling) to 1/30 (the standard deviation of
#: dim photographs) as wide; one that takes 0..1 makes it 2 to 10 times as wide.
_SHRUNK = 1 / 20

#: Predictions that differ by less are the same. Digits on a net that wants 0..255 and gets 0..1:
#: 0.01 to 0.04; rightly scaled ones: 0.45 and more.
SAME = 0.05
#: A batch of one class may have the same prediction each time, but then it is a sure one, 0.95 and
#: more, or there are few of them.
_SURE, _FEW = 0.95, 4
#: How much of the range two inputs must differ by, on average, to be different ones.
_DIFFERENT = 0.02


def scaling_notes(run: ForwardPass, pixels: bool, backend: Backend) -> list[str]:
    """Return what one pass shows of the scaling of its input: notes, mostly none."""
    if len(run.inputs) != 1:
        return []
    (received,) = run.inputs.values()
    x = received.values
    # Nearly always there is nothing to measure, and large inputs take their time.
    scaling = [layer for layer in leading(run.network) if value_of(run, layer) is not None]
    if x.dtype.kind != "f" or x.size == 0 or not (scaling or pixels) or not np.isfinite(x).all():
        return []
    note = scaled_twice(run, scaling, x, pixels) if scaling else ""
    if note:
        return [note]
    same = barely_changes(run.output, x) if pixels else None
    if same is None or not is_trained(backend):
        return []
    return [
        f"The predictions on {len(x)} different images are nearly the same, {same:.2g} apart: the "
        "model may expect another --input-range (in Python input_range=) than "
        f"{x.min():.3g}..{x.max():.3g}"
    ]


def value_of(run: ForwardPass, layer: Layer) -> NamedArray | None:
    """Return what a layer returned, which may stand under the name of a container."""
    return run.values.get(layer.address, run.values.get(run.aliases.get(layer.address, "")))


def leading(network: Network) -> Iterator[Layer]:
    """Yield the layers by which a network begins that may rescale what comes in."""
    for layer in network:
        if layer.role in ("input", "container") or layer.kind in _PASSING:
            continue
        if layer.kind not in _RESCALING or len(layer.inputs) > 1:
            return
        yield layer


def scaled_twice(run: ForwardPass, scaling: Sequence[Layer], x: Array, pixels: bool) -> str:
    """Return what to say where the model scales 0..255 itself, and got 0..1 or -1..1."""
    spread = float(x.std(dtype=np.float64))
    if spread == 0 or float(np.abs(x).max()) > 1:
        return ""
    for layer in scaling:
        array = value_of(run, layer)
        if array is None:
            continue
        values = array.values
        if values.dtype.kind == "f" and 0 < float(values.std(dtype=np.float64)) < _SHRUNK * spread:
            fix = f"use {WIDER}" if pixels else "it seems to expect 0..255"
            return (
                f"The model scales its input itself ({layer.address}: {layer.type}), and the input "
                f"was scaled to {x.min():.3g}..{x.max():.3g} already: {fix}"
            )
    return ""


def barely_changes(output: Any, x: Array) -> float | None:
    """Return by how much predictions on different inputs differ, where that is next to nothing."""
    p = probabilities(output)
    if p is None or len(p) < 2 or len(p) != len(x):
        return None
    flat = x.reshape(len(x), -1).astype(np.float64)
    extent = float(flat.max() - flat.min())
    apart = np.abs(flat - flat[:1]).mean(axis=1)[1:]
    if extent == 0 or float(apart.min()) < _DIFFERENT * extent:
        return None
    sure = float(p.max(axis=1).mean())
    if sure >= _SURE or (sure >= 0.5 and len(p) < _FEW):
        return None
    spread = float(total_variation(p, p[:1]).max())
    return spread if spread < SAME else None


def probabilities(output: Any) -> Array | None:
    """Return a single output as ``(sample, class)`` where it is probabilities of some classes."""
    if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or output.ndim != 2:
        return None
    p = output.astype(np.float64)
    whole = p.shape[1] > 1 and np.isfinite(p).all() and (p >= 0).all()
    return p if whole and np.allclose(p.sum(axis=1), 1, atol=1e-3) else None


def total_variation(p: Array, q: Array) -> Array:
    """Return how far apart predictions are, sample by sample, 0 to 1."""
    return np.asarray(np.abs(p - q).sum(axis=1) / 2)


def is_trained(backend: Backend) -> bool:
    """Return whether any bias or running mean differs from 0, as it is in Keras before training.

    Networks with random weights answer much the same to everything, however it is scaled.
    """
    names = ("bias", "beta", "mean", "intercept")
    for key, array in backend.weights().items():
        last = key.replace("/", ".").split(".")[-1]
        if any(name in last for name in names) and bool(np.any(array.values)):
            return True
    return False
