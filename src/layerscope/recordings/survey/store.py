"""Where a survey is kept: a Zarr store, written whole at each checkpoint.

All layers stand behind one another along one axis, so that a network of many layers is a few
arrays. A checkpoint is a group of its own; once it is whole, the store's root names it in place of
the one before. So a store is at any moment, also after a kill, the survey of some number of
samples, never of half a batch. What the network received of the samples kept is written beside,
each sample once.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError, OutputError
from layerscope.core.network import from_json, to_json
from layerscope.recordings.survey.comoments import CoMoments
from layerscope.recordings.survey.datasets import padded
from layerscope.recordings.survey.layer_tally import ByLabel, Drawn, LayerTally
from layerscope.recordings.survey.ranking import Ranking
from layerscope.recordings.survey.reading import InputReading
from layerscope.recordings.survey.survey import Survey, SurveyedSample
from layerscope.recordings.survey.value_counts import ValueCounts

Array = npt.NDArray[Any]

FORMAT = 1
_INPUTS = "inputs"
_PART = ".part-zarr.json"  #: the root, while it is written
_UNITS = ("counted", "nonfinite", "zeros", "silent", "mean", "squares", "low", "high")
_RANKINGS = ("top", "weak")
_AXES = 3  #: that a place has at most


@dataclass(frozen=True, slots=True)
class SurveyProgress:
    """How far a survey has come, so that it can go on there."""

    samples: int = 0  #: that are behind
    file: tuple[int, int] = (0, 0)  #: where among files to go on
    complete: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)  #: that it was made with


def is_survey(path: str | os.PathLike[str]) -> bool:
    """Return whether a survey is kept there."""
    return _about(Path(path)) is not None


def is_begun(path: str | os.PathLike[str]) -> bool:
    """Return whether a survey was begun there, and stopped before its first checkpoint."""
    where = Path(path)
    if where.is_dir() and {entry.name for entry in where.iterdir()} == {_PART}:
        return True
    return _attributes(where).get("kind") == "survey" and not is_survey(where)


def write_survey(path: str | os.PathLike[str], survey: Survey, progress: SurveyProgress) -> None:
    """Write a survey, in place of the one that was there.

    Raises
    ------
    OutputError
        When it can't be written; what was there before is still there.
    """
    where = Path(path)
    before = _about(where)
    number = 0 if before is None else int(before["state"].rpartition("-")[2]) + 1
    name = f"state-{number}"
    try:
        where.mkdir(parents=True, exist_ok=True)
        if before is None:  # whoever finds it half written is to know what it is
            _write_about(where, {"format": FORMAT, "kind": "survey", "state": None})
        if not isinstance(survey.samples, SampleInputs):
            _write_inputs(where, survey.samples.values(), before is None)
        shutil.rmtree(where / name, ignore_errors=True)
        _write_state(where / name, survey, progress)
        _write_about(where, {"format": FORMAT, "kind": "survey", "state": name})
    except OSError as error:
        raise OutputError(
            f"{str(where)!r} can't be written ({error.strerror or error}); what was written of the "
            "survey before is still there."
        ) from error
    for old in where.glob("state-*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)
    _forget_inputs(where, set(survey.samples))


def open_survey(path: str | os.PathLike[str]) -> Survey:
    """Open a survey that was kept in a folder, by ``survey(..., to=path)``.

    Raises
    ------
    InputError
        When there is none, it is damaged, or of a newer format.
    """
    return read_survey(path)[0]


def read_survey(path: str | os.PathLike[str]) -> tuple[Survey, SurveyProgress]:
    """Read a survey, and how far it has come.

    Raises
    ------
    InputError
        When there is none, it is damaged, or of a newer format.
    """
    where = Path(path)
    about = _about(where)
    if about is None:
        if not where.exists():
            raise InputError(f"{str(path)!r}: there is no survey.")
        raise InputError(f"{str(path)!r} is no survey: that is a folder which survey has written.")
    if about["format"] > FORMAT:
        raise InputError(
            f"{str(path)!r} was written by a newer layerscope (format {about['format']}; this one "
            f"knows {FORMAT}): pip install -U layerscope."
        )
    try:
        return _read_state(where / about["state"], where)
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{str(path)!r} is a damaged survey ({error}).") from error


def _about(where: Path) -> dict[str, Any] | None:
    about = _attributes(where)
    name = str(about.get("state"))
    known = about.get("kind") == "survey" and isinstance(about.get("format"), int)
    return about if known and name.startswith("state-") and name[6:].isdecimal() else None


def _attributes(where: Path) -> dict[str, Any]:
    """Return what a store's root says of itself as layerscope's; nothing where it is no such."""
    try:
        about = json.loads((where / "zarr.json").read_bytes())["attributes"]["layerscope"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(about) if isinstance(about, dict) else {}


def _write_about(where: Path, about: Mapping[str, Any]) -> None:
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"layerscope": about}}
    part = where / _PART
    with part.open("w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(where / "zarr.json")


def _write_state(where: Path, survey: Survey, progress: SurveyProgress) -> None:
    import zarr

    tallies = list(survey.tallies.values())
    header = {
        "layers": [_layer_json(address, tally) for address, tally in survey.tallies.items()],
        "network": to_json(survey.network),
        "ranges": [list(r) for r in survey.ranges],
        "samples": [_sample_json(sample) for sample in survey.samples.values()],
        "labels": list(survey.labels),
        "top": survey.top,
        "notes": list(survey.notes),
        "unreadable": survey.unreadable,
        "provenance": survey.provenance,
        "reading": survey.reading.to_json(),
        "progress": {
            "samples": progress.samples,
            "file": list(progress.file),
            "complete": progress.complete,
            "settings": dict(progress.settings),
        },
    }
    group = zarr.create_group(str(where), attributes={"survey": header})
    for name, array in _columns(tallies, survey.top, len(survey.labels)).items():
        chunk = max(1, 2**22 // max(array.itemsize * math.prod(array.shape[1:]), 1))
        chunks = (min(max(len(array), 1), chunk), *(max(n, 1) for n in array.shape[1:]))
        stored = group.create_array(name, shape=array.shape, dtype=array.dtype, chunks=chunks)
        if array.size:
            stored[...] = array


def _columns(tallies: Sequence[LayerTally], top: int, labels: int) -> dict[str, Array]:
    """Return the numbers of all layers, behind one another along the axis of units."""

    def joined(parts: Iterable[Array], empty: tuple[int, ...] = (0,)) -> Array:
        arrays = list(parts)
        return np.concatenate(arrays) if arrays else np.zeros(empty)

    columns = {
        name: joined(np.asarray(getattr(tally, name)) for tally in tallies) for name in _UNITS
    }
    for name in _RANKINGS:
        rankings = [padded(getattr(tally, name), top) for tally in tallies]
        columns[f"{name}_value"] = joined(r.values for r in rankings)
        columns[f"{name}_sample"] = joined(r.samples for r in rankings)
        columns[f"{name}_place"] = joined(_three(r.places) for r in rankings)
    columns["drawn_sample"] = joined(tally.drawn.samples for tally in tallies)
    columns["drawn_peak"] = joined(tally.drawn.peaks.ravel() for tally in tallies)
    columns["drawn_place"] = joined(tally.drawn.places.ravel() for tally in tallies)
    columns["histogram"] = joined(tally.values.counts.ravel() for tally in tallies)
    known = [tally.comoments for tally in tallies if tally.comoments is not None]
    columns["comoment_mean"] = joined(c.mean for c in known)
    columns["comoment_product"] = joined(c.products.ravel() for c in known)
    if labels:
        columns["label_samples"] = joined(tally.labels.samples for tally in tallies)
        columns["label_mean"] = joined(tally.labels.mean.T for tally in tallies)
        columns["label_peak"] = joined(tally.labels.peak.T for tally in tallies)
    return columns


def _three(places: Array) -> Array:
    """Return places with as many axes as the store has room for."""
    return np.pad(places, ((0, 0), (0, 0), (0, _AXES - places.shape[2])), constant_values=-1)


def _layer_json(address: str, tally: LayerTally) -> dict[str, Any]:
    comoments = tally.comoments
    return {
        "address": address,
        "units": tally.units,
        "axes": list(tally.axes),
        "shape": list(tally.shape),
        "samples": tally.samples,
        "first_bin": tally.values.first,
        "bins": tally.values.bins,
        "ranks": [tally.top.ranks, tally.weak.ranks],
        "drawn": len(tally.drawn.samples),
        "comoments": None if comoments is None else [comoments.count, len(comoments.mean)],
    }


def _sample_json(sample: SurveyedSample) -> list[Any]:
    axes = {name: list(array.axes) for name, array in sample.inputs.items()}
    shapes = {name: list(array.values.shape) for name, array in sample.inputs.items()}
    return [sample.number, sample.name, sample.label, sample.file, sample.row, axes, shapes]


class _Taker:
    """Takes the numbers of one layer after the other off the columns."""

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self._columns = columns
        self._at = dict.fromkeys(columns, 0)

    def take(self, name: str, count: int) -> Array:
        """Return the next ``count`` rows of a column."""
        begin = self._at[name]
        self._at[name] = begin + count
        part = self._columns[name][begin : begin + count]
        if len(part) != count:
            raise ValueError(f"{name} is too short")
        return part


def _read_state(state: Path, where: Path) -> tuple[Survey, SurveyProgress]:
    import zarr

    group = zarr.open_group(str(state), mode="r")
    header: Any = group.attrs["survey"]
    columns = {name: np.asarray(array[...]) for name, array in group.arrays()}
    taker = _Taker(columns)
    labels = list(header["labels"])
    tallies = {layer["address"]: _tally(layer, taker, len(labels)) for layer in header["layers"]}
    samples = SampleInputs(where, header["samples"])
    progress = header["progress"]
    survey = Survey(
        tallies,
        network=from_json(header["network"]),
        ranges=[(int(a), int(b)) for a, b in header["ranges"]],
        samples=samples,
        labels=labels,
        top=int(header["top"]),
        notes=header["notes"],
        unreadable=header["unreadable"],
        provenance=header["provenance"],
        reading=InputReading.from_json(header["reading"]),
    )
    first, row = progress["file"]
    return survey, SurveyProgress(
        int(progress["samples"]), (int(first), int(row)), bool(progress["complete"]),
        progress["settings"],
    )  # fmt: skip


def _tally(layer: Mapping[str, Any], taker: _Taker, labels: int) -> LayerTally:
    units, axes = int(layer["units"]), len(layer["axes"])
    numbers: dict[str, Any] = {name: taker.take(name, units) for name in _UNITS}
    for name, ranks, strongest in zip(_RANKINGS, layer["ranks"], (True, False), strict=True):
        numbers[name] = Ranking(
            taker.take(f"{name}_value", units)[:, :ranks],
            taker.take(f"{name}_sample", units)[:, :ranks],
            taker.take(f"{name}_place", units)[:, :ranks, :axes],
            strongest,
        )
    drawn, bins = int(layer["drawn"]), int(layer["bins"])
    comoments = None
    if layer["comoments"] is not None:
        count, size = map(int, layer["comoments"])
        mean = taker.take("comoment_mean", size)
        comoments = CoMoments(
            count, mean, taker.take("comoment_product", size * size).reshape(size, size)
        )
    by_label = ByLabel(np.zeros(0, np.int64), np.zeros((0, units)), np.zeros((0, units)))
    if labels:
        by_label = ByLabel(
            taker.take("label_samples", labels),
            taker.take("label_mean", units).T,
            taker.take("label_peak", units).T,
        )
    return LayerTally(
        axes=tuple(layer["axes"]),
        shape=tuple(layer["shape"]),
        samples=int(layer["samples"]),
        drawn=Drawn(
            taker.take("drawn_sample", drawn),
            taker.take("drawn_peak", drawn * units).reshape(drawn, units),
            taker.take("drawn_place", drawn * units * axes).reshape(drawn, units, axes),
        ),
        values=ValueCounts(
            int(layer["first_bin"]), taker.take("histogram", units * bins).reshape(units, bins)
        ),
        comoments=comoments,
        labels=by_label,
        **numbers,
    )


class SampleInputs(Mapping[int, SurveyedSample]):
    """The samples of a stored survey; what the network received is read when it is asked for."""

    def __init__(self, where: Path, described: Sequence[Sequence[Any]]) -> None:
        self._where = where
        self._described = {int(row[0]): row for row in described}

    def __getitem__(self, number: int) -> SurveyedSample:
        _, name, label, file, row, axes, shapes = self._described[number]
        inputs = {
            key: NamedArray(_read_input(self._where, number, key), tuple(axes[key]))
            for key in shapes
        }
        return SurveyedSample(number, name, label, file, inputs, row)

    def __iter__(self) -> Iterator[int]:
        return iter(self._described)

    def __len__(self) -> int:
        return len(self._described)


def _input_path(where: Path, number: int, name: str) -> Path:
    return where / _INPUTS / str(number) / f"{name.encode().hex()}.npy"


def _write_inputs(where: Path, samples: Iterable[SurveyedSample], is_new: bool) -> None:
    """Write what the network received of samples that are not there yet."""
    if is_new:
        shutil.rmtree(where / _INPUTS, ignore_errors=True)
    for sample in samples:
        for name, array in sample.inputs.items():
            path = _input_path(where, sample.number, name)
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                np.save(file, array.values, allow_pickle=False)
            part.replace(path)


def _read_input(where: Path, number: int, name: str) -> Array:
    path = _input_path(where, number, name)
    try:
        values: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"What the network received of sample {number} can't be read from {str(path)!r}."
        ) from error
    return values


def _forget_inputs(where: Path, kept: set[int]) -> None:
    folder = where / _INPUTS
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name.isdecimal() and int(path.name) not in kept:
                shutil.rmtree(path, ignore_errors=True)
