"""Keras' older format: HDF5 files, of models and of weights.

::

    model_config ──► checked ──► translated for today's Keras ──► built ──► weights by layer
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope.backends.keras.files import weights_files as weights
from layerscope.backends.keras.files.building import build, prepare, said
from layerscope.backends.keras.files.configs import (
    check_safe,
    major,
    nodes,
    parse,
    with_known_names,
    without,
)
from layerscope.backends.keras.files.hdf5_contents import Hdf5Group, hdf5_contents, write_hdf5
from layerscope.backends.keras.files.repairs import in_words
from layerscope.backends.keras.files.translation import Translation
from layerscope.backends.opening.files import HDF5, ZIP, Request, start_of
from layerscope.backends.opening.imported import imported
from layerscope.backends.origin import remember
from layerscope.core.errors import LayerscopeError, ModelError
from layerscope.core.foreign_errors import first_sentence
from layerscope.core.network import Origin


def open_file(request: Request) -> Any:
    """Return the model in an HDF5 file of Keras, not compiled.

    Raises ModelError when the file is damaged, holds code, holds only weights and no architecture
    was given, or does not fit the architecture.
    """
    start = start_of(request.path)
    if not start.startswith(HDF5):
        hint = ": it is a zip archive, but no .keras file"
        raise ModelError(
            f"{str(request.path)!r} is no HDF5 file{hint if start.startswith(ZIP) else ''}."
        )
    custom = prepare(request)
    with _hdf5(request.path) as file:
        written = Written.of(file)
        if request.architecture is not None:
            return with_architecture(request, file, custom, written)
        if "model_config" not in file.texts:
            raise ModelError(_no_architecture(request.path, file))
        return _whole(request, file, custom, written)


@dataclass(frozen=True)
class Written:
    """Who wrote a file."""

    version: str
    backend: str

    @staticmethod
    def of(file: Hdf5Group) -> Written:
        """Return what an HDF5 file says of it: at its root, or beside the weights."""
        groups = [file, file.group("model_weights") or file]
        version, backend = (
            next((text for group in groups if (text := weights.text(group, name))), "")
            for name in ("keras_version", "backend")
        )
        return Written(version, backend)

    def __str__(self) -> str:
        where = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
        known = where.get(self.backend, self.backend.capitalize())
        return f"Keras {self.version}{f' on {known}' if known else ''}" if self.version else ""


@contextmanager
def _hdf5(path: Path) -> Iterator[Hdf5Group]:
    """Read what is in the file; nonsense in it becomes one sentence."""
    try:
        with hdf5_contents(path) as file:
            yield file
    except LayerscopeError:
        raise
    # What texts and shapes of any content lead to.
    except (OSError, KeyError, ValueError, RuntimeError, AttributeError, IndexError, TypeError,
            MemoryError) as error:  # fmt: skip
        raise ModelError(f"{str(path)!r} is damaged: {first_sentence(str(error))}.") from error


def _whole(request: Request, file: Hdf5Group, custom: Mapping[str, Any], written: Written) -> Any:
    path, group = request.path, file.group("model_weights")
    if group is None:
        raise ModelError(f"{str(path)!r} is damaged: it holds an architecture, but no weights.")
    config = parse(weights.text(file, "model_config"), path)
    stored = weights.stored_layers(group, path)
    version = written.version or _version_in(config)
    config, done = translated(config, version, path, custom)
    model, more = _filled(config, path, custom, stored, written.backend)
    repairs = in_words([*done, *more])
    return remember(model, Origin(str(path), "Keras HDF5", str(written), repairs))


def translated(
    config: dict[str, Any], version: str, path: Path, custom: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return a configuration of Keras 2 or 3 as today's Keras takes it, and what was done to it.

    Raises ModelError where it holds code, names what is not Keras', or has no counterpart.
    """
    config = without(config, "compile_config")
    check_safe(config, path, custom)
    new = major(version) >= 3
    if new and "module" in config:
        return with_known_names(config, custom), []
    translation = Translation(path, not new, custom)
    try:
        return translation.model(config), translation.done
    except ModelError:
        raise
    # A description of nonsense: a list where a number should be, or nothing at all.
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{str(path)!r} is damaged: its description of the layers makes no sense "
            f"({first_sentence(str(error))})."
        ) from error


def _filled(
    config: dict[str, Any],
    path: Path,
    custom: Mapping[str, Any],
    stored: list[weights.Stored],
    backend: str,
) -> tuple[Any, list[tuple[str, str]]]:
    """Return the model, with the weights stored; and what was done to those."""
    fitting: list[weights.Assignment] = []

    def check(model: Any) -> None:
        fitting[:] = weights.assignments(model, stored, path, backend)

    model = build(config, path, custom, check)
    with said(path):
        return model, weights.assign(fitting)


def json_config(
    path: Path, custom: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str]], str]:
    """Return the configuration in a JSON file, what was repaired, and which Keras wrote it."""
    start_of(path)
    config = parse(path.read_bytes(), path)
    if "class_name" not in config or "config" not in config:
        raise ModelError(
            f"{str(path)!r} describes no Keras model: it has no class_name and config."
        )
    version = _version_in(config)
    return (*translated(config, version, path, custom), version)


def _version_in(config: Mapping[str, Any]) -> str:
    """Return the version that a configuration says, or that its form tells."""
    if isinstance(config.get("keras_version"), str):
        return str(config["keras_version"])
    calls = [call for node in nodes(config) for call in node.get("inbound_nodes") or []]
    of_3 = config.get("module") == "keras" or any(
        isinstance(call, dict) and "args" in call for call in calls
    )
    return "3" if of_3 or "batch_shape" in str(config) else "2"


def fits_in_memory(path: Path) -> Callable[[Any], None]:
    """Refuse a model that this machine has no memory for."""

    def check(model: Any) -> None:
        size = sum(4 * _count(variable.shape) for variable in model.variables)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if size > memory:
            raise ModelError(
                f"{str(path)!r} describes a model of {size:,} bytes, and this machine has "
                f"{memory:,}."
            )

    return check


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def _no_architecture(path: Path, file: Hdf5Group) -> str:
    if not _is_keras_2(file) and not _is_keras_3(file):
        return f"{str(path)!r} is an HDF5 file, but no model of Keras."
    return (
        f"{str(path)!r} holds only weights: pass the architecture that they belong to, with "
        "--architecture package.module:Class(args) or --architecture model.json."
    )


def _is_keras_2(group: Hdf5Group) -> bool:
    """Tell whether these are weights as Keras 2 laid them out."""
    return "layer_names" in group.texts or "layer_names0" in group.texts


def _is_keras_3(file: Hdf5Group) -> bool:
    """Tell whether these are weights as Keras 3 lays them out."""
    names = ("layers", "_layer_checkpoint_dependencies", "vars")
    return any(name in file.members for name in names)


def with_architecture(
    request: Request, file: Hdf5Group, custom: Mapping[str, Any], written: Written
) -> Any:
    """Return the weights in the file, in the architecture that was given."""
    path, given = request.path, request.architecture
    group = file.group("model_weights") or file
    legacy = _is_keras_2(group)
    if not legacy and not _is_keras_3(file):
        raise ModelError(f"{str(path)!r} is an HDF5 file, but holds no weights of Keras.")
    stored = weights.stored_layers(group, path) if legacy else []
    done: list[tuple[str, str]] = []
    as_path = Path(given) if isinstance(given, str | os.PathLike) else None
    if as_path is not None and as_path.suffix.lower() == ".json":
        config, done, _ = json_config(as_path, custom)
        if legacy:
            model, more = _filled(config, as_path, custom, stored, written.backend)
            done += more
        else:
            model = build(config, as_path, custom, fits(path, file))
    else:
        model = _given(given, request.backend)
        if legacy:
            with said(path):
                done += weights.assign(weights.assignments(model, stored, path, written.backend))
    if not legacy:
        with said(path), keras_3_weights(file) as copy:
            model.load_weights(copy)
    what = "Keras HDF5 weights" if legacy else "Keras 3 weights"
    return remember(model, Origin(str(path), what, str(written), in_words(done)))


def fits(path: Path, file: Hdf5Group) -> Callable[[Any], None]:
    """Return a check that refuses a model which is larger than what is stored for it."""
    numbers = sum(array.size for array in file.arrays())

    def check(model: Any) -> None:
        wanted = sum(_count(variable.shape) for variable in model.variables)
        if wanted > numbers + 1000:  # states of random generators are not always stored
            raise ModelError(
                f"The weights in {str(path)!r} don't fit: it holds {numbers:,} numbers, and the "
                f"architecture asks for {wanted:,}."
            )

    return check


def _given(given: Any, backend: str | None) -> Any:
    """Return the model that ``architecture=`` means."""
    import keras

    model = given
    if isinstance(given, str):
        if ":" not in given:
            raise ModelError(
                f"architecture {given!r} can't be read: write package.module:Class(args), or the "
                "path of a JSON file."
            )
        model = imported(given, backend)
    elif not isinstance(given, keras.Model) and callable(given):
        model = given()
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"The architecture is no Keras model but a {type(model).__name__!r}: pass a model, "
            "what makes one, package.module:Class(args), or the path of a JSON file."
        )
    if not model.weights:
        raise ModelError(
            "The architecture has no weights yet: give it an Input, or call it once on an array."
        )
    return model


@contextmanager
def keras_3_weights(file: Hdf5Group) -> Iterator[Path]:
    """Write weights as Keras 3 lays them out to a file of our own, which Keras may read.

    Keras reads these by the HDF5 library, in this process: not from a file of a stranger's.
    """
    with tempfile.TemporaryDirectory(prefix="layerscope-") as folder:
        path = Path(folder) / "model.weights.h5"  # Keras knows the format by this ending only
        write_hdf5(path, file, without=("optimizer",))
        yield path
