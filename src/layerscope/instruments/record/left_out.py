"""What of a network a recording does not hold, in sentences: nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from layerscope.backends.base import ForwardPass
from layerscope.backends.training import training_of
from layerscope.core import console
from layerscope.core.axes import NamedArray

#: What can be kept of a value: numbers and truth values.
_KINDS = "fiub"

#: How many names a sentence holds.
_NAMES = 8


def numeric(arrays: Mapping[str, NamedArray]) -> tuple[str, ...]:
    """Return the names of the arrays that can be recorded."""
    return tuple(name for name, array in arrays.items() if array.values.dtype.kind in _KINDS)


def left_out(
    model: Any,
    run: ForwardPass,
    kept: Collection[str],
    inputs: Mapping[str, NamedArray],
    whole: bool,
) -> tuple[str, ...]:
    """Return what is not recorded of a network, given a pass; ``whole`` where all layers are to be.

    ``kept`` are the addresses of what is recorded.
    """
    sentences = []
    texts = [name for name in inputs if name not in numeric(inputs)]
    if texts:
        sentences.append(f"no numbers, and so not kept with the recording: {_names(texts)}")
    others = [name for name in run.values if name not in kept]
    if others:
        sentences.append(f"returns no numbers, and so is not recorded: {_names(others)}")
    if whole:
        called = {*run.aliases, *run.left_out, *(layer.address for layer in run.network)}
        weighted, weightless = training_of(model).uncalled(called)
        if weighted:
            names = _names(weighted)
            sentences.append(f"not called on the probe, so only weights are recorded of: {names}")
        if weightless:
            names = _names(weightless)
            sentences.append(f"not called on the probe, so nothing is recorded of: {names}")
    return tuple(sentences)


def came_later(names: Iterable[str]) -> str:
    """Return what to say of values and weights that were not there at the first step."""
    return f"not there at the first step, and so not recorded: {_names(list(names))}"


def report(sentence: str) -> None:
    """Say on stderr what a recording lacks, also where its size is not to be said."""
    console.report(f"layerscope: {sentence}.")


def _names(names: list[str]) -> str:
    return ", ".join(names[:_NAMES]) + (", …" if len(names) > _NAMES else "")
