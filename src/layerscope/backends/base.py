"""What a framework must offer to be looked into.

Requirements
- ``Backend`` is small, and all of it is required; what only some frameworks can do is a protocol
  of its own: ``Differentiable``, ``Alterable``, ``Editable``, ``Normalizing``, ``Portable``,
  ``Reducing``.
- A backend wraps one model. It leaves the model as it found it: weights, modes, hooks, random
  state and compiled functions, also when the forward pass raises.
- It returns NumPy arrays that nothing overwrites later, in the framework's own layout, with their
  axes named. It draws nothing and chooses nothing: a ``Selection`` says which layers to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from layerscope.backends.editing import AxesByAddress, Editing, LayerEdit
from layerscope.backends.gradient_rules import GradientRule
from layerscope.core.axes import NamedArray
from layerscope.core.network import InputSpec, Layer, Network
from layerscope.core.operations import OperationGraph
from layerscope.core.selection import Selection

Result = TypeVar("Result")


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass, seen."""

    network: Network  #: what was called, in the order in which it was called
    values: Mapping[str, NamedArray]  #: of the layers selected, by address
    inputs: Mapping[str, NamedArray]  #: what the network received
    aliases: Mapping[str, str] = field(default_factory=dict)
    output: Any = None  #: the model's own result, NumPy arrays in its own structure;
    #: None where the pass stopped early
    left_out: tuple[str, ...] = ()  #: layers that were called where no value can be seen


class Backend(Protocol):
    """One model, in one framework.

    A recorder also reads the class attribute ``training``, where there is one: a child of
    :class:`layerscope.backends.training.Training`.
    """

    @property
    def framework(self) -> str:
        """Name and version: ``Keras 3.15 on JAX``."""

    def describe(self) -> Network:
        """Return the layers as far as they are known without running the model."""
        ...

    def inputs(self) -> tuple[InputSpec, ...]:
        """Return what the model expects; empty where it does not say."""

    def select(self, layers: Any, executed: Iterable[Layer] | None = None) -> Selection:
        """Read ``layers=``, the framework's own layer objects included.

        ``executed`` is what a pass called, where that is not known before one.
        """

    def run(self, x: Any, selection: Selection) -> ForwardPass:
        """Make one forward pass in inference mode.

        ``x`` is an array in the model's own layout, or a list, tuple or dict of them for a model
        with several inputs.
        """

    def weights(self) -> Mapping[str, NamedArray]:
        """Return a snapshot of every parameter.

        Kernels are ``(y, x, input, channel)``, ``(input, unit)``.
        """

    def digest(self) -> str:
        """Return a digest of the weights, in hexadecimal; of the structure where there are none.

        It is the same in each process.
        """


#: Reduces a layer's values where they are computed: given ``keras.ops`` or what has the same names,
#: a tensor, the names of its axes and a number for each sample, it returns tensors by name, or None
#: where it can't. It is hashable, and equal to what does the same.
ReductionOf = Callable[[Any, Any, tuple[str, ...], Any], dict[str, Any] | None]


@dataclass(frozen=True)
class ReducedPass:
    """One forward pass of which numbers were kept instead of values."""

    network: Network  #: what was called, in the order in which it was called
    values: Mapping[str, Mapping[str, Any]]  #: NumPy arrays that the reduction has made, by address
    axes: Mapping[str, tuple[str, ...]]  #: of what was reduced, in its own order
    shapes: Mapping[str, tuple[int, ...]]  #: of what was reduced
    input_axes: Mapping[str, tuple[str, ...]]  #: of what the network received, by name
    aliases: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()  #: layers that were called where no value can be seen


@runtime_checkable
class Reducing(Protocol):
    """A model whose values can be reduced where they are computed."""

    def reduced(
        self, x: Any, selection: Selection, reduction: ReductionOf, offsets: Any
    ) -> ReducedPass:
        """Make one forward pass in inference mode, and keep what the reduction makes of values.

        ``offsets`` is a NumPy array of int32 with a number for each sample.
        """
        ...


@dataclass(frozen=True, slots=True, order=True)
class Tap:
    """A value of a pass: what a layer returns, or what goes into the activation fused into it."""

    layer: str
    before_activation: bool = False


@runtime_checkable
class Differentiable(Protocol):
    """A model whose values can be differentiated with respect to its input.

    Tensors are the framework's own, of float32, and *presented*: samples first, channels last,
    whatever the model's own layout.
    """

    @property
    def ops(self) -> Any:
        """``keras.ops``, on the tensors of this framework, or what has the same names.

        Raises MissingDependencyError where Keras is not installed, ModelError where it already
        runs on another framework in this process.
        """

    def values(
        self, taps: Sequence[Tap], embedding: str | None = None, *, redirected: bool = False
    ) -> Callable[[Any], Any]:
        """Return a forward pass in inference mode, for :meth:`gradient` and :meth:`compiled`.

        Given the input, it returns a dict of the values by tap; layers after the last tap are not
        computed. With ``embedding``, it is given what that layer returns, and the model is run on
        indices that stand for nothing. With ``redirected``, the gradient goes on behind a ReLU that
        lets nothing of it through (:mod:`layerscope.backends.relu_gradient`), as far as the
        framework's ReLUs can be told. Raises AddressError where no layer is called so.
        """

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        """Return a function of ``(x, *rest)`` that also returns a gradient.

        ``function`` returns scores, or a tuple of scores and anything else; the result returns
        what it returned, and the gradient of the sum of the scores with respect to x.
        """

    def compiled(
        self, function: Callable[..., Any], key: Hashable, *, network: bool
    ) -> Callable[..., Any]:
        """Return the function of arrays, compiled where the framework compiles.

        It is remembered with the model under the key, which must tell it from every other;
        ``network`` says whether it runs the model.
        """

    def optimizer(self, which: Any, params: Any) -> Update:
        """Return ``"adam"`` or one of Keras' own optimizers, for parameters of that shape."""
        ...


@runtime_checkable
class Alterable(Differentiable, Protocol):
    """A model whose gradients can be had at any layer, and by other rules than the chain rule."""

    def altered(
        self,
        taps: Sequence[Tap],
        *,
        shifted: Sequence[Layer] = (),
        rule: GradientRule | None = None,
    ) -> Callable[..., Any]:
        """Return a pass as :meth:`values` does, given the input and a tuple of shifts.

        Each is added to what one of the layers ``shifted`` returns, and presented as that is: where
        it is zeros, its gradient is that of the layer's value. Without ``shifted`` there are none.
        An input of whole numbers arrives as it is. Several inputs, in a list or a dict, are in the
        model's own layout, not presented. Gradients follow the ``rule``
        (:mod:`layerscope.backends.gradient_rules`). Raises AddressError where no layer is called
        so, ModelError where nothing can be added to it.
        """
        ...

    def shuffled(self, keys: Collection[str], seed: int, function: Callable[[], Result]) -> Result:
        """Return what the function returns while the values of some parameters are shuffled.

        Keys are those of :meth:`Backend.weights`; each parameter keeps its own values, in another
        order. They are put back whatever the function raises.
        """
        ...


@runtime_checkable
class Editable(Protocol):
    """A model whose layers can be made to return other values than they would."""

    def edited(
        self, edits: Sequence[LayerEdit], axes: AxesByAddress | None = None
    ) -> AbstractContextManager[Editing]:
        """Have the model's own calls, and passes, go on with edited values, as long as this lasts.

        The model is as it was afterwards, whatever happens. ``axes`` are those of the values that
        are edited, where they are known; else they are found at the model's first call. Raises
        ModelError where something named is no layer whose value can be replaced.
        """
        ...


@runtime_checkable
class Compiling(Protocol):
    """A model whose passes are compiled, so that what is another program costs a compilation."""

    @property
    def compiles_by_shape(self) -> bool:
        """Whether a pass on another number of samples is compiled anew."""

    @property
    def compiles_edits(self) -> bool:
        """Whether another edit makes another model of it, which is compiled or watched anew."""


@runtime_checkable
class Rounding(Protocol):
    """A model that may compute in fewer digits than its values show."""

    @property
    def hidden_rounding(self) -> float:
        """One rounding of the type that it computes with, 0 where values show it."""


@runtime_checkable
class Normalizing(Protocol):
    """A model whose batch normalization can be had as in training, and nothing else of training."""

    def normalized_by_batch(self, x: Any, selection: Selection) -> ForwardPass:
        """Make one forward pass in inference mode, but with batch normalization by the batch.

        Layers that normalize by what they have learned of batches take the statistics of this one,
        as in training; dropout and the like are as in inference. The model is left as it was, its
        running statistics too.
        """
        ...


@runtime_checkable
class Portable(Protocol):
    """A model that can be written down as operations, which need no framework to be computed."""

    def operations(self, x: Any) -> OperationGraph:
        """Return what a pass on x computes: every layer's value, from those before it.

        The operations are those of any input of this shape, whatever the number of samples. Raises
        ModelError where a layer is none of them; the message names it and says what it is.
        """
        ...


class Update(Protocol):
    """An optimizer as a pure function, for use in :meth:`Differentiable.compiled`; it ascends."""

    @property
    def state(self) -> list[Any]:
        """What it begins with."""

    def __call__(
        self, params: Any, state: list[Any], gradient: Any, step_size: Any
    ) -> tuple[Any, list[Any]]:
        """Return the new parameters and the new state."""
