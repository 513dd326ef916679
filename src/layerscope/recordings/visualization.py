"""Images made for units, with how they came about and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError
from layerscope.core.network import Network
from layerscope.core.table import setting_text
from layerscope.core.text import message, quoted
from layerscope.recordings.image_checks import HoldsUp, SamePath
from layerscope.recordings.recording import Recording

if TYPE_CHECKING:
    import xarray as xr

_LISTED = 8  #: grades that the representation lists


@dataclass(frozen=True, slots=True)
class Grade:
    """How strongly the objective of an image fires, and what that is to be compared with."""

    address: str
    reached: float
    start: float  #: what the start image reaches
    samples: float | None = None  #: the largest that any of the samples reaches
    note: str = ""  #: what went wrong, in words
    same_path: SamePath | None = None  #: beside the unit's strongest samples, layer by layer
    holds_up: HoldsUp | None = None  #: whether samples that are like the image excite the unit

    @property
    def ratio(self) -> float | None:
        """How many times the samples' largest was reached; None where one is not positive."""
        if self.samples is None or not (self.samples > 0 and self.reached > 0):
            return None
        return self.reached / self.samples

    def __str__(self) -> str:
        words = f"{self.address}: {_number(self.reached)}, from {_number(self.start)} at the start"
        if self.ratio is not None and self.samples is not None:
            words += f", {_times(self.ratio)} × the samples' largest ({_number(self.samples)})"
        elif self.samples is not None:
            words += f", the samples' largest is {_number(self.samples)}"
        checks = (str(check) for check in (self.same_path, self.holds_up) if check is not None)
        return message("; ".join(filter(None, (words, self.note, *checks))))


class FeatureVisualization(Recording):
    """A mapping from objectives to the images that were made for them.

    Images of the units of one layer are one array under the layer's address, axes
    ``(y, x, input, channel)``, or ``(position, input, channel)`` and ``(input, channel)`` for
    networks of sequences and vectors; its attribute ``units`` numbers them, and
    ``features["mixed4:42"]`` is the image of unit 42. Images of other objectives are found by the
    objective's text (``"mixed4:42@7,7"``, ``"mixed2 + mixed4"``). ``sample`` comes first where
    there are several images for an objective, ``step`` before all where intermediate images were
    kept. Values are those that the network receives.

    Parameters
    ----------
    arrays
        By address or text, in the order in which they are to be listed; with the attribute
        ``units`` where there is an image for each of several units, and with ``steps`` where there
        is the axis ``step``.
    network
        The network that the images were made for.
    history
        The objective of each image after so many steps, ``(step, image)``, that of the start first.
    images
        What the columns of ``history`` are called, such as ``"mixed4:42"``.
    settings
        How the images were made, by name.
    grades
        How strongly the images fire, in the order of ``images``.
    input_range
        The lowest and the highest value that the network accepts; pictures are drawn on it.
    interrupted
        Whether it ended before its time.
    alphas
        How opaque the images are at each place, from 0 to 1, by the same names and with the same
        axes, of one input and without steps: as much as the gradient went there.

    The other parameters are those of :class:`Recording`.
    """

    scale = "input"
    input_range: tuple[float, float]

    def __init__(
        self,
        arrays: Mapping[str, NamedArray],
        *,
        network: Network,
        history: npt.ArrayLike = (),
        images: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        grades: Sequence[Grade] = (),
        notes: Sequence[str] = (),
        digest: Callable[[], Mapping[str, str]] | None = None,
        input_range: tuple[float, float] = (0.0, 1.0),
        interrupted: bool = False,
        alphas: Mapping[str, NamedArray] | None = None,
    ) -> None:
        self.input_range = (float(input_range[0]), float(input_range[1]))
        about = {"kind": "feature", "input_range": self.input_range}
        super().__init__(
            {a: NamedArray(n.values, n.axes, {**n.attrs, **about}) for a, n in arrays.items()},
            network=network,
            notes=tuple(notes),
            digest=digest,
            kind="features",
        )
        self.images = tuple(images)
        self.settings = dict(settings or {})
        self.grades = tuple(grades)
        self.interrupted = interrupted
        self.alphas = dict(alphas or {})
        self._history = np.asarray(history, np.float64)
        if not self._history.size:
            self._history = np.zeros((0, len(self.images)))

    @property
    def history(self) -> xr.DataArray:
        """The objective of each image after so many steps, axes ``(step, image)``."""
        import xarray as xr

        return xr.DataArray(
            self._history,
            coords={"step": np.arange(len(self._history)), "image": list(self.images)},
            dims=("step", "image"),
            name="objective",
        )

    @property
    def metrics(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """The objective of each image at the steps that were kept, NaN where it is not known."""
        steps = self.steps
        known = steps < len(self._history)
        values = np.full((len(steps), len(self.images)), np.nan)
        values[known] = self._history[steps[known]]
        return dict(zip(self.images, values.T, strict=True))

    def place(self, address: str) -> Place:
        """Read an address: an objective by its text, or a layer and one of its units.

        Raises
        ------
        AddressError
            When no image was made for it; the message says for what there are images.
        """
        try:
            place = super().place(address)
        except AddressError:
            if address.partition(":")[0] not in self.network:
                raise
            raise AddressError(f"There is no image of {address!r}: {self._listing()}.") from None
        if place.unit is None:
            return place
        units = self._arrays[place.layer].attrs.get("units")
        if place.position is not None or units is None:
            raise AddressError(f"There is no image of {address!r}: {self._listing()}.")
        if place.unit not in units:
            shown = ", ".join(map(str, units[:_LISTED])) + ", …" * (len(units) > _LISTED)
            raise AddressError(f"There is no image of {address!r}: of {place.layer!r} {shown}.")
        return place

    def image(
        self, address: str | None = None, *, step: int | None = None, sample: int = 0
    ) -> npt.NDArray[Any]:
        """Return one image as the network receives it: ``(y, x, channel)``; read-only.

        A sequence is ``(position, channel)``, a vector ``(unit,)``.

        Parameters
        ----------
        address
            An objective's text, or a unit; may be left out where there is but one image.
        step, sample
            Of intermediate images which, by its number, the last by default; and which of the
            images of one objective.

        Raises
        ------
        AddressError
            When there is no such image, or several.
        """
        address = self._only(address)
        moment = self.at(step)
        place = moment.place(address)
        array = moment.named(place.layer)
        count = array.values.shape[array.axes.index("channel")]
        if place.unit is None and count > 1:
            units = array.attrs.get("units", range(count))
            raise AddressError(
                f"{address!r} has {count} images: say which, as in {f'{address}:{units[0]}'!r}."
            )
        shown = moment[address]
        if "sample" in shown.dims:
            if not 0 <= sample < shown.sizes["sample"]:
                count = shown.sizes["sample"]
                raise AddressError(f"There is no sample {sample!r} of {address!r}: it has {count}.")
            shown = shown.isel(sample=sample)
        values: npt.NDArray[Any] = shown.values
        return values if place.unit is not None else values[..., 0]

    def alpha(
        self, address: str | None = None, *, sample: int = 0
    ) -> npt.NDArray[np.float32] | None:
        """Return how opaque an image is, ``(y, x)`` or ``(position,)``, from 0 to 1.

        As much as the gradient went there while the image was made; the most of it is 1. None where
        the recipe did not keep that (``transparency=True`` does). ``address`` and ``sample`` are
        those of :meth:`image`.

        Raises
        ------
        AddressError
            When there is no such image, or several.
        """
        if not self.alphas:
            return None
        opaque = FeatureVisualization(self.alphas, network=self.network, images=self.images)
        values: npt.NDArray[np.float32] = opaque.image(self._only(address), sample=sample)[..., 0]
        return values

    def _only(self, address: str | None) -> str:
        """Return the address; of the only image where it is None."""
        if address is None and len(self) != 1:
            raise AddressError(f"Say which image: {self._listing()}.")
        return next(iter(self)) if address is None else address

    def extent(self, sample: int = 0, layer: str | None = None) -> tuple[float, float]:
        """Return the least and the largest finite value of all images, or of one objective's."""
        arrays = self._arrays.values() if layer is None else [self._arrays[layer]]
        finite = [array.values[np.isfinite(array.values)] for array in arrays]
        some = [values for values in finite if values.size]
        low = min((float(values.min()) for values in some), default=0.0)
        return low, max((float(values.max()) for values in some), default=0.0)

    def at(self, step: int | None) -> Recording:
        """Return the images as they were after so many steps, the last where None.

        Grades are those of the last.
        """
        moment = super().at(step)
        if moment is self:
            return self
        last = step is None or step == self.steps[-1]
        return FeatureVisualization(
            moment._arrays,
            network=self.network,
            history=self._history,
            images=self.images,
            settings=self.settings,
            grades=self.grades if last else (),
            notes=self.notes,
            digest=lambda: self.provenance,
            input_range=self.input_range,
            interrupted=self.interrupted,
            alphas=self.alphas if last else None,
        )

    def __repr__(self) -> str:
        _, *listing = super().__repr__().split("\n")
        named = f"<layerscope.FeatureVisualization of {quoted(self.network.name)}:"
        lines = [f"{named} {len(self)} array{'s' * (len(self) != 1)}>", *listing[: len(self)]]
        if self.settings:
            settings = (f"{name} {_setting(value)}" for name, value in self.settings.items())
            lines.append("  settings: " + message(", ".join(settings)))
        if self.interrupted:
            lines.append(f"  interrupted after {max(0, len(self._history) - 1)} steps")
        lines += [f"  {grade}" for grade in self.grades[:_LISTED]]
        if len(self.grades) > _LISTED:
            lines.append(f"  and {len(self.grades) - _LISTED} more")
        return "\n".join([*lines, *(f"  note: {message(note)}" for note in self.notes)])

    def _listing(self) -> str:
        """Return what there are images of."""
        some = []
        for name, array in self._arrays.items():
            units = array.attrs.get("units")
            some += [name] if units is None else [f"{name}:{unit}" for unit in units]
        more = f" and {len(some) - _LISTED} more" if len(some) > _LISTED else ""
        return "there are " + ", ".join(map(repr, some[:_LISTED])) + more


def _number(value: float) -> str:
    """Return a number to three digits, without an exponent where thousands can be told."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _times(ratio: float) -> str:
    if ratio >= 1000:
        return f"{ratio:,.0f}" if ratio < 1e6 else f"{ratio:.2g}"
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def _setting(value: Any) -> str:
    sizes = isinstance(value, tuple) and value and all(isinstance(n, int) for n in value)
    if isinstance(value, list | tuple) and not sizes:
        return "[" + ", ".join(map(_setting, value)) + "]"
    return setting_text(value)
