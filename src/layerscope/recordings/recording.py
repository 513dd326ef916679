"""Recording: what an instrument returns. Named arrays by layer; reading never changes them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import (
    Place,
    each_unit,
    inside_loop,
    parse_place,
    unknown_address,
)
from layerscope.core.attention import is_attention, masked, rolled_out
from layerscope.core.axes import NamedArray
from layerscope.core.display import Displayed
from layerscope.core.errors import AddressError
from layerscope.core.network import Network
from layerscope.core.table import padded
from layerscope.core.text import message, quoted
from layerscope.recordings.array_parts import (
    at_place,
    at_step,
    at_units,
    finite_range,
    numbers_of_steps,
)

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

Kind = Literal["activations", "weights", "features", "attributions"]


class Recording(Displayed, Mapping[str, "xr.DataArray"]):
    """A mapping from addresses to arrays with named axes, in execution order.

    ``recording["conv2d"]`` is an ``xarray.DataArray`` with axes such as
    ``(sample, y, x, channel)``; ``recording["conv2d:29"]`` is one channel of it,
    ``recording["conv2d:3,30"]`` two, and ``recording["conv2d:29@7,3"]`` one neuron. Arrays are
    read-only views of what the network returned; copy one to change it. Attention weights, on
    ``(sample, head, query, key)``, have a coordinate ``masked`` that says which places a mask has
    closed; their values are -0.0.

    Parameters
    ----------
    arrays
        By address, in the order in which they are to be listed.
    network
        The network that they come from.
    inputs
        What the network received, by name; ``recording.input`` is the first of them.
    aliases
        Other names for addresses: a container whose last layer returns its value.
    notes
        Sentences about how this came about: what was done to the input, what was left out.
    digest
        Computes, when first needed, what identifies the model and the input.
    samples
        The names of the samples, such as file names; arrays with as many samples carry them as
        their coordinate ``sample``.
    left_out
        Addresses of layers that were called in a loop, where no value can be seen: asked for, they
        are said to be.
    kind
        What the values are: ``"activations"``, ``"weights"``, ``"features"``, images made for
        units, or ``"attributions"``, maps of the input.

    A view asks a recording for what it needs to know: its ``kind``; the ``scale`` on which its
    pictures are drawn by default, and the ``input_range`` that goes with ``"input"``; its
    ``samples``; and whether it ``has_steps``, with ``steps``, ``epochs``, ``metrics``, ``moment``.
    """

    #: The scaling of its pictures where none is named.
    scale: str = "layer"
    #: The lowest and the highest value that the network accepts, where pictures may be drawn on it.
    input_range: tuple[float, float] | None = None

    def __init__(
        self,
        arrays: Mapping[str, NamedArray],
        *,
        network: Network,
        inputs: Mapping[str, NamedArray] | None = None,
        aliases: Mapping[str, str] | None = None,
        notes: tuple[str, ...] = (),
        digest: Callable[[], Mapping[str, str]] | None = None,
        samples: Sequence[str] = (),
        left_out: Sequence[str] = (),
        kind: Kind = "activations",
    ) -> None:
        self._arrays = arrays  # not copied: those of a store are read when they are asked for
        self._inputs: Mapping[str, NamedArray] = inputs or {}
        self._aliases = dict(aliases or {})
        self._digest = digest
        self._provenance: Mapping[str, str] | None = None
        self._labelled: dict[str, xr.DataArray] = {}
        self._extents: dict[tuple[int, str | None], tuple[float, float]] = {}
        self.network = network
        self.notes = notes
        self.samples = tuple(samples)
        self.left_out = tuple(left_out)
        self.kind = kind

    def __getitem__(self, address: str) -> xr.DataArray:
        if not isinstance(address, str):
            raise AddressError(
                f"A recording is read by address, not by {type(address).__name__}: "
                f"try recording[{next(iter(self._arrays), 'conv2d')!r}]."
            )
        places = [self.place(each) for each in self.each(address)]
        array = self._label(places[0].layer)
        if len(places) > 1:
            return at_units(array, places)
        return array if places[0].unit is None else at_place(array, places[0])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, str):
            return False
        try:
            self[address]
        except AddressError:
            return False
        return True

    def each(self, address: str) -> list[str]:
        """Return the addresses that one of several units, ``conv2d:3,30``, stands for."""
        if address in self._arrays:
            return [address]
        return each_unit(address, dict.fromkeys((*self._arrays, *self._aliases, *self._inputs)))

    def place(self, address: str) -> Place:
        """Read an address: which layer, which unit, which position.

        Raises
        ------
        AddressError
            When this recording has no such layer; says so too when the network has it, but it was
            not recorded.
        """
        known = dict.fromkeys((*self._arrays, *self._aliases, *self._inputs))
        try:
            place = parse_place(address, known)
        except AddressError:
            raise self._no_such(address, known) from None
        layer = self._aliases.get(place.layer, place.layer)
        return Place(layer, place.unit, place.position)

    def at(self, step: int | None) -> Recording:
        """Return the recording at one step, the last where None; without steps, the recording.

        Steps go by their numbers where an array's attribute ``steps`` tells them, and are counted
        from 0 where none does.

        Raises
        ------
        AddressError
            When it has no steps, or none of that number.
        """
        if not self.has_steps:
            if step is not None:
                raise AddressError(
                    f"There is no step {step!r}: this recording is of a single moment."
                )
            return self
        return Recording(
            {address: at_step(array, step) for address, array in self._arrays.items()},
            network=self.network,
            inputs=self._inputs,
            aliases=self._aliases,
            notes=self.notes,
            digest=lambda: self.provenance,
            samples=self.samples,
            left_out=self.left_out,
            kind=self.kind,
        )

    def moment(self, position: int) -> Recording:
        """Return the recording at one step, by its place among those that it holds."""
        return self.at(int(self.steps[position]))

    @property
    def has_steps(self) -> bool:
        """Whether it is over the steps of a training, or of an optimization."""
        return any("step" in array.axes for array in self._arrays.values())

    @property
    def epochs(self) -> npt.NDArray[np.float64]:
        """The epoch of each step, NaN where it has none."""
        return np.full(len(self.steps), np.nan)

    @property
    def metrics(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """What was measured at each step, by name; NaN where it was not."""
        return {}

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """The numbers of the steps that it holds; none of a single moment."""
        for array in self._arrays.values():
            if "step" in array.axes:
                return np.asarray(numbers_of_steps(array), np.int64)
        return np.zeros(0, np.int64)

    def position(self, step: int | None) -> int:
        """Return where a step is among those that it holds, the last where None.

        Raises
        ------
        AddressError
            When it has no steps, or none of that number.
        """
        numbers = self.steps.tolist()
        self.at(step if numbers else step or 0)  # says what is wrong with it
        return len(numbers) - 1 if step is None else numbers.index(step)

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names for addresses that were recorded."""
        return dict(self._aliases)

    @property
    def inputs(self) -> Mapping[str, xr.DataArray]:
        """What the network received, by name."""
        return {name: self._label(name, self._inputs) for name in self._inputs}

    @property
    def input(self) -> xr.DataArray:
        """What the network received at its first input."""
        return self._label(self._first_input(), self._inputs)

    @property
    def input_axes(self) -> Mapping[str, tuple[str, ...]]:
        """The axes of each input in the order in which the network received them."""
        return {name: array.axes for name, array in self._inputs.items()}

    def named(self, layer: str | None) -> NamedArray:
        """Return a layer's values with the names of their axes, unlabelled; the input where None.

        For a small layer, xarray's labels take longer to make than a picture does.
        """
        if layer is None:
            return self._inputs[self._first_input()].presented()
        source = self._arrays if layer in self._arrays else self._inputs
        return source[layer].presented()

    def axes(self, address: str) -> dict[str, int]:
        """Return the axes of a layer's values and their lengths, ``step`` first where it has any.

        Raises
        ------
        AddressError
            When no values of it were recorded.
        """
        array = self.named(self.place(address).layer)
        return dict(zip(array.axes, array.values.shape, strict=True))

    def part(self, layer: str, steps: int | slice, **where: slice) -> NamedArray:
        """Return a part of a layer's values over steps; of what is stored, no more is read.

        Parameters
        ----------
        steps
            Where they are among those held, counted from 0.
        where
            Slices of other axes, by name: ``channel=slice(29, 30)``.
        """
        array = self.named(layer)
        slices: dict[str, int | slice] = {"step": steps, **where}
        values = array.values[tuple(slices.get(axis, slice(None)) for axis in array.axes)]
        gone = {"step"} if isinstance(steps, int) else set()
        return NamedArray(values, tuple(a for a in array.axes if a not in gone), array.attrs)

    @property
    def provenance(self) -> Mapping[str, str]:
        """What identifies the model and the input; computed once, when first asked for."""
        if self._provenance is None:
            self._provenance = dict(self._digest()) if self._digest else {}
        return self._provenance

    def extent(self, sample: int = 0, layer: str | None = None) -> tuple[float, float]:
        """Return the least and the largest finite value of a sample: of a layer, or of all layers.

        ``layer`` may be an input, ``"input"`` the first of them. Zeros where there are none.
        """
        key = (sample, layer)
        if key not in self._extents:
            arrays = self._arrays.values()
            if layer is not None:
                first = next(iter(self._inputs.values()), None)
                inputs = {**({} if first is None else {"input": first}), **self._inputs}
                arrays = [self._arrays[layer] if layer in self._arrays else inputs[layer]]  # type: ignore[assignment]
            ranges = [finite_range(array, sample) for array in arrays]
            low = min((low for low, _ in ranges), default=math.inf)
            high = max((high for _, high in ranges), default=-math.inf)
            self._extents[key] = (low, high) if low <= high else (0.0, 0.0)
        return self._extents[key]

    def rollout(self, layers: Sequence[str] | None = None, *, residual: float = 0.5) -> Recording:
        """Compute how much of each input reaches each place, from layer to layer of attention.

        Heads are averaged; of what a layer returns, the share ``residual`` is taken to come past
        the attention; the layers are multiplied (Abnar & Zuidema 2020). The recording has, for each
        layer that takes part, ``(sample, query, key)``: the rollout up to it, a key being a place
        in the first layer. Its notes say which took part.

        Parameters
        ----------
        layers
            The addresses of attention weights, in order; where none are named, all that are as long
            as the last, each as many queries as keys.
        residual
            From 0 to 1.

        Raises
        ------
        AddressError
            When there are none, or one of them is no attention of that length.
        """
        chosen = [layers] if isinstance(layers, str) else layers
        names = self._arrays if chosen is None else [self.place(one).layer for one in chosen]
        arrays = {name: self.named(name) for name in names}
        rolled = rolled_out(arrays, residual, strict=chosen is not None)
        note = (
            f"rollout of {1 - residual:g} attention + {residual:g} identity, heads averaged, "
            f"through {', '.join(rolled)}"
        )
        return Recording(
            rolled,
            network=self.network,
            inputs=self._inputs,
            notes=(*self.notes, note),
            digest=lambda: self.provenance,
            samples=self.samples,
        )

    def export(
        self,
        folder: str | os.PathLike[str],
        *,
        format: str = "npz",  # noqa: A002  # the word for it
        overwrite: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> list[Path]:
        """Write the recording as files: one for each layer, over all its steps.

        ``activations-01-conv2d.npz`` holds ``values`` with the axes that ``axes`` names, ``step``
        first, and where they were recorded the statistics of its units; of a run there are files
        of its weights too. ``input-….npz`` is the probe; ``recording.json`` says which file holds
        what, the steps, epochs and metrics, the samples, the network and its provenance.

        Parameters
        ----------
        folder
            Where to write; it is made if it is not there.
        format
            ``"npz"``, ``"json"`` (``null`` for what is not finite), or ``"netcdf"``, for which
            h5netcdf or SciPy must be there, and which holds one layer in memory at a time; the
            others hold one step of it. NetCDF has no float16: values become float32.
        overwrite
            Write into a folder that is not empty; only files of the same names are replaced.
        progress
            Called with the number of files done and that of all.

        Returns
        -------
        list of Path
            The files, ``recording.json`` last.

        Raises
        ------
        InputError
            When there is no such format.
        OutputError
            When the folder is not empty, or can't be written.
        MissingDependencyError
            When NetCDF is asked for and nothing that writes it is installed.
        """
        from layerscope.recordings.export import export

        return export(self, folder, format=format, overwrite=overwrite, progress=progress)

    @property
    def nbytes(self) -> int:
        """What the recorded values take in memory."""
        return sum(array.values.nbytes for array in self._arrays.values())

    def __repr__(self) -> str:
        lines = [f"<layerscope.Recording of {quoted(self.network.name)}: {len(self)} arrays>"]
        for name, array in zip(padded(self._arrays), self._arrays.values(), strict=True):
            shown = array.presented()
            axes = ", ".join(
                f"{a}: {n}" for a, n in zip(shown.axes, shown.values.shape, strict=True)
            )
            lines.append(f"  {name}  ({axes}) {shown.values.dtype}")
        return "\n".join([*lines, *(f"  note: {message(note)}" for note in self.notes)])

    def _no_such(self, address: str, known: Collection[str]) -> AddressError:
        """Return the error for an address that nothing was recorded under, and why."""
        layer, colon, unit = address.partition(":")
        if colon and layer in known:
            return AddressError(
                f"{address!r}: {unit!r} is no unit; after the colon comes its number, as in "
                f"{layer + ':3'!r}, or with a position {layer + ':3@7,3'!r}."
            )
        inside = [name for name in known if re.match(rf"{re.escape(layer)}[/.]", name)]
        if inside and layer in self.network:
            these = ", ".join(map(repr, inside[:5]))
            return AddressError(f"{layer!r} is a layer; recorded of it: {these}.")
        if layer in self.network and self.kind == "weights":
            return AddressError(f"{layer!r} has no weights; there are {self._some()}.")
        if layer in self.network:
            return AddressError(
                f"{layer!r} is in this network but was not recorded; recorded: {self._some()}."
            )
        if layer in self.left_out:
            return inside_loop(layer)
        if self.kind == "activations" and any(p.key == layer for p in self.network.parameters):
            return AddressError(
                f"{layer!r} is a parameter, and these are activations: it is in weights(model), of "
                "a training in run.weights."
            )
        return unknown_address(address, list(known))

    def _some(self) -> str:
        return ", ".join(map(repr, list(self._arrays)[:5]))

    def _first_input(self) -> str:
        for name in self._inputs:
            return name
        some = f": name one of {self._some()}" if self._arrays else ""
        raise AddressError(f"This recording holds no input{some}.")

    def _label(self, name: str, source: Mapping[str, NamedArray] | None = None) -> xr.DataArray:
        if source is None:
            source = self._arrays if name in self._arrays else self._inputs
        # Made when first asked for: labelling 300 layers takes longer than running them.
        key = name if source is self._arrays else f"input {name}"
        if key not in self._labelled:
            import xarray as xr

            array = source[name].presented()
            self._labelled[key] = xr.DataArray(
                array.values,
                coords=self._coordinates(array),
                dims=array.axes,
                name=name,
                attrs=dict(array.attrs),
            )
        return self._labelled[key]

    def _coordinates(self, array: NamedArray) -> xr.Coordinates | None:
        """Return the names of the samples, where it has them, and what is masked of attention."""
        import xarray as xr

        coordinates: dict[str, Any] = {}
        count = array.values.shape[array.axes.index("sample")] if "sample" in array.axes else 0
        if self.samples and count == len(self.samples):
            coordinates["sample"] = ("sample", np.array(self.samples, dtype=object))
        if is_attention(array.axes):
            coordinates["masked"] = (array.axes, masked(array.values))
        # Without an index: with one, the difference of two recordings would be empty, since xarray
        # would look for samples of the same name.
        return xr.Coordinates(coordinates, indexes={}) if coordinates else None
