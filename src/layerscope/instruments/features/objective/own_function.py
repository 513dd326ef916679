"""The user's own function of activations, as a term of an objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import InputError
from layerscope.core.table import a_kind
from layerscope.instruments.features.objective.sites import Sites
from layerscope.instruments.features.objective.terms import Bound, ForAny


@dataclass(frozen=True, eq=False)
class Own(ForAny):
    """A function of the user's."""

    compute: Callable[[Any], Any]
    layers: tuple[str, ...]
    name: str

    def __str__(self) -> str:
        return self.name

    def bind(self, sites: Sites) -> Bound:
        """Return the function, given the values of the layers that it names or asks for."""
        layers = self.layers
        if not layers:
            asking = _Asking(sites)
            result = self.compute(asking)
            layers = tuple(asking.asked)
            if layers or result is None:
                _score_shape(self.name, result, 1)
        if not layers:
            raise InputError(f"{self.name} looked at no activation: return a score of some.")
        taps = {address: sites.layer(address).tap for address in layers}
        compute, name = self.compute, self.name

        def score(ops: Any, values: Any, arrays: Any) -> Any:
            activations = {address: values[tap] for address, tap in taps.items()}
            count = next(iter(activations.values())).shape[0]  # None in TensorFlow, for any number
            result = compute(activations)
            shape = _score_shape(name, result, count)
            if shape:
                return result
            # One number would be that of all images together: each is scored alone.
            if count is None:
                return ops.map(
                    lambda one: compute({a: v[None] for a, v in one.items()}), activations
                )
            rows = [slice(i, i + 1) for i in range(count)]
            return ops.stack([compute({a: v[row] for a, v in activations.items()}) for row in rows])

        return Bound(score, ("own", compute, layers), tuple(taps.values()), sized=True)


def _score_shape(name: str, result: Any, count: int | None) -> tuple[int | None, ...]:
    """Return the shape of what a function returned for so many images, if that is a score."""
    if not hasattr(result, "shape"):
        text = repr(result) if result is None or isinstance(result, int | float) else a_kind(result)
        raise InputError(f"{name} returned {text}: return a number of some activations.")
    shape = tuple(result.shape)
    if len(shape) > 1 or (shape and shape[0] != count):
        raise InputError(
            f"{name} returned values of shape {shape}: return one number, or one for each image."
        )
    return shape


class _Asking(Mapping[str, Any]):
    """Activations that are computed when they are asked for, and which ones were."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites
        self.asked: dict[str, Any] = {}

    def __getitem__(self, address: str) -> Any:
        if address not in self.asked:
            self.asked[address] = self._sites.value(address)
        return self.asked[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sites.addresses)

    def __len__(self) -> int:
        return len(self._sites.addresses)
