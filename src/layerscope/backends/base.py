"""What a framework must offer to be looked into.

Requirements
- ``Backend`` is small, and all of it is required; what only some frameworks can do is a protocol
  of its own (``Differentiable`` and the like, as instruments come to need them).
- A backend wraps one model. It leaves the model as it found it: weights, modes, hooks, random
  state and compiled functions, also when the forward pass raises.
- It returns NumPy arrays that nothing overwrites later, in the framework's own layout, with their
  axes named. It draws nothing and chooses nothing: which layers to keep is told to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from layerscope.axes import NamedArray
from layerscope.network import InputSpec, Layer, Network
from layerscope.selection import Selection


@dataclass(frozen=True)
class Run:
    """One forward pass, seen."""

    network: Network  #: what was called, in the order in which it was called
    values: Mapping[str, NamedArray]  #: of the layers selected, by address
    inputs: Mapping[str, NamedArray]  #: what the network received
    aliases: Mapping[str, str] = field(default_factory=dict)
    output: Any = None  #: the model's own result, NumPy arrays in its own structure;
    #: None where the pass stopped early


class Backend(Protocol):
    """One model, in one framework."""

    @property
    def framework(self) -> str:
        """Name and version: ``Keras 3.15 on JAX``."""

    def describe(self) -> Network:
        """The layers as far as they are known without running the model."""
        ...

    def inputs(self) -> tuple[InputSpec, ...]:
        """What the model expects; empty where it does not say."""

    def select(self, layers: Any, executed: Iterable[Layer] | None = None) -> Selection:
        """Read ``layers=``, the framework's own layer objects included.

        ``executed`` is what a pass called, where that is not known before one.
        """

    def run(self, x: Any, selection: Selection) -> Run:
        """One forward pass in inference mode.

        ``x`` is an array in the model's own layout, or a list, tuple or dict of them for a model
        with several inputs.
        """

    def weights(self) -> Mapping[str, NamedArray]:
        """Every parameter, a snapshot; kernels as ``(y, x, input, channel)``, ``(input, unit)``."""

    def digest(self) -> str:
        """A digest of the weights, in hexadecimal."""
