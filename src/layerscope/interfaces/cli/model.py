"""The model that was named, opened and run: what its own code raises is one sentence too."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layerscope.errors import InputError, LayerscopeError
from layerscope.interfaces.cli.output import status

if TYPE_CHECKING:
    from layerscope.recording import Recording


def opened(args: argparse.Namespace) -> Any:
    """The model that MODEL, ``--backend`` and ``--trust`` say."""
    from layerscope.backends.opening import open_model

    with status("Opening the model"):
        return open_model(args.model, backend=args.backend, trust=args.trust)


def as_input(given: Sequence[Any]) -> Any:
    """What INPUT… says: one of them, or a list."""
    return given[0] if len(given) == 1 else list(given)


def ran(
    model: Any,
    x: Any,
    layers: Sequence[str] = (),
    input_range: tuple[float, float] | str = (0, 1),
) -> Recording:
    """The activations of the model on an input.

    Raises InputError when the model's own code raises: it is run on an input that it does not take.
    """
    from layerscope.instruments.activations import activations

    try:
        with status("Running the model"):
            return activations(model, x, layers=list(layers) or None, input_range=input_range)
    except LayerscopeError:
        raise
    # Somebody else's code, which may raise anything.
    except Exception as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"The model can't be run on this input: {type(error).__name__}: {said}"
        ) from error
