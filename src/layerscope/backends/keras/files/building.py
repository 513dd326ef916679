"""A configuration, made into a Keras model; its memory is taken only once its size is known."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

from layerscope.backends.availability import choose_keras_backend, installed, needs
from layerscope.backends.keras.files.repairs import FUNCTIONS
from layerscope.backends.keras.files.sequentials import built_once
from layerscope.backends.opening.files import Request
from layerscope.backends.opening.imported import import_module
from layerscope.core.errors import LayerscopeError, ModelError
from layerscope.core.foreign_errors import first_sentence


def prepare(request: Request) -> dict[str, Any]:
    """Choose what Keras runs on, import it and what the user named.

    Returns the user's own classes and functions, by their names: those passed and those registered.
    """
    choose_keras_backend(request.backend)
    needs("keras")
    needs(os.environ.get("KERAS_BACKEND") or "jax")
    for name in request.imports:
        import_module(name)
    import keras

    return {**keras.saving.get_custom_objects(), **request.custom_objects}


def build(
    config: Mapping[str, Any],
    path: Path,
    custom: Mapping[str, Any],
    check: Callable[[Any], None],
    *,
    drawn: bool = False,
) -> Any:
    """Return the model that a configuration in Keras 3's own form describes, not compiled.

    The variables get no memory before ``check`` has seen their shapes: a configuration can ask for
    any size. They are zero, to be overwritten, unless they are to be ``drawn`` at random.

    Raises ModelError when Keras can't build it, in one sentence; ``check`` may raise, too.
    """
    import keras

    def made() -> Any:
        model = keras.saving.deserialize_keras_object(
            copy.deepcopy(dict(config)),  # Keras takes it apart
            custom_objects={**custom, **FUNCTIONS},
            safe_mode=True,
        )
        if not isinstance(model, keras.Model):
            raise ModelError(f"{str(path)!r} describes no model but {type(model).__name__!r}.")
        check(model)
        return model

    with said(path), _forgotten_if_it_fails():
        try:
            with _forgotten_if_it_fails(), keras.StatelessScope(initialize_variables=False):
                model = made()
        except ValueError as error:
            # Layers of the user's own may make variables from values, which can't be put off.
            if not custom or "stateless scope" not in str(error):
                raise
            return made()
        if not drawn:
            # Drawing numbers that are overwritten at once takes JAX a compilation for each shape.
            for variable in model.weights:
                variable._initializer = keras.initializers.Zeros()
        with keras.StatelessScope():
            pass  # Keras fills the variables as it leaves.
        if keras.backend.backend() == "torch":
            for layer in model._flatten_layers():
                layer._post_build()  # as Keras does where nothing was put off
        return model


@contextmanager
def _forgotten_if_it_fails() -> Iterator[None]:
    """Forget variables that were to get memory later where this fails.

    They would get it in a later scope of anyone's, and fail there.
    """
    from keras.src.backend.common import global_state

    waiting = "uninitialized_variables"
    before = list(global_state.get_global_attribute(waiting, []) or [])
    try:
        yield
    except BaseException:
        global_state.set_global_attribute(waiting, before)
        raise


@contextmanager
def said(path: Path) -> Iterator[None]:
    """Raise in one sentence what Keras raises in here; its warnings are not for the user.

    Sequentials are built once.
    """
    try:
        with warnings.catch_warnings(), built_once():
            warnings.simplefilter("ignore")
            yield
    except LayerscopeError:
        raise
    # Keras and the frameworks below it, on a configuration or file of any content, and the user's
    # own layers: they may raise anything.
    except Exception as error:
        raise ModelError(_reason(path, error)) from error


def _reason(path: Path, error: Exception) -> str:
    text = str(error)
    if "safe_mode" in text or "disallowed" in text:
        return (
            f"{str(path)!r} holds what could run code, and opening a file never runs code: build "
            "the model in Python and pass it as architecture=, to get its weights, or as "
            "package.module:name."
        )
    if "Could not locate" in text:
        what = text.partition("Could not locate ")[2].partition(".")[0]
        return (
            f"{str(path)!r} needs {what}, which Keras does not know: name the module that "
            "registers it with --import, or pass custom_objects=."
        )
    damage = OSError | BadZipFile | ZlibError | EOFError | JSONDecodeError | KeyError
    if isinstance(error, damage):
        return f"{str(path)!r} is damaged or no model file: {first_sentence(text)}."
    if isinstance(error, ImportError) and not installed("tensorflow"):
        return f"{str(path)!r} has layers that need TensorFlow: {first_sentence(text)}."
    where = text.rpartition("Exception encountered: ")[2]
    return f"Keras can't open {str(path)!r}: {first_sentence(where)}."
