"""INPUT and DATA of a command: what it names, or a loader that is imported by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

#: ``package.module:name``, perhaps with arguments.
_IMPORTABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d][\w.]*(\(.*\))?", re.DOTALL)


def data_of(model: Any, given: Sequence[Any]) -> Any:
    """Return INPUT… as ``activations`` takes it: one, a list, or what ``package.module:name`` is.

    That is a loader, or a function that returns one. A file that is there is a file, whatever its
    name, and what a model of texts is given are texts.

    Raises
    ------
    ModelError
        When there is no such name, or calling it raises.
    """
    if len(given) != 1:
        return list(given)
    (one,) = given
    if not isinstance(one, str) or _IMPORTABLE.fullmatch(one) is None:
        return one
    from layerscope.backends import backend_for
    from layerscope.backends.digits import is_digits
    from layerscope.backends.opening.imported import imported
    from layerscope.inputs.array_files import array_file
    from layerscope.inputs.loaders import takes_texts

    if os.path.lexists(one) or array_file(one) or is_digits(one):
        return one
    return one if takes_texts(backend_for(model).inputs()) else imported(one)
