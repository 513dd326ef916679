"""Palettes: which colour each of the 256 indexes of a picture's pixels stands for.

The first ``LEVELS`` are the colours of values, low to high, with one exactly in the middle for the
zero of a diverging palette. The rest are fixed: what is masked, NaN and the infinities, the mark of
a blank map, and text from the ground to the ink.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import ViewError
from layerscope.core.suggestions import did_you_mean

LEVELS = 239
MASKED = 239
NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY, MARK = 240, 241, 242, 243
GROUND, INK = 244, 251  #: the ends of a ramp of eight, for text with soft edges
WHITE, BLACK = 252, 253  #: for text on colours
CLEAR = 255  #: no palette uses it: what shows nothing

#: The colours of what is no number: found in no palette that is offered by name.
SPECIAL = {NAN: (255, 0, 160), POSITIVE_INFINITY: (255, 120, 0), NEGATIVE_INFINITY: (0, 110, 255)}
#: Ground, ink, the mark of a blank map, and what is masked: a brown that no palette by name has.
_GROUNDS = {
    "dark": ((18, 18, 22), (222, 222, 228), (92, 92, 104), (82, 66, 58)),
    "light": ((255, 255, 255), (34, 34, 40), (150, 150, 160), (214, 200, 190)),
}
_ALIASES = {"diverging": "RdBu_r", "grey": "gray"}
_DIVERGING = frozenset({
    "PiYG", "PRGn", "BrBG", "PuOr", "RdGy", "RdBu", "RdYlBu", "RdYlGn", "Spectral", "coolwarm",
    "bwr", "seismic", "berlin", "managua", "vanimo",
})  # fmt: skip


def known(name: str) -> str:
    """Return a palette's name in Matplotlib; raise ViewError, with near names, for others."""
    import matplotlib as mpl

    if not isinstance(name, str):
        raise ViewError(f"palette={name!r}: pass a name, such as 'viridis'.")
    name = _ALIASES.get(name, name)
    if name not in mpl.colormaps:
        hint = did_you_mean(name, mpl.colormaps) or "try 'viridis'."
        raise ViewError(
            f"There is no palette {name!r}: {hint} "
            "viridis, gray, diverging and any of Matplotlib's names work."
        )
    return name


def is_diverging(name: str) -> bool:
    """Return whether the palette's middle stands for zero."""
    return _ALIASES.get(name, name).removesuffix("_r") in _DIVERGING


@functools.cache
def table(name: str, ground: str) -> npt.NDArray[np.uint8]:
    """Return the 256 colours, ``(256, 3)``, RGB."""
    import matplotlib as mpl

    if ground not in _GROUNDS:
        raise ViewError(f"There is no ground {ground!r}: 'dark' and 'light' are known.")
    colours = np.zeros((256, 3), np.uint8)
    colours[:LEVELS] = np.rint(255 * mpl.colormaps[known(name)](np.linspace(0, 1, LEVELS))[:, :3])
    back, ink, mark, masked = (np.array(colour) for colour in _GROUNDS[ground])
    for index, colour in SPECIAL.items():
        colours[index] = colour
    colours[MARK], colours[MASKED] = mark, masked
    ramp = np.linspace(0, 1, INK - GROUND + 1)[:, None]
    colours[GROUND : INK + 1] = np.rint(back + ramp * (ink - back))
    colours[WHITE], colours[BLACK] = (255, 255, 255), (0, 0, 0)
    colours.flags.writeable = False
    return colours
