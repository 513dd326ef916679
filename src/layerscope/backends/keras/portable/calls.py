"""One call of a Keras layer, with symbols in place of the network's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from layerscope.backends.operations import (
    NotExpressibleError,
    OperationWriter,
    Symbol,
)

Array = npt.NDArray[Any]


_FIRST, _LAST = ("channel", "y", "x"), ("y", "x", "channel")


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer or an operation, with symbols in place of the network's values."""

    writer: OperationWriter
    layer: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    shape: tuple[int, ...]  #: of the result, without the samples
    read: Callable[[Any], Array]  #: gives the numbers of a variable

    @property
    def x(self) -> Symbol:
        """The value that it is given."""
        value = self.args[0] if self.args else next(iter(self.kwargs.values()), None)
        return checked_symbol(value)

    @property
    def several(self) -> list[Symbol]:
        """The values that a merging layer is given."""
        return list(map(checked_symbol, self.args[0]))

    @property
    def maps(self) -> Symbol:
        """The value that it is given, as its ``data_format`` says."""
        x = self.x
        if len(x.shape) != 3:
            raise NotExpressibleError(f"works on {len(x.shape) - 1} axes of space instead of 2")
        return self.writer.permuted(x, self.axes)

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes of maps, as its ``data_format`` has them."""
        return _FIRST if self.layer.data_format == "channels_first" else _LAST

    def spatial(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the height and the width of a shape."""
        return tuple(shape[self.axes.index(name)] for name in ("y", "x"))

    def variable(self, name: str) -> Array | None:
        """Return the numbers of a variable of the layer; None where it has none."""
        value = getattr(self.layer, name, None)
        return None if value is None else self.read(value)

    def kernel(self, name: str = "kernel") -> Array:
        """Return the numbers of a kernel."""
        if getattr(self.layer, "quantization_mode", None):
            raise NotExpressibleError("is quantized")
        kernel = self.variable(name)
        assert kernel is not None
        return kernel


def checked_symbol(value: Any) -> Symbol:
    if not isinstance(value, Symbol):
        raise NotExpressibleError(
            "is given a value that code between layers has made, where a page sees layers only"
        )
    return value


def is_by_keras(layer: Any) -> bool:
    """Return whether Keras' own code says what a layer computes, and not a subclass's."""
    return str(getattr(type(layer).call, "__module__", "")).startswith("keras.")
