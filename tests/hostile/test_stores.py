"""Recordings from strangers: right values or one sentence; nothing beyond their folder."""

from __future__ import annotations

import json
import math
import shutil
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("zarr")

from google_crc32c import value as crc32c
from numcodecs.zstd import Zstd

from cases.amounts import amount
from hostile.stores import looked_at, mutated, recording, values_of
from layerscope.core.errors import InputError, LayerscopeError
from layerscope.recordings.run import open_run
from layerscope.recordings.store import StoreReader, Writer, limits
from layerscope.recordings.store.chunks import content_size, decode_chunk

SEEDS = amount(30, full=3000)
Document = dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("hostile") / "run.zarr")


@pytest.fixture(scope="module")
def values(whole: Path) -> dict[str, Any]:
    return values_of(open_run(whole))


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "run.zarr")


@contextmanager
def changed(path: Path) -> Iterator[Document]:
    """A document to be changed."""
    document = json.loads(path.read_bytes())
    yield document
    path.write_text(json.dumps(document))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_recording_that_nothing_has_happened_to_is_looked_at(whole: Path) -> None:
    assert looked_at(whole) == []


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_was_changed_values_are_right_or_a_sentence_says_why_not(
    whole: Path, values: dict[str, Any], tmp_path: Path, seed: int
) -> None:
    run, beside = tmp_path / "run.zarr", tmp_path / "victim"
    shutil.copytree(whole, beside)
    change = mutated(whole, run, seed)
    looked_at(run, figures=seed % 10 == 0)
    try:
        read = values_of(open_run(run))
    except LayerscopeError:
        read = {}
    for name in values.keys() & read.keys():
        if not change.endswith("swapped"):  # a chunk of another step is a chunk like any other
            steps = min(len(values[name]), len(read[name]))
            there, wanted = read[name][:steps], values[name][:steps]
            left_out = np.isnan(there) | (there == 0 if change.endswith(("der", "ved")) else False)
            np.testing.assert_array_equal(np.where(left_out, wanted, there), wanted, change)
    try:
        Writer.resume(run, sync=False).close()
    except LayerscopeError as error:
        assert "\n" not in str(error)  # noqa: PT017
    assert contents(beside) == contents(whole)
    assert {path.name for path in tmp_path.iterdir()} <= {"run.zarr", "victim"}


def described(change: Callable[[Document], object]) -> Callable[[Path], None]:
    """Change the schema."""

    def act(run: Path) -> None:
        with changed(run / "about/zarr.json") as document:
            change(document["attributes"]["schema"])

    return act


def documented(change: Callable[[Document], object]) -> Callable[[Path], None]:
    """Change the documents of all arrays, as the root has them."""

    def act(run: Path) -> None:
        with changed(run / "zarr.json") as document:
            change(document["consolidated_metadata"]["metadata"])

    return act


def larger(run: Path) -> None:
    """An array of 4 TB, of which both descriptions tell and no file holds anything."""
    with changed(run / "about/zarr.json") as document:
        schema = document["attributes"]["schema"]
        schema["groups"][0]["variables"]["values"]["shape"] = [10**12, 1, 1, 4]
    with changed(run / "zarr.json") as document:
        array = document["consolidated_metadata"]["metadata"]["activations.conv/values"]
        array["shape"] = [3, 10**12, 1, 1, 4]
        array["chunk_grid"]["configuration"]["chunk_shape"] = [1, 10**12, 1, 1, 4]


def wider(run: Path) -> None:
    """Statistics of 10**12 units."""
    with changed(run / "about/zarr.json") as document:
        for name in ("mean", "std", "min", "max", "zeros"):
            group = document["attributes"]["schema"]["groups"][0]
            group["variables"][name]["shape"] = [10**12]


def longer(run: Path) -> None:
    """As many steps as nobody has recorded."""
    with changed(run / "zarr.json") as document:
        for array in document["consolidated_metadata"]["metadata"].values():
            if array.get("dimension_names", [""])[0] == "step":
                array["shape"][0] = 10**12


def many_groups(run: Path) -> None:
    with changed(run / "zarr.json") as document:
        documents = document["consolidated_metadata"]["metadata"]
        for i in range(20_000):
            documents[f"activations.{i}"] = {"zarr_format": 3, "node_type": "group"}


def many_layers(run: Path) -> None:
    with changed(run / "about/zarr.json") as document:
        groups = document["attributes"]["schema"]["groups"]
        groups += [{**groups[0], "address": f"l{i}"} for i in range(2_000)]


def many_metrics(run: Path) -> None:
    with changed(run / "zarr.json") as document:
        documents = document["consolidated_metadata"]["metadata"]
        for i in range(2_000):
            documents[f"metrics/m{i}"] = {"attributes": {"name": f"m{i}"}}


def sparse(key: str, size: int) -> Callable[[Path], None]:
    def act(run: Path) -> None:
        with (run / key).open("r+b") as file:
            file.truncate(size)

    return act


def replaced(key: str, data: bytes) -> Callable[[Path], None]:
    return lambda run: (run / key).write_bytes(data) and None


def frame(claimed: int, nbytes: int = 2**20) -> bytes:
    """A frame of zstd that claims to hold so many bytes; its blocks are zeros, run-length coded."""
    blocks = [struct.pack("<I", (2**17 << 3) | 2)[:3] + b"\0"] * (nbytes // 2**17)
    last = struct.pack("<I", 1)[:3]  # an empty raw block, and the last
    return b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", claimed) + b"".join([*blocks, last])


def shard(*places: tuple[int, int], data: bytes = b"") -> bytes:
    """A shard whose index says that its chunks lie there."""
    table = b"".join(struct.pack("<2Q", *place) for place in places)
    return data + table + struct.pack("<I", crc32c(table))


def layer(schema: Document, **change: Any) -> None:
    schema["attrs"]["network"]["layers"][0].update(change)


CONV = "activations.conv/values/c.0.0.0.0.0"
DENSE = "activations.dense/values/c.0.0.0"
CRAFTED: dict[str, Callable[[Path], object]] = {
    "4 TB of a layer": larger,
    "10**12 units": wider,
    "10**12 steps": longer,
    "groups by the thousand": many_groups,
    "layers by the thousand": many_layers,
    "metrics by the thousand": many_metrics,
    "a document of 100 MB": sparse("zarr.json", 100_000_000),
    "a schema of 1 TB": sparse("about/zarr.json", 10**12),
    "a chunk of 1 TB": sparse(DENSE, 10**12),
    "a shard of 1 TB": sparse(CONV, 10**12),
    "steps of 1 TB": sparse("step/c.0", 10**12),
    "nested without end": replaced("zarr.json", b"[" * 200_000),
    "nested without end in the middle": replaced(
        "about/zarr.json", b'{"attributes":{"schema":' + b'{"a":' * 200_000),
    "nested attributes": described(
        lambda s: s["attrs"].update(x=json.loads("[" * 400 + "]" * 400))),
    "a number of 5,000 digits": replaced("zarr.json", b'{"attributes":' + b"1" * 5000 + b"}"),
    "no text": replaced("zarr.json", b"\xff\xfe\x00"),
    "a frame that claims 4 GB": replaced(DENSE, frame(2**32)),
    "a frame that claims less than it holds": replaced(DENSE, frame(4 * 273 * 30)),
    "steps that claim 4 GB": replaced("step/c.0", frame(2**32)),
    "a frame that says no size": replaced(DENSE, b"\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00"),
    "gzip": replaced(DENSE, b"\x1f\x8b\x08\x00" + bytes(40)),
    "blosc": replaced(DENSE, b"\x02\x01\x21\x08" + bytes(40)),
    "pickle": replaced(DENSE, b"cos\nsystem\n(S'touch pwned'\ntR."),
    "an index beyond the file": replaced(CONV, shard(*[(2**40, 100)] * 4)),
    "an index of huge chunks": replaced(CONV, shard(*[(0, 2**40)] * 4)),
    "an index that wraps around": replaced(CONV, shard(*[(2**64 - 2, 100)] * 4)),
    "an index of one chunk for all": replaced(
        CONV, shard(*[(0, 60)] * 4, data=frame(3 * 1600 * 4))),
    "a shard that is its index": replaced(CONV, shard()),
    "an object's type": documented(
        lambda d: d["activations.dense/values"].update(data_type="object")),
    "text in an array": documented(
        lambda d: d["activations.dense/values"].update(data_type="variable_length_utf8")),
    "chunks of 10**9": documented(
        lambda d: d["step"]["chunk_grid"]["configuration"].update(chunk_shape=[10**9])),
    "places beyond": documented(lambda d: d.update({"../victim/x": {}, "/etc": {}, "a\0b": {}})),
    "metrics that lie elsewhere": documented(
        lambda d: d.update({"metrics/../../x": {"attributes": {"name": "x"}}})),
    "metrics in one place": documented(
        lambda d: d.update({"metrics/y": {"attributes": {"name": "loss"}}})),
    "float32 from the last step but all": documented(
        lambda d: d["activations.half/values_wide"]["attributes"].update(from_position=10**9)),
    "an object's type, described": described(
        lambda s: s["groups"][0]["variables"]["values"].update(dtype="object")),
    "an axis twice": described(
        lambda s: s["groups"][0]["variables"]["values"].update(dims=["y"] * 4)),
    "an axis called kind": described(
        lambda s: s["groups"][0]["variables"]["values"].update(dims=["kind", "y", "x", "channel"])),
    "a layer twice": described(lambda s: s["groups"].append(s["groups"][0])),
    "statistics of maps": described(
        lambda s: s["groups"][0]["variables"].update(mean=s["groups"][0]["variables"]["values"])),
    "a layer of itself": described(lambda s: layer(s, inputs=["conv"])),
    "layers in a circle": described(lambda s: layer(s, inputs=["half"])),
    "containers in a circle": described(
        lambda s: [one.update(role="container", inputs=["conv", "dense"][::way])
                   for one, way in zip(s["attrs"]["network"]["layers"], (-1, 1), strict=False)]),
    "a container of nothing": described(lambda s: layer(s, role="container", inputs=[])),
    "steps as attributes": described(lambda s: s["groups"][0]["attrs"].update(steps="abc")),
    "half an input's shape": described(lambda s: s["groups"][3]["attrs"].update(input_shape=[9])),
    "names that no terminal should get": described(
        lambda s: s["groups"][0].update(address="\x1b[31m\u202e\ud800\0")),
}  # fmt: skip


@pytest.mark.parametrize("what", CRAFTED)
def test_what_was_made_to_harm_is_refused_within_bounds(run: Path, what: str) -> None:
    CRAFTED[what](run)
    before = set(run.parent.rglob("*"))
    tracemalloc.start()
    try:
        refused = looked_at(run, figures=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300e6
    harmless = ("groups by the thousand", "metrics by the thousand", "places beyond")
    assert bool(refused) == (what not in harmless), refused
    assert set(run.parent.rglob("*")) == before


def test_what_comes_out_of_few_bytes_is_bounded(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in run.glob("activations.conv/values/c.*"):
        chunk = Zstd().encode(bytes(3 * 40 * 40 * 4))
        path.write_bytes(shard(*[(0, len(chunk))] * 4, data=chunk))
    reader = StoreReader.open(run)
    assert not reader.read("activations", "conv").any()
    monkeypatch.setattr(limits, "UNQUESTIONED", 100_000)
    monkeypatch.setattr(limits, "MOST_SHRUNK", 100)
    assert not reader.read("activations", "conv", step=0).any()
    with pytest.raises(
        InputError, match=r"become more than .* read a part of it, such as one step"
    ):
        reader.read("activations", "conv")


def test_what_is_missing_is_left_out_or_refused(run: Path) -> None:
    (run / CONV).unlink()
    (run / DENSE).unlink()
    reader = StoreReader.open(run)
    assert np.isnan(reader.read("activations", "conv", step=0)).all()
    assert not np.isnan(reader.read("activations", "conv", step=1)).any()
    with pytest.raises(InputError, match=r"dense/values can't be read.*c\.0\.0\.0: it is missing"):
        reader.read("activations", "dense")


@pytest.mark.parametrize("nbytes", [0, 1, 255, 256, 300, 65_791, 65_792, 10**6])
def test_a_frame_says_how_much_it_holds(nbytes: int) -> None:
    data = Zstd(level=1, checksum=True).encode(bytes(nbytes))
    assert content_size(data) == nbytes
    assert not decode_chunk(data, (nbytes,), np.dtype(np.uint8)).any()
    for other in (nbytes + 1, max(nbytes - 1, 0) or 2):
        with pytest.raises(ValueError, match="it is no chunk of"):
            decode_chunk(data, (other,), np.dtype(np.uint8))


def test_steps_rise(run: Path) -> None:
    numbers = np.zeros(1024, "<i8")
    for steps in ([0, 0, 1], [2, 1, 3], [-5, -(2**63), 0]):
        numbers[:3] = steps
        (run / "step/c.0").write_bytes(Zstd().encode(numbers))
        with pytest.raises(InputError, match="the numbers of its steps do not rise"):
            open_run(run)
        with pytest.raises(InputError, match="the numbers of its steps do not rise"):
            Writer.resume(run)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e300, -1e300, 1e13])
def test_times_that_can_t_be_are_no_times(run: Path, seconds: float) -> None:
    numbers = np.full(1024, seconds)
    for name in ("wall_time", "epoch"):
        (run / name / "c.0").write_bytes(Zstd().encode(numbers))
    assert np.isnat(open_run(run)["dense"].wall_time.values).all()
    assert looked_at(run) == []
