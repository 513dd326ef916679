"""The examples of a survey's units as pictures, by which sheets, cards and pages are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError, ViewError
from layerscope.core.silence import rectified
from layerscope.core.table import a_kind
from layerscope.inputs.survey_samples import SampleReader
from layerscope.recordings.survey.survey import Example, Survey
from layerscope.views.render.colour_scale import number
from layerscope.views.survey.forms import KnownInput, Style, drawn, form_of, window_of
from layerscope.views.survey.painting import Inks, Pixels, paragraph
from layerscope.views.survey.regions import Region, Regions

Array = npt.NDArray[Any]

WHICH = {"top": "strongest", "weak": "weakest", "drawn": "drawn evenly over its quantiles"}
_RANGED = 64  #: samples that tell the range of an input


@dataclass(frozen=True, eq=False)
class ExamplePicture:
    """One example of a unit, drawn."""

    pixels: Pixels  #: (height, width, 3)
    example: Example
    region: Region | None = None
    note: str = ""  #: why there is nothing to see
    form: str = ""  #: ``image``, ``signal``, ``tokens``, ``row``, ``text``; empty where nothing is

    @property
    def value(self) -> str:
        """The unit's value, as it is written."""
        return number(self.example.value)


class Gallery:
    """Draws the examples of a survey's units; what units share is read and chosen once.

    Parameters
    ----------
    survey
        Whose examples.
    ground
        ``"dark"`` or ``"light"``.
    side
        About how long an image's longer side is to be.
    crop
        Whether to cut samples to the receptive field and a little around it.
    outlines
        Whether to draw the field's edge.
    compact
        Whether words and rows are to take little room: a line of words, a row of cells.
    words
        What tokens stand for: a list, or a dict by their numbers.
    reshape
        ``(height, width)`` of vectors that are images.
    """

    def __init__(
        self,
        survey: Survey,
        *,
        ground: str = "dark",
        side: int = 128,
        crop: bool = True,
        outlines: bool = True,
        compact: bool = False,
        words: Mapping[int, str] | Sequence[str] | None = None,
        reshape: tuple[int, int] | None = None,
    ) -> None:
        self.survey = survey
        self.style = Style(Inks.of(ground), side, crop, outlines, words, reshape, compact)
        self.regions = Regions(survey)
        self._reader = SampleReader(survey.reading)
        self._known: dict[str, KnownInput] = {}

    def examples(self, address: str, which: str = "top", n: int = 9) -> list[Example]:
        """Return the samples to show of a unit: of the strongest, those on which it fires at all.

        Raises
        ------
        AddressError, InputError
            When there is no such unit, or ``which`` is none of ``"top"``, ``"weak"``, ``"drawn"``.
        """
        chosen = self.survey.examples(address, which, n)
        if which == "top" and self.may_be_silent(address):
            chosen = [example for example in chosen if example.value != 0]
        return chosen

    def may_be_silent(self, address: str) -> bool:
        """Return whether a value of 0 means that the unit does not fire."""
        place = self.survey.place(address)
        if rectified(self.survey.network, place.layer) is False:
            return False
        return bool(self.survey.tallies[place.layer].low[place.unit or 0] >= 0)

    def pictures(
        self,
        address: str,
        which: str = "top",
        n: int = 9,
        maps: Mapping[int, Array] | None = None,
    ) -> list[ExamplePicture]:
        """Return the examples of a unit as pictures.

        ``maps`` are the unit's maps on samples, by their numbers: those are laid over.
        """
        place = self.survey.place(address)
        chosen = self.examples(address, which, n)
        inputs = [self._inputs(example) for example in chosen]
        regions = [
            None if isinstance(arrays, str) else self._region(place.layer, example, arrays)
            for example, arrays in zip(chosen, inputs, strict=True)
        ]
        if any(region is not None and region.ranges for region in regions):
            # Beside fields, the cell of one that is the whole sample would be read as a field.
            regions = [r and (r if r.ranges else replace(r, cell={})) for r in regions]
        windows = [
            window_of(arrays[region.input], region)
            for arrays, region in zip(inputs, regions, strict=True)
            if region is not None and not isinstance(arrays, str)
        ]
        known_windows = [window for window in windows if window is not None]
        # Fields that a border cuts off are shown as large as the others.
        window = (
            (max(w[0] for w in known_windows), max(w[1] for w in known_windows))
            if known_windows
            else None
        )
        heat = _on_one_range(maps or {})
        result = []
        for example, arrays, region in zip(chosen, inputs, regions, strict=True):
            if isinstance(arrays, str) or region is None:
                result.append(self._missing(example, str(arrays)))
                continue
            array = arrays[region.input]
            known = self.known(region.input, arrays)
            pixels = drawn(
                array, region, known, self.style, window=window,
                heat=heat.get(example.sample.number),
            )  # fmt: skip
            result.append(
                ExamplePicture(pixels, example, region, form=form_of(array, known, self.style))
            )
        return result

    def whole(self, layer: str, example: Example) -> ExamplePicture:
        """Return the whole sample of an example of a layer's unit, nothing marked on it."""
        arrays = self._inputs(example)
        if isinstance(arrays, str):
            return self._missing(example, arrays)
        name = self.regions.of(layer, example, _sizes(arrays)).input
        known = self.known(name, arrays)
        pixels = drawn(arrays[name], Region(name), known, self.style)
        form = form_of(arrays[name], known, self.style)
        return ExamplePicture(pixels, example, Region(name), form=form)

    def _inputs(self, example: Example) -> Mapping[str, NamedArray] | str:
        """Return what the network received, or why that is not known."""
        try:
            return self._reader.inputs(example.sample)
        except InputError as error:
            return str(error)

    def _missing(self, example: Example, reason: str) -> ExamplePicture:
        pixels = paragraph(reason, max(self.style.side, 96), self.style.inks)
        return ExamplePicture(pixels, example, note=reason)

    def _region(self, layer: str, example: Example, arrays: Mapping[str, NamedArray]) -> Region:
        region = self.regions.of(layer, example, _sizes(arrays))
        if example.value == 0 and example.axes and self._is_rectified(layer):
            return Region(region.input)  # it fires nowhere
        return region

    def _is_rectified(self, layer: str) -> bool:
        return rectified(self.survey.network, layer) is not False

    def known(self, name: str, arrays: Mapping[str, NamedArray]) -> KnownInput:
        """Return the range and the names of an input, by some of the survey's samples."""
        if name not in self._known:
            self._known[name] = self._learn(name, arrays)
        return self._known[name]

    def _learn(self, name: str, arrays: Mapping[str, NamedArray]) -> KnownInput:
        survey = self.survey
        spec = survey.reading.named(name)
        names = spec.values if spec is not None else ()
        array = arrays[name]
        if array.values.dtype.kind not in "fiub":
            return KnownInput(names=names)
        tokens = self.regions.are_tokens(name, _sizes(arrays))
        numbers = list(survey.samples)
        some = numbers[:: max(1, len(numbers) // _RANGED)][:_RANGED]
        values = [array.values]
        for sample in (survey.samples[i] for i in some):
            try:
                values.append(self._reader.inputs(sample)[name].values)
            except (InputError, KeyError):
                continue  # it is said where it is to be shown
        low, high = _range(values)
        pixels = survey.reading.input_range
        is_file = any(survey.samples[i].file is not None for i in some[:1])
        if is_file and {"y", "x"} <= set(array.axes) and min(low, 0) >= min(_ends(pixels)):
            low, high = _ends(pixels) if high <= max(_ends(pixels)) else (low, high)
        alike = [v.reshape(-1) for v in values if v.shape == values[0].shape]
        stacked = np.stack(alike).astype(np.float64)
        with np.errstate(invalid="ignore"):
            middle = np.median(stacked, axis=0)
        return KnownInput(
            (low, high), stacked.min(axis=0), stacked.max(axis=0), middle, names, tokens
        )


def _ends(pixels: Any) -> tuple[float, float]:
    return (0.0, 255.0) if isinstance(pixels, str) else (float(pixels[0]), float(pixels[1]))


def _range(values: Sequence[Array]) -> tuple[float, float]:
    ends = [
        (float(finite.min()), float(finite.max()))
        for finite in (array[np.isfinite(array)] for array in values)
        if finite.size
    ]
    if not ends:
        return 0.0, 1.0
    return min(low for low, _ in ends), max(high for _, high in ends)


def _sizes(arrays: Mapping[str, NamedArray]) -> dict[str, dict[str, int]]:
    return {
        name: {
            axis: length
            for axis, length in zip(array.axes, array.values.shape, strict=True)
            if axis != "sample"
        }
        for name, array in arrays.items()
    }


def _on_one_range(maps: Mapping[int, Array]) -> dict[int, Array]:
    """Return maps from 0 to 1, on one range; of values above 0, from 0."""
    if not maps:
        return {}
    low, high = _range(list(maps.values()))
    low = max(low, 0.0) if high > 0 else low
    span = high - low if high > low else 1.0
    return {number: (values - low) / span for number, values in maps.items()}


@dataclass(frozen=True, eq=False)
class GalleryUnit:
    """A unit of a network that a survey has, too."""

    gallery: Gallery
    place: Place

    @classmethod
    def of(cls, gallery: Gallery | None, place: Place) -> GalleryUnit | None:
        """Return the unit in a gallery; None where there is none, or it does not have the unit."""
        if gallery is None or place.unit is None or place.position is not None:
            return None
        tally = gallery.survey.tallies.get(place.layer)
        return cls(gallery, place) if tally is not None and place.unit < tally.units else None


def check_survey(survey: Any) -> None:
    """Raise ViewError for what is no survey."""
    if not isinstance(survey, Survey):
        raise ViewError(
            f"This takes a survey, and got {a_kind(survey)}: pass what survey(model, data) or "
            "open_recording(path) returned."
        )


def check_which(which: Any, n: Any) -> int:
    """Return how many examples were asked for; raise ViewError for what can't be drawn."""
    if which not in WHICH:
        raise ViewError(f"which={which!r}: pass 'top', 'weak' or 'drawn'.")
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ViewError(f"n={n!r}: pass a whole number from 1.")
    return int(n)
