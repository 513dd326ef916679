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

    ``layers`` are the perceptron's, each with what it computes; ``steps`` are those before. Edits
    within edits are made after those around them.
    """
    editing.check([*(name for name, _ in layers), *steps])

    def fast(X: Any, check_input: bool = True) -> Any:  # noqa: N803  # as scikit-learn has it
        if check_input:
            X = validate_data(perceptron, X, accept_sparse=["csr", "csc"], reset=False)  # noqa: N806
        if not steps:
            begin(perceptron, X)
        return functools.reduce(compute, layers, X)

    def whole(activations: list[Any]) -> list[Any]:
        if not steps:
            begin(perceptron, activations[0])
        for i, layer in enumerate(layers):
            activations[i + 1] = compute(activations[i], layer)
        return activations

    def compute(value: Any, layer: tuple[str, Step]) -> Any:
        name, step = layer
        return returned(perceptron, name, step(value))

    with ExitStack() as stack:
        for number, (name, step) in enumerate(steps.items()):
            stack.enter_context(_put(step, "transform", _transform(step, name, editing, number)))
        stack.enter_context(_put(perceptron, _FAST, fast))
        stack.enter_context(_put(perceptron, _WHOLE, whole))
        stack.enter_context(_active(perceptron, editing))
        yield


#: What is edited now, by the identity of the perceptron, which each ``with`` holds on to.
_ACTIVE: dict[int, list[Editing]] = {}


@contextmanager
def _active(perceptron: Any, editing: Editing) -> Iterator[None]:
    active = _ACTIVE.setdefault(id(perceptron), [])
    active.append(editing)
    try:
        yield
    finally:
        active.remove(editing)
        if not active:
            _ACTIVE.pop(id(perceptron), None)


def begin(perceptron: Any, x: Any) -> None:
    """Note that a perceptron is called anew."""
    for editing in _ACTIVE.get(id(perceptron), ()):
        editing.begin(x)


def returned(perceptron: Any, layer: str, value: Any) -> Any:
    """Return what a layer of a perceptron is to return, for what it has returned."""
    for editing in _ACTIVE.get(id(perceptron), ()):
        value = editing.returned(layer, value)
    return value


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
    before = vars(owner).get(name)
    vars(owner)[name] = method
    try:
        yield
    finally:
        if before is None:
            vars(owner).pop(name, None)
        else:
            vars(owner)[name] = before
