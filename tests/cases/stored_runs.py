"""Small runs to keep: a schema with a bit of everything, and the arrays of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.recordings.store import ArrayGroup, Schema, Variable, Writer

ODD = "Block/../層 2" + "x" * 300
SAMPLES = ("cat.png", "ünï/2.png", "")
MAPS = ("sample", "y", "x", "channel")

SCHEMA = Schema(
    (
        ArrayGroup(
            "activations",
            ODD,
            {
                "values": Variable(MAPS, (3, 40, 40, 9), "float32", attrs={"units": "1"}),
                "mean": Variable(("channel",), (9,), "float32"),
            },
        ),
        ArrayGroup(
            "activations",
            "dense",
            {
                "values": Variable(("sample", "unit"), (3, 7), "float16"),
                "mean": Variable(("unit",), (7,), "float32"),
            },
        ),
        ArrayGroup(
            "activations", "Dense", {"values": Variable(("sample", "unit"), (3, 7), "int32")}
        ),
        ArrayGroup(
            "activations", "scaled", {"values": Variable(MAPS, (3, 30, 30, 8), "uint8", True)}
        ),
        ArrayGroup(
            "activations", "other samples", {"values": Variable(MAPS, (6, 4, 4, 2), "float32")}
        ),
        ArrayGroup(
            "weights",
            "kernel",
            {
                "values": Variable(("y", "x", "input", "channel"), (3, 3, 9, 9), "float32"),
                "norm": Variable((), (), "float32"),
            },
        ),
        ArrayGroup(
            "weights",
            "bias",
            {
                "values": Variable(("channel",), (9,), "float32"),
                "norm": Variable((), (), "float32"),
            },
        ),
        ArrayGroup("input", "image", {"values": Variable(MAPS, (3, 5, 5, 1), "float32")}),
    ),
    SAMPLES,
    {"notes": ["a run"]},
)
IMAGE = np.arange(75, dtype=np.float32).reshape(3, 5, 5, 1)

Arrays = dict[tuple[str, str, str], np.ndarray]


def arrays_of(step: int, schema: Schema = SCHEMA) -> Arrays:
    """What step ``step`` holds: the same whenever one asks; about half of it is 0."""
    rng = np.random.default_rng(step)
    arrays: Arrays = {}
    for group in schema.groups:
        for name, variable in group.variables.items():
            if group.kind != "input":
                values = np.maximum(rng.normal(size=variable.shape) * 9, 0)
                dtype = "float32" if variable.scaled else variable.dtype
                arrays[group.kind, group.address, name] = values.astype(dtype)
    return arrays


def recorded(url: Any, steps: int, **settings: Any) -> Writer:
    """A writer that has written that many steps, numbered 10, 12, 14 ..., and is still open."""
    writer = Writer.create(url, SCHEMA, constants={"image": IMAGE}, **settings)
    go_on(writer, steps)
    return writer


def go_on(writer: Writer, until: int) -> None:
    """Write on until there are that many steps; ``accuracy`` comes with the third."""
    for i in range(len(writer.steps), until):
        metrics = {"loss": 1 / (1 + i)} | ({"val/accuracy": i / 10} if i >= 2 else {})
        writer.append(
            10 + 2 * i, epoch=i, wall_time=1.7e9 + i, metrics=metrics, arrays=arrays_of(i)
        )
