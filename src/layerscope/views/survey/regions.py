"""Where on an input an example lies: what the unit is computed from where it fired most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from layerscope.core.errors import AddressError, ModelError
from layerscope.core.receptive_field import field as receptive_field
from layerscope.core.wiring import Wiring
from layerscope.recordings.survey.survey import Example, Survey

Sizes = Mapping[str, int]  #: of an input's axes, by their names
_SPACES = ("z", "y", "x", "position")


@dataclass(frozen=True)
class Region:
    """A box on an input, in its positions.

    ``ranges`` are of the receptive field, by axis; empty where that is all, or not known. ``cell``
    is then where the place in the unit's map lies, which has as many cells as the map.
    """

    input: str
    ranges: Mapping[str, range] = field(default_factory=dict)
    cell: Mapping[str, range] = field(default_factory=dict)
    because: str = ""  #: the layer that takes all positions

    @property
    def box(self) -> Mapping[str, range]:
        """The field, or else the cell."""
        return self.ranges or self.cell


class Regions:
    """Finds the regions of a survey's examples; neighbours share what was found."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._found: dict[tuple[str, tuple[int, ...], str], Region] = {}

    def of(self, layer: str, example: Example, inputs: Mapping[str, Sizes]) -> Region:
        """Return where on an input an example of a layer's unit is; ``inputs`` is what there is."""
        key = layer, example.place, repr(inputs)
        if key not in self._found:
            self._found[key] = self._find(layer, example, inputs)
        return self._found[key]

    def _find(self, layer: str, example: Example, inputs: Mapping[str, Sizes]) -> Region:
        try:
            whole = receptive_field(
                self._survey.network, layer, example.place or None, inputs=inputs
            )
        except (AddressError, ModelError):
            name = self.input_of(layer, example, inputs)
            return Region(name, cell=_cell(example, inputs[name]))
        known = whole.local
        if known.input not in inputs:
            name = self.input_of(layer, example, inputs)
            return Region(name, cell=_cell(example, inputs[name]))
        sizes = inputs[known.input]
        ranges = {axis: r for axis, r in known.ranges.items() if axis in sizes and len(r)}
        if not ranges or all(len(r) == sizes[axis] for axis, r in ranges.items()):
            return Region(known.input, cell=_cell(example, sizes), because=whole.because or "")
        return Region(known.input, ranges)

    def input_of(self, layer: str, example: Example, inputs: Mapping[str, Sizes]) -> str:
        """Return the input to show where no field tells: one with the positions of the map."""
        reached = Wiring(self._survey.network, inputs).reached_inputs(layer)
        names = [name for name in inputs if name in reached] or list(inputs)
        spatial = [name for name in names if set(example.axes) <= set(inputs[name])]
        pictures = [name for name in names if {"y", "x"} <= set(inputs[name])]
        return [*(spatial if example.axes else []), *pictures, *names][0]

    @cached_property
    def _embeddings(self) -> Sequence[str]:
        return [layer.address for layer in self._survey.network if layer.kind == "embedding"]

    def are_tokens(self, name: str, inputs: Mapping[str, Sizes]) -> bool:
        """Return whether the numbers of an input are looked up, as those of words are."""
        wiring = Wiring(self._survey.network, inputs)
        return any(name in wiring.reached_inputs(address) for address in self._embeddings)


def _cell(example: Example, sizes: Sizes) -> Mapping[str, range]:
    """Return what part of an input one cell of the map is, as far as they share axes."""
    along = [axis for axis in _SPACES if axis in sizes]
    if "position" in example.axes and not along and "unit" in sizes:
        along = ["unit"]  # words, whose numbers stand in a vector
    cell = {}
    for axis, at, length in zip(example.axes, example.place, example.shape, strict=True):
        on = "unit" if along == ["unit"] and axis == "position" else axis
        if on in sizes and on in along and 0 <= at < length and length > 1:
            begin = at * sizes[on] // length
            cell[on] = range(begin, max(begin + 1, -(-(at + 1) * sizes[on] // length)))
    return cell
