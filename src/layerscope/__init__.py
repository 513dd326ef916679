"""See inside any neural network.

::

    model ──► backends ──► instruments ──► Recording ──► views ──► Panel ──► notebook, file, page
    input ──► inputs ──┘   activations                   sheet
                           weights                       across
                           describe ──► Network ───────► pages
                                                         diagram

A model goes in on the left, numbers come out of the instruments, pictures out of the views.

>>> import layerscope as ls
>>> print(ls.describe(model))               # the layers, as a table
>>> acts = ls.activations(model, x)         # one forward pass, every layer
>>> ls.sheet(acts, "conv2d")                # every channel of a layer, one picture
>>> ls.diagram(model, acts)                 # the pattern on its way through the architecture
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.backends.opening import load_model as load_model
    from layerscope.instruments.activations import activations as activations
    from layerscope.instruments.describe import describe as describe
    from layerscope.instruments.export import export as export
    from layerscope.instruments.record.recorder import Recorder as Recorder
    from layerscope.instruments.weights import weights as weights
    from layerscope.interfaces.python import diagram as diagram
    from layerscope.run import open_recording as open_recording
    from layerscope.views.across import across as across
    from layerscope.views.curves import curves as curves
    from layerscope.views.film import film as film
    from layerscope.views.pages import pages as pages
    from layerscope.views.sheet import sheet as sheet
    from layerscope.views.timeline import timeline as timeline

__version__ = "0.1.0"

_HOME = {
    "activations": "layerscope.instruments.activations",
    "load_model": "layerscope.backends.opening",
    "describe": "layerscope.instruments.describe",
    "weights": "layerscope.instruments.weights",
    "diagram": "layerscope.interfaces.python",
    "across": "layerscope.views.across",
    "pages": "layerscope.views.pages",
    "sheet": "layerscope.views.sheet",
    "open_recording": "layerscope.run",
    "timeline": "layerscope.views.timeline",
    "film": "layerscope.views.film",
    "curves": "layerscope.views.curves",
    "export": "layerscope.instruments.export",
    "Recorder": "layerscope.instruments.record.recorder",
}

__all__ = [
    "Recorder", "across", "activations", "curves", "describe", "diagram", "export", "film",
    "load_model", "open_recording", "pages", "sheet", "timeline", "weights",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported when first used: `import layerscope` stays quick and brings in no framework.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'layerscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
