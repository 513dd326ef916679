"""The image of one unit, as a panel: finished, or as it is while it is being made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.network import Network
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.beside import image_tiles
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import VERSION, Panel
from layerscope.views.render.select_maps import choose

_SPACES = {1: (), 2: ("position",), 3: ("y", "x")}


def feature_panel(moment: Moment, made: FeatureVisualization, address: str) -> Panel:
    """Return the image that was made for a unit, with its grades in words.

    Raises
    ------
    AddressError
        When no image was made for it.
    """
    grades = [grade for grade in made.grades if grade.address.partition(" [")[0] == address]
    words = [str(grade).removeprefix(f"{grade.address}: ") for grade in grades]
    if made.interrupted:
        words.append(f"stopped after {max(0, len(made.history) - 1)} steps")
    if grades and {"y", "position"} & set(_axes(moment, address)):
        words.append("these figures are means over its map")
    if moment.step is not None or moment.probed:
        words.append("made of the network as it is now, whatever step is looked at")
    line = f"ls.sheet(ls.features(model, {address!r}))"
    extra = {"code": moment.line(line), "notes": [*words, *made.notes]}
    return _panel(made, address, extra)


def _axes(moment: Moment, address: str) -> Sequence[str]:
    """Return the axes of the layer that a unit is of; none where it was not recorded."""
    recording = moment.activations
    if address not in recording:
        return ()
    return tuple(recording.axes(recording.place(address).layer))


def image_panel(image: npt.NDArray[Any], address: str, input_range: tuple[float, float]) -> Panel:
    """Return an image ``(y, x, channel)``, ``(position, channel)`` or ``(unit,)`` as a panel."""
    axes = (*_SPACES[image.ndim], "input", "channel")
    arrays = {address: NamedArray(image[..., None], axes)}
    made = FeatureVisualization(
        arrays, network=Network("", "", ()), input_range=input_range, images=[address]
    )
    return _panel(made, address, {})


def _panel(made: FeatureVisualization, address: str, extra: Mapping[str, Any]) -> Panel:
    last = made.at(None)
    tiles, scale = image_tiles(choose(last, address, sample=0), made.input_range)
    pixels = np.ascontiguousarray(tiles[0].pixels, np.uint8)
    height, width = pixels.shape[:2]
    low, high = made.input_range
    header = {
        "version": VERSION,
        "kind": "stack",
        "title": f"feature visualization of {address}",
        "address": address,
        "note": "",
        "size": [width, height],
        "ground": "dark",
        "palette": "gray",
        "scale": {"mode": "input", "text": scale, "low": low, "high": high},
        "form": "colour",
        "shape": [1, height, width],
        "labels": [],
        "counts": "image",
        "silences": False,
        "thinned": 1,
        "layer": [low, high],
        "not_finite": 0,
        **extra,
    }
    return Panel(header, {"pixels": pixels.tobytes()}, lambda: made.provenance)
