"""Gradient × attention: attention weights, each as far as the target grows with it."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from layerscope.core.attention import gradient_relevance, is_attention
from layerscope.core.errors import InputError
from layerscope.core.network import Layer
from layerscope.instruments.attribution.engine import ALTERED
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method
from layerscope.instruments.attribution.methods.rollout import of_tokens

Array = npt.NDArray[Any]


def gradient_x_attention(task: AttributionTask) -> Maps:
    """Return how much of each place reaches the answer by attention that the target grows with."""
    layers = _layers(task)
    task.known_scores, pairs = task.engine.attention_gradients(layers, task.rows)
    relevance = gradient_relevance([(_headed(w), _headed(gradient)) for w, gradient in pairs])
    return of_tokens(task, relevance[:, None], {"layers": len(layers)})


def _headed(array: Array) -> Array:
    """Return weights with an axis of heads, also those of one head that have none."""
    return array if array.ndim == 4 else array[:, None]


def _layers(task: AttributionTask) -> list[Layer]:
    """Return the attention weights with as many queries as keys, as long as the last of them."""
    network = task.subject.network
    square = [row for row in network if is_attention(row.axes or ()) and _lengths(row) is not None]
    if not square:
        raise InputError(
            "The network has no attention weights of as many queries as keys, which "
            "gradient_x_attention is made of: saliency, integrated_gradients and occlusion work."
        )
    return [row for row in square if _lengths(row) == _lengths(square[-1])]


def _lengths(row: Layer) -> int | None:
    """Return how many places attend to as many; None where it is no such weights."""
    sizes = dict(zip(row.axes or (), row.shape or (), strict=True))
    known = {"sample", "query", "key"} <= set(sizes) <= {"sample", "head", "query", "key"}
    if not known or sizes["query"] != sizes["key"]:
        return None
    return sizes["query"]


METHODS = (
    Method(
        "gradient_x_attention",
        gradient_x_attention,
        ALTERED,
        "Chefer, Gur & Wolf 2021, Generic Attention-model Explainability, arXiv:2103.15679",
    ),
)
