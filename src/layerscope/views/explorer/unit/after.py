"""Which units of the next layers weigh this one most."""

from __future__ import annotations

import numpy as np

from layerscope.core.addresses import Place
from layerscope.core.wiring import Numbers
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.pictures import picture_of
from layerscope.views.explorer.unit_kernels import LayerKernel, kernel_of
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.colour_scale import number
from layerscope.views.render.panel import Panel

TITLE = "Who listens to it"
ORDER = 60

_MOST = 12  #: of each layer
_LAYERS = 4


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the units after this one whose kernels weigh it most; None where that is not known."""
    if place.unit is None:
        return None
    wiring = moment.wiring
    cards: list[PictureCard] = []
    groups: list[str] = []
    code: list[str] = []
    for reader in wiring.readers(place.layer, place.unit):
        kernel = kernel_of(moment.weights, wiring, reader.layer)
        if kernel is None or len(groups) == _LAYERS:
            continue
        weighing = kernel.weighing(reader.units)
        order = np.argsort(-np.abs(weighing), kind="stable")[:_MOST]
        recorded = reader.layer in set(moment.activations)
        for unit in order.tolist():
            if weighing[unit] == 0:
                continue
            address = f"{reader.layer}:{unit}"
            value = float(weighing[unit])
            view = {"address": address} if recorded else {}
            picture = picture_of(moment, reader.layer, unit) if recorded else None
            cards.append(PictureCard(address, number(value), view, picture, value, len(groups)))
        signed = kernel.single and len(reader.units) == 1
        groups.append(f"{reader.layer}: {'weights' if signed else 'lengths of kernels (L2)'}")
        code.append(_code(kernel, reader.units))
    if not cards:
        return None
    return cards_panel(
        f"who listens to {place}",
        cards,
        address=str(place),
        groups=groups,
        note="" if len(groups) < _LAYERS else f"the first {_LAYERS} layers that receive it",
        extra={"code": moment.line("\n".join(code))},
        provenance=lambda: moment.activations.provenance,
    )


def _code(kernel: LayerKernel, inputs: Numbers) -> str:
    """Return Python that computes how much each unit weighs these inputs, a line for each group."""
    space = list(kernel.space)
    if kernel.depthwise:
        part = f"({kernel.written('unit')}.isel(input={inputs.tolist()}) ** 2).sum() ** 0.5"
        return f"[float({part}) for unit in range({kernel.units})]"
    if kernel.multiplier:
        addresses = [f"{kernel.key}:{number}" for number in inputs.tolist()]
        return "\n".join(f"(weights[{key!r}] ** 2).sum({space!r}) ** 0.5" for key in addresses)
    each, units = kernel.values.shape[-2], kernel.units // kernel.groups
    lines = []
    for group in np.unique(inputs // each).tolist():
        some = f", channel=slice({group * units}, {(group + 1) * units})" * (kernel.groups > 1)
        where = f"input={(inputs[inputs // each == group] % each).tolist()}{some}"
        part = f"weights[{kernel.key!r}].isel({where})"
        lines.append(f"({part} ** 2).sum({[*space, 'input']!r}) ** 0.5")
    return "\n".join(lines)
