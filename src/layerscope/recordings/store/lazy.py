"""An ``xarray.DataArray`` that asks for its values when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

Read = Callable[[Mapping[str, "int | slice"]], npt.NDArray[Any]]


class _Asked(BackendArray):
    def __init__(
        self, read: Read, dims: tuple[str, ...], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._read = read
        self._dims = dims
        self.shape = shape
        self.dtype = dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._get
        )

    def _get(self, key: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        return self._read(dict(zip(self._dims, key, strict=True)))


def lazy_array(
    read: Read,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Any],
) -> xr.DataArray:
    """Return an array whose values ``read`` returns, given an integer or a slice for each axis."""
    values = indexing.LazilyIndexedArray(_Asked(read, dims, shape, dtype))
    return xr.DataArray(xr.Variable(dims, values, attrs), coords=dict(coords))
