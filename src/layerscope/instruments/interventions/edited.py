"""``edited``: a context in which a model computes with other values than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from layerscope.backends import backend_for
from layerscope.backends.base import Backend, Editable
from layerscope.backends.editing import AxesByAddress, Editing, LayerEdit
from layerscope.core.console import warn
from layerscope.core.errors import ModelError
from layerscope.core.text import quoted
from layerscope.inputs import Prepared
from layerscope.instruments.interventions.edits import read_edits
from layerscope.instruments.passes import Passes, joined
from layerscope.recordings.recording import Recording


@contextmanager
def edited(model: Any, edits: Mapping[str, Any]) -> Iterator[Any]:
    """Have a model compute with edited values of its layers, for as long as the ``with`` lasts.

    Whatever calls the model meanwhile gets what follows from them: the model itself, ``predict``
    and ``evaluate``, and every instrument. Afterwards it is as it was, also after an exception.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module``, a fitted scikit-learn MLP; or what
        :func:`load_model` returned of an ONNX file, which only instruments can call.
    edits
        What becomes of which values: ``{"conv2d:29": 0}`` silences a unit, ``{"conv2d:29@7,3": 1}``
        sets a neuron, ``{"block1": lambda a: a * 0.5}`` halves a layer. An address may be a glob,
        or name several units (``"conv2d:3,30"``). A value is a number, an array that can be
        broadcast to what it replaces, or a function of what is there, in tensors of the framework
        (NumPy arrays for ONNX and scikit-learn), which returns as many or one number. Layers are
        presented as in a recording, samples first and channels last; of a unit it gets the maps,
        without the axis of units. What the layer returned is edited, so after an activation that is
        fused into it.

    Yields
    ------
    The model.

    Raises
    ------
    AddressError
        When there is no such layer, unit or position.
    InputError
        When a value does not fit.
    ModelError
        When a value can't be edited: what functions between the modules of PyTorch return.
    """
    backend = backend_for(model)
    known = [layer.address for layer in backend.describe()]
    with edits_made(backend, read_edits(edits, known)) as editing:
        yield model
    if editing.unmet and editing.was_called:
        warn(f"{editing.unmet[0]!r} was not called, so nothing was edited there.", stacklevel=3)


@contextmanager
def edits_made(
    backend: Backend, edits: list[LayerEdit], axes: AxesByAddress | None = None
) -> Iterator[Editing]:
    """Have the model of a backend edited, as long as this lasts.

    Raises ModelError where its backend can't.
    """
    if not isinstance(backend, Editable):
        raise ModelError(
            f"Values of a model of {backend.framework} can't be edited: of Keras, PyTorch, ONNX "
            "and scikit-learn they can."
        )
    with backend.edited(edits, axes) as editing:
        yield editing


def recorded_with(passes: Passes, edits: Mapping[str, Any]) -> Recording:
    """Return the recording of these passes, on a model of which values are edited.

    Raises AddressError, InputError and ModelError as :func:`edited`, and ModelError where a layer
    that is edited was never called. Where not all layers are wanted, a note says so instead.
    """
    known = [layer.address for layer in passes.backend.describe()]
    with edits_made(passes.backend, read_edits(edits, known)) as editing:
        recording = joined(replace(passes, edited=tuple(map(str, edits))))
    if editing.unmet and passes.layers is None:
        raise ModelError(f"{editing.unmet[0]!r} was not called: nothing can be edited there.")
    if editing.unmet:  # the pass may have ended before it, where what is wanted does not need it
        names = ", ".join(map(quoted, editing.unmet))
        recording.notes += (f"not edited, as no pass came to it: {names}",)
    return recording


def recorded_without(passes: Passes, prepared: Prepared, silenced: Sequence[str]) -> Recording:
    """Return the recording of one of these passes, on the model with units silenced.

    Raises AddressError and ModelError as :func:`edited`.
    """
    known = [layer.address for layer in passes.backend.describe()]
    edits = dict.fromkeys(silenced, 0)
    with edits_made(passes.backend, read_edits(edits, known)) as editing:
        recording = replace(passes, edited=tuple(silenced)).record(prepared)
    if editing.unmet:
        raise ModelError(f"{editing.unmet[0]!r} was not called: nothing can be edited there.")
    return recording
