"""Models from where they are written down: a file, or a name that can be imported.

::

    path ──► which kind of file ──► one module for each kind ──► the framework's own model
                                                             └─► origin: what was repaired

No code is run by opening a file: Keras' safe mode stays on, PyTorch reads weights only, and a
pickle is opened only by those who say that they trust it. A name is imported, as ``python -m``
would. Which module opens which files is in the tables of ``backends/registry.py``, and in the entry
points ``layerscope.openers`` of other packages; each is an :class:`Opener`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from layerscope.backends.opening import others
from layerscope.backends.opening.contents import is_pickle, opener_of
from layerscope.backends.opening.files import Request, no_such_file, start_of
from layerscope.backends.opening.imported import import_module, imported
from layerscope.backends.registry import OPENERS, Plugin, opener_plugins
from layerscope.core.errors import LayerscopeError, ModelError
from layerscope.core.files import kind_of
from layerscope.core.foreign_errors import error_text

_SAVED_MODEL = "layerscope.backends.keras.files.savedmodel"
_SKLEARN = "layerscope.backends.sklearn.opening"
_OPENED = (
    "what opens is a file of Keras (.keras, .h5, a SavedModel folder, a model.json of "
    "TensorFlow.js), PyTorch (.pt2, and .pt, .pth or .safetensors with an architecture), ONNX "
    "(.onnx) or scikit-learn (.skops; .pkl and .joblib when trusted), or an importable "
    "package.module:name"
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
    """Open the model in a file, as its own framework has it; or one that can be imported.

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
    if isinstance(opener, Plugin):
        return _opened(opener, request)
    return importlib.import_module(opener).open_file(request)


class Opener(Protocol):
    """What opens one kind of file: a module, or any object, that has this function.

    It may have another, ``sniff(start: bytes) -> bool``, which tells from the first bytes whether a
    file is of its kind. It is asked about files whose suffix nobody knows, and where several
    openers know the suffix.
    """

    def open_file(self, request: Request) -> Any:
        """Return the framework's own model; raise ModelError for a file that holds none."""


def _opener(file: Path) -> str | Plugin | None:
    """Return the module or the plugin for this file; None for what is no file that opens."""
    if kind_of(file / "saved_model.pb") == "file":
        return _SAVED_MODEL
    suffix = file.suffix.lower()
    if kind_of(file) != "file":
        return OPENERS.get(suffix) or _plugin(file, suffix, b"")
    start = start_of(file)
    what = others.by_content(file, start)
    if what is not None:
        raise ModelError(f"{str(file)!r} is {what}.")
    if suffix not in OPENERS and suffix in opener_plugins():
        return _plugin(file, suffix, start)
    # What it is comes before what it is called: the same file goes by many names.
    return (
        opener_of(file, start)
        or OPENERS.get(suffix)
        or _plugin(file, suffix, start)
        or (_SKLEARN if is_pickle(start) else None)
    )


def _plugin(file: Path, suffix: str, start: bytes) -> Plugin | None:
    """Return the plugin that opens a file: by its suffix, or by its first bytes."""
    plugins = opener_plugins()
    candidates = plugins.get(suffix, ())
    if len(candidates) == 1:
        return candidates[0]
    if not start:
        return None
    asked = candidates or tuple(plugin for each in plugins.values() for plugin in each)
    confident = {plugin.value: plugin for plugin in asked if _sniffs(plugin, start)}
    if len(confident) == 1:
        return next(iter(confident.values()))
    rivals = confident.values() or candidates
    if rivals:
        packages = " and ".join(plugin.package for plugin in rivals)
        raise ModelError(
            f"{packages} all open files such as {str(file)!r}: uninstall all but one of them."
        )
    return None


def _sniffs(plugin: Plugin, start: bytes) -> bool:
    """Return whether a plugin knows a file by its first bytes; one that is broken knows none."""
    try:
        sniff = getattr(plugin.load(), "sniff", None)
        return sniff is not None and bool(sniff(start))
    # Somebody else's code, which may raise anything, and was asked about somebody else's file.
    except (Exception, SystemExit):  # noqa: BLE001
        return False


def _opened(plugin: Plugin, request: Request) -> Any:
    """Have a plugin open a file; raise ModelError for whatever else it raises."""
    opener = plugin.load()
    if not callable(getattr(opener, "open_file", None)):
        raise plugin.error("which has no open_file(request)")
    try:
        model = opener.open_file(request)
    except LayerscopeError:
        raise
    # Somebody else's code, which may raise anything.
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"{str(request.path)!r} can't be opened by {plugin.package}: {error_text(error)}."
        ) from error
    if model is None:
        raise plugin.error(f"which returned no model for {str(request.path)!r}")
    return model


def _unknown(file: Path) -> str:
    """Say what is wrong with a path that is neither a file that opens nor a name."""
    if kind_of(file / "zarr.json") == "file":
        return (
            f"{str(file)!r} is a recording, not a model: ls.open_recording opens it, and in the "
            "shell layerscope look, timeline, film, export, report and open take it."
        )
    what = others.by_name(file) if kind_of(file) in ("file", "folder") else None
    if what is not None:
        return f"{str(file)!r} is {what}."
    if kind_of(file) == "folder":
        return f"{str(file)!r} is a folder without a saved_model.pb: {_opens()}."
    if kind_of(file) == "file":
        return f"{str(file)!r} is no known kind of model file: {_opens()}."
    if os.path.lexists(file):
        start_of(file)  # says what else it is
    return no_such_file(file, f"{_opens()}.")


def _opens() -> str:
    """Say which files open."""
    plugins = [
        f"{suffix} ({plugin.package})"
        for suffix, theirs in sorted(opener_plugins().items())
        for plugin in theirs
    ]
    return f"{_OPENED}; and {', '.join(plugins)}" if plugins else _OPENED
