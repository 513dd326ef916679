"""scikit-learn's perceptrons that compute with edited values, for as long as that lasts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from sklearn.utils.validation import validate_data

from layerscope.backends.editing import Editing

#: The passes of a perceptron: that of ``predict``, and that of its training and scores.
_FAST, _WHOLE = "_forward_pass_fast", "_forward_pass"

Step = Callable[[Any], Any]


@contextmanager
def edited(
    perceptron: Any,
    layers: Sequence[tuple[str, Step]],
    steps: Mapping[str, Any],
    editing: Editing,
) -> Iterator[None]:
    """Have a perceptron, and the steps before it, compute with edited values.

    ``layers`` are the perceptron's, each with what it computes; ``steps`` are those before.
    """
    editing.check([*(name for name, _ in layers), *steps])

    def fast(X: Any, check_input: bool = True) -> Any:  # noqa: N803  # as scikit-learn has it
        if check_input:
            X = validate_data(perceptron, X, accept_sparse=["csr", "csc"], reset=False)  # noqa: N806
        if not steps:
            editing.begin(X)
        return functools.reduce(lambda value, layer: layer[1](value), layers, X)

    def whole(activations: list[Any]) -> list[Any]:
        if not steps:
            editing.begin(activations[0])
        for i, (_, layer) in enumerate(layers):
            activations[i + 1] = layer(activations[i])
        return activations

    with ExitStack() as stack:
        for number, (name, step) in enumerate(steps.items()):
            stack.enter_context(_put(step, "transform", _transform(step, name, editing, number)))
        stack.enter_context(_put(perceptron, _FAST, fast))
        stack.enter_context(_put(perceptron, _WHOLE, whole))
        _ACTIVE[id(perceptron)] = editing
        stack.callback(_ACTIVE.pop, id(perceptron), None)
        yield


#: What is edited now, by the identity of the perceptron, which the ``with`` holds on to.
_ACTIVE: dict[int, Editing] = {}


def editing_of(perceptron: Any) -> Editing | None:
    """Return what is edited of a perceptron now."""
    return _ACTIVE.get(id(perceptron))


def _transform(step: Any, name: str, editing: Editing, number: int) -> Callable[..., Any]:
    original = step.transform

    def transform(X: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N803  # as scikit-learn has it
        if number == 0:
            editing.begin(X)
        return editing.returned(name, original(X, *args, **kwargs))

    return transform


@contextmanager
def _put(owner: Any, name: str, method: Callable[..., Any]) -> Iterator[None]:
    """Have an object use this in place of its method."""
    vars(owner)[name] = method
    try:
        yield
    finally:
        vars(owner).pop(name, None)
