"""The model that was named, opened and run: what its own code raises is one sentence too."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.interfaces.cli.data import data_of

if TYPE_CHECKING:
    from layerscope.inputs import Prepared
    from layerscope.instruments.passes import Passes
    from layerscope.recordings.recording import Recording


def opened(args: argparse.Namespace, name: str | None = None) -> Any:
    """Return the model that MODEL, or another name, and the options about opening it say."""
    with Bar("Opening the model"):
        return opening(args, args.model if name is None else name)()


def opening(args: argparse.Namespace, name: str) -> Callable[[], Any]:
    """Return what opens a model, wherever it is called."""
    from layerscope.backends.opening import load_model

    return functools.partial(
        load_model,
        name,
        architecture=args.architecture,
        imports=args.imports,
        backend=args.backend,
        trust=args.trust,
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """How INPUT is read: what the options about it say."""

    input_range: tuple[float, float] | str = (0, 1)
    resize: str = "stretch"
    size: tuple[int, int] | None = None
    preprocess: str | None = None
    batch_size: int | None = None
    samples: int | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Reading:
        """Read those of a command that has :func:`options.add_input`, and perhaps batches."""
        batches = getattr(args, "batch_size", None), getattr(args, "samples", None)
        return cls(args.input_range, args.resize, args.size, args.preprocess, *batches)

    def options(self) -> dict[str, Any]:
        """Return them as ``activations`` takes them; how many samples only where that was said."""
        counts = ("batch_size", "samples")
        return {k: v for k, v in asdict(self).items() if k not in counts or v is not None}


def passes_of(
    model: Any, given: Any, layers: Sequence[str] = (), reading: Reading | None = None
) -> Passes:
    """Return the passes of INPUT… through the model, not yet run: of one, a list, or files.

    Raises as :func:`data_of` does.
    """
    from layerscope.inputs import listed
    from layerscope.instruments.passes import Passes

    x = data_of(model, given) if isinstance(given, list) else given
    options = (reading or Reading()).options()
    passes = Passes.on(model, x, list(layers) or None, **options)
    several = isinstance(x, list) and passes.x is x and len(passes.specs) < 2
    if several and passes.feed is None and _are_files(x):
        # What the shell has made of photos/*.jpg is no other than photos/ itself.
        return Passes.on(model, listed(x), list(layers) or None, **options)
    return passes


def ran(passes: Passes) -> tuple[Prepared, Recording]:
    """Return the only pass, or, of files, the first: its input and its recording."""
    with in_one_sentence(), Bar("Running the model"):
        prepared = next(passes.inputs())
        return prepared, passes.record(prepared)


def _are_files(x: Sequence[str]) -> bool:
    return all(isinstance(item, str) and item not in ("noise", "zeros") for item in x)
