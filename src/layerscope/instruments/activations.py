"""``activations``: one forward pass, every layer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from layerscope.axes import NamedArray
from layerscope.backends import backend_for
from layerscope.backends.base import Backend
from layerscope.errors import ModelError
from layerscope.inputs import prepare
from layerscope.recording import Recording


def activations(
    model: Any,
    x: Any,
    layers: Any = None,
    *,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
) -> Recording:
    """The activations of a model's layers on an input, by one forward pass in inference mode.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module`` or a scikit-learn MLP. It is left as it was.
    x
        A batch in the framework's own layout: an array, a DataFrame, or a list, tuple or dict of
        arrays for several inputs (a dict is keyword arguments in PyTorch). Or the path of an image,
        a PIL image, or a list of these.
    layers
        Which layers to keep: an address, a glob, an index or a slice in execution order, the
        framework's own layer objects, a predicate on ``Layer``, or a list of these; all by default.
    input_range
        The values that an image's black and white become: ``(0, 1)``, ``(-1, 1)``, ``(0, 255)``, or
        ``"raw"`` for the values in the file. Arrays are taken as they are.
    resize
        How an image is brought to the size that the model expects: ``"stretch"`` (the whole image),
        ``"crop"`` (its centre) or ``"pad"`` (the whole image, in proportion).
    size
        Height and width for an image where the model takes any; the image's own by default.

    Returns
    -------
    Recording
        A mapping from addresses to ``xarray.DataArray`` in execution order; ``.input`` is what the
        network received.

    Raises
    ------
    InputError
        When x does not fit the model; the message says what it expects.
    AddressError
        When no layer is so named; the message suggests the nearest ones.
    ModelError
        When it is no model that layerscope knows, or has no layers.
    """
    backend = backend_for(model)
    selection = backend.select(layers)
    prepared = prepare(x, backend.inputs(), input_range=input_range, resize=resize, size=size)
    run = backend.run(prepared.value, selection)
    if not run.network.layers:
        raise ModelError(f"The model {run.network.name!r} has no layers: nothing was called.")
    if selection.deferred:
        selection = backend.select(layers, run.network.layers)
        kept = [layer.address for i, layer in enumerate(run.network) if selection.wants(layer, i)]
        run = replace(run, values={address: run.values[address] for address in kept})
    selection.check(run.values, [*(layer.address for layer in run.network), *run.aliases])
    return Recording(
        run.values,
        network=run.network,
        inputs=run.inputs,
        aliases={alias: of for alias, of in run.aliases.items() if of in run.values},
        notes=(*prepared.notes, *run.network.notes, *_upcast(run.values)),
        digest=lambda: _digests(backend, run.inputs),
    )


def _upcast(values: Mapping[str, NamedArray]) -> tuple[str, ...]:
    types = sorted({str(a.attrs["dtype"]) for a in values.values() if "dtype" in a.attrs})
    return (f"{' and '.join(types)} values are shown as float32",) if types else ()


def _digests(backend: Backend, inputs: Mapping[str, NamedArray]) -> dict[str, str]:
    digest = hashlib.sha256()
    for name, array in inputs.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array.values).data)
    return {"model": backend.digest(), "input": digest.hexdigest()}
