"""``activations``: one forward pass, every layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from layerscope.instruments.passes import Passes, joined
from layerscope.recordings.recording import Recording


def activations(
    model: Any,
    x: Any,
    layers: Any = None,
    *,
    input_range: tuple[float, float] | str = (0, 1),
    resize: str = "stretch",
    size: tuple[int, int] | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
    batch_size: int | None = None,
    samples: int | None = None,
    edits: Mapping[str, Any] | None = None,
) -> Recording:
    """Return the activations of a model's layers on an input, by one pass in inference mode.

    What comes some at a time, as files and the batches of a loader do, is one pass for each part.

    Parameters
    ----------
    model
        A Keras 3 model, a ``torch.nn.Module`` or a scikit-learn MLP. It is left as it was.
    x
        A batch in the framework's own layout: an array, a DataFrame, or a list, tuple or dict of
        arrays for several inputs (a dict is keyword arguments in PyTorch). Or the path of an image,
        of a ``.npy`` or ``.npz`` file (``file.npz:name`` for one array of several), a PIL image, or
        a list of these. A folder or a glob of such files, which runs some of them at a time. Or
        ``"digits:7"``, ``"digits"``, ``"noise"`` or ``"zeros"``. Or what yields batches: a PyTorch
        ``DataLoader``, a ``tf.data.Dataset``, a ``keras.utils.PyDataset``, a generator; of a batch
        ``(x, y)`` x is taken, and a dict is inputs by name.
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
    preprocess
        A function, or its name ``"package.module:function"``, which gets each batch of images, 0 to
        255 in the model's own layout, and returns what the model is to get, instead of
        ``input_range``. Arrays are taken as they are.
    batch_size
        How many samples to run at a time; an array all at once by default, files as many as take
        half a gigabyte, up to 32. The batches of a loader are its own.
    samples
        How many samples to take, from the first on; all by default. A loader that never ends needs
        it.
    edits
        What becomes of which values on the way, as :func:`edited` takes it: ``{"conv2d:29": 0}``;
        what follows from them is what is recorded.

    Returns
    -------
    Recording
        A mapping from addresses to ``xarray.DataArray`` in execution order; ``.input`` is what the
        network received. Files give their names to the samples.

    Raises
    ------
    InputError
        When x does not fit the model, the message says what it expects; when the activations on
        all that comes some at a time would take more than half of the memory that is free; or when
        a loader never ends, or yields nothing.
    AddressError
        When no layer is so named; the message suggests the nearest ones.
    ModelError
        When it is no model that layerscope knows, or has no layers.
    """
    made = Passes.on(
        model,
        x,
        layers,
        input_range=input_range,
        resize=resize,
        size=size,
        preprocess=preprocess,
        batch_size=batch_size,
        samples=samples,
    )
    if edits is None:
        return joined(made)
    from layerscope.instruments.interventions.edited import recorded_with

    return recorded_with(made, edits)
