"""The unit's kernel: what it weighs its inputs by, the first layer's as colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place
from layerscope.core.wiring import Wiring
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.unit_kernels import (
    InputUnit,
    LayerKernel,
    input_units,
    kernel_of,
    origins,
    owner,
)
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.colour_scale import number
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import Chosen
from layerscope.views.render.tiles import colour_tiles

TITLE = "Its kernel"
ORDER = 20

_MOST = 24  #: inputs that are shown, the strongest first

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Slice:
    """What weighs one input channel: its part of the kernel, and the units that are the input."""

    channel: int
    values: Array  #: (height, width), or a single number
    origins: tuple[InputUnit, ...]

    @property
    def length(self) -> float:
        """How long it is as a vector: its L2 norm."""
        return float(np.sqrt(np.square(self.values, dtype=np.float64).sum()))


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the kernel of the unit, input channel by input channel; None where it has none."""
    wiring = moment.wiring
    unit = owner(wiring, place)
    kernel = kernel_of(moment.weights, wiring, unit.layer) if unit is not None else None
    if unit is None or unit.unit is None or kernel is None or unit.unit >= kernel.units:
        return None
    slices = slices_of(moment, kernel, unit.unit)
    ordered = sorted(slices, key=lambda one: -one.length)[:_MOST]
    pictured = any(one.values.size > 1 for one in slices)
    reach = max((float(np.abs(one.values).max()) for one in slices), default=0.0) or 1.0
    cards = [_card(one, pictured) for one in ordered]
    if (
        kernel.values.shape[-2] == 3
        and set(kernel.space) == {"y", "x"}
        and _from_input(wiring, slices)
    ):
        cards = [_coloured(kernel, unit.unit), *cards]
    drawn = unit.unit // (kernel.multiplier or 1)
    call = f"ls.sheet(weights, {f'{kernel.key}:{drawn}'!r})"
    if kernel.depthwise:
        call = kernel.written(unit.unit)
    return cards_panel(
        f"kernel of {unit}",
        cards,
        address=str(place),
        note=_note(place, unit, len(slices), len(ordered), pictured, reach),
        limits=(-reach, reach) if pictured else None,
        fixed="diverging" if pictured else "",
        extra={"code": moment.line(call)},
        provenance=lambda: moment.activations.provenance,
    )


def _note(place: Place, unit: Place, inputs: int, shown: int, pictured: bool, reach: float) -> str:
    whose = f"of {unit}, whose values these are; " if str(unit) != str(place) else ""
    many = f"the {shown} strongest of {inputs} inputs" if inputs > shown else f"{inputs} inputs"
    what = "the length (L2) of each input's part" if pictured else "the weight of each input"
    how = f", colours from {number(-reach)} to {number(reach)}, zero in the middle"
    return f"{whose}{many if inputs != 1 else '1 input'}: {what}{how if pictured else ''}"


def slices_of(moment: Moment, kernel: LayerKernel, unit: int) -> list[Slice]:
    """Return the parts of a unit's kernel, one for each input channel that it weighs."""
    wiring = moment.wiring
    inputs, values = kernel.of(unit)
    sources = input_units(wiring, kernel.layer, inputs)

    def of(index: int) -> tuple[InputUnit, ...]:
        return origins(moment.activations, wiring, sources, index)

    before = wiring.flattened(kernel.layer)
    if before is not None and values.ndim == 1 and len(before) > 1:
        return _unflattened(values, before, of)
    return [
        Slice(int(channel), _drawn(part), of(i))
        for i, (channel, part) in enumerate(zip(inputs, values, strict=True))
    ]


def _unflattened(
    values: Array, sizes: dict[str, int], of: Callable[[int], tuple[InputUnit, ...]]
) -> list[Slice]:
    """Return the weights of what was flattened, a map for each of its channels."""
    shaped = values.reshape(tuple(sizes.values()))
    numbers = np.arange(values.size).reshape(shaped.shape)
    axis = next((i for i, name in enumerate(sizes) if name == "channel"), None)
    if axis is None:
        return [Slice(0, _drawn(shaped), of(0))]
    parts, firsts = np.moveaxis(shaped, axis, 0), np.moveaxis(numbers, axis, 0)
    return [Slice(i, _drawn(part), of(int(firsts[i].flat[0]))) for i, part in enumerate(parts)]


def _drawn(part: Array) -> Array:
    """Return a part of a kernel as a picture: rows and columns, slices of a volume side by side.

    What lies between the slices is masked.
    """
    part = np.asarray(part, np.float64)
    if part.ndim == 3:
        depth, height, width = part.shape
        room = np.ma.array(np.zeros((depth, height, width + 1)), mask=True)
        room[:, :, :width] = part
        return np.asanyarray(room.transpose(1, 0, 2).reshape(height, -1)[:, :-1])
    return part.reshape(1, -1) if part.ndim < 2 else part


def _card(one: Slice, pictured: bool) -> PictureCard:
    origin = one.origins[0] if one.origins else None
    single = float(one.values.flat[0]) if one.values.size == 1 else None
    return PictureCard(
        " + ".join(origin.name for origin in one.origins) or f"input {one.channel}",
        number(one.length if pictured or single is None else single),
        {"address": origin.address} if origin is not None and origin.address else {},
        one.values if pictured else None,
        None if pictured else single,
    )


def _from_input(wiring: Wiring, slices: list[Slice]) -> bool:
    return all(wiring.is_input(origin.layer) for one in slices for origin in one.origins)


def _coloured(kernel: LayerKernel, unit: int) -> PictureCard:
    """Return the kernel of a unit over red, green and blue as a colour picture."""
    values = kernel.values[..., unit]
    ordered = values if kernel.space == ("y", "x") else values.swapaxes(0, 1)
    chosen = Chosen(kernel.key, "", ordered[None], [""], kernel=True, counts="channel")
    tiles, _, _ = colour_tiles(chosen)
    return PictureCard("in colour", "zero is grey", {}, tiles[0].pixels)
