"""See inside any neural network.

A model goes in on the left, numbers come out of the instruments, pictures out of the views::

    model ──► instruments ──────► Recording ──► views ─────────► Panel ──► hosts
    input     load_model          Network       sheet   across             notebook, file
              describe  weights   Survey        pages   diagram            the shell: layerscope
              activations         Comparison    timeline  film             report
              Recorder            …             curves defaults            serve
              open_recording                    histogram  card            site
              features  survey                  examples                   quiz
              receptive_field
              attribute compare
              examine   edited
              ablate

Instruments make numbers of a network, views pictures of numbers, and hosts are where people look.
What ``features`` is to excite stands in ``objectives``, what it does on the way in ``transforms``,
what anything here may raise in ``errors``.

>>> import layerscope as ls
>>> print(ls.describe(model))               # the layers, as a table
>>> acts = ls.activations(model, x)         # one forward pass, every layer
>>> ls.sheet(acts, "conv2d")                # every channel of a layer, one picture
>>> ls.sheet(ls.features(model, "conv2d:3"))     # what the channel looks for
>>> ls.sheet(ls.attribute(model, x))        # where in the input the answer comes from
>>> ls.diagram(model, acts)                 # the pattern on its way through the architecture
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from layerscope._version import __version__ as __version__
from layerscope.core import display as _display

if TYPE_CHECKING:
    from layerscope import errors as errors
    from layerscope import objectives as objectives
    from layerscope import transforms as transforms
    from layerscope.backends.opening import load_model as load_model
    from layerscope.instruments.activations import activations as activations
    from layerscope.instruments.attribution.attribute import attribute as attribute
    from layerscope.instruments.comparison.compare import compare as compare
    from layerscope.instruments.describe import describe as describe
    from layerscope.instruments.examination.examine import examine as examine
    from layerscope.instruments.features.features import features as features
    from layerscope.instruments.interventions.ablate import ablate as ablate
    from layerscope.instruments.interventions.edited import edited as edited
    from layerscope.instruments.receptive_field import receptive_field as receptive_field
    from layerscope.instruments.record.recorder import Recorder as Recorder
    from layerscope.instruments.survey.survey import survey as survey
    from layerscope.instruments.weights import weights as weights
    from layerscope.interfaces.api import card as card
    from layerscope.interfaces.api import diagram as diagram
    from layerscope.interfaces.api import examples as examples
    from layerscope.interfaces.quiz import quiz as quiz
    from layerscope.interfaces.report import report as report
    from layerscope.interfaces.serve import serve as serve
    from layerscope.interfaces.site.site import site as site
    from layerscope.recordings.opening import open_recording as open_recording
    from layerscope.views.across import across as across
    from layerscope.views.curves import curves as curves
    from layerscope.views.film import film as film
    from layerscope.views.histogram import histogram as histogram
    from layerscope.views.pages import pages as pages
    from layerscope.views.render.defaults import defaults as defaults
    from layerscope.views.sheet import sheet as sheet
    from layerscope.views.timeline import timeline as timeline

_HOME = {
    # Instruments: a network to numbers.
    "load_model": "layerscope.backends.opening",
    "attribute": "layerscope.instruments.attribution.attribute",
    "describe": "layerscope.instruments.describe",
    "activations": "layerscope.instruments.activations",
    "weights": "layerscope.instruments.weights",
    "compare": "layerscope.instruments.comparison.compare",
    "features": "layerscope.instruments.features.features",
    "receptive_field": "layerscope.instruments.receptive_field",
    "Recorder": "layerscope.instruments.record.recorder",
    "open_recording": "layerscope.recordings.opening",
    "survey": "layerscope.instruments.survey.survey",
    "edited": "layerscope.instruments.interventions.edited",
    "ablate": "layerscope.instruments.interventions.ablate",
    "examine": "layerscope.instruments.examination.examine",
    # Views: numbers to pictures.
    "sheet": "layerscope.views.sheet",
    "across": "layerscope.views.across",
    "pages": "layerscope.views.pages",
    "card": "layerscope.interfaces.api",
    "diagram": "layerscope.interfaces.api",
    "examples": "layerscope.interfaces.api",
    "timeline": "layerscope.views.timeline",
    "film": "layerscope.views.film",
    "histogram": "layerscope.views.histogram",
    "curves": "layerscope.views.curves",
    "defaults": "layerscope.views.render.defaults",
    # Hosts: where numbers and pictures go.
    "quiz": "layerscope.interfaces.quiz",
    "report": "layerscope.interfaces.report",
    "serve": "layerscope.interfaces.serve",
    "site": "layerscope.interfaces.site.site",
}

__all__ = [
    "Recorder", "ablate", "across", "activations", "attribute", "card", "compare", "curves",
    "defaults", "describe", "diagram", "edited", "examine", "examples", "features", "film",
    "histogram", "load_model", "open_recording", "pages", "quiz", "receptive_field", "report",
    "serve", "sheet", "site", "survey", "timeline", "weights",
]  # fmt: skip

#: Names that have a module of their own: what is raised, and what ``features`` is told with.
_MODULES = {
    "errors": (
        "AddressError", "InputError", "LayerscopeError", "MissingDependencyError", "ModelError",
        "OutputError", "ViewError",
    ),
    "objectives": (
        "blur", "channel", "direction", "diversity", "function", "l1", "l2", "layer", "logit",
        "neuron", "probability", "similarity", "total_variation", "units",
    ),
    "transforms": ("blur", "crop", "flip", "jitter", "noise", "pad", "rotate", "scale"),
}  # fmt: skip


#: Names that were here once, and what does the same now.
_MOVED = {
    "every_unit": "ls.features(model, layer, to=folder)",
    "export": "recording.export(folder)",
    "fate": "run.fate().picture()",
    "open_survey": "ls.open_recording(path)",
}


def _shown(thing: Any) -> dict[str, Any]:
    shown: dict[str, Any] = importlib.import_module("layerscope.interfaces.notebook").bundle(thing)
    return shown


def _drawn(thing: Any, *args: Any, **options: Any) -> Any:
    return importlib.import_module("layerscope.views.pictures").picture(thing, *args, **options)


_display.show_by(_shown)
_display.draw_by(_drawn)


def __getattr__(name: str) -> Any:
    # Imported when first used: `import layerscope` stays quick and brings in no framework.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"layerscope.{name}")
    homes = [f"ls.{module}.{name}" for module, names in _MODULES.items() if name in names]
    homes += [_MOVED[name]] if name in _MOVED else []
    hint = f": it is {' or '.join(homes)}" if homes else ""
    raise AttributeError(f"module 'layerscope' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
