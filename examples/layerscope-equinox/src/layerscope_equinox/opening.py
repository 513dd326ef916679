"""Files of weights that ``equinox.tree_serialise_leaves`` has written."""

from __future__ import annotations

from typing import Any

import equinox as eqx

from layerscope.backends.opening.files import Request, start_of
from layerscope.backends.opening.imported import import_module, imported
from layerscope.backends.origin import remember
from layerscope.core.errors import ModelError
from layerscope.core.network import Origin

_NPY = b"\x93NUMPY"


def open_file(request: Request) -> Any:
    """Return the module given as ``architecture=``, with the weights of the file.

    Raises ModelError when there is no architecture, or its weights are not those of the file.
    """
    path = str(request.path)
    start = start_of(request.path)
    if request.architecture is None:
        raise ModelError(
            f"{path!r} holds only weights: pass architecture=, a module, what makes one, or "
            "package.module:Class(args)."
        )
    if not start.startswith(_NPY):
        raise ModelError(f"{path!r} is no file of equinox.tree_serialise_leaves.")
    for name in request.imports:
        import_module(name)
    like = request.architecture
    if isinstance(like, str):
        like = imported(like, request.backend)
    elif not isinstance(like, eqx.Module) and callable(like):
        like = like()
    if not isinstance(like, eqx.Module):
        raise ModelError(f"architecture= is a {type(like).__name__}, no Equinox module.")
    try:
        model = eqx.tree_deserialise_leaves(path, like)
    # What Equinox and NumPy raise for a damaged file, and for one of another architecture.
    except (RuntimeError, ValueError, TypeError, EOFError, OSError) as error:
        raise ModelError(
            f"{path!r} does not hold the weights of this {type(like).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}."
        ) from error
    return remember(model, Origin(path, "Equinox weights"))
