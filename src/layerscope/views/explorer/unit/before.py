"""What drives the unit on this sample: the units before it, the strongest first."""

from __future__ import annotations

import numpy as np

from layerscope.core.addresses import Place
from layerscope.core.wiring import Wiring
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.pictures import picture_of, unit_values
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

TITLE = "What drives it here"
ORDER = 50

_MOST = 12


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the units before that contribute most to this one; None where that is not known."""
    wiring = moment.wiring
    unit = owner(wiring, place)
    if unit is None and place.unit is not None:
        return _of_sum(moment, wiring, place, place.unit)
    kernel = kernel_of(moment.weights, wiring, unit.layer) if unit is not None else None
    if unit is None or unit.unit is None or kernel is None or unit.unit >= kernel.units:
        return None
    summed = contributions(moment, wiring, kernel, unit.unit)
    if not summed:
        return None
    ranked = sorted(summed.items(), key=lambda item: -abs(item[1]))
    cards = [
        PictureCard(
            origin.name,
            number(value),
            {"address": origin.address} if origin.address else {},
            picture_of(moment, origin.layer, origin.unit),
            value,
        )
        for origin, value in ranked[:_MOST]
    ]
    exact = kernel.single
    how = (
        "weight × activation, with its sign"
        if exact
        else "length (L2) of its part of the kernel × the mean |activation| that comes in"
    )
    sources = input_units(wiring, kernel.layer, kernel.of(unit.unit)[0])
    if sum(bool((units.units >= 0).all()) for units in sources) > 1:
        how = f"{how}; of what is added up before, each unit stands for the sum"
    many = f", the {_MOST} strongest of {len(ranked)}" if len(ranked) > _MOST else ""
    return cards_panel(
        f"what drives {unit}",
        cards,
        address=str(place),
        note=f"{how}{many}",
        extra={"code": moment.line(_code(moment, wiring, kernel, unit.unit))},
        provenance=lambda: moment.activations.provenance,
    )


def _of_sum(moment: Moment, wiring: Wiring, place: Place, unit: int) -> Panel | None:
    """Return what is brought together to a value, branch by branch; None where nothing is."""
    cards, code = [], []
    for layer, number_of_unit in wiring.summands(place.layer, unit):
        values = unit_values(moment.activations, layer, moment.sample)
        if values is None or number_of_unit >= len(values):
            continue
        name = f"{layer}:{number_of_unit}"
        recorded = layer in set(moment.activations)
        mean = float(values[number_of_unit].mean(dtype=np.float64))
        picture = picture_of(moment, layer, number_of_unit)
        view = {"address": name} if recorded else {}
        cards.append(PictureCard(name, number(mean), view, picture, mean))
        if recorded:
            code.append(f"acts[{name!r}].isel(sample={moment.written}).mean().item()")
    if not cards:
        return None
    return cards_panel(
        f"what drives {place}",
        cards,
        address=str(place),
        note="what is brought together here: the mean of each branch",
        extra={"code": moment.line(f"[{', '.join(code)}]")},
        provenance=lambda: moment.activations.provenance,
    )


def contributions(
    moment: Moment, wiring: Wiring, kernel: LayerKernel, unit: int
) -> dict[InputUnit, float]:
    """Return how much each unit before contributes to a unit on the sample.

    Of a kernel with a number for each input it is that number times the input's value, its mean
    where it has positions; of others the length of the kernel's part times the mean size of what it
    weighs.
    """
    layer = wiring.layers[kernel.layer]
    received = unit_values(moment.activations, layer.inputs[0], moment.sample)
    inputs, values = kernel.of(unit)
    if received is None or received.shape[0] <= inputs.max():
        return {}
    given = received[inputs].reshape(len(inputs), -1).astype(np.float64)
    parts = values.reshape(len(inputs), -1).astype(np.float64)
    if kernel.single:
        each = parts[:, 0] * given.mean(axis=1)
    else:
        each = np.sqrt(np.square(parts).sum(axis=1)) * np.abs(given).mean(axis=1)
    sources = input_units(wiring, kernel.layer, inputs)
    summed: dict[InputUnit, float] = {}
    for i, value in enumerate(each.tolist()):
        for origin in origins(moment.activations, wiring, sources, i):
            summed[origin] = summed.get(origin, 0.0) + value
    return summed


def _code(moment: Moment, wiring: Wiring, kernel: LayerKernel, unit: int) -> str:
    """Return Python that computes the contributions of the kernel's inputs."""
    source = wiring.layers[kernel.layer].inputs[0]
    received = f"acts[{source!r}]" if source in set(moment.activations) else "acts.input"
    inputs, _ = kernel.of(unit)
    some = f", channel=slice({inputs[0]}, {inputs[-1] + 1})" if kernel.groups > 1 else ""
    lines = [
        f"part = {kernel.written(unit)}",
        f"given = {received}.isel(sample={moment.written}{some})",
    ]
    over = "[axis for axis in {}.dims if axis not in ('input', 'channel', 'unit')]"
    if kernel.single:
        lines.append(f"given.mean({over.format('given')}).values * part.values.ravel()")
    else:
        lines += [
            f"lengths = (part**2).sum({over.format('part')}) ** 0.5",
            f"lengths.values * abs(given).mean({over.format('given')}).values",
        ]
    return "\n".join(lines)
