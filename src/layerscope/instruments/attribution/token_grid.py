"""Where the tokens of a vision transformer lie on the image, as the shapes of its layers tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import presented
from layerscope.core.layer_kinds import CONVOLUTIONS
from layerscope.core.network import Network

_MOST_APART = 8  #: class tokens and registers, which come first


@dataclass(frozen=True)
class TokenGrid:
    """Rows and columns of patches, and how many tokens that are none come before them."""

    shape: tuple[int, int]
    apart: int

    def of(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return values ``(sample, token)`` as maps ``(sample, y, x)``, without those apart."""
        kept = values[:, self.apart :]
        return np.asarray(kept.reshape(len(values), *self.shape))


def token_grid(network: Network, tokens: int, image: tuple[int, int]) -> TokenGrid | None:
    """Return the grid of so many tokens of an image; None where nothing tells.

    That of the convolution that makes the patches; else the one whose cells are nearest to squares.
    """
    for row in network:
        axes, shape = row.axes or (), row.shape or ()
        if row.kind not in CONVOLUTIONS or not {"y", "x"} <= set(axes):
            continue
        lengths = [dict(zip(axes, shape, strict=True))[axis] for axis in presented(axes)[1:3]]
        height, width = lengths
        if height is None or width is None:
            continue
        apart = tokens - height * width
        if 0 <= apart <= _MOST_APART:
            return TokenGrid((height, width), apart)
    for apart in range(_MOST_APART + 1):
        count = tokens - apart
        pairs = [(count // n, n) for n in range(1, count + 1) if count % n == 0 and n <= image[1]]
        square = [p for p in pairs if p[0] * image[1] == p[1] * image[0]]
        if square and count > 1:
            return TokenGrid(square[0], apart)
    return None
