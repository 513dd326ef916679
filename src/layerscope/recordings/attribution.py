"""Attribution: maps of where in the input a score comes from, and what is to be said of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError, InputError
from layerscope.core.network import Network
from layerscope.core.table import padded, setting_text
from layerscope.core.text import message, quoted
from layerscope.recordings.recording import Recording

Array = npt.NDArray[Any]

_LISTED = 4  #: samples whose targets the representation lists
#: The gap of completeness up to which the sum of a map is taken for what it is to explain.
COMPLETE = 0.01
#: The rank correlation above which two maps are taken to show the same.
ALIKE = 0.5


@dataclass(frozen=True)
class MapCheck:
    """What the controls have found of one method's map of one sample."""

    method: str
    sample: int
    gap: float = math.nan  #: of completeness, as a share; NaN where the method promises none
    #: Areas under the score as the input goes, in the order of the map, from 0 to 1, and as it
    #: comes; of the map, of random maps and of an edge detector.
    deletion: Mapping[str, float] = field(default_factory=dict)
    insertion: Mapping[str, float] = field(default_factory=dict)
    #: Rank correlation of the map with that of a network whose weights were shuffled, from the
    #: output on; and of the edge detector with it, which no network changes.
    shuffled: Mapping[str, float] = field(default_factory=dict)
    edges: float = math.nan  #: rank correlation of the map's strength with the input's edges
    sensitivity: float = math.nan  #: how much the map changes under a little noise, as a share
    words: tuple[str, ...] = ()  #: what follows from these, in sentences
    curves: Mapping[str, Any] = field(default_factory=dict)  #: the scores themselves, by name

    def __str__(self) -> str:
        return message(f"{self.method}: " + "; ".join(self.words))

    @property
    def brief(self) -> str:
        """The numbers in one line, with what they are to be compared with."""
        parts = []
        for word, areas in (("gone", self.deletion), ("alone", self.insertion)):
            others = [f"{name} {area:.2f}" for name, area in areas.items() if name != "map"]
            if areas and math.isfinite(areas["map"]):
                parts.append(f"{word} {areas['map']:.2f} ({', '.join(others)})")
        if self.shuffled:
            alike = list(self.shuffled.values())[-1]
            parts.append(
                f"shuffled {alike:.2f}" + (": shows the input alone" if alike > ALIKE else "")
            )
        if math.isfinite(self.sensitivity):
            parts.append(f"noise {100 * self.sensitivity:.0f} %")
        return "; ".join(parts)


class Attribution(Recording):
    """A mapping from methods to maps of what speaks for a target, on the axes of the input.

    ``result["integrated_gradients"]`` is an ``xarray.DataArray`` of signed raw values: what is
    positive speaks for the target, what is negative against it. Grad-CAM and its kin have height
    and width only, brought to the size of the input; on the layer's own grid they are
    ``result["grad_cam@layer"]``. Where several inputs have maps, that of each is
    ``result["saliency@image"]``.

    Parameters
    ----------
    arrays
        By method, in the order in which they were asked for, the maps of each input, by its name.
    targets
        What each sample's map is of, in words: ``"seven (output:7), its logit"``.
    units
        The number of each sample's class, or unit; None for other objectives.
    scores
        The target's score on each sample.
    settings
        By method, how it was made: ``steps``, ``baseline``, ``layer``, …
    gaps
        By method that promises that the map sums up to what the score has gained over that of a
        baseline: the difference, as a share of what was gained, one for each sample.
    grids
        By method, the same on a layer's own grid.
    tokens
        The names of the inputs that are indices, of which each is a word.
    words
        What these stand for: a list, or a dict by their numbers.
    names
        Of the numbers of an input that is a vector.
    checking
        Runs the controls; called by :meth:`check`.

    The other parameters are those of :class:`Recording`.
    """

    def __init__(
        self,
        arrays: Mapping[str, Mapping[str, NamedArray]],
        *,
        network: Network,
        inputs: Mapping[str, NamedArray],
        targets: Sequence[str],
        units: Sequence[int | None] = (),
        scores: npt.ArrayLike = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        gaps: Mapping[str, npt.ArrayLike] | None = None,
        grids: Mapping[str, NamedArray] | None = None,
        notes: Sequence[str] = (),
        digest: Callable[[], Mapping[str, str]] | None = None,
        samples: Sequence[str] = (),
        tokens: Sequence[str] = (),
        words: Mapping[int, str] | Sequence[str] | None = None,
        names: Sequence[str] = (),
        checking: Callable[..., list[MapCheck]] | None = None,
    ) -> None:
        grids = {f"{name}@layer": array for name, array in (grids or {}).items()}
        mapped = {name for of_inputs in arrays.values() for name in of_inputs}
        #: The names of the inputs that have maps.
        self.mapped = tuple(name for name in inputs if name in mapped)
        several = len(self.mapped) > 1
        self._keys = {
            method: {name: f"{method}@{name}" if several else method for name in of_inputs}
            for method, of_inputs in arrays.items()
        }
        named = {
            self._keys[method][name]: array
            for method, of_inputs in arrays.items()
            for name, array in of_inputs.items()
        }
        super().__init__(
            {**named, **grids},
            network=network,
            inputs=inputs,
            notes=tuple(notes),
            digest=digest,
            samples=samples,
            kind="attributions",
        )
        self.methods = tuple(arrays)
        self.targets = tuple(targets)
        self.units = tuple(units) or (None,) * len(self.targets)
        self.scores = np.asarray(scores, np.float64)
        self.settings = {name: dict(values) for name, values in (settings or {}).items()}
        self.gaps = {name: np.asarray(gap, np.float64) for name, gap in (gaps or {}).items()}
        self.checks: tuple[MapCheck, ...] = ()
        self.tokens = tuple(tokens)
        self.words = words
        self.names = tuple(names)
        self._checking = checking

    def of_inputs(self, method: str) -> tuple[str, ...]:
        """Return the names of the inputs of which a method has made maps.

        Raises
        ------
        AddressError
            When there is no such method.
        """
        if method not in self._keys:
            there = ", ".join(map(repr, self.methods))
            raise AddressError(f"There is no map by {method!r}: there are {there}.")
        return tuple(self._keys[method])

    def map(
        self, method: str | None = None, sample: int = 0, source: str | None = None
    ) -> NamedArray:
        """Return one sample's map as it is drawn: summed over channels, axes of space alone.

        Of several inputs that of ``source``, else of the first that the method has a map of.

        Raises
        ------
        AddressError
            When there is no such method, input or sample.
        """
        method = self.methods[0] if method is None else method
        there = self.of_inputs(method)
        name = there[0] if source is None else source
        if name not in there:
            raise AddressError(
                f"{method!r} has no map of {name!r}: it has {', '.join(map(repr, there))}."
            )
        array = self.named(self._keys[method][name])
        count = array.values.shape[0]
        if not 0 <= sample < count:
            raise AddressError(f"There is no sample {sample!r}: there are {count}.")
        values, axes = array.values[sample], array.axes[1:]
        if "channel" in axes and len(axes) > 1:
            values = values.sum(axis=axes.index("channel"), dtype=np.float64)
            axes = tuple(axis for axis in axes if axis != "channel")
        return NamedArray(values, axes)

    def save_arrays(self, path: str | Path) -> None:
        """Write the maps, the input and the scores into a ``.npz`` file, by name."""
        first, *rest = self.input_axes
        arrays: dict[str, Any] = {"input": self.named(first).values, "scores": self.scores}
        arrays |= {f"input {name}": self.named(name).values for name in rest}
        arrays |= {name: self.named(name).values for name in self}
        with Path(path).open("wb") as file:
            np.savez_compressed(file, **arrays)

    def check(self, *, samples: int = 4, seed: int = 0) -> Attribution:
        """Run the controls, and return the maps with what they have found in :attr:`checks`.

        Completeness; how the score falls and rises as the input goes and comes in the map's order,
        beside random orders and that of an edge detector; whether the map changes when the
        network's weights are shuffled; how much it changes under a little noise.

        Parameters
        ----------
        samples
            How many samples to check, from the first on.
        seed
            Of all that is random.

        Raises
        ------
        InputError
            When the maps are no longer with their model.
        """
        if self._checking is None:
            raise InputError("These maps are without their model: call attribute() again.")
        self.checks = tuple(self._checking(self, samples=samples, seed=seed))
        return self

    def line(
        self, method: str, sample: int = 0, *, brief: bool = False, source: str | None = None
    ) -> str:
        """Return what is known for and against a map, in one line; ``brief`` with numbers alone.

        Where several inputs have maps, whether they are flat is told of ``source``.
        """
        check = next((c for c in self.checks if (c.method, c.sample) == (method, sample)), None)
        parts = [self._gap_words(method, sample)]
        flat = self._flat_words(method, sample, source)
        parts.append(flat)
        if check is not None:
            parts += [check.brief] if brief else check.words
        return message("; ".join(dict.fromkeys(filter(None, parts))))

    def _gap_words(self, method: str, sample: int) -> str:
        gap = self.gaps.get(method)
        if gap is None or not np.isfinite(gap[sample]):
            return ""
        share = float(gap[sample])
        return f"completeness gap {100 * share:.2g} %" + (
            " – too large" if share > COMPLETE else ""
        )

    def _flat_words(self, method: str, sample: int, source: str | None) -> str:
        if source is None and len(self.of_inputs(method)) > 1:
            return ""
        values = self.map(method, sample, source).values
        finite = values[np.isfinite(values)]
        if finite.size < values.size:
            return f"{values.size - finite.size} values are NaN or infinite"
        if not finite.size or not np.any(finite):
            if "layer" in self.settings.get(method, {}):  # of a sum only what is positive is kept
                return "zero everywhere: nothing of this layer speaks for the target"
            return "zero everywhere: nothing of the input reaches the target"
        if finite.min() == finite.max():
            return "the same everywhere"
        if finite.min() >= 0:
            return "nothing negative"
        return "nothing positive" if finite.max() <= 0 else ""

    def __repr__(self) -> str:
        count = len(self.targets)
        lines = [
            f"<layerscope.Attribution of {quoted(self.network.name)}: {len(self.methods)} "
            f"method{'s' * (len(self.methods) != 1)}, {count} sample{'s' * (count != 1)}>"
        ]
        for i, target in enumerate(self.targets[:_LISTED]):
            name = self.samples[i] if i < len(self.samples) else f"sample {i}"
            score = f" = {self.scores[i]:.4g}" if i < len(self.scores) else ""
            lines.append(f"  {message(f'{name}: {target}{score}')}")
        if count > _LISTED:
            lines.append(f"  and {count - _LISTED} more")
        for name, padded_name in zip(self.methods, padded(self.methods), strict=True):
            how = ", ".join(f"{k} {setting_text(v)}" for k, v in self.settings[name].items())
            gap = self.gaps.get(name)
            if gap is not None and np.isfinite(gap).any():
                how += f"{'; ' if how else ''}completeness gap {100 * np.nanmax(gap):.2g} %"
            lines.append(f"  {message(f'{padded_name}  {how}'.rstrip())}")
        lines += [f"  {check}" for check in self.checks]
        return "\n".join([*lines, *(f"  note: {message(note)}" for note in self.notes)])
