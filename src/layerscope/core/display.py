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
_painters: list[Callable[..., Any]] = []


def show_by(maker: Callable[[Any], Bundle]) -> None:
    """Have things show themselves by what this function returns for them."""
    _makers[:] = [maker]


def draw_by(painter: Callable[..., Any]) -> None:
    """Have the pictures of things drawn by this function of the thing and of what it is given."""
    _painters[:] = [painter]


class Displayed:
    """What a notebook shows as a picture, as the last line of a cell."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        for make in _makers:
            return make(self)
        return {"text/plain": repr(self)}


class Pictured(Displayed):
    """What has one picture: its method draws it, and no public name is needed for that."""

    def picture(self, *args: Any, **options: Any) -> Any:
        """Draw it: a :class:`Panel`, as the view of it takes arguments."""
        for draw in _painters:
            return draw(self, *args, **options)
        raise RuntimeError("pictures are drawn where the package layerscope has been imported.")
