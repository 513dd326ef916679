"""Models from names that can be imported: ``package.module:name`` and ``name(arg=value)``."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from layerscope.backends.availability import keras_backend_for_import, needs
from layerscope.core.errors import LayerscopeError, MissingDependencyError, ModelError
from layerscope.core.foreign_errors import error_text
from layerscope.core.suggestions import did_you_mean


def imported(spec: str, backend: str | None = None) -> Any:
    """Import the model of that name, or return what the function or class of that name returns.

    Raises
    ------
    ModelError
        When there is no such name, it is a module, or calling it raises.
    MissingDependencyError
        When it needs a module that is not installed.
    """
    _check_no_file(spec)
    module_name, _, expression = spec.partition(":")
    name, call = _parse(expression, module_name)
    # The module may import Keras, also when it is called: its backend has to be chosen before.
    with keras_backend_for_import(backend):
        thing = _imported(module_name, name)
        if isinstance(thing, ModuleType):
            raise ModelError(f"{module_name}:{name} is a module, not a model or a function.")
        if call is None and not inspect.isclass(thing) and not inspect.isroutine(thing):
            return thing
        args, kwargs = call or ([], {})
        return _call(thing, f"{module_name}:{expression}", args, kwargs)


def named(spec: str) -> Any:
    """Import what is of that name, ``package.module:name``: a function is not called.

    Raises
    ------
    ModelError
        When there is no such name.
    MissingDependencyError
        When it needs a module that is not installed.
    """
    _check_no_file(spec)
    module_name, _, expression = spec.partition(":")
    name, call = _parse(expression, module_name)
    if call is not None:
        raise ModelError(f"{spec!r} is a call: write the function's name, without brackets.")
    return _imported(module_name, name)


def _check_no_file(spec: str) -> None:
    """Raise ModelError for the name of a file that is there, which nobody meant to be imported."""
    if os.path.lexists(spec):
        raise ModelError(
            f"{spec!r} is a file, and its name is not imported: move it to another folder, or work "
            "in another, to import what it is called after."
        )


def _imported(module_name: str, name: str) -> Any:
    thing: Any = import_module(module_name)
    for part in name.split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            raise ModelError(_no_such_name(module_name, part, thing)) from None
    return thing


def look_here() -> None:
    """Let modules in the working directory be imported, as ``python -m`` does."""
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)


def import_module(module_name: str) -> ModuleType:
    """Import a module; what its code raises is one sentence."""
    look_here()
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
        raise ModelError(f"{module_name!r} can't be imported: {error_text(error)}.") from error


def _parse(
    expression: str, module_name: str
) -> tuple[str, tuple[list[Any], dict[str, Any]] | None]:
    """Read the dotted name, and the literal arguments of the call; None for no call."""
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


def _call(function: Callable[..., Any], what: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
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
        raise ModelError(f"{what} raised {error_text(error)}.") from error


def _no_such_module(module_name: str, missing: str) -> str:
    parent, _, leaf = missing.rpartition(".")
    names: list[str] = []
    if parent and parent in sys.modules:
        names = [n for n in dir(sys.modules[parent]) if not n.startswith("_")]
    elif not parent:
        names = [path.stem for path in Path.cwd().glob("*.py")]
    hint = did_you_mean(leaf, names)
    return f"There is no module {module_name!r} to import{f': {hint}' if hint else '.'}"


def _no_such_name(module_name: str, name: str, thing: Any) -> str:
    names = [n for n in dir(thing) if not n.startswith("_")]
    hint = did_you_mean(name, names, cutoff=0.5)
    end = f": {hint}" if hint else "."
    return f"{module_name!r} has no {name!r}{end}" if name else f"{module_name}: gives no name{end}"
