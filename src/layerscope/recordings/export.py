"""A recording as ordinary files, for those who want files.

A file for each layer, over all its steps; values go from the one into the other a step at a time.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES, NamedArray
from layerscope.core.errors import InputError, MissingDependencyError
from layerscope.core.files import OutputFolder
from layerscope.core.network import to_json
from layerscope.core.text import file_stem, json_text, printable
from layerscope.recordings.recording import Recording
from layerscope.recordings.run import Run

FORMATS = ("npz", "json", "netcdf")
_ENDINGS = {"npz": ".npz", "json": ".json", "netcdf": ".nc"}
_STATISTICS = ("mean", "std", "min", "max", "zeros", "norm", "change", "gradient")

#: So many values tell whether compressing pays.
_TRIED = 100_000

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Exported:
    """An array to write: its pieces, which follow one another along its first axis."""

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pieces: Callable[[], Iterator[Array]]


def export(
    recording: Recording,
    folder: str | os.PathLike[str],
    *,
    format: str = "npz",  # noqa: A002  # the word for it
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> list[Path]:
    """Write a recording as files, as :meth:`Recording.export` tells.

    Raises InputError, OutputError and MissingDependencyError.
    """
    if format not in FORMATS:
        raise InputError(f"format={format!r}: pass {', '.join(map(repr, FORMATS))}.")
    write = {"npz": _npz, "json": _json}.get(format) or partial(_netcdf, _engine())
    target = OutputFolder(_folder(folder)).claim(overwrite=overwrite)
    jobs = list(_jobs(recording))
    width = max(2, len(str(len(jobs))))
    coordinates = _coordinates(recording)
    written, index = [], []
    for number, (kind, address, arrays) in enumerate(jobs, 1):
        name = f"{kind}-{number:0{width}d}-{file_stem(address, 'layer')}{_ENDINGS[format]}"
        where = {} if kind == "input" else coordinates
        with target.whole(name) as part:
            write(part, address, arrays, where)
        written.append(target.path / name)
        index.append(
            {"file": name, "kind": kind, "address": address, "arrays": _listed_arrays(arrays)}
        )
        if progress is not None:
            progress(number, len(jobs))
    about = _about(recording, index)
    return [*written, target.write_text("recording.json", json_text(about, indent=1))]


def _folder(folder: str | os.PathLike[str]) -> Path:
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
        raise InputError(f"folder={folder!r}: pass the name of a folder, such as 'out'.")
    return Path(folder)


def _jobs(recording: Recording) -> Iterator[tuple[str, str, list[Exported]]]:
    """Yield each file: what kind it is, of which address, and its arrays."""
    if isinstance(recording, Run):
        kinds = [("weights", recording.weights)]
        if recording.activations is recording:
            kinds.insert(0, ("activations", recording))
        for kind, run in kinds:
            for address in run.described:
                yield kind, address, list(_of_run(run, address))
    else:
        for address in recording:
            array = recording.named(address)
            if array.values.dtype.kind in "biuf":  # strings and objects have no place in these
                yield "values", address, [_at_once("values", array)]
    for name in recording.inputs:
        shown = recording.inputs[name]
        axes = tuple(map(str, shown.dims))
        if shown.dtype.kind in "biuf":
            yield "input", name, [_at_once("values", NamedArray(shown.values, axes))]


def _of_run(run: Run, address: str) -> Iterator[Exported]:
    """Yield the values of a layer, read a step at a time, and its statistics."""
    unit = "unit"
    if address in list(run):
        axes = run.axes(address)
        unit = next((axis for axis in axes if axis in UNIT_AXES), unit)
        steps = range(axes["step"])

        def pieces() -> Iterator[Array]:
            return (run.part(address, i).values[None] for i in steps)

        dtype = run.part(address, slice(0, 0)).values.dtype
        yield Exported("values", tuple(axes), tuple(axes.values()), dtype, pieces)
    for name in _STATISTICS:
        figures = run.statistic(address, name)
        if figures is not None:
            yield _at_once(name, NamedArray(figures, ("step", unit)[: figures.ndim]))


def _at_once(name: str, array: NamedArray) -> Exported:
    values = array.values
    return Exported(name, array.axes, values.shape, values.dtype, lambda: iter((values,)))


def _coordinates(recording: Recording) -> dict[str, Array]:
    """Return the steps, epochs and times of day, which every file of a run repeats."""
    if not isinstance(recording, Run):
        return {}
    times = recording.wall_times
    return {"step": recording.steps, "epoch": recording.epochs, "wall_time": times}


def _npz(
    path: Path, address: str, arrays: list[Exported], coordinates: Mapping[str, Array]
) -> None:
    known = [_at_once(n, NamedArray(v, ("step",))) for n, v in coordinates.items()]
    names = [
        _at_once(
            "axes" if a.name == "values" else f"{a.name}_axes",
            NamedArray(np.array(a.axes), ("axis",)),
        )
        for a in arrays
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for array in [*arrays, *known, *names]:
            pieces = array.pieces()
            first = next(pieces, None)
            archive.compression = _compression(first)
            with archive.open(f"{array.name}.npy", "w", force_zip64=True) as file:
                head = io.BytesIO()
                np.lib.format.write_array_header_1_0(
                    head,
                    {
                        "descr": np.lib.format.dtype_to_descr(array.dtype),
                        "fortran_order": False,
                        "shape": array.shape,
                    },
                )
                file.write(head.getvalue())
                for piece in pieces if first is None else chain((first,), pieces):
                    file.write(np.ascontiguousarray(piece).tobytes())


def _compression(beginning: Array | None) -> int:
    """Return whether to compress an array: only where its beginning becomes half as large.

    Zeros do; other numbers hardly, at less than ten megabytes a second.
    """
    some = b"" if beginning is None else np.ravel(beginning)[:_TRIED].tobytes()
    gains = 2 * len(zlib.compress(some, 1)) < len(some)
    return zipfile.ZIP_DEFLATED if gains else zipfile.ZIP_STORED


def _json(
    path: Path, address: str, arrays: list[Exported], coordinates: Mapping[str, Array]
) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"address": {json_text(address)}')
        for name, values in coordinates.items():
            file.write(f', "{name}": {json.dumps(_listed(values))}')
        for array in arrays:
            axes = json.dumps(list(array.axes))
            file.write(f',\n"{array.name}": {{"axes": {axes}, "dtype": "{array.dtype}", "data": ')
            if not array.shape:
                file.write(json.dumps(_listed(next(array.pieces()))))
            else:
                file.write("[")
                for i, piece in enumerate(row for rows in array.pieces() for row in rows):
                    file.write((",\n" if i else "\n") + json.dumps(_listed(piece)))
                file.write("]")
            file.write("}")
        file.write("}\n")


def _listed(values: Array) -> Any:
    """Return lists of numbers; None for what JSON has no number for."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        objects = np.asarray(values).astype(object)
        objects[~np.isfinite(values)] = None
        return objects.tolist()
    return values.tolist()


def _netcdf(
    engine: Literal["h5netcdf", "scipy"],
    path: Path,
    address: str,
    arrays: list[Exported],
    coordinates: Mapping[str, Array],
) -> None:
    import xarray as xr

    variables = {}
    for array in arrays:
        dtype = np.dtype(np.float32) if array.dtype == np.float16 else array.dtype
        values = np.empty(array.shape, np.dtype(np.int8) if dtype.kind == "b" else dtype)
        if array.shape:
            start = 0
            for piece in array.pieces():
                values[start : start + len(piece)] = piece
                start += len(piece)
        else:
            values[...] = next(array.pieces())
        variables[array.name] = (array.axes, values)
    known: dict[str, Any] = {}
    if _has_steps(arrays):
        known = {name: ("step", values) for name, values in coordinates.items()}
    if "wall_time" in known:  # as readers of NetCDF turn into dates
        known["wall_time"] = (*known["wall_time"], {"units": "seconds since 1970-01-01"})
    dataset = xr.Dataset(variables, coords=known, attrs={"address": printable(address)})
    dataset.to_netcdf(path, engine=engine)


def _has_steps(arrays: list[Exported]) -> bool:
    return any("step" in array.axes for array in arrays)


def _engine() -> Literal["h5netcdf", "scipy"]:
    """Return what writes NetCDF here."""
    if importlib.util.find_spec("h5netcdf") is not None:
        return "h5netcdf"
    if importlib.util.find_spec("scipy") is not None:
        return "scipy"
    raise MissingDependencyError(
        "NetCDF needs h5netcdf or SciPy: pip install h5netcdf, or choose format='npz'."
    )


def _listed_arrays(arrays: list[Exported]) -> list[dict[str, Any]]:
    return [
        {"name": a.name, "axes": list(a.axes), "shape": list(a.shape), "dtype": str(a.dtype)}
        for a in arrays
    ]


def _about(recording: Recording, index: list[dict[str, Any]]) -> dict[str, Any]:
    about: dict[str, Any] = {"files": index}
    if isinstance(recording, Run):
        about |= {
            "steps": recording.steps.tolist(),
            "epochs": _listed(recording.epochs),
            "wall_times": _listed(recording.wall_times),
            "metrics": {name: _listed(values) for name, values in recording.metrics.items()},
        }
    return {
        **about,
        "samples": list(recording.samples),
        "notes": list(recording.notes),
        "provenance": dict(recording.provenance),
        "network": to_json(recording.network),
    }
