"""``receptive_field``: the box on the input that a unit at one position is computed from."""

from __future__ import annotations

from typing import Any

from layerscope.core.receptive_field import Paths, ReceptiveField
from layerscope.instruments.activations import activations
from layerscope.recordings.recording import Recording


def receptive_field(model: Any, address: str, x: Any = "zeros", **options: Any) -> ReceptiveField:
    """Return the box on the input that a unit at one position is computed from; prints as text.

    It is exact: what lies outside changes nothing, and its first and last rows and columns do. It
    follows from what each layer computes; weights, of which some may be 0, do not count.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module``, an ONNX model, a scikit-learn MLP; or a recording
        of one, as :func:`layerscope.activations` returns it.
    address
        ``mixed4:42@7,7``: unit 42 in row 7 and column 7. ``mixed4:42`` is the one in the middle,
        and ``mixed4`` all units there.
    x
        An input as for :func:`layerscope.activations`, whose size is what counts; zeros of the size
        that the model expects by default. ``options`` are those of ``activations``.

    Returns
    -------
    ReceptiveField
        Half-open ranges ``.y`` and ``.x``, or ``.z``, or ``.position``, cut off at the border;
        ``.whole`` whether it is all of the input, ``.because`` the layer that mixes all positions;
        ``.grid`` size, stride and offset of the layer's fields; ``.local`` the field without what
        only weighs whole channels (squeeze-and-excite).

    Raises
    ------
    AddressError
        When there is no such layer, unit or position.
    """
    recording = model if isinstance(model, Recording) else activations(model, x, **options)
    return paths_of(recording).field(recording.place(address))


def paths_of(recording: Recording) -> Paths:
    """Return the ways from the layers of a recorded network back to its inputs."""
    inputs = {}
    for name, order in recording.input_axes.items():
        lengths = recording.axes(name)
        inputs[name] = {axis: lengths[axis] for axis in order}
    return Paths(recording.network, inputs)
