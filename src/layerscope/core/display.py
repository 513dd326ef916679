"""How things show themselves in a notebook: whoever is above says how, and they need not know who.

A notebook asks an object for its pictures, and the object's class stands below all that could draw
it. So the package, which stands above all, hands in what makes them as it is imported, before there
can be any such object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Bundle = dict[str, Any]  #: what is shown, by its media type

_makers: list[Callable[[Any], Bundle]] = []


def show_by(maker: Callable[[Any], Bundle]) -> None:
    """Have things show themselves by what this function returns for them."""
    _makers[:] = [maker]


class Displayed:
    """What a notebook shows as a picture, as the last line of a cell."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        for make in _makers:
            return make(self)
        return {"text/plain": repr(self)}
