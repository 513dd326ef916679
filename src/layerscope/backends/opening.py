"""Models from where they are written down: a file, or a name that can be imported.

No code is run by opening a file: Keras' safe mode stays on, and a pickle is opened only by those
who say that they trust it. A name is imported, as ``python -m`` would.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import os
import sys
import zipfile
import zlib
from collections.abc import Callable
from json import JSONDecodeError
from pathlib import Path
from types import ModuleType
from typing import Any

from layerscope.backends.availability import choose_keras_backend, needs
from layerscope.errors import LayerscopeError, MissingDependencyError, ModelError

_LATER = {
    ".h5": "an HDF5 file of Keras",
    ".hdf5": "an HDF5 file of Keras",
    ".onnx": "an ONNX file",
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
    ".pt2": "a PyTorch file",
    ".safetensors": "a safetensors file",
    ".tflite": "a TensorFlow Lite file",
    ".pb": "a TensorFlow file",
    ".ckpt": "a checkpoint",
}
_PICKLES = (".pkl", ".pickle", ".joblib")
_OPENS = (
    "what opens is a .keras file, an importable package.module:name, and, with --trust, a "
    ".joblib or .pkl file"
)


def open_model(spec: str, *, backend: str | None = None, trust: bool = False) -> Any:
    """The model that is written as a file name or as ``package.module:name``.

    ``package.module:name`` is a model, or a function or class that returns one, called with the
    literal arguments that stand in brackets after it: ``keras.applications:VGG16(weights=None)``.

    Parameters
    ----------
    backend
        What Keras computes with: ``"jax"``, ``"tensorflow"`` or ``"torch"``.
    trust
        Open pickles, which can run any code.

    Raises
    ------
    ModelError
        When there is no such file or name, or it holds no model.
    MissingDependencyError
        When the framework is not installed; the message names the extra that brings it.
    """
    path = Path(spec)
    if path.suffix.lower() == ".keras":
        return _open_keras(path, backend)
    if path.suffix.lower() in _PICKLES:
        return _open_pickle(path, trust)
    if path.exists():
        kind = (
            "a folder" if path.is_dir() else _LATER.get(path.suffix.lower(), "no known model file")
        )
        raise ModelError(f"{spec!r} is {kind}, which layerscope does not open: {_OPENS}.")
    module, colon, expression = spec.partition(":")
    if not colon or not module or os.sep in module:
        raise ModelError(f"There is no file {spec!r}: {_OPENS}.")
    return _imported(module, expression, backend)


def _open_keras(path: Path, backend: str | None) -> Any:
    if not path.exists():
        raise ModelError(f"There is no file {str(path)!r}.")
    if path.is_dir():
        raise ModelError(f"{str(path)!r} is a folder, not a .keras file.")
    if not os.access(path, os.R_OK):
        raise ModelError(f"{str(path)!r} can't be read: permission denied.")
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise ModelError(f"{str(path)!r} is empty.")
    if not zipfile.is_zipfile(path):
        kind = "truncated or damaged" if start == b"PK\x03\x04" else "no .keras file"
        raise ModelError(f"{str(path)!r} is {kind}: it is not a whole zip archive.")
    choose_keras_backend(backend)
    needs("keras")
    needs(os.environ.get("KERAS_BACKEND", "jax"))
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    # What Keras raises for files that are damaged, or written by something else.
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OSError, RuntimeError,
            ImportError, zipfile.BadZipFile, zlib.error, EOFError) as error:  # fmt: skip
        raise ModelError(_keras_reason(path, error)) from error


def _keras_reason(path: Path, error: BaseException) -> str:
    text = str(error)
    if "safe_mode" in text or "disallowed" in text:
        return (
            f"{str(path)!r} holds Python code (a Lambda layer), and opening a file never runs "
            "code: build the model in Python and pass it as package.module:name."
        )
    if "Could not locate" in text:
        what = text.partition("Could not locate ")[2].partition(".")[0]
        return (
            f"{str(path)!r} needs {what}, which Keras does not know: import the code that "
            "registers it and pass the model as package.module:name."
        )
    damage = OSError | zipfile.BadZipFile | zlib.error | EOFError | JSONDecodeError | KeyError
    if isinstance(error, damage):
        return f"{str(path)!r} is damaged or no .keras file: {_first_sentence(text)}."
    return f"Keras can't open {str(path)!r}: {_first_sentence(text)}."


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": .")


def _first_sentence(text: str) -> str:
    """The first line of a message, without its full stop."""
    line = next((line for line in text.strip().splitlines() if line.strip()), "it does not say why")
    line = line.strip()
    if line[0] == line[-1] and line[0] in "\"'":  # a KeyError's message is quoted
        line = line[1:-1]
    return line.split(". ")[0].rstrip(".")[:300]


def _open_pickle(path: Path, trust: bool) -> Any:
    if not path.is_file():
        raise ModelError(f"There is no file {str(path)!r}.")
    if not trust:
        raise ModelError(
            f"{str(path)!r} is a pickle, and a pickle can run any code when it is opened: pass "
            "--trust if you made this file yourself."
        )
    needs("joblib", "sklearn")
    import pickle

    import joblib

    try:
        # joblib reads what pickle wrote, too.
        return joblib.load(path)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{str(path)!r} needs the module {error.name!r}, which is not installed."
        ) from error
    except (pickle.UnpicklingError, ValueError, KeyError, AttributeError, IndexError, EOFError,
            OSError, ImportError, TypeError, UnicodeDecodeError) as error:  # fmt: skip
        raise ModelError(
            f"{str(path)!r} can't be opened as a pickle: {_first_sentence(str(error))}."
        ) from error


def _imported(module_name: str, expression: str, backend: str | None) -> Any:
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does
    name, call = _parse(expression, module_name)
    # The module may import Keras: its backend has to be chosen before.
    choose_keras_backend(backend)
    module = _import(module_name)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ModelError(_no_such_name(module_name, part, found)) from None
    if isinstance(found, ModuleType):
        raise ModelError(f"{module_name}:{name} is a module, not a model or a function.")
    if call is None and not inspect.isclass(found) and not inspect.isroutine(found):
        return found
    args, kwargs = call or ([], {})
    return _called(found, f"{module_name}:{expression}", args, kwargs)


def _import(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        needs(missing.partition(".")[0])
        if module_name == missing or module_name.startswith(missing + "."):
            raise ModelError(_no_such_module(module_name, missing)) from error
        raise MissingDependencyError(
            f"{module_name!r} needs the module {missing!r}, which is not installed."
        ) from error
    # Somebody else's code, which may raise anything.
    except Exception as error:
        raise ModelError(f"{module_name!r} can't be imported: {_one_line(error)}.") from error


def _parse(
    expression: str, module_name: str
) -> tuple[str, tuple[list[Any], dict[str, Any]] | None]:
    """The dotted name, and the literal arguments that it is to be called with; None for no call."""
    what = f"{module_name}:{expression}"
    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ModelError(
            f"{what!r} can't be read: write package.module:name(arg=value)."
        ) from error
    call = None
    if isinstance(node, ast.Call):
        try:
            args = [ast.literal_eval(arg) for arg in node.args]
            kwargs = {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg}
        except (ValueError, TypeError, SyntaxError) as error:
            raise ModelError(
                f"{what!r}: only literal arguments are read, such as 3, 'a', None, (2, 3)."
            ) from error
        if len(kwargs) != len(node.keywords):
            raise ModelError(f"{what!r}: write the arguments out, without **.")
        call, node = (args, kwargs), node.func
    name = ast.unparse(node)
    if not all(part.isidentifier() for part in name.split(".")):
        raise ModelError(f"{what!r} can't be read: write package.module:name(arg=value).")
    return name, call


def _called(
    function: Callable[..., Any], what: str, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise ModelError(
            f"{what} can't be called so: {error}; arguments are written "
            "package.module:name(arg=value)."
        ) from error
    except ValueError:  # no signature to be had
        pass
    try:
        return function(*args, **kwargs)
    except LayerscopeError:
        raise
    # Somebody else's code, which may raise anything: Keras raises a bare Exception without network.
    except Exception as error:
        raise ModelError(f"{what} raised {_one_line(error)}.") from error


def _no_such_module(module_name: str, missing: str) -> str:
    parent, _, leaf = missing.rpartition(".")
    names: list[str] = []
    if parent and parent in sys.modules:
        names = [n for n in dir(sys.modules[parent]) if not n.startswith("_")]
    elif not parent:
        names = [path.stem for path in Path.cwd().glob("*.py")]
    near = difflib.get_close_matches(leaf, names, n=3)
    hint = f": did you mean {' or '.join(map(repr, near))}?" if near else "."
    return f"There is no module {module_name!r} to import{hint}"


def _no_such_name(module_name: str, name: str, found: Any) -> str:
    names = [n for n in dir(found) if not n.startswith("_")]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f": did you mean {' or '.join(map(repr, near))}?" if near else "."
    return (
        f"{module_name!r} has no {name!r}{hint}" if name else f"{module_name}: gives no name{hint}"
    )
