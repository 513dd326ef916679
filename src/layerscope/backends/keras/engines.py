"""The three tensor libraries under Keras: what each needs to run a pass and hand out its values.

An engine knows nothing of layers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, Protocol

import keras
import numpy as np
import numpy.typing as npt

from layerscope.backends.base import ReductionOf
from layerscope.core.axes import carried
from layerscope.core.errors import ModelError

#: Runs the model on its input; returns the values kept and the model's own result.
Pass = Callable[[Any], tuple[dict[str, Any], Any]]
Keep = Callable[[str, Any], Any]

#: From how many samples on TensorFlow's compiled pass is cheaper than its first eager one.
_COMPILE_FROM = 8
#: From how many values on XLA is worth its compilation, where TensorFlow reduces them.
_FUSED_FROM = 1_000_000


class Engine(Protocol):
    """What differs between JAX, TensorFlow and PyTorch under Keras."""

    name: str
    default_layout: Literal["channels_last", "channels_first"]
    sees_branches: bool  #: whether an uncompiled pass runs the branch that is taken, and no other

    def compiles(self, batch: int, seen: bool) -> bool:
        """Return whether to compile a pass, or to look its compiled form up.

        ``seen`` where a pass on inputs of this shape ran before: a single look should not pay for
        a compilation that it never uses again.
        """

    def value_test(self) -> Callable[[Any], bool]:
        """Return a test for tensors of the pass that begins now, not of a loop traced inside it."""

    def eager(self, model: Any, values: MutableMapping[str, Any]) -> AbstractContextManager[Keep]:
        """Open the scope of an uncompiled pass that changes nothing of the model.

        Entering it gives ``keep(address, value)``; leaving it makes sure that nothing in
        ``values`` changes later.
        """

    def snapshot(self, value: Any) -> Any:
        """Return the value, safe from being written to."""

    def keep(self, value: Any) -> Any:
        """Return what a compiled pass goes on with where it keeps a value."""

    def compile(self, run: Pass, variables: list[Any]) -> Callable[[Any], Any]:
        """Compile the pass as a function of the input, on the values that the variables have."""

    def is_on_cpu(self, value: Any) -> bool:
        """Return whether a tensor that is there lies in memory that NumPy reads in place."""

    def reduce(
        self, reduction: ReductionOf, value: Any, axes: tuple[str, ...], offsets: Any
    ) -> dict[str, Any] | None:
        """Return what a reduction makes of a value within a compiled pass."""

    def read(self, value: Any) -> tuple[npt.NDArray[Any], str | None]:
        """Read the value, not copied where the library lets us read it in place; as ``carried``."""
        ...


class JaxEngine:
    """Keras on JAX: always compiled, since JAX compiles each operation of an eager pass anyway."""

    name = "JAX"
    default_layout: Literal["channels_last", "channels_first"] = "channels_last"
    sees_branches = False

    def compiles(self, batch: int, seen: bool) -> bool:
        return True

    def value_test(self) -> Callable[[Any], bool]:
        import jax
        from jax.extend.core import get_opaque_trace_state

        # Values inside a scan or a vmap belong to a trace of their own, and must not leave it.
        outer = get_opaque_trace_state(convention="nnx")
        return lambda value: (
            isinstance(value, jax.Array) and get_opaque_trace_state(convention="nnx") == outer
        )

    @contextmanager
    def eager(self, model: Any, values: MutableMapping[str, Any]) -> Iterator[Keep]:
        with keras.StatelessScope():
            yield lambda _, value: value

    def snapshot(self, value: Any) -> Any:
        return value

    def keep(self, value: Any) -> Any:
        import jax
        from keras.src.backend import get_keras_mask, set_keras_mask

        # What follows reads what was written for us. Without the barrier XLA computes the value
        # twice: once for us, and again inside the kernel that it fuses for the next layer.
        kept = jax.lax.optimization_barrier(value)
        mask = get_keras_mask(value)
        if mask is not None:  # Keras hands masks on beside the tensors that they belong to
            set_keras_mask(kept, mask)
        return kept

    def compile(self, run: Pass, variables: list[Any]) -> Callable[[Any], Any]:
        import jax

        def traced(x: Any, values: list[Any]) -> tuple[dict[str, Any], Any]:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return run(x)

        function = jax.jit(traced)
        return lambda x: function(x, [variable.value for variable in variables])

    def is_on_cpu(self, value: Any) -> bool:
        return {device.platform for device in value.devices()} == {"cpu"}

    def reduce(
        self, reduction: ReductionOf, value: Any, axes: tuple[str, ...], offsets: Any
    ) -> dict[str, Any] | None:
        return reduction(keras.ops, value, axes, offsets)

    def read(self, value: Any) -> tuple[npt.NDArray[Any], str | None]:
        return carried(np.asarray(value))


class TensorFlowEngine:
    """Keras on TensorFlow: the first look runs eagerly, what is looked at again is compiled."""

    name = "TensorFlow"
    default_layout: Literal["channels_last", "channels_first"] = "channels_last"
    sees_branches = True

    def compiles(self, batch: int, seen: bool) -> bool:
        return seen or batch >= _COMPILE_FROM

    def value_test(self) -> Callable[[Any], bool]:
        import tensorflow as tf

        outer = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()

        def test(value: Any) -> bool:
            if not isinstance(value, tf.Tensor):
                return False
            graph = value.graph if tf.is_symbolic_tensor(value) else None
            return graph is outer

        return test

    @contextmanager
    def eager(self, model: Any, values: MutableMapping[str, Any]) -> Iterator[Keep]:
        with keras.StatelessScope():
            yield lambda _, value: value

    def snapshot(self, value: Any) -> Any:
        return value

    def keep(self, value: Any) -> Any:
        return value

    def compile(self, run: Pass, variables: list[Any]) -> Callable[[Any], Any]:
        import tensorflow as tf

        def traced(x: Any) -> tuple[dict[str, Any], Any]:
            with keras.StatelessScope():
                return run(x)

        # The graph reads the variables themselves.
        return tf.function(traced, autograph=False)  # type: ignore[no-any-return]

    def is_on_cpu(self, value: Any) -> bool:
        return ":CPU:" in value.device

    def reduce(
        self, reduction: ReductionOf, value: Any, axes: tuple[str, ...], offsets: Any
    ) -> dict[str, Any] | None:
        import tensorflow as tf

        shape = value.shape
        if axes[:1] != ("sample",) or None in shape or shape.num_elements() < _FUSED_FROM:
            return reduction(keras.ops, value, axes, offsets)

        def of_one(sample: Any, offset: Any) -> Any:
            made = reduction(keras.ops, sample[None], axes, offset[None])
            return made if made is None else {name: each[0] for name, each in made.items()}

        specs = tf.TensorSpec(shape[1:], value.dtype), tf.TensorSpec([], offsets.dtype)
        outputs = tf.function(of_one, autograph=False).get_concrete_function(*specs)
        if outputs.structured_outputs is None:
            return None
        types = {name: spec.dtype for name, spec in outputs.structured_outputs.items()}
        # TensorFlow's own kernels read a value once for each of its figures; XLA fuses some, and
        # the values of one sample stay in the cache meanwhile.
        fused = tf.function(
            lambda value, offsets: tf.map_fn(
                lambda one: of_one(*one), (value, offsets), fn_output_signature=types
            ),
            autograph=False,
            jit_compile=True,
        )
        return dict(fused(value, offsets))

    def read(self, value: Any) -> tuple[npt.NDArray[Any], str | None]:
        return carried(np.asarray(value))


class TorchEngine:
    """Keras on PyTorch: never compiled; what an operation overwrites is copied first."""

    name = "PyTorch"
    default_layout: Literal["channels_last", "channels_first"] = "channels_last"
    sees_branches = True

    def compiles(self, batch: int, seen: bool) -> bool:
        return False

    def value_test(self) -> Callable[[Any], bool]:
        from layerscope.backends.torch.tensors import is_value

        return is_value

    @contextmanager
    def eager(self, model: Any, values: MutableMapping[str, Any]) -> Iterator[Keep]:
        import torch

        from layerscope.backends.torch.tensors import Originals, lasting_tensors

        with torch.no_grad(), keras.StatelessScope(), Originals() as originals:
            yield functools.partial(originals.watch, values)
        originals.detach_from(lasting_tensors(model), only=values)

    def snapshot(self, value: Any) -> Any:
        return value.clone()

    def keep(self, value: Any) -> Any:
        return value

    def compile(self, run: Pass, variables: list[Any]) -> Callable[[Any], Any]:
        raise AssertionError("this engine compiles nothing")

    def is_on_cpu(self, value: Any) -> bool:
        return bool(value.is_cpu)

    def reduce(
        self, reduction: ReductionOf, value: Any, axes: tuple[str, ...], offsets: Any
    ) -> dict[str, Any] | None:
        return reduction(keras.ops, value, axes, offsets)

    def read(self, value: Any) -> tuple[npt.NDArray[Any], str | None]:
        from layerscope.backends.torch.tensors import read

        return read(value)


def engine() -> Engine:
    """Return the engine for the backend that Keras runs on in this process."""
    name = keras.config.backend()
    engines: dict[str, type[Engine]] = {
        "jax": JaxEngine,
        "tensorflow": TensorFlowEngine,
        "torch": TorchEngine,
    }
    if name not in engines:
        raise ModelError(
            f"Keras runs on {name!r} here: layerscope knows jax, tensorflow and torch; "
            "set KERAS_BACKEND to one of them before Keras is imported."
        )
    return engines[name]()
