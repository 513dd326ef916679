"""JSON files of Keras: an architecture alone, or a model of TensorFlow.js with its weights beside.

::

    JSON ──► class_name, config                ──► built, with random weights
         ├─► modelTopology, a configuration    ──► built ──► weights from the shards beside it
         └─► modelTopology, a graph of TensorFlow's operations ──► a sentence
"""

from __future__ import annotations

from typing import Any

from layerscope.backends.keras.files import tfjs
from layerscope.backends.keras.files.building import build, prepare
from layerscope.backends.keras.files.configs import parse
from layerscope.backends.keras.files.hdf5 import fits_in_memory, json_config
from layerscope.backends.keras.files.repairs import in_words
from layerscope.backends.opening.files import Request, start_of
from layerscope.backends.origin import remember
from layerscope.core.errors import ModelError
from layerscope.core.network import Origin

_RANDOM = "the file holds an architecture without weights: they were drawn at random"


def open_file(request: Request) -> Any:
    """Return the model in a JSON file: of TensorFlow.js with its weights, else with random ones.

    Raises ModelError when the file is damaged, holds code, describes no model, or its weights are
    not beside it or do not fit.
    """
    path = request.path
    start_of(path)
    described = parse(path.read_bytes(), path)
    of_tfjs = tfjs.is_model(described)
    if request.architecture is not None:
        raise ModelError(
            f"{str(path)!r} holds its own architecture: leave out the one that you passed."
            if of_tfjs
            else f"{str(path)!r} is an architecture: pass the file with the weights as the model, "
            "and this one as its architecture."
        )
    if of_tfjs:
        return tfjs.open_model(request, described)
    custom = prepare(request)
    config, done, version = json_config(path, custom)
    model = build(config, path, custom, fits_in_memory(path), drawn=True)
    origin = Origin(str(path), "Keras JSON", f"Keras {version}" if version else "",
                    (_RANDOM, *in_words(done)))  # fmt: skip
    return remember(model, origin)
