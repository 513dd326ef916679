"""What the network received of samples, on disk, so that memory does not grow with them."""

from __future__ import annotations

import math
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray

Array = npt.NDArray[Any]


class Spool:
    """A file that is gone with the process; a place in it that was freed is written again."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0
        self._free: dict[int, list[int]] = {}  #: places, by their size
        self._lock = threading.RLock()  # places are freed whenever, also within what is done here

    def inputs(self, arrays: Mapping[str, NamedArray]) -> Mapping[str, NamedArray]:
        """Return arrays that are read from the file when they are asked for.

        What can't be written, as values that are no numbers, or on a disk that is full, stays in
        memory.
        """
        if not arrays or any(array.values.dtype.hasobject for array in arrays.values()):
            return arrays
        described = {
            name: (array.values.dtype, array.values.shape, array.axes)
            for name, array in arrays.items()
        }
        data = b"".join(array.values.tobytes() for array in arrays.values())
        place = self._written(data)
        return arrays if place is None else SpooledInputs(self, place, described)

    def read(self, place: int, size: int) -> bytes:
        """Return what was written at a place."""
        with self._lock:
            assert self._file is not None
            self._file.seek(place)
            return self._file.read(size)

    def free(self, place: int, size: int) -> None:
        """Let a place be written again."""
        with self._lock:
            self._free.setdefault(size, []).append(place)

    def _written(self, data: bytes) -> int | None:
        """Return where the file has it now; None where it can't be written."""
        with self._lock:
            free = self._free.get(len(data))
            place = free.pop() if free else self._end
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
                    weakref.finalize(self, self._file.close)
                self._file.seek(place)
                if self._file.write(data) < len(data):
                    return None
            except OSError:
                return None
            self._end = max(self._end, place + len(data))
        return place


class SpooledInputs(Mapping[str, NamedArray]):
    """The inputs of a sample, which are in a spool for as long as anybody has this."""

    def __init__(
        self,
        spool: Spool,
        place: int,
        described: Mapping[str, tuple[np.dtype[Any], tuple[int, ...], tuple[str, ...]]],
    ) -> None:
        self._spool, self._place, self._described = spool, place, described
        sizes = [dtype.itemsize * math.prod(shape) for dtype, shape, _ in described.values()]
        self._begins = dict(zip(described, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        self.nbytes = sum(sizes)

    def __getitem__(self, name: str) -> NamedArray:
        dtype, shape, axes = self._described[name]
        size = dtype.itemsize * math.prod(shape)
        data = self._spool.read(self._place + self._begins[name], size)
        return NamedArray(np.frombuffer(bytearray(data), dtype).reshape(shape), axes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._described)

    def __len__(self) -> int:
        return len(self._described)

    def __reduce__(self) -> Any:
        return dict, (list(self.items()),)  # another process has them in memory

    def __del__(self) -> None:
        self._spool.free(self._place, self.nbytes)
