"""The values that a pass that follows a plan has kept, by reference where that will do."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch

from layerscope.backends.reducing import ReducedValue
from layerscope.backends.torch.attention import FusedCall
from layerscope.backends.torch.replay.plan import Choice


class Diverged(BaseException):
    """The pass is not the one that was planned.

    Not an Exception, so that no ``except Exception`` of the model's own swallows it.
    """


class KeptValues:
    """The values of a pass, with the versions that PyTorch counts for each tensor.

    Parameters
    ----------
    choice
        What of the plan is to be kept.
    held
        The tensors that the model holds: what shares their memory is copied.
    reduce
        Given an address and a value, makes of it what is kept in its place.
    """

    def __init__(
        self,
        choice: Choice,
        held: Sequence[torch.Tensor],
        reduce: Callable[[str, torch.Tensor], ReducedValue] | None = None,
    ) -> None:
        #: By address; of attention weights, what they can be computed from.
        self.values: dict[str, torch.Tensor | FusedCall | ReducedValue] = {}
        self._reduce = reduce
        self.stopped = False  #: whether everything that was asked for was there before the end
        self._choice = choice
        self._lasting = frozenset(map(id, held))
        #: What is kept as it is, under which addresses, and the versions that it had.
        self._kept: list[torch.Tensor] = []
        self._addresses: list[str] = []
        self._versions: list[int] = []
        self._has_diverged = False

    def _overwritten(self) -> set[str]:
        """Return the addresses whose values were written to since they were kept.

        Called when the pass has ended, and the model's tensors are as it has left them: values in
        their memory are copied now.
        """
        kept, lasting = self._kept, self._lasting
        # Without code of Python's own that runs for each, as long as all is as it mostly is.
        if not (
            lasting.isdisjoint(map(id, kept)) and lasting.isdisjoint(map(id, map(_base_of, kept)))
        ):
            for address, value in zip(self._addresses, kept, strict=True):
                if self.values[address] is value and self._is_lasting(value):
                    self.values[address] = value.clone()
        versions = list(map(version_of, kept))
        if versions == self._versions:
            return set()
        rows = zip(self._addresses, versions, self._versions, strict=True)
        return {address for address, version, was in rows if version != was}

    def take(self) -> dict[str, torch.Tensor | FusedCall | ReducedValue]:
        """Return the values that were kept, in the order of the plan, and let go of all."""
        values = {a: self.values[a] for a in self._choice.addresses if a in self.values}
        self.values.clear()
        self._kept.clear()
        return values

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be seen: what the model still calls is its cleaning up."""
        return self.stopped or self._has_diverged

    def diverge(self) -> NoReturn:
        """Raise Diverged, now and at the end."""
        self.give_up()
        raise Diverged

    def give_up(self) -> None:
        """Have the pass have diverged when it ends."""
        self._has_diverged = True  # for good: the model's own code may catch what is raised

    def _keep(self, address: str, value: torch.Tensor, version: int) -> None:
        self.values[address] = value
        self._kept.append(value)
        self._addresses.append(address)
        self._versions.append(version)

    def _is_lasting(self, value: torch.Tensor) -> bool:
        """Return whether a tensor is one that the model holds, or a view of one."""
        base = value._base
        return id(value) in self._lasting or (base is not None and id(base) in self._lasting)


def alone(result: Any) -> Any:
    """Return a result, of attention that returns no weights what it returns with None."""
    if type(result) is tuple and len(result) == 2 and result[1] is None:
        return result[0]
    return result


_base_of, version_of = operator.attrgetter("_base"), operator.attrgetter("_version")
