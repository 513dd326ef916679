"""A recording that something has happened to: one change of one of its files, drawn from a seed.

``mutated(source, target, seed)`` copies a recording and changes the copy; ``looked_at(target)``
does with it whatever one does with a recording. What comes out of that is values, or an error of
layerscope's in a sentence.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cases.runs import MAPS, run_of
from layerscope.core.errors import LayerscopeError
from layerscope.core.network import Layer, Network, Origin, Parameter
from layerscope.recordings.findings import findings
from layerscope.recordings.run import Run, open_run
from layerscope.recordings.store import ArrayGroup, Schema, Variable, Writer
from layerscope.views.curves import curves
from layerscope.views.diagram import diagram
from layerscope.views.fate import fate
from layerscope.views.histogram import histogram
from layerscope.views.run_tables import run_tables
from layerscope.views.sheet import sheet
from layerscope.views.timeline import timeline

#: What stands in the place of a value of a document.
OTHERS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 2**31, 2**63, 10**12, 10**400, -(10**30), 0.5, float("nan"),
    float("inf"), "", "a", "../../x", "/etc/passwd", "step", "object", "\x1b[31m\u202e", "\ud800",
    "float64", [], [0], [[]], [10**12], [-1], ["a", "a"], {}, {"a": 1}, {"name": "pickle"},
)  # fmt: skip


SCALED = ArrayGroup(
    "activations", "scaled", {"values": Variable(MAPS, (3, 20, 20, 2), "uint8", True)}
)
STEPS = 3


def recording(path: Path) -> Path:
    """A recording with a bit of everything: shards, 8 bits, what outgrew float16, metrics."""
    rng = np.random.default_rng(0)
    run = run_of(
        {
            "conv": (MAPS, rng.random((STEPS, 3, 40, 40, 4), np.float32)),
            "dense": (("sample", "unit"), rng.random((STEPS, 3, 10), np.float32)),
            "half": (("sample", "unit"), rng.random((STEPS, 3, 5)).astype(np.float16)),
        },
        weights={"conv/kernel": (("y", "x", "input", "channel"), rng.random((STEPS, 3, 3, 1, 4)))},
        image=rng.random((3, 8, 10, 1)).astype(np.float32),
        samples=("a.png", "b.png", "c.png"),
        network=_network(),
        probed=3,
    )
    reader: Any = run._reader
    attrs = {
        **reader.schema.attrs,
        "aliases": {"block": "conv"},
        "settings": {"every": 1, "epoch 0": "before the training"},
        "kept": {"dtype": "float32", "samples": [0, 1, 2], "channels": None,
                 "weights": ["conv/kernel"], "dtypes": {"conv": "float32"}},
        "plan": "all of it",
    }  # fmt: skip
    schema = Schema((*reader.schema.groups, SCALED), reader.schema.samples, attrs)
    image = reader.arrays["input", "input", "values"]
    with Writer.create(path, schema, constants={"input": image}, sync=False) as writer:
        for step in range(STEPS):
            arrays = {key: a[step] for key, a in reader.arrays.items() if key[0] != "input"}
            arrays["activations", "scaled", "values"] = rng.random((3, 20, 20, 2), np.float32)
            if step == STEPS - 1:
                half = ("activations", "half", "values")
                arrays[half] = arrays[half].astype(np.float32) * 1e6
            metrics = {"loss": 1 / (1 + step), "val_loss": 0.5}
            writer.append(step, epoch=step, wall_time=1.7e9 + step, metrics=metrics, arrays=arrays)
        writer.note("it went well")
    return path


def _network() -> Network:
    """One of each role, with all that a layer can say."""
    kernel = Parameter("conv/kernel", (3, 3, 1, 4), "float32", True, False, 144)
    maps, vector = ("sample", "y", "x", "channel"), ("sample", "unit")
    layers = (
        Layer("input", "Input", "input", (None, 8, 10, 1), maps),
        Layer("block", "Block", "container", (None, 40, 40, 4), maps, inputs=("conv",)),
        Layer("conv", "Conv2D", "layer", (None, 40, 40, 4), maps,
              {"kernel_size": (3, 3), "activation": "relu", "rate": 0.5}, (kernel,), ("input",)),
        Layer("add", "add", "operation", (None, 40, 40, 4), maps, inputs=("conv", "block")),
        Layer("dense", "Dense", "layer", (None, 10), vector, {"activation": "softmax"},
              inputs=("add",)),
        Layer("half", "Dense", "layer", (None, 5), vector, inputs=("dense",)),
    )  # fmt: skip
    origin = Origin("model.keras", "Keras", "Keras 3", ("nothing",))
    return Network("net", "Keras", layers, (kernel,), ("a note",), origin)


def mutated(source: Path, target: Path, seed: int) -> str:
    """Copy a recording and change one thing of the copy; returns what, in words."""
    chance = random.Random(seed)
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    documents = [path for path in files if path.name == "zarr.json"]
    # What is read: the root and the schema; the documents of arrays are for other readers.
    read = [target / "zarr.json", target / "about/zarr.json"]
    kind = chance.randrange(10)
    if kind < 5:
        return _value(chance.choice(read if kind < 4 else documents), chance, target)
    if kind == 5:
        return _bytes(chance.choice([*read, chance.choice(files)]), chance, target)
    return _file(chance.choice([*read[:1], *files]), chance, target, files)


def _value(path: Path, chance: random.Random, target: Path) -> str:
    """Replace, remove, add to or double a value of a document."""
    document = json.loads(path.read_bytes())
    where = chance.choice(list(_places(document)))
    holder, key = document, where[-1]
    for name in where[:-1]:
        holder = holder[name]
    how = chance.randrange(6)
    name = f"{path.relative_to(target)}: {'/'.join(map(str, where))}"
    if how == 0:
        del holder[key]
        change = "removed"
    elif how == 1 and isinstance(holder, list):
        holder.append(holder[key])
        change = "doubled"
    elif how == 2 and isinstance(holder[key], dict):
        new = chance.choice(["unknown", "../victim", "metrics/x", "step"])
        holder[key][new] = chance.choice(OTHERS)
        change = f"has {new!r}"
    elif how == 3 and isinstance(holder[key], int) and not isinstance(holder[key], bool):
        holder[key] += chance.choice([-1, 1, 7, 1000])
        change = f"is {holder[key]}"
    else:
        holder[key] = chance.choice(OTHERS)
        change = f"is {holder[key]!r}"[:80]
    path.write_text(json.dumps(document))
    return f"{name} {change}"


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in items:
        yield (*above, key)
        if isinstance(below, dict | list):
            yield from _places(below, (*above, key))


def _bytes(path: Path, chance: random.Random, target: Path) -> str:
    """Change a few bytes."""
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 2, 8])):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)
    return f"{path.relative_to(target)}: other bytes"


def _file(path: Path, chance: random.Random, target: Path, files: list[Path]) -> str:
    """Cut a file short, remove it, put another in its place, or make it something else."""
    how = chance.randrange(7)
    other = chance.choice(files)
    if how == 0:
        path.unlink()
    elif how == 1:
        data = path.read_bytes()
        path.write_bytes(data[: chance.randrange(len(data) + 1)])
    elif how == 2:
        path.write_bytes(other.read_bytes())
    elif how == 3:
        path.write_bytes(path.read_bytes() * 2)
    elif how == 4:
        path.write_bytes(b"")
    elif how == 5:
        path.unlink()
        path.mkdir()
    else:
        shutil.rmtree(path.parent if path.parent != target else target / "metrics")
    words = (
        "removed",
        "cut short",
        "swapped",
        "doubled",
        "empty",
        "a folder",
        "without its folder",
    )
    return f"{path.relative_to(target)}: {words[how]}"


def looked_at(path: Path, *, figures: bool = True) -> list[str]:
    """Do with a recording whatever one does with one; returns what layerscope refused, and why.

    Drawing curves takes longer than all else: ``figures`` says whether to.
    """
    refused: list[str] = []
    try:
        run = open_run(path)
    except LayerscopeError as error:
        return [_sentence(error)]
    looks = [_numbers, _values, _statistics, _words, _pictures, _drawn]
    for look in (*looks, _curves) if figures else looks:
        try:
            look(run)
        except LayerscopeError as error:
            refused.append(_sentence(error))
    return refused


def values_of(run: Run) -> dict[str, Any]:
    """All values, by what they are of; what can't be read is left out."""
    values: dict[str, Any] = {}
    for kind, of in (("activations", run), ("weights", run.weights), ("input", run.inputs)):
        for address in of:
            try:
                values[f"{kind} {address}"] = np.asarray(of[address].values)
            except LayerscopeError:
                continue
    return values


def _sentence(error: LayerscopeError) -> str:
    text = str(error)
    assert text, "an error says nothing"
    assert "\n" not in text, text
    assert text.isprintable(), repr(text)
    assert len(text) < 1000, text
    return text


def _numbers(run: Run) -> None:
    assert (np.diff(run.steps) > 0).all()
    assert len(run.epochs) == len(run.wall_times) == len(run.steps)
    assert all(len(values) == len(run.steps) for values in run.metrics.values())
    assert not run.refresh()


def _values(run: Run) -> None:
    for of in (run, run.weights):
        for address in of:
            array = of[address]
            assert array.shape == tuple(of.axes(address).values())
            np.asarray(array.values)
            if len(run.steps):
                np.asarray(of.at(None)[address].values)
    for name in run.inputs:
        np.asarray(run.inputs[name].values)


def _statistics(run: Run) -> None:
    for of in (run, run.weights):
        for address in of.described:
            of.statistics(address).load()
    findings(run)


def _words(run: Run) -> None:
    assert f"{len(run.steps)} steps" in repr(run)
    repr(run.weights), repr(run.network), run.provenance, run.nbytes, run.notes
    if len(run.steps):
        repr(run.at(None))
        fates = run.fate()
        assert all(line.isprintable() for line in str(fates).split("\n"))
        assert len(fates.to_frame()) == sum(layer.units for layer in fates.values())
        fates.to_json()


def _drawn(run: Run) -> None:
    diagram(run.network).svg()


def _curves(run: Run) -> None:
    curves(run).figure()
    if len(run.steps) and run.fate():
        fate(run).figure()


def _pictures(run: Run) -> None:
    run_tables(run)
    if len(run.steps):
        histogram(run, "dense", per="unit")
        timeline(run, "conv:0").png()
        sheet(run, "dense").png()
