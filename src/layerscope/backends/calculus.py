"""What differs between JAX, TensorFlow and PyTorch under Keras where gradients are taken.

What is compiled is a pure function of arrays. On JAX the model's variables are among them, since
what a compiled function closes over becomes constants in it, which take long to compile. Keras'
optimizers, which write to variables, are made pure functions, too.
"""

from __future__ import annotations

import functools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import keras
import numpy as np

from layerscope.core.errors import ModelError


class Calculus(Protocol):
    """What differs between JAX, TensorFlow and PyTorch under Keras where gradients are taken."""

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        """Return a gradient, as :meth:`Differentiable.gradient` does."""
        ...

    def compile(
        self, function: Callable[..., Any], variables: Sequence[Any], *, network: bool
    ) -> Callable[..., Any]:
        """Compile the function, which reads these variables.

        ``network``: it runs the model; else it is arithmetic of ours.
        """
        ...

    def forwarded(self, value: Any) -> Any:
        """Return what a pass continues with where it has handed this value out."""

    def update(self, optimizer: Any, params: Any) -> KerasUpdate:
        """Return one of Keras' optimizers as a pure function."""
        ...


class JaxCalculus:
    """Gradients on JAX."""

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        import jax

        def differentiated(x: Any, *rest: Any) -> tuple[Any, Any]:
            def total(x: Any) -> tuple[Any, Any]:
                returned = function(x, *rest)
                return keras.ops.sum(_scores(returned)), returned

            (_, returned), gradient = jax.value_and_grad(total, has_aux=True)(x)
            return returned, gradient

        return differentiated

    def compile(
        self, function: Callable[..., Any], variables: Sequence[Any], *, network: bool
    ) -> Callable[..., Any]:
        import jax

        def traced(values: list[Any], *args: Any) -> Any:
            mapping = list(zip(variables, values, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                return function(*args)

        compiled = jax.jit(traced)
        return lambda *args: compiled([v.value for v in variables], *args)

    def forwarded(self, value: Any) -> Any:
        return value

    def update(self, optimizer: Any, params: Any) -> KerasUpdate:
        return KerasUpdate(optimizer, params)


class TensorFlowCalculus:
    """Gradients on TensorFlow."""

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        import tensorflow as tf

        def differentiated(x: Any, *rest: Any) -> tuple[Any, Any]:
            x = tf.convert_to_tensor(x)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                returned = function(x, *rest)
                total = tf.reduce_sum(_scores(returned))
            zero = tf.UnconnectedGradients.ZERO
            return returned, tape.gradient(total, x, unconnected_gradients=zero)

        return differentiated

    def compile(
        self, function: Callable[..., Any], variables: Sequence[Any], *, network: bool
    ) -> Callable[..., Any]:
        import tensorflow as tf

        # A partial, since TensorFlow tells functions by their code, and would warn that one of them
        # is traced again and again.
        traced = functools.partial(_in_scope, function)
        if network:
            # Retracing less, an input of another size makes the sizes variable, for all that come.
            return tf.function(traced, autograph=False, reduce_retracing=True)  # type: ignore[no-any-return]
        # Many small operations on an image take a third of the time when they are fused.
        return tf.function(traced, autograph=False, jit_compile=True)  # type: ignore[no-any-return]

    def forwarded(self, value: Any) -> Any:
        return value

    def update(self, optimizer: Any, params: Any) -> KerasUpdate:
        return StatefulUpdate(optimizer, params)


class TorchCalculus:
    """Gradients on PyTorch, which compiles nothing here."""

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        import torch

        def differentiated(x: Any, *rest: Any) -> tuple[Any, Any]:
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                returned = function(leaf, *rest)
                total = _scores(returned).sum()
                if not total.requires_grad:  # they do not depend on x
                    return returned, torch.zeros_like(leaf)
                (gradient,) = torch.autograd.grad(total, leaf, materialize_grads=True)
            return keras.tree.map_structure(_detached, returned), gradient

        return differentiated

    def compile(
        self, function: Callable[..., Any], variables: Sequence[Any], *, network: bool
    ) -> Callable[..., Any]:
        import torch

        def run(*args: Any) -> Any:
            args = keras.tree.map_structure(_tensor, args)
            with torch.no_grad():
                return function(*args)

        return run

    def forwarded(self, value: Any) -> Any:
        return value.clone()  # a later layer may write into what it receives

    def update(self, optimizer: Any, params: Any) -> KerasUpdate:
        return StatefulUpdate(optimizer, params)


_FUNCTIONS_REMEMBERED = 32

#: Compiled functions by the model they are of. They go with it; none of them holds on to it.
_MEMORY: weakref.WeakKeyDictionary[Any, OrderedDict[Hashable, Callable[..., Any]]] = (
    weakref.WeakKeyDictionary()
)


def calculus() -> Calculus:
    """Return that of the backend that Keras runs on in this process.

    Raises ModelError where that has no gradients.
    """
    kinds: dict[str, type[Calculus]] = {
        "jax": JaxCalculus,
        "tensorflow": TensorFlowCalculus,
        "torch": TorchCalculus,
    }
    running = keras.config.backend()
    if running not in kinds:
        raise ModelError(
            f"Keras runs on {running} in this process, which has no gradients: start a new one "
            f"with KERAS_BACKEND={', '.join(kinds)}."
        )
    return kinds[running]()


def compiled(
    model: Any,
    function: Callable[..., Any],
    key: Hashable,
    variables: Callable[[], Sequence[Any]],
    *,
    network: bool,
) -> Callable[..., Any]:
    """Return the function compiled; where the model has one of the same key, that one.

    ``variables`` returns what the function reads, and ``network`` says whether it runs the model.
    """
    memory = _MEMORY.setdefault(model, OrderedDict())
    if key not in memory:
        memory[key] = calculus().compile(function, variables(), network=network)
    memory.move_to_end(key)
    while len(memory) > _FUNCTIONS_REMEMBERED:
        memory.popitem(last=False)
    return memory[key]


def forget(model: Any) -> None:
    """Forget the functions compiled for a model."""
    _MEMORY.pop(model, None)


class KerasUpdate:
    """One of Keras' optimizers as a pure function; it ascends."""

    def __init__(self, optimizer: Any, params: Any) -> None:
        # A copy: on PyTorch a variable would share the memory of what it is made from.
        self._variable = keras.Variable(keras.ops.copy(params), name="image")
        self._optimizer = optimizer
        optimizer.build([self._variable])
        self._state = [keras.ops.copy(v.value) for v in optimizer.variables]
        # Beside it there may be a schedule in its place, which then has the say.
        self._rate: Any = getattr(optimizer, "_learning_rate", None)

    @property
    def state(self) -> list[Any]:
        """What it begins with."""
        return list(self._state)

    def __call__(
        self, params: Any, state: list[Any], gradient: Any, step_size: Any
    ) -> tuple[Any, list[Any]]:
        """Return the new parameters and the new state."""
        state = self._at(state, step_size)
        (params,), state = self._optimizer.stateless_apply(state, [-gradient], [params])
        return params, list(state)

    def _at(self, state: list[Any], step_size: Any) -> list[Any]:
        """Return the state with this step size in the place of the learning rate."""
        return [
            keras.ops.cast(step_size, v.dtype) if v is self._rate else value
            for v, value in zip(self._optimizer.variables, state, strict=True)
        ]


class StatefulUpdate(KerasUpdate):
    """The same where Keras' optimizers write to the framework's own variables."""

    def __call__(
        self, params: Any, state: list[Any], gradient: Any, step_size: Any
    ) -> tuple[Any, list[Any]]:
        variables = self._optimizer.variables
        # The scope around a compiled function keeps assignments from the variables; these are ours.
        with _outside_of_scopes():
            self._variable.assign(params)
            for variable, value in zip(variables, self._at(state, step_size), strict=True):
                variable.assign(value)
            self._optimizer.apply([-gradient], [self._variable])
            return self._now(self._variable), [self._now(v) for v in variables]

    @staticmethod
    def _now(variable: Any) -> Any:
        return keras.ops.copy(keras.ops.convert_to_tensor(variable.value))


@contextmanager
def _outside_of_scopes() -> Iterator[None]:
    from keras.src.backend.common.global_state import get_global_attribute, set_global_attribute

    scope = get_global_attribute("stateless_scope")
    set_global_attribute("stateless_scope", None)
    try:
        yield
    finally:
        set_global_attribute("stateless_scope", scope)


def optimizer_of(which: Any) -> Any:
    """Return a new optimizer: ``"adam"``, or one like the optimizer given.

    Raises ModelError for anything else.
    """
    if which == "adam":
        return keras.optimizers.Adam()
    if isinstance(which, keras.optimizers.Optimizer):
        return type(which).from_config(which.get_config())
    raise ModelError(
        f"optimizer={which!r} is none: pass 'ascent', 'adam' or one of keras.optimizers."
    )


def _in_scope(function: Callable[..., Any], *args: Any) -> Any:
    """Call the function, with nothing that it would assign to a variable reaching the model."""
    with keras.StatelessScope():
        return function(*args)


def _scores(returned: Any) -> Any:
    return returned[0] if isinstance(returned, tuple) else returned


def _detached(value: Any) -> Any:
    return value.detach() if hasattr(value, "detach") else value


def _tensor(value: Any) -> Any:
    return keras.ops.convert_to_tensor(value) if isinstance(value, np.ndarray) else value
