"""Attention rollout: how much of each token reaches the answer, from layer to layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.attention import is_attention, rolled_out
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError, InputError
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.selection import Selection
from layerscope.instruments.attribution.engine import PASSES, parts
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method
from layerscope.instruments.attribution.resizing import resized
from layerscope.instruments.attribution.token_grid import token_grid

Array = npt.NDArray[Any]


def attention_rollout(task: AttributionTask) -> Maps:
    """Return how much of each place reaches the first token, or all tokens on the mean.

    Of an image whose tokens are patches, the first is the class token where there is one.
    """
    weights, names = _rolled(task)
    task.notes["attention_rollout: it is of the whole answer, whatever the target"] = None
    return of_tokens(task, weights, {"layers": len(names)})


def of_tokens(task: AttributionTask, weights: Array, settings: dict[str, Any]) -> Maps:
    """Return how much of each token, (sample, query, key), reaches the answer as a map of an input.

    Raises InputError where tokens are neither an input's positions nor patches of it.
    """
    count = weights.shape[-1]
    for part in task.subject.parts:
        lengths = dict(zip(part.axes, part.values.shape, strict=True))
        if lengths.get("position") == count:
            values = weights.mean(axis=1)
            array = NamedArray(values, ("sample", "position"))
            return Maps(None, settings, of_inputs={part.name: array})
        if not {"y", "x"} <= set(lengths):
            continue
        size = lengths["y"], lengths["x"]
        grid = token_grid(task.subject.network, count, size)
        if grid is None:
            continue
        values = weights[:, 0] if grid.apart else weights.mean(axis=1)
        maps = grid.of(values.astype(np.float64))
        settings = {**settings, "grid": grid.shape, "tokens apart": grid.apart}
        axes = ("sample", "y", "x")
        wide = NamedArray(resized(maps, size), axes)
        kept = NamedArray(maps.astype(np.float32), axes)
        return Maps(None, settings, of_inputs={part.name: wide}, grid=kept)
    shapes = "; ".join(
        f"{part.name!r} has " + ", ".join(
            f"{axis} {length}" for axis, length in
            zip(part.axes[1:], part.values.shape[1:], strict=True)
        ) for part in task.subject.parts
    )  # fmt: skip
    raise InputError(
        f"The attention is over {count} tokens, which are neither positions nor patches of an "
        f"input: {shapes}."
    )


def _rolled(task: AttributionTask) -> tuple[Array, tuple[str, ...]]:
    """Return the rollout up to the last layer, (sample, query, key), and which took part."""
    subject = task.subject
    rows = [row.address for row in subject.network if is_attention(row.axes or ())]
    if not rows:
        raise InputError(
            "The network has no attention weights, which attention_rollout is made of: saliency, "
            "integrated_gradients and occlusion work."
        )
    selection = Selection(written=rows, exact=frozenset(rows))
    results: list[Array] = []
    names: tuple[str, ...] = ()
    for part in parts(len(subject), task.engine.batch_size):
        with in_one_sentence():
            run = subject.backend.run(subject.given_as(task.rows[part]), selection)
        kept = {name: run.values[name].presented() for name in rows if name in run.values}
        try:
            rolled = rolled_out(kept, 0.5, strict=False)
        except AddressError as error:
            raise InputError(f"No rollout: {error}") from error
        last = list(rolled.values())[-1]
        names = last.attrs["rollout"]
        results.append(last.values)
    return np.concatenate(results), names


METHODS = (
    Method(
        "attention_rollout",
        attention_rollout,
        PASSES,
        "Abnar & Zuidema 2020, Quantifying Attention Flow in Transformers, arXiv:2005.00928",
    ),
)
