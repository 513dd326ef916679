"""``diagram`` of a comparison: in each box the difference, and how large it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerscope.core.axes import LazyArrays
from layerscope.core.text import message
from layerscope.recordings.comparison import Comparison, LayerPair, provenance_of
from layerscope.recordings.recording import Recording
from layerscope.views.diagram import drawn_structure, structure_of
from layerscope.views.diagram.thumbnails import Thumbnails
from layerscope.views.diagram.wrap import check_wrap
from layerscope.views.render.defaults import ground_or
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import sample_of


def difference_diagram(
    comparison: Comparison,
    *,
    style: str = "vertical",
    depth: int | None = None,
    expand: Any = (),
    show_shapes: bool = True,
    show_layer_names: bool = True,
    unit: int | None = None,
    sample: int | str = 0,
    ground: str | None = None,
    wrap: int | None = None,
    reshape: tuple[int, ...] | None = None,
) -> Panel:
    """Draw the architecture of the one with the difference in each box, and its relative error."""
    check_wrap(wrap)
    pairs = {pair.address: pair for pair in comparison.pairs if pair.relative_error >= 0}
    differences = _Differences(comparison, pairs)
    recording = Recording(
        LazyArrays(pairs, comparison.difference, {}),
        network=comparison.one.network,
        aliases=comparison.one.aliases,
        samples=comparison.one.samples,
        digest=lambda: provenance_of(comparison),
    )
    number = sample_of(comparison.one, sample)
    thumbnails = Thumbnails(
        recording,
        unit,
        number,
        differences.limits,
        "diverging",
        reshape,
        words=differences.words,
        about=differences.about,
    )
    structure = structure_of(comparison.one.network, recording, depth, expand, False)
    return drawn_structure(
        structure,
        thumbnails,
        style,
        "diverging",
        ground_or(ground, "light"),
        show_shapes,
        show_layer_names,
        wrap=wrap,
    )


class _Differences:
    """What is written below each difference, and on which range it is drawn."""

    def __init__(self, comparison: Comparison, pairs: Mapping[str, LayerPair]) -> None:
        self._comparison = comparison
        self._pairs = pairs

    @property
    def about(self) -> str:
        """What the pictures are, in a line of the heading."""
        one, other = map(message, self._comparison.names)
        first = self._comparison.first
        parts = "no layer parts" if first is None else f"{first} parts first"
        return f"in each box {one} less {other}, the channel that varies most: {parts}"

    def words(self, address: str) -> str:
        """Return how large the difference is."""
        pair = self._pairs[address]
        if not pair.relative_error:
            return "equal"
        marks = {True: "parts first", False: "parts" if pair.parts else "noise"}
        return f"error {pair.relative_error:.1e}, {marks[address == self._comparison.first]}"

    def limits(self, address: str) -> tuple[float, float] | None:
        """Return the range of a difference beyond the noise; of noise that of the values."""
        if self._pairs[address].parts:
            return None
        low, high = self._comparison.one.extent(0, address)
        reach = max(abs(low), abs(high), self._pairs[address].largest)
        return (-reach, reach) if reach > 0 else None
