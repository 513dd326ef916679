"""The kind ``graph``: an architecture, with everything placed: an SVG first of all.

``header["boxes"]`` have ``id``, ``addresses``, ``box`` as left, top, width, height, ``kind``,
``about``, and the name of the ``block`` that a closed one stands for; ``frames`` ``title``,
``block``, ``box`` and ``level``; ``lines`` ``source``, the box whose value a
line carries, ``path``, as commands ``M``, ``L`` and ``C`` with their points, and ``arrow``;
``polygons`` ``points``, ``fill`` and ``edge``; ``texts`` ``x``, ``y`` of the baseline, ``text``,
``size``, ``style``, ``anchor`` and ``width``. ``tiles`` are those of maps.
"""

from __future__ import annotations

from layerscope.views.diagram.raster import figure as figure
from layerscope.views.diagram.raster import png as png
from layerscope.views.diagram.svg import svg as svg
