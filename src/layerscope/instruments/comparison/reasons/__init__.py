"""Why the first layer parts, as far as its values, what it receives and its weights tell.

Each module looks for causes of one sort, and says what it has seen, not what is likely.
"""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.text import quoted
from layerscope.instruments.comparison.matching import Match
from layerscope.instruments.comparison.reasons.chain import Chain, chains
from layerscope.instruments.comparison.reasons.functions import of_functions
from layerscope.instruments.comparison.reasons.geometry import of_geometry
from layerscope.instruments.comparison.reasons.norms import of_norms
from layerscope.instruments.comparison.reasons.parameters import of_parameters
from layerscope.instruments.comparison.reasons.received import of_received
from layerscope.instruments.comparison.subjects import ComparedSubject
from layerscope.recordings.comparison import LayerPair

_QUANTIZING = ("quantize",)


def reasons(
    one: ComparedSubject,
    other: ComparedSubject,
    matches: Sequence[Match],
    pairs: Sequence[LayerPair],
    first: int,
) -> list[str]:
    """Return why two layers part, each cause in a sentence; none where nothing tells."""
    agreed = [m for m, pair in zip(matches, pairs, strict=True) if not pair.parts]
    both = chains(
        one,
        other,
        (matches[first].one, matches[first].other),
        ({m.one.address for m in agreed}, {m.other.address for m in agreed}),
    )
    causes = (of_received, of_parameters, of_geometry, of_norms, of_functions)
    for cause in causes:
        words = cause(*both)
        if words:
            return [*words, *_quantized(*both)]
    return _quantized(*both)


def _quantized(one: Chain, other: Chain) -> list[str]:
    """Return that one of both computes with fewer bits than the other, where its layers say so."""
    rows = [row for row in other.rows if row.kind in _QUANTIZING]
    if not rows or any(row.kind in _QUANTIZING for row in one.rows):
        return []
    return [f"values are quantized in the other, by {quoted(rows[0].address)}"]
