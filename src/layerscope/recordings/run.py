"""A recording over the steps of a training, read from where it is kept.

Nothing is read before it is asked for, and then no more than is needed: one channel over all steps,
or all channels of a layer at one step.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import unknown_address
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError, InputError
from layerscope.core.network import Network
from layerscope.core.text import message, quoted
from layerscope.core.training_loss import TrainingLoss, loss_from_json
from layerscope.recordings.recording import Recording
from layerscope.recordings.store.kept import FROM_BEFORE, network_of
from layerscope.recordings.stored_arrays import StoredArrays, listing, notes_of, read_part

if TYPE_CHECKING:
    import xarray as xr

    from layerscope.recordings.fates import Fates
    from layerscope.recordings.finding import Finding
    from layerscope.recordings.store.reader import StoreReader
    from layerscope.recordings.store.schema import ArrayGroup

_SHOWN = 6  #: steps that a message names
_KEPT_STATISTICS = 24  #: that were read last


def open_run(url: str | os.PathLike[str]) -> Run:
    """Open the recording of a training.

    Raises InputError where there is none, MissingDependencyError where Zarr is not installed.
    """
    from layerscope.recordings.store.reader import StoreReader

    if not isinstance(url, str | os.PathLike) or not os.fspath(url):
        raise InputError(f"url={url!r}: pass where a recording is kept, such as 'run.zarr'.")
    reader = StoreReader.open(os.fspath(url))
    for group in reader.schema.groups:
        if not group.has_plain_statistics:
            raise InputError(
                f"{os.fspath(url)} is no recording of a training: the statistics of "
                f"{group.address[:60]!r} are not one number for each unit."
            )
    return Run(reader)


class Run(Recording):
    """A recording over the steps of a training.

    ``run["conv2d"].sel(epoch=5)`` is a layer at an epoch, ``run["conv2d:29"]`` one channel at all
    steps, ``run.at(5)`` all layers at step 5, as ``activations`` would have returned them then.
    ``run.weights`` is the same for parameters. A run that is still being written grows by
    :meth:`refresh`.
    """

    def __init__(
        self, reader: StoreReader, kind: Literal["activations", "weights"] = "activations"
    ) -> None:
        attrs = reader.schema.attrs
        network = network_of(attrs)
        self._reader = reader
        self._described = {g.address: g for g in reader.schema.groups if g.kind == kind}
        known = dict.fromkeys(a for a, g in self._described.items() if "values" in g.variables)
        inputs = [group.address for group in reader.schema.groups if group.kind == "input"]
        aliases = attrs.get("aliases") or {}
        super().__init__(
            StoredArrays(reader, kind, list(known), slice(None)),
            network=Network("run", "?", ()) if network is None else network,
            inputs=StoredArrays(reader, "input", inputs, None),
            aliases={name: address for name, address in aliases.items() if address in known},
            notes=notes_of(reader),
            digest=lambda: dict(attrs.get("provenance") or {}),
            samples=reader.schema.samples,
            kind=kind,
        )
        self._epochs: npt.NDArray[np.float64] | None = None
        self._metrics: Mapping[str, npt.NDArray[np.float64]] | None = None
        self._statistics: OrderedDict[tuple[str, str], npt.NDArray[Any]] = OrderedDict()

    @property
    def weights(self) -> Run:
        """The parameters over the steps, by their keys: ``conv2d/kernel``."""
        return self if self.kind == "weights" else Run(self._reader, "weights")

    @property
    def activations(self) -> Run:
        """What the layers returned over the steps, by their addresses."""
        return self if self.kind == "activations" else Run(self._reader, "activations")

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """The numbers of the steps that were recorded."""
        return self._reader.steps

    @property
    def epochs(self) -> npt.NDArray[np.float64]:
        """The epoch of each step, NaN where it has none."""
        if self._epochs is None:
            self._epochs = self._reader.epochs
        return self._epochs

    @property
    def wall_times(self) -> npt.NDArray[np.float64]:
        """When each step was written, in seconds since 1970; NaN where that is not known."""
        return self._reader.wall_times

    @property
    def metrics(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """What was measured at each step, by name; NaN where it was not."""
        if self._metrics is None:
            self._metrics = dict(self._reader.metrics)
        return self._metrics

    @property
    def probed(self) -> int | None:
        """How many samples the statistics are of; None where the recording does not tell."""
        return self._reader.schema.attrs.get("probed")

    @property
    def trained_with(self) -> TrainingLoss | None:
        """The loss that the network was trained with; None where the recording does not tell."""
        return loss_from_json(self._reader.schema.attrs.get("loss"))

    @property
    def counts_from_before(self) -> bool:
        """Whether step 0 is of before the training; in early versions it was after an epoch."""
        settings = self._reader.schema.attrs.get("settings") or {}
        return all(settings.get(name) == value for name, value in FROM_BEFORE.items())

    @property
    def described(self) -> tuple[str, ...]:
        """The addresses of which there are statistics, whether or not their values were kept."""
        return tuple(self._described)

    def stored_type(self, address: str) -> str:
        """Return the type that a layer's values are kept in, of which they have the digits.

        Raises
        ------
        AddressError
            When no values of it were recorded.
        """
        return self._group(self.place(address).layer).variables["values"].dtype

    def statistics(self, address: str) -> xr.Dataset:
        """Return figures of each unit of a layer over the probe, or of a parameter, at each step.

        Of a layer ``mean``, ``std``, ``min``, ``max`` and the share of ``zeros``, axes
        ``(step, unit)``; of a parameter ``norm`` and ``change``, axes ``(step,)``.

        Raises
        ------
        AddressError
            When nothing was recorded of it.
        """
        import xarray as xr

        names = [name for name in self._group(address).variables if name != "values"]
        return xr.Dataset({n: self._reader.dataarray(self.kind, address, n) for n in names})

    def statistic(self, address: str, name: str) -> npt.NDArray[Any] | None:
        """Return a statistic without labels, ``(step, unit)`` or ``(step,)``; None if absent.

        Raises
        ------
        AddressError
            When nothing was recorded of that layer or parameter.
        """
        if name not in self._group(address).variables:
            return None
        key = (address, name)
        if key not in self._statistics:
            values = self._reader.read(self.kind, address, name, slice(None))
            values.flags.writeable = False  # it is handed out again
            self._statistics[key] = values
            if len(self._statistics) > _KEPT_STATISTICS:
                self._statistics.popitem(last=False)
        self._statistics.move_to_end(key)
        return self._statistics[key]

    def axes(self, address: str) -> dict[str, int]:
        """Return the axes of a layer's values and their lengths, ``step`` first; nothing is read.

        Raises
        ------
        AddressError
            When no values of it were recorded.
        """
        variable = self._group(self.place(address).layer).variables["values"]
        return {"step": len(self.steps), **dict(zip(variable.dims, variable.shape, strict=True))}

    def part(self, layer: str, steps: int | slice, **where: slice) -> NamedArray:
        """Return a part of a layer's values; only the chunks that hold it are read.

        Parameters
        ----------
        steps
            Where they are among those recorded, counted from 0.
        where
            Slices of other axes, by name: ``channel=slice(29, 30)``.
        """
        return read_part(self._reader, self.kind, layer, steps, **where)

    def at(self, step: int | None) -> Recording:
        """Return all layers at one step, by its number; the last where None. Read when asked for.

        Raises
        ------
        AddressError
            When there is no such step; the message says which there are.
        """
        return self.moment(self.position(step))

    def moment(self, position: int) -> Recording:
        """Return all layers at one step, by its place among those recorded; read when asked for."""
        number = int(self.steps[position])
        return _Moment(
            StoredArrays(self._reader, self.kind, list(self._arrays), position),
            network=self.network,
            inputs=self._inputs,
            aliases=self._aliases,
            notes=self.notes,
            digest=lambda: {**self.provenance, "step": str(number)},
            samples=self.samples,
            kind=self.kind,
        )

    @property
    def has_steps(self) -> bool:
        """True: also before the first of them."""
        return True

    def position(self, step: int | None) -> int:
        """Return where a step is among those recorded.

        Raises
        ------
        AddressError
            When there is none of that number; the message says which there are.
        """
        steps = self.steps.tolist()
        if not steps:
            raise AddressError("This recording holds no steps yet.")
        if step is None:
            return len(steps) - 1
        if isinstance(step, bool) or step not in steps:
            shown = ", ".join(map(str, steps[:_SHOWN]))
            more = f", … {steps[-1]}" if len(steps) > _SHOWN else ""
            raise AddressError(
                f"There is no step {step!r} in this recording: there are {shown}{more}."
            )
        return int(steps.index(step))

    def findings(self) -> list[Finding]:
        """Return what there is to say of the training, in words.

        That is of units that fell silent or woke, of layers that learned nothing, of the best step;
        :func:`layerscope.recordings.findings.findings` says when.
        """
        from layerscope.recordings.findings import findings

        return findings(self)

    def fate(self, layers: str | Iterable[str] | None = None) -> Fates:
        """Return what became of every unit: born silent, woke at, died at, revived.

        Of the layers named, addresses or globs; by default of all whose units can be silent, but
        for those that hand on what another layer returned.

        Raises
        ------
        AddressError
            When there is no such layer, no unit of it can be silent, or there are no steps yet.
        """
        from layerscope.recordings.fates import fates_of

        return fates_of(self, layers)

    def refresh(self) -> bool:
        """Read which steps have been added meanwhile; whether there are any."""
        self._labelled.clear()
        self._extents.clear()
        self._epochs = self._metrics = None
        self._statistics.clear()
        return self._reader.refresh()

    @property
    def nbytes(self) -> int:
        """What the recorded values would take in memory."""
        one = 0
        for address in self._arrays:
            variable = self._described[address].variables["values"]
            one += math.prod(variable.shape) * variable.handed_out.itemsize
        return len(self.steps) * one

    def __repr__(self) -> str:
        count = len(self.steps)
        head = f"<layerscope.Run of {quoted(self.network.name)}: {count} steps, {len(self)} arrays>"
        lines = listing(self._reader, self.kind, list(self._arrays), count)
        return "\n".join([head, *lines, *(f"  note: {message(note)}" for note in self.notes)])

    def _group(self, address: str) -> ArrayGroup:
        if address not in self._described:
            raise unknown_address(address, list(self._described))
        return self._described[address]

    def _label(self, name: str, source: Mapping[str, NamedArray] | None = None) -> xr.DataArray:
        if source is None and name in self._arrays:
            if name not in self._labelled:
                self._labelled[name] = self._reader.dataarray(self.kind, name, "values")
            return self._labelled[name]
        return super()._label(name, source)


class _Moment(Recording):
    """One step of a run: its layers are read when they are asked for, and not to tell of them."""

    @property
    def has_steps(self) -> bool:
        return False

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        return np.zeros(0, np.int64)

    def at(self, step: int | None) -> Recording:
        if step is None:
            return self
        raise AddressError(f"There is no step {step!r}: this recording is of a single moment.")

    def __repr__(self) -> str:
        stored = self._arrays
        if not isinstance(stored, StoredArrays):
            return super().__repr__()
        head = f"<layerscope.Recording of {quoted(self.network.name)}: {len(self)} arrays>"
        return "\n".join([head, *listing(stored.reader, stored.kind, list(stored), None)])
