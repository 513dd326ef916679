"""From an address to the maps to draw: which array, which sample, which unit, in which shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place
from layerscope.core.attention import is_attention, masked
from layerscope.core.axes import UNIT_AXES, NamedArray
from layerscope.core.errors import AddressError, ViewError
from layerscope.core.maps import stacked
from layerscope.core.silence import rectified
from layerscope.core.suggestions import did_you_mean
from layerscope.core.table import a_kind
from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.render.feature_maps import feature_maps, image_shape, is_feature, reshaped

Array = npt.NDArray[Any]

_APART = 16  #: tokens before those of an image: of the class, registers

#: What goes along one axis, by the axes of one sample.
_FORMS = {
    frozenset(("position", "channel")): "sequence",
    frozenset(("position", "input", "channel")): "kernel",
}


@dataclass(frozen=True)
class Chosen:
    """The maps of one address, not yet scaled."""

    address: str
    title: str  #: the address and the shape
    maps: Array  #: (n, height, width), or (n, height, width, 3) for colours
    labels: list[str]
    vector: bool = False  #: one map of one row, each value a unit
    kernel: bool = False
    is_input: bool = False
    counts: str = "channel"  #: what the labels number
    feature: bool = False  #: images made for units
    attention: bool = False  #: the weights of queries, in rows, for keys
    note: str = ""  #: what else is to be said of them
    rectified: bool | None = False  #: whether zeros mean silence; None where the values tell
    #: ``sequence``: rows are positions, columns channels; ``kernel``: of one dimension, rows are
    #: positions, columns inputs. What signals.py makes of them: ``lines``, ``taps``,
    #: ``strip``, ``matrix``.
    form: str = ""
    apart: npt.NDArray[np.bool_] | None = None  #: places of the maps that are none: the ground
    width: int = 0  #: how many pixels across a line takes
    positions: int = 0  #: how many there are along a line
    alphas: Array | None = None  #: how opaque images are at each place, (n, height, width), 0 to 1

    @property
    def colour(self) -> bool:
        """Whether the maps are colours."""
        return self.maps.ndim == 4

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Height and width of a map, without the tokens that stand apart above it."""
        height, width = self.maps.shape[1:3]
        if self.apart is not None:
            height -= 1 + int(np.flatnonzero(self.apart.all(axis=1))[0])
        return height, width

    @property
    def masked(self) -> npt.NDArray[np.bool_] | None:
        """Which places of attention a mask has closed; None where there are none."""
        closed = masked(self.maps) if self.attention else None
        return closed if closed is not None and closed.any() else None


def check_recording(recording: Any) -> None:
    """Raise ViewError for a model, or an array, where a recording belongs."""
    if not isinstance(recording, Recording):
        raise ViewError(
            f"A view takes a recording, and this is {a_kind(recording)}: pass what "
            "activations(model, x), weights(model) or open_recording returned."
        )


def choose(
    recording: Recording,
    address: str | None,
    *,
    sample: int | None = 0,
    reshape: tuple[int, ...] | None = None,
    colours: bool = True,
) -> Chosen:
    """Return the maps of a layer, of one of its units, or of the input (``"input"``, or None).

    Of a visualization None stands for all its images.

    ``recording`` is of one moment: what ``Recording.at`` returned. ``sample=None`` is for images
    made for units, and takes all.

    Raises
    ------
    AddressError, ViewError
        When there is no such layer, unit or sample, or ``reshape`` does not fit.
    """
    check_recording(recording)
    if address is None and recording.kind == "features":
        each = [
            choose(recording, a, sample=sample, reshape=reshape, colours=colours) for a in recording
        ]
        return _together(each)
    if address is not None and not isinstance(address, str):
        raise ViewError(
            f"address={address!r}: pass one address, such as 'conv2d', or of several units "
            "'conv2d:3,30'."
        )
    several = [] if address is None else recording.each(str(address))
    if len(several) > 1:
        each = [
            choose(recording, a, sample=sample, reshape=reshape, colours=colours) for a in several
        ]
        return several_units(str(address), each)
    is_input = address is None or (address == "input" and address not in recording)
    place = Place("input") if is_input else recording.place(str(address))
    array = recording.named(None if is_input else place.layer)
    is_input = is_input or place.layer in recording.inputs
    if is_feature(array):
        chosen = _features(array, place, sample, reshape, colours)
        return replace(chosen, alphas=_alphas(recording, chosen, place, sample, reshape))
    values, axes = _one(array, place, sample)
    summary = str(array.attrs.get("summary", ""))
    title = f"{summary}{called(place)} {shape_of(values.shape)}"
    if place.unit is not None:
        part = recording[str(place)]  # says what is wrong with the unit or the position
        addressed = _one(NamedArray(part.values, tuple(map(str, part.dims))), place, sample)[0]
        if place.position is not None:
            return _neuron(place, addressed)
        title = f"{called(place)} {_size(addressed)}"
    kernel, attention = "input" in axes, is_attention(axes)
    counts = next((name for name in UNIT_AXES if name in axes), "")
    if reshape is not None and _are_tokens(axes, values.shape, reshape):
        return _tokens(place, title, values, axes, check_shape(reshape))
    if reshape is not None or "input_shape" in array.attrs:
        values, axes = _reshaped(place, array.attrs, values, axes, reshape)
    maps, labels = _maps(values, axes, kernel, colours, is_input)
    vector = len(axes) == 1
    if place.unit is not None:
        maps, labels = _unit(maps, labels, place.unit, vector)
        vector = False
    # One copy, from channels last to map after map, makes all that follows several times faster.
    maps = np.ascontiguousarray(maps)
    silences = False if kernel or is_input else rectified(recording.network, place.layer)
    return Chosen(
        str(place), title, maps, labels, vector, kernel, is_input, counts,
        attention=attention, note=str(array.attrs.get("note", "")), rectified=silences,
        form=_FORMS.get(frozenset(axes), ""),
    )  # fmt: skip


def several_units(address: str, each: Sequence[Chosen]) -> Chosen:
    """Return the maps of several units of a layer as those of one address."""
    shape = each[0].title.rpartition(" (")[2] if each[0].title.endswith(")") else ""
    maps = np.concatenate([one.maps for one in each])
    labels = [label for one in each for label in one.labels]
    before = each[0].title.partition(shown_name(each[0].address))[0]
    title = f"{before}{shown_name(address)}{shape and f' ({shape}'}"
    return replace(
        each[0], address=address, title=title, maps=maps, labels=labels, vector=False,
        alphas=_joined_alphas(each),
    )  # fmt: skip


def layer_of(recording: Recording, address: str) -> str:
    """Return the layer of an address, also of one of several units."""
    return recording.place(recording.each(address)[0]).layer


@overload
def sample_of(recording: Recording, sample: int | str) -> int: ...
@overload
def sample_of(recording: Recording, sample: int | str | None) -> int | None: ...
def sample_of(recording: Recording, sample: int | str | None) -> int | None:
    """Return the number of a sample that may be given by its name; anything else as it is.

    Raises
    ------
    ViewError
        When there is none of that name.
    """
    if not isinstance(sample, str):
        return sample
    if sample not in recording.samples:
        hint = did_you_mean(sample, recording.samples, most=2) or (
            "its samples have no names: count them from 0."
            if not recording.samples
            else "count them from 0."
        )
        raise ViewError(f"There is no sample {sample!r}: {hint}")
    return recording.samples.index(sample)


def called(place: Place) -> str:
    """Return a place as pictures write it."""
    return shown_name(str(place))


def shape_of(shape: tuple[int, ...]) -> str:
    """Return ``(50, 50)``, as in a title."""
    return "(" + ", ".join(map(str, shape)) + ")"


def _features(
    array: NamedArray,
    place: Place,
    sample: int | None,
    reshape: tuple[int, ...] | None,
    colours: bool,
) -> Chosen:
    """Return images made for units."""
    if reshape is not None:
        array = reshaped(array, check_shape(reshape), place)
    maps, labels = feature_maps(array, place, sample, colours)
    title = f"feature visualization of {called(place)} {shape_of(image_shape(array))}"
    maps = np.ascontiguousarray(maps)
    return Chosen(str(place), title, maps, labels, feature=True, counts="channel")


def _alphas(
    recording: Recording,
    chosen: Chosen,
    place: Place,
    sample: int | None,
    reshape: tuple[int, ...] | None,
) -> Array | None:
    """Return how opaque each of the images is; None where that was not kept."""
    alphas = recording.alphas if isinstance(recording, FeatureVisualization) else {}
    if place.layer not in alphas or reshape is not None:
        return None
    maps = _features(alphas[place.layer], place, sample, None, False).maps
    times = len(chosen.maps) // len(maps)  # several inputs of each, drawn one by one
    return np.repeat(maps, times, axis=0) if maps.shape[1:3] == chosen.maps.shape[1:3] else None


def _together(each: list[Chosen]) -> Chosen:
    """Return the images of several objectives, labelled by their addresses."""
    if len(each) == 1:
        return each[0]
    if len({one.maps.shape[1:] for one in each}) != 1:
        names = ", ".join(repr(one.address) for one in each[:5])
        raise ViewError(f"These images are not of one shape: name one of {names}.")
    labels = [
        shown_name(f"{one.address}:{n}" if n else one.address) for one in each for n in one.labels
    ]
    shape = each[0].title.rpartition(" (")[2]
    title = f"feature visualizations ({shape}"
    maps = np.concatenate([one.maps for one in each])
    return replace(
        each[0], address="*", title=title, maps=maps, labels=labels, counts="objective",
        alphas=_joined_alphas(each),
    )  # fmt: skip


def _joined_alphas(each: Sequence[Chosen]) -> Array | None:
    alphas = [one.alphas for one in each if one.alphas is not None]
    return np.concatenate(alphas) if len(alphas) == len(each) else None


def _neuron(place: Place, values: Array) -> Chosen:
    """Return one value; or, of a kernel, one for each of its inputs."""
    maps = values.reshape(1, 1, values.size)
    return Chosen(
        str(place),
        f"{called(place)} {_size(values)}",
        maps,
        [""],
        vector=values.size > 1,
        counts="input",
    )


def _size(values: Array) -> str:
    """Return the shape, or the value of what is a single one."""
    return f"= {values.item():.4g}" if values.size == 1 else shape_of(values.shape)


def _one(array: NamedArray, place: Place, sample: int | None) -> tuple[Array, tuple[str, ...]]:
    """Return the values of one sample, with their axes."""
    if "sample" in array.axes:
        array = _at(array, "sample", sample)
    if array.values.dtype.kind not in "fiub":
        raise ViewError(f"{str(place)!r} holds {array.values.dtype} values, which can't be drawn.")
    return array.values, array.axes


def _at(array: NamedArray, axis: str, index: Any) -> NamedArray:
    where = array.axes.index(axis)
    count = array.values.shape[where]
    if not isinstance(index, int | np.integer) or not 0 <= index < count:
        raise ViewError(f"There is no {axis} {index!r}: there are {count}, counted from 0.")
    axes = (*array.axes[:where], *array.axes[where + 1 :])
    return NamedArray(array.values[(slice(None),) * where + (index,)], axes, array.attrs)


def _reshaped(
    place: Place,
    attrs: Mapping[str, Any],
    values: Array,
    axes: tuple[str, ...],
    reshape: tuple[int, ...] | None,
) -> tuple[Array, tuple[str, ...]]:
    """Return vectors as images: those of units as they were flattened, or as the user says."""
    names: tuple[str, ...]
    if reshape is None:
        shape, names = tuple(attrs["input_shape"]), tuple(attrs["input_axes"])
    else:
        shape = check_shape(reshape)
        names = ("y", "x", "channel")[: len(shape)]
    is_kernel = axes == ("input", "unit")
    length = values.shape[0]
    if not is_kernel and len(axes) != 1:
        raise ViewError(
            f"{place.layer!r} has the axes {', '.join(axes)}: reshape= is for vectors, for tokens "
            f"(up to {_APART} more than the image has places), and for the kernels of dense layers."
        )
    if math.prod(shape) != length:
        sides = _sides(length)
        raise ViewError(
            f"reshape={shape} has {math.prod(shape)} places, {place.layer!r} has {length} values: "
            f"try {sides}."
        )
    if not is_kernel:
        return values.reshape(shape), names
    kernel = values.reshape(*shape, values.shape[1])
    # The units become the maps; the channels of what was flattened are inputs to each.
    renamed = tuple("input" if name == "channel" else name for name in names)
    return kernel, (*renamed, "channel")


def reshapes(array: NamedArray, reshape: tuple[int, ...] | None) -> bool:
    """Return whether one sample's values are a vector, or tokens, that ``reshape`` makes images."""
    if reshape is None:
        return False
    sizes = zip(array.axes, array.values.shape, strict=True)
    axes, shape = zip(*((n, size) for n, size in sizes if n != "sample"), strict=True) or ((), ())
    vector = axes == ("unit",) and shape[0] == math.prod(reshape)
    return vector or _are_tokens(axes, shape, reshape)


def _are_tokens(axes: tuple[str, ...], shape: tuple[int, ...], reshape: Any) -> bool:
    """Return whether positions are the places of an image, with some tokens before or none."""
    if set(axes) != {"position", "channel"} or len(check_shape(reshape)) != 2:
        return False
    return bool(0 <= shape[axes.index("position")] - math.prod(reshape) <= _APART)


def _tokens(
    place: Place, title: str, values: Array, axes: tuple[str, ...], shape: tuple[int, ...]
) -> Chosen:
    """Return a map for each channel of tokens; those before the image stand above it, apart."""
    height, width = shape
    rows = values if axes[0] == "channel" else values.T  # (channel, position)
    before = rows.shape[1] - height * width
    maps = rows[:, before:].reshape(-1, height, width)
    note, hidden = "", None
    if before:
        above = -(-before // width)
        # What is hidden repeats a token, so that it has no part in a range.
        padded = np.repeat(rows[:, :1], (above + 1) * width, axis=1)
        padded[:, :before] = rows[:, :before]
        maps = np.concatenate([padded.reshape(-1, above + 1, width), maps], axis=1)
        hidden = np.zeros(maps.shape[1:], bool)
        hidden.reshape(-1)[before : (above + 1) * width] = True
        tokens = "the first token stands" if before == 1 else f"the first {before} tokens stand"
        note = f"{tokens} above the {height} × {width} others"
    labels = [str(i) for i in range(len(maps))]
    if place.unit is not None:
        maps, labels = _unit(maps, labels, place.unit, vector=False)
    maps = np.ascontiguousarray(maps)
    return Chosen(str(place), title, maps, labels, counts="channel", note=note, apart=hidden)


def check_shape(reshape: Any) -> tuple[int, ...]:
    """Return the shape that vectors are to be given; raise ViewError for what is none."""
    if (
        isinstance(reshape, tuple | list)
        and len(reshape) in (2, 3)
        and all(isinstance(n, int | np.integer) and n > 0 for n in reshape)
    ):
        return tuple(map(int, reshape))
    raise ViewError(f"reshape={reshape!r}: pass (height, width) or (height, width, channels).")


def _sides(length: int) -> tuple[int, int]:
    side = max(1, math.isqrt(length))
    while length % side:
        side -= 1
    return side, length // side


def _maps(
    values: Array, axes: tuple[str, ...], kernel: bool, colours: bool, is_input: bool
) -> tuple[Array, list[str]]:
    by = dict(zip(axes, values.shape, strict=True))
    if colours and kernel and {"y", "x"} <= set(axes) and by.get("input") == 3 and len(axes) == 4:
        ordered = values.transpose([axes.index(n) for n in ("channel", "y", "x", "input")])
        return ordered, [str(i) for i in range(len(ordered))]
    if colours and is_input and set(axes) == {"y", "x", "channel"} and by["channel"] in (3, 4):
        ordered = values.transpose([axes.index(n) for n in ("y", "x", "channel")])
        return ordered[None, :, :, :3], [""]
    return stacked(values, axes)


def _unit(maps: Array, labels: list[str], unit: int, vector: bool) -> tuple[Array, list[str]]:
    if vector:
        return maps[:, :, unit : unit + 1], [str(unit)]
    wanted = [i for i, label in enumerate(labels) if label.split("·")[0] == str(unit)]
    if wanted:
        return maps[wanted], [labels[i] for i in wanted]
    if len(maps) == 1 and unit < maps.shape[2]:  # a matrix: a unit is a column of it
        return maps[:, :, unit : unit + 1], [str(unit)]
    raise AddressError(f"There is no unit {unit} to draw: there are {len(maps)}, counted from 0.")


def is_signed(chosen: Chosen) -> bool:
    """Return whether there are values of both signs."""
    with np.errstate(invalid="ignore"):
        return bool((chosen.maps < 0).any() and (chosen.maps > 0).any())
