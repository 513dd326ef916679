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

from layerscope.backends.keras.files import weights_files as weights
from layerscope.backends.keras.files.building import build, prepare, said
from layerscope.backends.keras.files.configs import parse
from layerscope.backends.keras.files.hdf5 import Written, fits, load_weights, translated
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
    """The model in a ``.keras`` file, not compiled; no code that it holds is run.

    Raises ModelError when the file is damaged, holds code, or names classes that Keras does not
    know.
    """
    path = request.path
    check_archive(path, ".keras file")
    if request.architecture is not None:
        raise ModelError(
            f"{str(path)!r} holds its own architecture: leave out the one that you passed."
        )
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
    config, done = translated(config, written.version or "3", path, custom)
    with _damage(path), tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(path) as archive:
            extracted = Path(archive.extract(_WEIGHTS, folder))
        model = build(config, path, custom, fits(path, _numbers(extracted, path)))
        if any(name.startswith("assets/") for name in names):
            model = _with_assets(path, config, custom)
        else:
            with _named(path, extracted):
                load_weights(model, extracted)
    return remember(model, Origin(str(path), "Keras archive", str(written), in_words(done)))


def _written(archive: zipfile.ZipFile, names: set[str], path: Path) -> Written:
    if "metadata.json" not in names:
        return Written("", "")
    version = parse(archive.read("metadata.json"), path).get("keras_version")
    return Written(version if isinstance(version, str) else "", "")


def _numbers(extracted: Path, path: Path) -> int:
    """How many numbers the weights are."""
    import h5py

    with _named(path, extracted), h5py.File(extracted, "r") as file:
        return weights.check_datasets(file, extracted)


def _with_assets(path: Path, config: dict[str, Any], custom: Mapping[str, Any]) -> Any:
    """The model of an archive with vocabularies and the like, which Keras alone reads."""
    import keras

    content = io.BytesIO(path.read_bytes())
    with tempfile.TemporaryDirectory() as folder, said(path):
        copy = Path(folder) / "model.keras"
        with zipfile.ZipFile(content) as old, zipfile.ZipFile(copy, "w") as new:
            for name in old.namelist():
                changed = json.dumps(config).encode() if name == "config.json" else old.read(name)
                new.writestr(name, changed)
        return keras.saving.load_model(
            copy, custom_objects={**custom, **FUNCTIONS}, compile=False, safe_mode=True
        )


@contextmanager
def _named(path: Path, extracted: Path) -> Iterator[None]:
    """Errors about the unpacked weights are about the archive."""
    try:
        yield
    except ModelError as error:
        raise ModelError(str(error).replace(str(extracted), str(path))) from error


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """What reading a damaged archive raises, as one sentence."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError, RuntimeError,
            NotImplementedError) as error:  # fmt: skip
        raise ModelError(
            f"{str(path)!r} is damaged or no .keras file: {first_sentence(str(error))}."
        ) from error
