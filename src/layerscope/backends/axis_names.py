"""The names of the axes of a pass's values.

A layer may state how it lays out what it returns; else a value is laid out as what it comes from. A
later layer may tell how earlier ones are to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from layerscope.backends.lineage import Lineage, Source
from layerscope.core.axes import Layout, named_axes
from layerscope.core.network import Layer


class AxisNames:
    """Names the axes of one pass's values.

    Parameters
    ----------
    layers
        Those of the pass, as far as it has come; what they are called is corrected in place.
    lineage
        Where values come from.
    default
        How the framework lays out maps where the layer does not say.
    batch
        The number of samples, by which an axis of samples is told from others.
    """

    def __init__(
        self,
        layers: list[Layer],
        lineage: Lineage,
        default: Literal["channels_last", "channels_first"],
        batch: int | None,
    ) -> None:
        self.of_inputs: dict[str, tuple[str, ...]] = {}  #: of what the network received, by name
        self._layers = layers
        self._lineage = lineage
        self._default = default
        self._batch = batch

    def named(
        self,
        layout: Layout | Literal["default"],
        shape: tuple[int | None, ...],
        sources: list[Source | None] | None,
    ) -> tuple[str, ...]:
        """Return the names of a value's axes: as its layer lays it out, or as its sources are."""
        source = next((s for s in sources or () if s and len(s.axes) == len(shape)), None)
        if layout == "inherit" and source is not None:
            return source.axes
        if layout == "channels_last" and source is not None and "sample" in source.axes[1:-1]:
            return source.axes  # (position, sample, channel): what PyTorch calls batch_first=False
        if layout in ("channels_first", "channels_last") and source is not None:
            self._correct_input(source, named_axes(shape, layout=layout))
        if isinstance(layout, tuple) and len(layout) == len(shape):
            if "sample" in layout:
                self._batch = shape[layout.index("sample")]
            if source is not None:
                self._correct_guesses(source, layout)
        stated = layout not in ("inherit", "default")
        if not stated:
            layout = self._default if len(shape) >= 4 else "channels_last"
        samples = stated or len(shape) >= 4 or (bool(shape) and shape[0] in (None, self._batch))
        return named_axes(shape, layout=layout, has_samples=samples)  # type: ignore[arg-type]

    def _correct_input(self, source: Source, axes: tuple[str, ...]) -> None:
        """Correct how the input is laid out by the first layer with a layout of its own."""
        if source.address in self.of_inputs and source.axes != axes:
            self._relabel({source.address}, source.axes, axes)

    def _correct_guesses(self, source: Source, axes: tuple[str, ...]) -> None:
        """Correct the axes of all that led to a layer which says where its samples are."""
        if source.axes == axes:
            return
        rows = {layer.address: layer for layer in self._layers}
        leading: set[str] = set()
        pending = [source.address]
        while pending:
            address = pending.pop()
            layer = rows.get(address)
            if address in leading or (layer is not None and layer.axes != source.axes):
                continue
            leading.add(address)
            pending += layer.inputs if layer is not None else ()
        self._relabel(leading, source.axes, axes)

    def _relabel(self, addresses: set[str], was: tuple[str, ...], axes: tuple[str, ...]) -> None:
        for address in addresses & self.of_inputs.keys():
            if self.of_inputs[address] == was:
                self.of_inputs[address] = axes
        for i, layer in enumerate(self._layers):
            if layer.address in addresses and layer.axes == was:
                shape = layer.shape and open_shape(layer.shape, axes)
                self._layers[i] = replace(layer, axes=axes, shape=shape)
        self._lineage.relabel(addresses, was, axes)


def open_shape(shape: Sequence[int | None], axes: tuple[str, ...]) -> tuple[int | None, ...]:
    """Return the shape with the number of samples left open, as frameworks write it."""
    return tuple(
        None if axis == "sample" else (None if length is None else int(length))
        for axis, length in zip(axes, shape, strict=True)
    )
