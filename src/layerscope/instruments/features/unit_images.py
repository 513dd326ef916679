"""Images of units: those that were made beforehand, and those made when somebody asks for one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from layerscope.core.errors import AddressError, LayerscopeError, ModelError
from layerscope.instruments.features.ascent.task import differentiable
from layerscope.instruments.features.ascent.watching import Watch
from layerscope.instruments.features.features import features
from layerscope.instruments.features.image.canvas import only_input
from layerscope.instruments.own_input import InputForm
from layerscope.recordings.visualization import FeatureVisualization

_KEPT_BYTES = 200_000_000  #: of images that were made here; those not looked at for longest go


class UnitImages:
    """The images of a network's units; ``reason`` says why no others can be made.

    ``form`` is what the network takes, and ``examples`` returns samples that images are compared
    with, and get their range and colours from. ``editions`` counts for each address how often an
    image was made here.
    """

    def __init__(
        self,
        model: Any = None,
        given: Sequence[FeatureVisualization] = (),
        *,
        form: Callable[[], InputForm] | None = None,
        examples: Callable[[], Any] | None = None,
        reason: str = "",
    ) -> None:
        self.editions: dict[str, int] = {}
        self.reason = reason or _why_not(model)
        self._model = model
        self._given = tuple(given)
        self._form, self._examples = form, examples
        self._made: OrderedDict[str, FeatureVisualization] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, address: str) -> FeatureVisualization | None:
        """Return images among which is that of a unit; None where none was made."""
        with self._lock:
            if address in self._made:
                self._made.move_to_end(address)
                return self._made[address]
        return next((given for given in self._given if _holds(given, address)), None)

    def make(self, address: str, watch: Watch | None = None) -> FeatureVisualization:
        """Make the image of a unit, and keep it.

        Raises as :func:`layerscope.features` does.
        """
        if self.reason:
            raise ModelError(self.reason)
        made = features(
            self._model,
            address,
            samples=None if self._examples is None else self._examples(),
            size=self._size(),
            progress=False,
            watch=watch,
        )
        with self._lock:
            self._made[address] = made
            self._made.move_to_end(address)
            self.editions[address] = self.editions.get(address, 0) + 1
            while len(self._made) > 1 and _total(self._made) > _KEPT_BYTES:
                self._made.popitem(last=False)
        return made

    def _size(self) -> tuple[int, int] | None:
        """Return the height and width of images for a network that takes them as vectors."""
        form = None if self._form is None else self._form()
        return form.shape[:2] if form is not None and form.form == "image" else None  # type: ignore[return-value]


def _why_not(model: Any) -> str:
    if model is None:
        return "There is no model here, only what was recorded of one."
    try:
        only_input(differentiable(model))
    except LayerscopeError as error:
        return str(error)
    return ""


def _holds(given: FeatureVisualization, address: str) -> bool:
    try:
        given.place(address)
    except AddressError:
        return False
    return True


def _total(made: OrderedDict[str, FeatureVisualization]) -> int:
    return sum(visualization.nbytes for visualization in made.values())
