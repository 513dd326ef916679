"""Samples of the data that a network is for: what its units reach on them, and their colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.inputs import is_used_up
from layerscope.instruments.passes import Passes

Array = npt.NDArray[Any]

_CHUNK = 32


@dataclass(frozen=True)
class Examples:
    """Samples as the model receives them, in its own layout, some at a time."""

    open: Callable[[], Passes]  #: files are read once by each

    @classmethod
    def of(cls, model: Any, samples: Any, **options: Any) -> Examples:
        """Return what :func:`layerscope.activations` takes as x; ``options`` are its own.

        Raises InputError where it can't be read, does not fit the model, or can be read only once.
        """
        if is_used_up(samples):
            raise InputError(
                f"samples= is a {type(samples).__name__}, which can be run through only once: pass "
                "a DataLoader, a data set, files or an array."
            )
        return cls(lambda: Passes.on(model, samples, **options))

    @cached_property
    def first(self) -> Array:
        """Some of them."""
        return next(self.chunks())

    def chunks(self) -> Iterator[Array]:
        """Return all of them, up to 32 at a time.

        Raises InputError where they are not one array.
        """
        for prepared in self.open().inputs():
            value = _numbers(prepared.value)
            if not isinstance(value, np.ndarray):
                raise InputError(
                    f"samples= came to a {type(value).__name__}: pass images, or one array."
                )
            for begin in range(0, len(value), _CHUNK):
                yield value[begin : begin + _CHUNK]


def _numbers(value: Any) -> Any:
    """Return the array that a tensor of any framework holds; what is no array as it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value) if hasattr(value, "shape") else value
