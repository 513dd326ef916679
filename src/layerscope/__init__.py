"""See inside any neural network.

::

    model ──► backends ──► instruments ──► Recording ──► views ──► Panel ──► notebook, file, page
    input ──► inputs ──┘   activations                   sheet
                           weights                       across
                           features                      pages
                           describe ──► Network ───────► diagram

A model goes in on the left, numbers come out of the instruments, pictures out of the views.

>>> import layerscope as ls
>>> print(ls.describe(model))               # the layers, as a table
>>> acts = ls.activations(model, x)         # one forward pass, every layer
>>> ls.sheet(acts, "conv2d")                # every channel of a layer, one picture
>>> ls.sheet(ls.features(model, "conv2d:3"))     # what the channel looks for
>>> ls.diagram(model, acts)                 # the pattern on its way through the architecture
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from layerscope._version import __version__ as __version__

if TYPE_CHECKING:
    from layerscope import objectives as objectives
    from layerscope import transforms as transforms
    from layerscope.backends.opening import load_model as load_model
    from layerscope.instruments.activations import activations as activations
    from layerscope.instruments.describe import describe as describe
    from layerscope.instruments.features.features import features as features
    from layerscope.instruments.features.objective.objectives import channel as channel
    from layerscope.instruments.features.objective.objectives import direction as direction
    from layerscope.instruments.features.objective.objectives import diversity as diversity
    from layerscope.instruments.features.objective.objectives import function as function
    from layerscope.instruments.features.objective.objectives import l1 as l1
    from layerscope.instruments.features.objective.objectives import l2 as l2
    from layerscope.instruments.features.objective.objectives import layer as layer
    from layerscope.instruments.features.objective.objectives import logit as logit
    from layerscope.instruments.features.objective.objectives import neuron as neuron
    from layerscope.instruments.features.objective.objectives import probability as probability
    from layerscope.instruments.features.objective.objectives import similarity as similarity
    from layerscope.instruments.features.objective.objectives import (
        total_variation as total_variation,
    )
    from layerscope.instruments.features.objective.objectives import units as units
    from layerscope.instruments.record.recorder import Recorder as Recorder
    from layerscope.instruments.weights import weights as weights
    from layerscope.interfaces.api import diagram as diagram
    from layerscope.objectives import (
        blur as blur,
    )
    from layerscope.recordings.export import export as export
    from layerscope.recordings.run import open_recording as open_recording
    from layerscope.views.across import across as across
    from layerscope.views.curves import curves as curves
    from layerscope.views.film import film as film
    from layerscope.views.pages import pages as pages
    from layerscope.views.sheet import sheet as sheet
    from layerscope.views.timeline import timeline as timeline

_HOME = {
    "activations": "layerscope.instruments.activations",
    "load_model": "layerscope.backends.opening",
    "describe": "layerscope.instruments.describe",
    "features": "layerscope.instruments.features.features",
    "weights": "layerscope.instruments.weights",
    "diagram": "layerscope.interfaces.api",
    "across": "layerscope.views.across",
    "pages": "layerscope.views.pages",
    "sheet": "layerscope.views.sheet",
    "open_recording": "layerscope.recordings.run",
    "timeline": "layerscope.views.timeline",
    "film": "layerscope.views.film",
    "curves": "layerscope.views.curves",
    "export": "layerscope.recordings.export",
    "Recorder": "layerscope.instruments.record.recorder",
}

__all__ = [
    "Recorder", "across", "activations", "curves", "describe", "diagram", "export", "features",
    "film", "load_model", "open_recording", "pages", "sheet", "timeline", "weights",
]  # fmt: skip

#: The words of ``features``: what an image is to excite, and what is done to it on the way.
_OBJECTIVES = (
    "blur", "channel", "direction", "diversity", "function", "l1", "l2", "layer", "logit", "neuron",
    "probability", "similarity", "total_variation", "units",
)  # fmt: skip
_WORDS = ("objectives", "transforms")


def __getattr__(name: str) -> Any:
    # Imported when first used: `import layerscope` stays quick and brings in no framework.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _OBJECTIVES:
        return getattr(importlib.import_module("layerscope.objectives"), name)
    if name in _WORDS:
        return importlib.import_module(f"layerscope.{name}")
    raise AttributeError(f"module 'layerscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_OBJECTIVES, *_WORDS, "__version__"])
