"""Every format that layerscope opens: its seeds, and the files that were made to do harm.

One more format, as the stores of recordings, is a module with a function of seeds and one of
crafted files, and an entry here. A seed may be a folder: then one of the files in it is changed.
"""

from __future__ import annotations

import importlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hostile import seeds
from hostile.files import File, Seed
from hostile.mutations import mutated
from hostile.runner import Folders

Mutate = Callable[[bytes, random.Random, str], bytes]
#: Yields files, given a folder of its own and ``outside``.
Crafted = Callable[[Path, Path], Iterator[File]]


@dataclass(frozen=True, slots=True)
class Format:
    """How files of one format come about, and what they need."""

    seeds: Callable[[Path], Iterator[Seed]] | None
    crafted: str | None  #: ``module:function``: a module may need what is not installed
    needs: tuple[str, ...] = ()  #: packages
    keras: bool = False  #: whether it is opened by Keras, on whichever backend
    share: int = 1  #: of the mutated files, against the other formats
    mutate: Mutate = mutated


FORMATS: dict[str, Format] = {
    "array": Format(seeds.arrays, "crafted_arrays:files"),
    "image": Format(seeds.images, "crafted_images:files", share=2),
    "keras": Format(seeds.keras_archives, "crafted_keras:files", ("keras",), True, 2),
    "hdf5": Format(seeds.keras_hdf5, "crafted_hdf5:files", ("keras", "h5py"), True, 2),
    "savedmodel": Format(seeds.saved_models, None, ("keras", "tensorflow"), True),
    "torch": Format(seeds.torch_states, "crafted_torch:files", ("torch",), share=2),
    "pt2": Format(seeds.torch_programs, "crafted_torch:programs", ("torch",)),
    "onnx": Format(seeds.onnx_files, "crafted_onnx:files", ("onnx", "onnxruntime"), share=2),
    "sklearn": Format(seeds.sklearn_files, "crafted_sklearn:files", ("sklearn", "joblib")),
    "names": Format(None, "crafted_names:files"),
}


def mutated_files(name: str, count: int, folders: Folders, seed: int = 0) -> Iterator[File]:
    """So many files of a format, each in a folder of its own, the same for the same ``seed``."""
    one = FORMATS[name]
    for source in sound_seeds(name, folders):
        opens = None if source.path.suffix == ".joblib" else True
        what = f"{source.path.name} as it was"
        yield File(name, what, str(source.path), source.way, source.architecture, opens)
    sources = list(sound_seeds(name, folders))
    for number in range(count):
        rng = random.Random(f"{name} {seed} {number}")
        source = sources[number % len(sources)]
        folder = folders.files / f"{name}-{seed}-{number}"
        folder.mkdir()
        target = folder / source.path.name
        if source.path.is_dir():
            shutil.copytree(source.path, target)
            inside = sorted(path for path in target.rglob("*") if path.is_file())
            changed = rng.choice(inside)
        else:
            # What is beside it may belong to it: weights in a file of their own.
            for other in source.path.parent.glob("*.bin"):
                shutil.copy(other, folder)
            changed = target
            shutil.copy(source.path, target)
        changed.chmod(0o644)
        changed.write_bytes(one.mutate(changed.read_bytes(), rng, changed.suffix))
        in_shell = source.way == "model" and number % 4 == 3
        way = "shell" if in_shell else source.way
        what = f"{source.path.name}, mutation {number} of seed {seed}"
        yield File(name, what, str(target), way, source.architecture)
        shutil.rmtree(folder)


def crafted_files(name: str, folders: Folders) -> Iterator[File]:
    """The files of a format that were made to do harm."""
    if FORMATS[name].crafted is None:
        return
    module, _, function = str(FORMATS[name].crafted).partition(":")
    crafted: Crafted = getattr(importlib.import_module(f"hostile.{module}"), function)
    folder = folders.files / f"{name}-crafted"
    folder.mkdir()
    yield from crafted(folder, folders.outside)
    shutil.rmtree(folder)


def sound_seeds(name: str, folders: Folders) -> Iterator[Seed]:
    """The seeds of a format, written once."""
    make = FORMATS[name].seeds
    if make is None:
        return
    folder = folders.seeds / name
    if not folder.exists():
        folder.mkdir()
    yield from _seeds(name, folder, make)


_MADE: dict[Path, list[Seed]] = {}


def _seeds(name: str, folder: Path, make: Callable[[Path], Iterator[Seed]]) -> list[Seed]:
    if folder not in _MADE:
        _MADE[folder] = list(make(folder))
    return _MADE[folder]
