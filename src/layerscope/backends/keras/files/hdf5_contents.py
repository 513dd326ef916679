"""What is in a stranger's HDF5 file, read without the HDF5 library in this process.

::

    file ──► hdf5_child, a process with limits ──► groups, texts, places of arrays ──► NumPy
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.backends.keras.files import hdf5_child
from layerscope.core.errors import ModelError
from layerscope.core.files import most_unpacked
from layerscope.core.foreign_errors import first_sentence

#: Seconds of the processor that reading a small file may take; one more for each so many bytes.
_SECONDS, _BYTES_PER_SECOND = 20, 20_000_000
#: So many times that long is waited for: a busy machine is slow. Windows limits no processor.
_PATIENCE = 1 if os.name == "nt" else 6


@dataclass(frozen=True, eq=False)
class Hdf5Array:
    """An array in an HDF5 file: where its values are, read when asked for."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None  #: None for what is no numbers
    texts: Mapping[str, str | list[str]]
    path: Path
    at: int

    @property
    def size(self) -> int:
        """The number of its values."""
        return math.prod(self.shape)

    @property
    def is_numeric(self) -> bool:
        """Whether its values are what a weight can be."""
        return self.dtype is not None and self.dtype.kind in "fiub"

    def read(self) -> NDArray[Any]:
        """Return its values."""
        return np.fromfile(self.path, self.dtype, self.size, offset=self.at).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Hdf5Group:
    """A group in an HDF5 file: the texts that Keras wrote beside it, groups and arrays in it."""

    texts: Mapping[str, str | list[str]]
    members: dict[str, Hdf5Group | Hdf5Array] = field(default_factory=dict)
    root: Hdf5Group | None = None  #: None where it is the root itself

    def get(self, path: str) -> Hdf5Group | Hdf5Array | None:
        """Return what a path leads to from here, as HDF5 reads paths; None for nothing."""
        at: Hdf5Group | Hdf5Array | None = (self.root or self) if path.startswith("/") else self
        for part in path.split("/"):
            if part not in ("", "."):
                at = at.members.get(part) if isinstance(at, Hdf5Group) else None
        return at

    def group(self, path: str) -> Hdf5Group | None:
        """Return the group that a path leads to; None for none."""
        at = self.get(path)
        return at if isinstance(at, Hdf5Group) else None

    def arrays(self) -> Iterator[Hdf5Array]:
        """Yield all arrays in it and in the groups in it."""
        waiting: list[Hdf5Group | Hdf5Array] = [self]
        while waiting:
            one = waiting.pop()
            if isinstance(one, Hdf5Array):
                yield one
            else:
                waiting += one.members.values()


@contextmanager
def hdf5_contents(path: Path, name: Path | None = None) -> Iterator[Hdf5Group]:
    """Read what is in an HDF5 file; its arrays can be read until the block ends.

    Raises ModelError, naming the file as ``name``, when it is damaged, points out of itself, claims
    to hold far more than it does, or takes longer to read than any file should.
    """
    shown = repr(str(name or path))
    with tempfile.TemporaryDirectory(prefix="layerscope-") as folder:
        copies = Path(folder) / "arrays"
        size = path.stat().st_size
        seconds = _SECONDS + size // _BYTES_PER_SECOND
        request = {
            "path": str(path.absolute()), "copies": str(copies), "size": size,
            "most": most_unpacked(size), "processor": seconds, "patience": _PATIENCE * seconds,
        }  # fmt: skip
        answer = _answer(request, shown)
        if "refused" in answer:
            raise ModelError(f"{shown} {answer['refused']}.")
        if "damaged" in answer:
            raise ModelError(f"{shown} is damaged: {first_sentence(answer['damaged'])}.")
        yield _tree(answer["nodes"], {False: path, True: copies}, shown)


def write_hdf5(path: Path, root: Hdf5Group, *, without: Collection[str] = ()) -> None:
    """Write these groups and arrays, and the texts beside arrays, to a new HDF5 file.

    What is neither numbers nor texts of a fixed length is left out, and members of these names.
    """
    import h5py

    with h5py.File(path, "w") as file:
        waiting = [(file, name, one) for name, one in root.members.items() if name not in without]
        while waiting:
            parent, name, one = waiting.pop()
            if isinstance(one, Hdf5Group):
                made = parent.create_group(name)
                waiting += [(made, *member) for member in one.members.items()]
            elif one.dtype is not None:
                parent.create_dataset(name, data=one.read()).attrs.update(one.texts)


def _answer(request: dict[str, Any], shown: str) -> dict[str, Any]:
    """Return what the child says, or where none can be started, what this process reads itself."""
    python = _python()
    if python is None:
        return hdf5_child.answer(request)
    # The child needs these two, from where they are here, and nothing else that is installed.
    import h5py

    packages = {str(Path(file).absolute().parents[1]) for file in (h5py.__file__, np.__file__)}
    text = json.dumps({**request, "packages": sorted(packages)})
    try:
        process = subprocess.Popen(
            [python, "-I", "-S", hdf5_child.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0), text=True,
        )  # fmt: skip
    except OSError:  # no more processes, or none at all on this system
        return hdf5_child.answer(request)
    with process:
        try:
            out, _ = process.communicate(text, timeout=request["patience"])
        except subprocess.TimeoutExpired:
            raise ModelError(
                f"{shown} can't be read as HDF5 within {request['patience']} seconds: it is "
                "damaged, or this machine is too busy."
            ) from None
        finally:
            process.kill()
    if process.returncode == -getattr(signal, "SIGXCPU", 0) != 0:
        raise ModelError(
            f"{shown} can't be read as HDF5 within {request['processor']} seconds of the "
            "processor: it is damaged."
        )
    try:
        answer: dict[str, Any] = json.loads("" if process.returncode else out)
    except ValueError:  # there is no answer, or not a whole one
        raise ModelError(f"{shown} is damaged: the HDF5 library crashed as it read it.") from None
    return hdf5_child.answer(request) if "missing" in answer else answer


def _python() -> str | None:
    """Return the interpreter to start the child with; None where this process is another program.

    One that Python is embedded in, or frozen with, would start itself.
    """
    name = Path(sys.executable or "").name.lower().lstrip(".")
    is_python = name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)
    return sys.executable if is_python and Path(hdf5_child.__file__).is_file() else None


def _tree(nodes: list[dict[str, Any]], paths: Mapping[bool, Path], shown: str) -> Hdf5Group:
    """Return the root of the groups and arrays that the child listed, parents first."""
    root = Hdf5Group(nodes[0]["texts"])
    made: list[Hdf5Group | Hdf5Array] = [root]
    for node in nodes[1:]:
        if "dtype" in node:
            made.append(_array(node, paths[node.get("copied", False)], shown))
        else:
            made.append(Hdf5Group(node["texts"], root=root))
        parent = made[node["parent"]]
        assert isinstance(parent, Hdf5Group)
        parent.members[node["name"]] = made[-1]
    return root


def _array(node: Mapping[str, Any], path: Path, shown: str) -> Hdf5Array:
    dtype = np.dtype(node["dtype"]) if node["dtype"] else None
    shape = (0,) if node["shape"] is None else tuple(node["shape"])
    array = Hdf5Array(shape, dtype, node["texts"], path, node["at"] or 0)
    if dtype is not None and array.at + array.size * dtype.itemsize > path.stat().st_size:
        raise ModelError(f"{shown} is damaged: the values of {node['name']!r} in it are cut off.")
    return array
