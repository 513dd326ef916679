"""Which class looks into which models, and which module opens which files.

The tables hold what layerscope brings. Other packages add to them by entry points:

========================  =============================================  =========================
group                     name                                           value
========================  =============================================  =========================
``layerscope.backends``   the package that the models' classes live in:  a class,
                          ``flax``, or one within it, ``flax.nnx``       ``package.module:Class``
``layerscope.openers``    a suffix of files: ``eqx`` or ``.eqx``         a module or an object with
                                                                         ``open_file(request)``
========================  =============================================  =========================

Nothing is imported before a model or a file asks for it, and installed packages are searched for
entry points only when the tables do not answer. The tables come first: no entry point replaces
what layerscope does itself.
"""

from __future__ import annotations

import functools
import importlib
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from layerscope.backends.base import Backend
from layerscope.core.console import warn
from layerscope.core.errors import ModelError
from layerscope.core.foreign_errors import error_text

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: The backend of the models whose classes live in a package.
BACKENDS = {
    "keras": "layerscope.backends.keras.backend:KerasBackend",
    "torch": "layerscope.backends.torch.backend:TorchBackend",
    "sklearn": "layerscope.backends.sklearn.backend:SklearnBackend",
    "onnx": "layerscope.backends.onnx.backend:OnnxBackend",
    "onnxruntime": "layerscope.backends.onnx.backend:OnnxBackend",
    "layerscope.backends.onnx.model": "layerscope.backends.onnx.backend:OnnxBackend",
}
#: What opens the files with a suffix.
OPENERS = {
    ".keras": "layerscope.backends.keras.files.archive",
    ".h5": "layerscope.backends.keras.files.hdf5",
    ".hdf5": "layerscope.backends.keras.files.hdf5",
    ".json": "layerscope.backends.keras.files.json_files",
    ".pt": "layerscope.backends.torch.files.opening",
    ".pth": "layerscope.backends.torch.files.opening",
    ".bin": "layerscope.backends.torch.files.opening",
    ".pt2": "layerscope.backends.torch.files.opening",
    ".safetensors": "layerscope.backends.torch.files.opening",
    ".onnx": "layerscope.backends.onnx.opening",
    ".pkl": "layerscope.backends.sklearn.opening",
    ".pickle": "layerscope.backends.sklearn.opening",
    ".joblib": "layerscope.backends.sklearn.opening",
    ".skops": "layerscope.backends.sklearn.opening",
}
_BACKENDS_GROUP = "layerscope.backends"
_OPENERS_GROUP = "layerscope.openers"
_KERAS_2 = (
    "the Keras before Keras 3: save it and open it with Keras 3, or build it from `import keras`"
)
#: Why the models of a package have no backend, unless an entry point brings one.
_REFUSED = {"tf_keras": _KERAS_2, "tensorflow": _KERAS_2}
_REQUIRED = tuple(name for name in vars(Backend) if not name.startswith("_"))
#: The answers to earlier questions, by the models' classes.
_CLASSES: weakref.WeakKeyDictionary[type, Callable[[Any], Backend]] = weakref.WeakKeyDictionary()


class Plugin:
    """What one entry point brings; it is imported when it is asked for."""

    def __init__(self, entry: EntryPoint, what: str, package: str) -> None:
        self.what = what  #: in words: ``a backend for flax``
        self.package = package  #: which brings it, and its version: ``layerscope-flax 1.0``
        self.value = entry.value  #: where it is: ``package.module:name``
        self._entry = entry

    def load(self) -> Any:
        """Import it; raise ModelError where that fails."""
        try:
            return self._entry.load()
        # Somebody else's code, which may raise anything.
        except (Exception, SystemExit) as error:
            raise self.error(f"which can't be imported: {error_text(error)}") from error

    def error(self, complaint: str) -> ModelError:
        """Return what to raise where it is not what it should be."""
        return ModelError(
            f"{self.package} brings {self.what}, {self.value}, {complaint}: mend or uninstall that "
            "package."
        )


def backend_class(model: Any) -> Callable[[Any], Backend]:
    """Return the class that looks into this model, by the model's own type, most derived first.

    Raises
    ------
    ModelError
        When it is not a model of a framework that has a backend, or the backend is broken.
    """
    if isinstance(model, type):
        raise ModelError(
            f"{model.__name__} is a class: pass a model, {model.__name__}(...), not its class."
        )
    class_ = _CLASSES.get(type(model))
    if class_ is not None:
        return class_
    class_ = _backend_class(type(model))
    if class_ is None:
        forget()  # one may have been installed since
        class_ = _backend_class(type(model))
    if class_ is None:
        others = sorted(_plugins(_BACKENDS_GROUP))
        raise ModelError(
            f"layerscope can't look into a {type(model).__name__}: pass a Keras 3 model, a "
            "torch.nn.Module, an onnx.ModelProto, a scikit-learn MLPClassifier or MLPRegressor"
            + (f", or a model of {' or '.join(others)}." if others else ".")
        )
    _CLASSES[type(model)] = class_
    return class_


def _backend_class(type_: type) -> Callable[[Any], Backend] | None:
    for kind in type_.__mro__[:-1]:
        packages = list(_packages(str(kind.__module__) or "__main__"))
        for package in packages:
            if package in BACKENDS:
                module, _, name = BACKENDS[package].partition(":")
                return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
        for package in packages:
            plugin = _plugin(package)
            if plugin is not None:
                return _checked(plugin)
        if packages[-1] in _REFUSED:
            reason = _REFUSED[packages[-1]]
            raise ModelError(f"{type_.__name__} belongs to {packages[-1]}, {reason}.")
    return None


def _packages(module: str) -> Iterator[str]:
    """Yield a module and the packages around it, from the inside out."""
    while module:
        yield module
        module = module.rpartition(".")[0]


def _checked(plugin: Plugin) -> Callable[[Any], Backend]:
    class_ = plugin.load()
    if not isinstance(class_, type):
        raise plugin.error("which is no class")
    missing = [name for name in _REQUIRED if not hasattr(class_, name)]
    if missing:
        raise plugin.error(f"which lacks {', '.join(missing)}")
    return class_


def opener_plugins() -> dict[str, tuple[Plugin, ...]]:
    """Return the plugins that open files, by suffix."""
    return _plugins(_OPENERS_GROUP)


def forget() -> None:
    """Search the installed packages anew at the next lookup."""
    _plugins.cache_clear()
    _CLASSES.clear()


def _plugin(name: str) -> Plugin | None:
    plugins = _plugins(_BACKENDS_GROUP).get(name, ())
    if len(plugins) > 1:
        raise ModelError(
            f"{' and '.join(plugin.package for plugin in plugins)} bring a backend for {name} "
            "each: uninstall all but one of them."
        )
    return plugins[0] if plugins else None


@functools.cache
def _plugins(group: str) -> dict[str, tuple[Plugin, ...]]:
    """Search the installed packages for entry points; return them by name.

    One that claims what is in a table is left out, with a warning.
    """
    is_backend = group == _BACKENDS_GROUP
    by_name: dict[str, dict[str, Plugin]] = {}
    for entry, package in _entry_points(group):
        name = entry.name if is_backend else f".{entry.name.lstrip('.').lower()}"
        what = f"a backend for {name}" if is_backend else f"an opener of {name}"
        if name in OPENERS or (is_backend and not BACKENDS.keys().isdisjoint(_packages(name))):
            warn(
                f"{package} brings {what}, which layerscope has itself: it is not used.",
                stacklevel=2,
            )
        else:
            # The same object by way of two packages is no conflict.
            by_name.setdefault(name, {}).setdefault(entry.value, Plugin(entry, what, package))
    return {name: tuple(plugins.values()) for name, plugins in by_name.items()}


def _entry_points(group: str) -> Iterator[tuple[EntryPoint, str]]:
    """Yield the entry points of a group, each with the package that brings it and its version.

    A package whose list can't be read is left out: with a warning, where it names the group.
    """
    # Imported here: most processes look up what is in the tables.
    from importlib import metadata

    seen = set()
    for distribution in metadata.distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except (OSError, ValueError):  # not to be read, or no text
            continue
        name = str(distribution.metadata["Name"]) if group in text else ""
        if not name or name in seen:  # another version, further down in sys.path
            continue
        seen.add(name)
        package = f"{name} {distribution.version}"
        try:
            entries = distribution.entry_points.select(group=group)
        except (TypeError, ValueError) as error:  # a line without "="
            message = f"The entry points of {package} can't be read: {error_text(error)}."
            warn(message, stacklevel=2)
            continue
        for entry in entries:
            yield entry, package
