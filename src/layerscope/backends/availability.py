"""Which frameworks are installed, and what Keras is to compute with. Imports none of them."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layerscope.core.errors import MissingDependencyError, ModelError

#: The extra that brings each package.
EXTRAS = {
    "keras": "keras-jax",
    "jax": "keras-jax",
    "tensorflow": "keras-tensorflow",
    "torch": "torch",
    "safetensors": "torch",
    "sklearn": "sklearn",
    "joblib": "sklearn",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "skops": "sklearn",
    "zarr": "record",
    "fsspec": "record",
    "starlette": "page",
    "uvicorn": "page",
    "ray": "ray",
}
_KERAS_BACKENDS = ("jax", "tensorflow", "torch")


def installed(package: str) -> bool:
    """Return whether the package can be imported; it is not."""
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None


def needs(package: str, extra: str | None = None) -> None:
    """Raise MissingDependencyError, naming the extra, for a framework that is not installed."""
    extra = extra or EXTRAS.get(package)
    if extra is not None and not installed(package):
        raise MissingDependencyError(
            f"{package} is not installed: pip install 'layerscope[{extra}]'."
        )


def choose_keras_backend(requested: str | None = None) -> None:
    """Settle what Keras computes with, before it is imported.

    What was asked for; else ``KERAS_BACKEND``; else Keras' own configuration file, where that
    framework is installed; else the first one installed of JAX, TensorFlow and PyTorch.

    Raises
    ------
    ModelError
        When it is no backend of Keras, or Keras already runs on another.
    MissingDependencyError
        When it is not installed.
    """
    if requested is not None and requested not in _KERAS_BACKENDS:
        raise ModelError(f"backend {requested!r}: Keras runs on {', '.join(_KERAS_BACKENDS)}.")
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if requested not in (None, running):
            raise ModelError(
                f"Keras already runs on {running} in this process: {requested} needs a new one."
            )
        return
    if requested is not None:
        needs(requested, "torch" if requested == "torch" else f"keras-{requested}")
        os.environ["KERAS_BACKEND"] = requested
    elif not os.environ.get("KERAS_BACKEND"):
        # Set even where it agrees with the file: Keras would write "tensorflow" into a new one.
        chosen = _configured() or next(filter(installed, _KERAS_BACKENDS), None)
        if chosen is not None:
            os.environ["KERAS_BACKEND"] = chosen


@contextmanager
def keras_backend_for_import(requested: str | None = None) -> Iterator[None]:
    """Settle what Keras computes with, as long as the block imports what may need it.

    Where that did not bring in Keras, and nobody has asked for a backend, it is open again: a
    PyTorch model needs another than the one that was chosen before the model was known.

    Raises what :func:`choose_keras_backend` does.
    """
    stated = os.environ.get("KERAS_BACKEND")
    choose_keras_backend(requested)
    try:
        yield
    finally:
        if requested is None and "keras" not in sys.modules:
            if stated is None:
                os.environ.pop("KERAS_BACKEND", None)
            else:
                os.environ["KERAS_BACKEND"] = stated


def require_keras(purpose: str) -> None:
    """Settle what Keras computes with, for what is no model of Keras; it is not imported.

    PyTorch where that is in memory already, since its modules need Keras on PyTorch, too; else as
    :func:`choose_keras_backend` does.

    Raises
    ------
    MissingDependencyError
        When Keras, or what it is to compute with, is not installed.
    ModelError
        When it is to compute with what has no gradients.
    """
    if not installed("keras"):
        extra = "features" if any(map(installed, _KERAS_BACKENDS)) else "keras-jax"
        raise MissingDependencyError(
            f"Keras is not installed, which {purpose} need: pip install 'layerscope[{extra}]'."
        )
    if "keras" in sys.modules:
        return
    stated = os.environ.get("KERAS_BACKEND")
    choose_keras_backend("torch" if "torch" in sys.modules and not stated else None)
    chosen = os.environ.get("KERAS_BACKEND") or "jax"
    if chosen not in _KERAS_BACKENDS:
        raise ModelError(
            f"KERAS_BACKEND is {chosen!r}, which has no gradients: set it to jax, tensorflow or "
            "torch."
        )
    needs(chosen)


def _configured() -> str | None:
    """Return the backend in Keras' configuration file, where it is installed."""
    home = os.environ.get("KERAS_HOME")
    folder = Path(home) if home else Path("~").expanduser() / ".keras"
    try:
        config = json.loads((folder / "keras.json").read_text())
    except (OSError, ValueError):
        return None
    backend = config.get("backend") if isinstance(config, dict) else None
    return backend if backend in _KERAS_BACKENDS and installed(backend) else None
