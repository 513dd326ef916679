"""What each box returned, as a small picture in it: one of its maps, or all values of a vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.attention import masked
from layerscope.core.errors import ViewError
from layerscope.core.maps import blank, constant
from layerscope.core.network import PART
from layerscope.recordings.recording import Recording
from layerscope.views.beside import image_tiles
from layerscope.views.diagram.blocks import Block, Item
from layerscope.views.diagram.boxes import Box
from layerscope.views.diagram.cards import SMALL, Text
from layerscope.views.render import colour_scale
from layerscope.views.render import palette as palettes
from layerscope.views.render.feature_maps import extent_of, no_such_unit, units_of
from layerscope.views.render.select_maps import Chosen, choose, reshapes
from layerscope.views.render.signals import along, drawn
from layerscope.views.render.tiles import colour_tiles

_SIDE = 84  #: how long the longer side of a map is, in pixels
_ROW = 64  #: values of a vector in a row, at least
_WIDTH, _THIN = 128, 12  #: of a vector's rows
_ALL = 1_000_000  #: channels of a signal, of which one is drawn
_FINEST = 2  #: pixels of a map kept for each of the drawing's own

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Picture:
    pixels: npt.NDArray[np.uint8]
    size: tuple[int, int]
    caption: str
    range: tuple[float, float]
    blank: bool
    layer: tuple[float, float] | None = None  #: the range of all its layer's values
    address: str = ""  #: whose it is
    form: str = "image"  #: or ``map``, ``vector``


@dataclass
class Thumbnails:
    """The pictures of a recording, drawn as they are asked for.

    ``unit`` is the channel shown where a layer has it; else the one whose map varies most. A
    ``scale`` may be a function of a layer that returns its limits, None for the layer's own.
    """

    recording: Recording
    unit: int | None
    sample: int
    scale: colour_scale.Scaling | Callable[[str], tuple[float, float] | None]
    palette: str
    reshape: tuple[int, ...] | None = None  #: of vectors, and tokens, that are images
    words: Callable[[str], str] | None = None  #: what is written below a layer's picture instead
    about: str = ""  #: what the pictures are, where that is something of its own
    _tiles: list[dict[str, Any]] = field(default_factory=list)
    _bytes: bytearray = field(default_factory=bytearray)
    _pictures: dict[str, _Picture | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.scale):
            colour_scale.check(self.scale)
        unit = self.unit
        if unit is not None and (isinstance(unit, bool) or not isinstance(unit, int) or unit < 0):
            raise ViewError(f"unit={unit!r}: pass the number of a channel, counted from 0.")
        self._check_index("sample", self.sample)
        if unit is not None:
            self._check_unit(unit)

    def _check_unit(self, unit: int) -> None:
        """Raise ViewError where no layer has so many channels, or that one has no image."""
        if self.recording.kind == "features":
            named = map(self.recording.named, self.recording)
            if not any(unit in units_of(array) for array in named):
                raise no_such_unit(self.recording, unit)
            return
        arrays = [self.recording.named(address) for address in self.recording]
        counts = [
            array.values.shape[array.axes.index(axis)]
            for array in arrays
            for axis in ("channel", "head")
            if axis in array.axes
        ]
        if unit >= max(counts, default=0):
            raise ViewError(
                f"There is no channel {unit} in any layer: the most that one has is "
                f"{max(counts, default=0)}, counted from 0."
            )

    def _check_index(self, axis: str, index: Any) -> None:
        """Raise ViewError where no layer has it; one that is short of it has no picture."""
        arrays = [self.recording.named(address) for address in self.recording]
        counts = [
            array.values.shape[array.axes.index(axis)] for array in arrays if axis in array.axes
        ]
        count = max(counts, default=1)
        whole = isinstance(index, int | np.integer) and not isinstance(index, bool)
        if not whole or not 0 <= index < count:
            raise ViewError(f"There is no {axis} {index!r}: there are {count}, counted from 0.")

    @property
    def note(self) -> str:
        """What the pictures are."""
        if self.about:
            return self.about
        if self.recording.kind == "features":
            whose = "one of its channels" if self.unit is None else f"channel {self.unit}"
            return f"in each box an image made for {whose}, drawn on the input's range"
        which = "the channel that varies most" if self.unit is None else f"channel {self.unit}"
        scales = {"layer": "its layer's range", "network": "one range", "unit": "its own range"}
        named = (
            scales.get(self.scale, "z-scores") if isinstance(self.scale, str) else "given limits"
        )
        return f"in each box {which} on sample {self.sample}, drawn on {named}"

    def size(self, item: Item) -> tuple[int, int] | None:
        """Return how large a box's picture is; None where there is none to show."""
        picture = self._picture(item)
        return None if picture is None else picture.size

    def add(self, item: Item, box: Rectangle, caption: int) -> list[Text]:
        """Put a box's picture in its place; return its caption, the text of this number."""
        picture = self._picture(item)
        if picture is None:
            return []
        coloured = picture.pixels.ndim == 3
        self._tiles.append({
            "box": box,
            "shape": picture.pixels.shape[:2],
            "offset": len(self._bytes),
            "format": "rgb" if coloured else "index",
            "label": item.id,
            "range": picture.range,
            "layer": picture.layer,
            "blank": picture.blank,
            "address": picture.address,
            "form": picture.form,
            "caption": caption,
            "texts": (),
        })  # fmt: skip
        self._bytes += np.ascontiguousarray(picture.pixels).tobytes()
        x, y, width, height = box
        return [Text(x + width / 2, y + height + 12, picture.caption, SMALL, "soft", "middle")]

    def header(self) -> dict[str, Any]:
        """Return what the diagram's header says of the pictures."""
        words = "given limits" if callable(self.scale) else str(self.scale)
        return {"tiles": self._tiles, "scale": {"text": words, "low": None, "high": None}}

    def buffer(self) -> bytes:
        """Return the pixels of all pictures."""
        return bytes(self._bytes)

    def provenance(self) -> Mapping[str, str]:
        """Return what identifies the model and the input."""
        return self.recording.provenance

    def _picture(self, item: Item) -> _Picture | None:
        if item.id not in self._pictures:
            self._pictures[item.id] = self._drawn(item)
        return self._pictures[item.id]

    def _drawn(self, item: Item) -> _Picture | None:
        boxes = item.boxes if isinstance(item, Block) else (item,)
        named = (address for box in reversed(boxes) for address in _by_weight(box))
        # A value may stand under the name of the container that hands it on.
        aliases = self.recording.aliases
        known = (aliases.get(address, address) for address in named)
        recorded = {*self.recording, *self.recording.inputs}
        address = next((name for name in known if name in recorded), None)
        if address is None:
            return None
        try:
            array = self.recording.named(address)
            shape = self.reshape if reshapes(array, self.reshape) else None
            chosen = choose(self.recording, address, sample=self.sample, reshape=shape)
            chosen = along(chosen, _FINEST * _WIDTH, _ALL)
        except ViewError:
            return None  # strings, or whatever else has no picture
        if chosen.maps.size == 0:
            return None
        if chosen.feature:
            return self._image(chosen)
        if chosen.colour:
            tile = colour_tiles(chosen)[0][0]
            ends = (tile.low, tile.high)
            return _Picture(tile.pixels, _fitted(tile.pixels), "", ends, False, None, address)
        if chosen.maps.shape[1:] == (1, 1) and len(chosen.maps) > 1:
            # What squeezes each channel to one value: all of them tell more than one of them.
            chosen = replace(chosen, maps=chosen.maps.reshape(1, 1, -1), vector=True)
        picture = self._vector(chosen, address) if chosen.vector else self._map(chosen, address)
        return picture if self.words is None else replace(picture, caption=self.words(address))

    def _image(self, chosen: Chosen) -> _Picture | None:
        """Return the image made for a unit, the first where none is named."""
        extent = extent_of(self.recording, "input", self.sample) or (0.0, 1.0)
        tiles, _ = image_tiles(chosen, extent)
        wanted = tiles[0].label if self.unit is None else str(self.unit)
        tile = next((tile for tile in tiles if tile.label == wanted), None)
        if tile is None:
            return None
        caption = f"channel {tile.label}" * bool(tile.label)
        if len(tiles) > 1:
            caption += f", one of {len(tiles)} images"
        return _Picture(tile.pixels, _fitted(tile.pixels), caption, extent, tile.blank)

    def _map(self, chosen: Chosen, address: str) -> _Picture:
        count = len(chosen.maps)
        at = self.unit if self.unit is not None and self.unit < count else _most_varied(chosen.maps)
        lines = chosen.form == "lines"
        one = chosen.maps[at : at + 1] if lines else _coarser(chosen.maps[at : at + 1])
        result = self._scaled(one, address)
        silent = bool(blank(chosen.maps, chosen.rectified)[at])
        steady = not silent and bool(constant(chosen.maps[at : at + 1])[0])
        caption = f"{chosen.counts} {chosen.labels[at]} of {count}" if count > 1 else ""
        value = f"{chosen.maps.item():.3g}" if chosen.maps.size == 1 else ""
        words = (caption, "blank" * silent, "constant" * steady, value)
        caption = ", ".join(filter(None, words))
        span = float(result.low[0]), float(result.high[0])
        pixels = result.indexes[0]
        if chosen.apart is not None and pixels.shape == chosen.apart.shape:
            pixels = np.where(chosen.apart, np.uint8(palettes.GROUND), pixels)
        if chosen.attention:
            pixels = np.where(masked(one[0]), np.uint8(palettes.MASKED), pixels)
        if lines:
            (pixels,) = drawn(replace(chosen, maps=one), result)
            size = pixels.shape[1] // _FINEST, pixels.shape[0] // _FINEST
            return _Picture(pixels, size, caption, span, silent, None, address)
        layer = self.recording.extent(self.sample, address)
        return _Picture(pixels, _fitted(pixels), caption, span, silent, layer, address, "map")

    def _vector(self, chosen: Chosen, address: str) -> _Picture:
        result = self._scaled(chosen.maps, address)
        values = result.indexes[0, 0]
        columns = min(len(values), max(_ROW, math.ceil(math.sqrt(len(values) * _WIDTH / _SIDE))))
        rows = math.ceil(len(values) / columns)
        pixels = np.full(rows * columns, palettes.GROUND, np.uint8)
        pixels[: len(values)] = values
        size = (_WIDTH, max(_THIN, min(_SIDE, 2 * rows)))
        counted = "channel" if len(chosen.labels) > 1 else "unit"
        caption = f"{len(values)} {counted}{'s' * (len(values) != 1)}"
        if 1 < len(values) <= 1000 and np.isfinite(chosen.maps).all():
            caption += f", largest {int(chosen.maps[0, 0].argmax())}"
        span = float(result.low[0]), float(result.high[0])
        layer = self.recording.extent(self.sample, address)
        whole = pixels.reshape(rows, columns)
        return _Picture(whole, size, caption, span, False, layer, address, "vector")

    def _scaled(self, maps: npt.NDArray[Any], address: str) -> colour_scale.Scaled:
        scale, extent = self.scale, None
        if callable(scale):
            scale = scale(address) or "layer"
        of_layer = scale == "layer" or callable(self.scale)
        if scale == "layer":
            low, high = self.recording.extent(self.sample, address)
            scale = (low, high) if low < high else "unit"
        elif scale == "network":
            extent = self.recording.extent(self.sample)
        diverging = palettes.is_diverging(self.palette)
        if diverging and isinstance(scale, tuple) and of_layer:
            reach = max(map(abs, scale))
            scale = (-reach, reach)
        return colour_scale.scaled(maps, scale, diverging=diverging, extent=extent)


def _by_weight(box: Box) -> list[str]:
    """Return the addresses in a box, first the one whose value leaves it, more of a call last.

    So an LSTM is shown by what it returns, and not by its state.
    """
    addresses = [layer.address for layer in reversed(box.layers)]
    return sorted(addresses, key=lambda address: PART.fullmatch(address) is not None)


def _most_varied(maps: npt.NDArray[Any]) -> int:
    """Return the map with the largest standard deviation, by every n-th pixel of large ones."""
    every = max(1, max(maps.shape[1:]) // 48)
    seen = maps[:, ::every, ::every].reshape(len(maps), -1)
    with np.errstate(invalid="ignore", over="ignore"):
        spread = seen.std(axis=1, dtype=np.float64)
    return int(np.argmax(np.where(np.isfinite(spread), spread, -1)))


def _coarser(maps: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return maps of no more pixels than are shown, each the mean of those it stands for."""
    times = max(1, max(maps.shape[1:]) // (_FINEST * _SIDE))
    if times == 1:
        return maps
    high, wide = (max(1, n // times) for n in maps.shape[1:])
    rows, columns = min(maps.shape[1], high * times), min(maps.shape[2], wide * times)
    cut = maps[:, :rows, :columns]
    shape = (len(maps), high, rows // high, wide, columns // wide)
    means: npt.NDArray[Any] = cut.reshape(shape).mean(axis=(2, 4), dtype=np.float64)
    return means


def _fitted(pixels: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return width and height of a picture whose longer side has the length of all of them."""
    height, width = pixels.shape[:2]
    times = _SIDE / max(height, width)
    return max(8, round(width * times)), max(8, round(height * times))
