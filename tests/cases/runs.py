"""Recordings over steps, made by hand and kept in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from layerscope.core.network import Layer, Network, Parameter, to_json
from layerscope.recordings.run import Run
from layerscope.recordings.store.schema import ArrayGroup, Schema, Variable

MAPS = ("sample", "y", "x", "channel")
STATISTICS = ("mean", "std", "min", "max", "zeros")


@dataclass
class FakeReader:
    """What a StoreReader answers, from arrays in memory; it remembers what was read."""

    schema: Schema
    arrays: Mapping[tuple[str, str, str], np.ndarray]
    steps: np.ndarray
    epochs: np.ndarray
    metrics: Mapping[str, np.ndarray]
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def read(self, kind, address, variable="values", step=None, **where):
        self.asked.append((kind, address, variable, step, where))
        array = self.dataarray(kind, address, variable)
        if step is not None:
            where = {"step": step, **where}
        return array.isel(where).values

    @property
    def wall_times(self):
        return 1.7e9 + np.arange(len(self.steps), dtype=float)

    def dataarray(self, kind, address, variable="values"):
        dims = self.schema.variable(kind, address, variable).dims
        coords = {}
        if kind != "input":
            dims = ("step", *dims)
            coords = {"step": self.steps, "epoch": ("step", self.epochs)}
        array = xr.DataArray(self.arrays[kind, address, variable], dims=dims, coords=coords)
        return array.set_xindex("epoch") if kind != "input" else array

    def refresh(self):
        return False


def run_of(
    layers: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
    *,
    weights: Mapping[str, tuple[tuple[str, ...], np.ndarray]] | None = None,
    image: np.ndarray | None = None,
    steps: Sequence[int] | None = None,
    epochs: Sequence[float] | None = None,
    metrics: Mapping[str, Sequence[float]] | None = None,
    samples: Sequence[str] = (),
    network: Network | None = None,
    notes: Sequence[str] = ("made by hand",),
    probed: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """A run of these layers and weights, by address: axes without ``step``, and values with it."""
    arrays: dict[tuple[str, str, str], np.ndarray] = {}
    groups = []
    for address, (dims, values) in layers.items():
        variables = {"values": Variable(dims, values.shape[1:], str(values.dtype))}
        arrays["activations", address, "values"] = values
        for name, figures in statistics(values).items():
            variables[name] = Variable(("unit",), figures.shape[1:], str(figures.dtype))
            arrays["activations", address, name] = figures
        groups.append(ArrayGroup("activations", address, variables))
    for key, (dims, values) in (weights or {}).items():
        scalar = Variable((), (), "float64")
        variables = {"values": Variable(dims, values.shape[1:], str(values.dtype))}
        variables |= {"norm": scalar, "change": scalar}
        flat = values.reshape(len(values), -1).astype(float)
        arrays["weights", key, "values"] = values
        arrays["weights", key, "norm"] = np.linalg.norm(flat, axis=1)
        moved = np.linalg.norm(np.diff(flat, axis=0), axis=1)
        arrays["weights", key, "change"] = np.concatenate([[np.nan], moved])
        groups.append(ArrayGroup("weights", key, variables))
    if image is not None:
        dims = MAPS if image.ndim == 4 else ("sample", "unit")
        groups.append(
            ArrayGroup("input", "input", {"values": Variable(dims, image.shape, "float32")})
        )
        arrays["input", "input", "values"] = image
    count = len(next(iter({**layers, **(weights or {})}.values()))[1])
    numbers = np.arange(count) if steps is None else np.array(steps)
    schema = Schema(tuple(groups), tuple(samples), {
        "network": to_json(network or network_of(layers, weights or {})),
        "provenance": {"model": "abc"},
        "notes": list(notes),
        "probed": probed,
        "settings": dict(settings or {}),
    })  # fmt: skip
    reader = FakeReader(
        schema,
        arrays,
        numbers,
        np.array(numbers if epochs is None else epochs, float),
        {name: np.array(own, float) for name, own in (metrics or {}).items()},
    )
    return Run(reader)  # type: ignore[arg-type]


def statistics(values: np.ndarray) -> dict[str, np.ndarray]:
    """Of each unit at each step, the last axis numbering the units."""
    inner = int(np.prod(values.shape[1:-1]))
    flat = values.reshape(len(values), inner, values.shape[-1]).astype(np.float32)
    return {
        "mean": flat.mean(axis=1),
        "std": flat.std(axis=1),
        "min": flat.min(axis=1),
        "max": flat.max(axis=1),
        "zeros": (flat == 0).mean(axis=1, dtype=np.float32),
    }


def network_of(layers: Mapping[str, Any], weights: Mapping[str, Any]) -> Network:
    """A network of these layers in a chain, each with the weights whose keys name it first."""
    described: list[Layer] = []
    for address in layers:
        own = tuple(
            Parameter(key, values.shape[1:], "float32", True, False, values.nbytes)
            for key, (_, values) in weights.items()
            if key.partition("/")[0] == address
        )
        before = (described[-1].address,) if described else ()
        described.append(Layer(address, "Any", parameters=own, inputs=before))
    return Network("learner", "none", tuple(described))


def changing_maps(
    steps: int = 5, samples: int = 3, size: tuple[int, int] = (6, 8), channels: int = 4
) -> np.ndarray:
    """Random rectified maps that grow from step to step, the same each time."""
    rng = np.random.default_rng(steps)
    values = rng.normal(size=(steps, samples, *size, channels)).clip(0)
    return (values * np.arange(1, steps + 1)[:, None, None, None, None]).astype(np.float32)


def learner(steps: int = 5) -> Run:
    """A convolution, a dense layer, their weights, an image and metrics."""
    rng = np.random.default_rng(0)
    return run_of(
        {
            "conv": (MAPS, changing_maps(steps)),
            "dense": (("sample", "unit"), rng.random((steps, 3, 10)).astype(np.float32)),
        },
        weights={
            "conv/kernel": (
                ("y", "x", "input", "channel"),
                rng.normal(size=(steps, 3, 3, 1, 4)).astype(np.float32),
            ),
            "dense/kernel": (("input", "unit"), rng.normal(size=(steps, 12, 10)).astype("f4")),
        },
        image=rng.random((3, 8, 10, 1)).astype(np.float32),
        metrics={"loss": np.linspace(1, 0.1, steps), "val_loss": [0.9, 0.5, 0.2, 0.4, 0.6][:steps]},
        samples=("a.png", "b.png", "c.png"),
    )
