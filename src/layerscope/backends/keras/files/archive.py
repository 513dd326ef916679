"""Keras' own format since 2.12: ``.keras``, an archive of a configuration and HDF5 weights."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layerscope.backends.keras.files.building import build, prepare, said
from layerscope.backends.keras.files.configs import parse
from layerscope.backends.keras.files.hdf5 import (
    Written,
    fits,
    keras_3_weights,
    translated,
    with_architecture,
)
from layerscope.backends.keras.files.hdf5_contents import Hdf5Group, hdf5_contents
from layerscope.backends.keras.files.repairs import FUNCTIONS, in_words
from layerscope.backends.opening.files import Request, check_archive
from layerscope.backends.origin import remember
from layerscope.core.errors import ModelError
from layerscope.core.foreign_errors import first_sentence
from layerscope.core.network import Origin

_WEIGHTS = "model.weights.h5"
#: A configuration is text about layers: the largest known ones take a few megabytes.
_LONGEST_CONFIG = 100_000_000


def open_file(request: Request) -> Any:
    """Return the model in a ``.keras`` file, not compiled; no code that it holds is run.

    Raises ModelError when the file is damaged, holds code, or names classes that Keras does not
    know.
    """
    path = request.path
    check_archive(path, ".keras file")
    with _damage(path), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        for member in ("config.json", _WEIGHTS):
            if member not in names:
                raise ModelError(
                    f"{str(path)!r} is damaged or no .keras file: There is no {member} in it."
                )
        if archive.getinfo("config.json").file_size > _LONGEST_CONFIG:
            raise ModelError(f"{str(path)!r} is no .keras file: its config.json is too long.")
        config = parse(archive.read("config.json"), path)
        written = _written(archive, names, path)
    custom = prepare(request)
    if request.architecture is not None:
        # Its own may hold code, a Lambda layer; then its weights are what is wanted.
        with _damage(path), _weights(path) as file:
            return with_architecture(request, file, custom, written)
    config, done = translated(config, written.version or "3", path, custom)
    with _damage(path), _weights(path) as file:
        model = build(config, path, custom, fits(path, file))
        with said(path), keras_3_weights(file) as copy:
            if any(name.startswith("assets/") for name in names):
                model = _with_assets(path, config, custom, copy)
            else:
                model.load_weights(copy)
    return remember(model, Origin(str(path), "Keras archive", str(written), in_words(done)))


@contextmanager
def _weights(path: Path) -> Iterator[Hdf5Group]:
    """Read what is in the HDF5 file of weights in an archive."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(path) as archive:
            extracted = Path(archive.extract(_WEIGHTS, folder))
        with hdf5_contents(extracted, path) as file:
            yield file


def _written(archive: zipfile.ZipFile, names: set[str], path: Path) -> Written:
    if "metadata.json" not in names:
        return Written("", "")
    version = parse(archive.read("metadata.json"), path).get("keras_version")
    return Written(version if isinstance(version, str) else "", "")


def _with_assets(
    path: Path, config: dict[str, Any], custom: Mapping[str, Any], weights: Path
) -> Any:
    """Return the model of an archive with vocabularies and the like, which Keras alone reads."""
    import keras

    content = io.BytesIO(path.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.keras"
        with zipfile.ZipFile(content) as old, zipfile.ZipFile(copy, "w") as new:
            for name in old.namelist():
                if name == _WEIGHTS:
                    new.write(weights, name)
                else:
                    is_config = name == "config.json"
                    new.writestr(name, json.dumps(config).encode() if is_config else old.read(name))
        return keras.saving.load_model(
            copy, custom_objects={**custom, **FUNCTIONS}, compile=False, safe_mode=True
        )


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Raise in one sentence what reading a damaged archive raises."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError, RuntimeError,
            NotImplementedError) as error:  # fmt: skip
        raise ModelError(
            f"{str(path)!r} is damaged or no .keras file: {first_sentence(str(error))}."
        ) from error
