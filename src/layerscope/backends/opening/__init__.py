"""Models from where they are written down: a file, or a name that can be imported.

::

    path ──► which kind of file ──► one module for each kind ──► the framework's own model
                                                             └─► origin: what was repaired

No code is run by opening a file: Keras' safe mode stays on, PyTorch reads weights only, and a
pickle is opened only by those who say that they trust it. A name is imported, as ``python -m``
would.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from layerscope.backends.opening.files import HDF5, Request, no_such_file, start_of
from layerscope.backends.opening.imported import import_module, imported
from layerscope.core.errors import ModelError
from layerscope.core.files import kind_of

#: Which module opens files of which names.
_OPENERS = {
    "keras.files.archive": (".keras",),
    "keras.files.hdf5": (".h5", ".hdf5", ".json"),
    "torch.files.opening": (".pt", ".pth", ".bin", ".pt2", ".safetensors"),
    "onnx.opening": (".onnx",),
    "sklearn.opening": (".pkl", ".pickle", ".joblib", ".skops"),
}
_LATER = {
    ".tflite": "a TensorFlow Lite file: convert it to ONNX first, with tf2onnx",
    ".pb": "a frozen TensorFlow graph: convert it to ONNX first, with tf2onnx",
    ".ckpt": "a checkpoint, whose format its name does not tell: rename a PyTorch one to .pt",
    ".mlmodel": "a Core ML file: open the model that it was converted from",
}
_OPENS = (
    "what opens is a file of Keras (.keras, .h5, a SavedModel folder), PyTorch (.pt2, and .pt, "
    ".pth or .safetensors with an architecture), ONNX (.onnx) or scikit-learn (.skops; .pkl and "
    ".joblib when trusted), or an importable package.module:name"
)


def load_model(
    path: str | os.PathLike[str],
    *,
    architecture: Any = None,
    custom_objects: Mapping[str, Any] | None = None,
    imports: Iterable[str] = (),
    backend: str | None = None,
    trust: bool = False,
) -> Any:
    """The model in a file, as its own framework has it; or one that can be imported.

    Old Keras files are repaired as they are opened; ``describe`` says what was repaired.

    Parameters
    ----------
    path
        A file, a SavedModel folder, or ``package.module:name``: a model, or a function or class
        that returns one, called with the literal arguments that stand in brackets after it, as in
        ``keras.applications:VGG16(weights=None)``.
    architecture
        What a file that holds only weights is loaded into: a model, its class or a function that
        makes one, ``package.module:Class(args)``, or, in Keras, the path of a JSON file.
    custom_objects
        Your own classes and functions by the names that the file has for them (Keras).
    imports
        Modules to import first, which register such classes.
    backend
        What Keras computes with: ``"jax"``, ``"tensorflow"`` or ``"torch"``.
    trust
        Open pickles, which can run any code.

    Raises
    ------
    ModelError
        When there is no such file or name, it holds no model, or it would have to be trusted.
    MissingDependencyError
        When the framework is not installed; the message names the extra that brings it.
    """
    if not isinstance(path, str | os.PathLike):
        raise ModelError(f"load_model takes a path, not a {type(path).__name__}.")
    file = Path(path)
    opener = _opener(file)
    module, colon, _ = str(path).partition(":")
    # A file that is there is a file, whatever its name says.
    if opener is None and (os.path.lexists(file) or not colon or not module or os.sep in module):
        raise ModelError(_unknown(file))
    if opener is None:
        for name in imports:
            import_module(name)
        return imported(str(path), backend)
    request = Request(
        file, architecture, dict(custom_objects or {}), tuple(imports), backend, trust
    )
    module_name = f"layerscope.backends.{opener}"
    return importlib.import_module(module_name).open_file(request)


def _opener(file: Path) -> str | None:
    """The module that opens this file; None for what is no file that layerscope opens."""
    if kind_of(file / "saved_model.pb") == "file":
        return "keras.files.savedmodel"
    suffix = file.suffix.lower()
    if kind_of(file) == "file" and start_of(file).startswith(HDF5):
        return "keras.files.hdf5"  # Keras wrote HDF5 under other names, too
    return next((opener for opener, suffixes in _OPENERS.items() if suffix in suffixes), None)


def _unknown(file: Path) -> str:
    """What to say of a path that is neither a file that opens nor a name."""
    if kind_of(file) == "folder":
        return f"{str(file)!r} is a folder without a saved_model.pb: {_OPENS}."
    if kind_of(file) == "file":
        what = _LATER.get(file.suffix.lower(), f"no known kind of model file: {_OPENS}")
        return f"{str(file)!r} is {what}."
    if os.path.lexists(file):
        start_of(file)  # says what else it is
    return no_such_file(file, f"{_OPENS}.")
