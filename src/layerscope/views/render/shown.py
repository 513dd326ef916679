"""Matplotlib figures that show themselves in a notebook, also before it has loaded pyplot."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that is a picture where a notebook asks for one.

    A notebook that has loaded pyplot draws figures by a way of its own, and does not ask.
    """

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
