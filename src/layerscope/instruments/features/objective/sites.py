"""Where objectives look in a network: which value an address stands for, and how it is laid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from layerscope.backends.base import Tap
from layerscope.core.addresses import unknown_address
from layerscope.core.axes import UNIT_AXES, presented
from layerscope.core.errors import AddressError, InputError
from layerscope.core.network import Layer, Network

#: Functions that make scores of classes into probabilities.
_SQUASHING = frozenset({"softmax", "log_softmax", "sigmoid"})

#: What makes probabilities of what a layer returns.
Squash = Literal["softmax", "sigmoid", "exp"]


@dataclass(frozen=True, slots=True)
class Site:
    """One value of a pass, as objectives read it."""

    tap: Tap
    axes: tuple[str, ...]  #: presented
    lengths: tuple[int | None, ...]  #: along these axes
    squash: Squash | None = None  #: what it is read through

    @property
    def unit_axis(self) -> str:
        """The axis that numbers its units.

        Raises InputError where there is none.
        """
        for name in reversed(self.axes):
            if name in UNIT_AXES:
                return name
        raise InputError(
            f"{self.tap.layer!r} has axes {', '.join(self.axes)}, none of which numbers units: "
            "name another layer."
        )

    @property
    def units(self) -> int:
        """How many units it has."""
        length = self.lengths[self.axes.index(self.unit_axis)]
        if length is None:
            raise InputError(
                f"How many {self.unit_axis}s {self.tap.layer!r} has depends on the input: name a "
                "layer that has a fixed number."
            )
        return length

    def check_unit(self, index: int) -> None:
        """Raise AddressError where there is no such unit."""
        if index >= self.units:
            raise AddressError(
                f"{self.tap.layer!r} has {self.units} along {self.unit_axis}, counted from 0: "
                f"{index} is not among them, the last is {self.units - 1}."
            )

    def check_position(self, position: tuple[int, ...]) -> None:
        """Raise AddressError where there is no such position."""
        unit_axis = self.unit_axis
        space = [
            (n, k) for n, k in zip(self.axes[1:], self.lengths[1:], strict=True) if n != unit_axis
        ]
        if len(space) != len(position):
            raise AddressError(
                f"{self.tap.layer!r} has {len(space)} coordinates"
                f"{': ' + ', '.join(name for name, _ in space) if space else ''}; "
                f"@{','.join(map(str, position))} gives {len(position)}."
            )
        for (name, length), index in zip(space, position, strict=True):
            if length is not None and index >= length:
                raise AddressError(
                    f"{self.tap.layer!r} has {length} along {name}, counted from 0: {index} is not "
                    f"among them, the last is {length - 1}."
                )

    def channels_last(self, ops: Any, value: Any) -> Any:
        """Return the value with its units along the last axis."""
        where = self.axes.index(self.unit_axis)
        if where == len(self.axes) - 1:
            return value
        order = [i for i in range(len(self.axes)) if i != where]
        return ops.transpose(value, (*order, where))


@dataclass(frozen=True)
class Sites:
    """A network, and what a recipe says of how its values are read."""

    network: Network
    value: Callable[[str], Any]  #: a layer's value on an image, computed when asked for
    aliases: Mapping[str, str] = field(default_factory=dict)  #: other names of layers
    variants: int = 1  #: how many images there are of each objective
    border: int = 0  #: how many pixels of a map to leave out at its edges

    @property
    def addresses(self) -> tuple[str, ...]:
        """The layers there are."""
        return (*(layer.address for layer in self.network), *self.aliases)

    def layer(self, address: str) -> Site:
        """Return what a layer returns.

        Raises AddressError where there is no such layer.
        """
        return self._site(self._row(address), before=False)

    def read(self, address: str, how: str) -> Site:
        """Return what a unit of a layer is read from: ``"auto"``, ``"logit"``, ``"probability"``.

        By itself, a class is its logit: its probability also rises when the others' logits fall,
        and hardly changes where it is near 0 or 1.
        """
        row = self._row(address)
        site = self._site(row, before=False)
        if how == "probability":
            return replace(site, squash=_to_probabilities(row, site))
        if how == "auto" and not self._is_output(row, site):
            return site
        if row.activation not in _SQUASHING:
            return site
        if "activation" in row.settings:  # what it gets can be read there
            return self._site(row, before=True)
        return self.read(row.inputs[0], "logit") if len(row.inputs) == 1 else site

    def _is_output(self, row: Layer, site: Site) -> bool:
        """Return whether its units are classes: a vector that at most a softmax comes after."""
        readers = [layer for layer in self.network if row.address in layer.inputs]
        return site.axes == ("sample", "unit") and not readers

    def _row(self, address: str) -> Layer:
        address = self.aliases.get(address, address)
        for row in self.network:
            if row.address == address and row.role == "input":
                raise AddressError(
                    f"{address!r} is the input itself: name a layer after it, such as "
                    f"{self.network[-1].address!r}."
                )
            if row.address == address:
                return row
        raise unknown_address(address, self.addresses)

    def _site(self, row: Layer, *, before: bool) -> Site:
        if row.axes is None or row.shape is None:
            raise InputError(f"The shape of {row.address!r} is not known: it was not called.")
        axes = presented(row.axes)
        lengths = tuple(row.shape[row.axes.index(name)] for name in axes)
        return Site(Tap(row.address, before), axes, lengths)


def _to_probabilities(row: Layer, site: Site) -> Squash | None:
    """Return what makes the values of a layer probabilities; None where they are."""
    if row.activation == "log_softmax":
        return "exp"
    if row.activation in _SQUASHING:
        return None
    # A softmax of one number is 1: one logit is that of the second of two classes.
    return "sigmoid" if site.units == 1 else "softmax"
