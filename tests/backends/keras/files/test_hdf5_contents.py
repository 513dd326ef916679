"""HDF5 files are read in a process of their own: what has the library run for ever is refused."""

import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from cases.keras_old_files import write_model
from hostile import broken_hdf5
from hostile.crafted_hdf5 import dense, sequential
from layerscope.backends.keras.files import hdf5_child, hdf5_contents
from layerscope.backends.keras.files.hdf5_contents import Hdf5Array, Hdf5Group, write_hdf5
from layerscope.backends.opening import load_model
from layerscope.core.errors import ModelError

pytestmark = pytest.mark.one_backend

keras = pytest.importorskip("keras")

OR_BUSY = "it is damaged, or this machine is too busy."
KERNEL, BIAS = np.arange(12, dtype="float32").reshape(4, 3), np.ones(3, "float32")


@pytest.fixture
def path(tmp_path):
    arrays = {"a": [("kernel", KERNEL), ("bias", BIAS)]}
    return write_model(tmp_path / "m.h5", sequential(dense()), arrays)


def with_texts(path, texts=("a", "bc", "def")):
    """The file with texts of any length, as Keras 3 writes them, in a heap."""
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.1.6"
        file.attrs["layer_names"] = np.array(texts, object)
    return path


def broken(path, change):
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def archived(path):
    """A ``.keras`` file that has this file for its weights."""
    whole = path.with_suffix(".keras")
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(whole)
    with zipfile.ZipFile(whole) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(whole, "w") as new:
        for name, content in members.items():
            new.writestr(name, path.read_bytes() if name == "model.weights.h5" else content)
    return whole


def refused(path):
    with pytest.raises(ModelError) as caught:
        load_model(path)
    return str(caught.value)


# What never ends


@pytest.mark.parametrize(
    ("change", "kind"),
    [*((change, Path) for change in broken_hdf5.ENDLESS), (broken_hdf5.endless_end, archived)],
)
def test_a_file_that_the_library_never_ends_reading(path, monkeypatch, change, kind):
    path = kind(broken(with_texts(path), change))
    monkeypatch.setattr(hdf5_contents, "_SECONDS", 1)
    monkeypatch.setattr(hdf5_contents, "_PATIENCE", 200)
    message = "can't be read as HDF5 within 1 seconds of the processor: it is damaged."
    assert refused(path) == f"{str(path)!r} {message}"


@pytest.mark.parametrize(
    ("does", "seconds", "message"),
    [
        ("time.sleep(600)", 2, f"can't be read as HDF5 within 2 seconds: {OR_BUSY}"),
        ("while True: pass", 2, f"can't be read as HDF5 within 2 seconds: {OR_BUSY}"),
        ("os.kill(os.getpid(), 9)", 60, "is damaged: the HDF5 library crashed as it read it."),
        ("raise MemoryError", 60, "is damaged: the HDF5 library crashed as it read it."),
        ("print('{')", 60, "is damaged: the HDF5 library crashed as it read it."),
    ],
)
def test_whatever_the_library_does_is_one_sentence(
    path, tmp_path, monkeypatch, does, seconds, message
):
    child = tmp_path / "child.py"
    child.write_text(f"import os, time\n{does}\n")
    monkeypatch.setattr(hdf5_child, "__file__", str(child))
    monkeypatch.setattr(hdf5_contents, "_SECONDS", seconds)
    monkeypatch.setattr(hdf5_contents, "_PATIENCE", 1)
    assert refused(path) == f"{str(path)!r} {message}"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux")
def test_a_text_that_stands_for_thousands(path):
    with_texts(path, ["x"] * 3_900)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = "x" * 2_000_000
    assert "is damaged: " in refused(broken(path, broken_hdf5.one_text_for_all))


def test_an_interrupt_ends_the_child(path, monkeypatch):
    started = []

    class Interrupted(subprocess.Popen):
        def communicate(self, *args, **kwargs):
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_model(path)
    assert [process.returncode for process in started] != [None]


def test_the_library_reads_nothing_of_a_stranger_in_this_process(path, monkeypatch):
    keras_3 = path.with_suffix(".keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.save(keras_3)
    opened = []

    class File(h5py.File):
        def __init__(self, name, mode="r", **options):
            opened.append((Path(name).name, mode, Path(name).stat().st_size if mode == "r" else 0))
            super().__init__(name, mode, **options)

    monkeypatch.setattr(h5py, "File", File)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], KERNEL)
    assert opened == []
    np.testing.assert_array_equal(load_model(keras_3).get_weights()[0], model.get_weights()[0])
    # A copy that was written here, of what the child handed on.
    assert [one[:2] for one in opened] == [("model.weights.h5", "w"), ("model.weights.h5", "r")]


# Where no process can be started


@pytest.mark.parametrize("program", [None, "", "/usr/bin/uwsgi", "/opt/app/app.exe"])
def test_a_program_that_is_no_python_reads_by_itself(path, monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    monkeypatch.setattr(subprocess, "Popen", None)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], KERNEL)
    with h5py.File(path, "a") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/x")
    assert "is no model file: 'elsewhere' in it is a link to another place" in refused(path)


def test_a_frozen_program_reads_by_itself(path, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(subprocess, "Popen", None)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], KERNEL)


def test_a_system_without_processes(path, monkeypatch):
    def none(*args, **kwargs):
        raise OSError("not supported")

    monkeypatch.setattr(subprocess, "Popen", none)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], KERNEL)


def test_from_several_threads(path):
    with ThreadPoolExecutor(4) as pool:
        for tree in pool.map(contents, [path] * 4):
            np.testing.assert_array_equal(tree["/model_weights/a/a/kernel:0"], KERNEL)


# What is handed on is what is in the file


def contents(path):
    """Every array, by its path."""
    with hdf5_contents.hdf5_contents(path) as root:
        return dict(_arrays(root, ""))


def _arrays(group, where):
    for name, one in group.members.items():
        if isinstance(one, Hdf5Group):
            yield from _arrays(one, f"{where}/{name}")
        else:
            yield f"{where}/{name}", one.read() if one.dtype else None


VALUES = np.arange(24, dtype="float32").reshape(4, 6)
LAYOUTS = {
    "as it is": {"data": VALUES},
    "big-endian": {"data": VALUES.astype(">f8")},
    "halves": {"data": VALUES.astype("f2")},
    "whole numbers": {"data": VALUES.astype("i1")},
    "truth values": {"data": VALUES % 2 == 0},
    "complex": {"data": VALUES + 1j},
    "bytes": {"data": VALUES.astype("f2").view("V2")},
    "texts of five letters": {"data": np.array([b"abcde", b"f"])},
    "in parts": {"data": VALUES, "chunks": (3, 4)},
    "packed": {"data": VALUES, "compression": "gzip", "shuffle": True, "fletcher32": True},
    "packed otherwise": {"data": VALUES, "compression": "lzf"},
    "never written": {"shape": (3, 2), "dtype": "i4", "fillvalue": 7},
    "one number": {"data": np.float64(3)},
    "no numbers": {"data": np.zeros((0, 3), "f4")},
}


@pytest.mark.parametrize("userblock", [0, 512])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_every_layout(tmp_path, libver, userblock):
    path, copy = tmp_path / "m.h5", tmp_path / "copy.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        for name, options in LAYOUTS.items():
            file.create_dataset(f"a/é {name}", **options)
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space, kind = h5py.h5s.create_simple((24,)), h5py.h5t.IEEE_F32LE
        at = h5py.h5d.create(file["a"].id, b"compact", kind, space, dcpl=compact)
        at.write(h5py.h5s.ALL, h5py.h5s.ALL, VALUES.ravel())
    with hdf5_contents.hdf5_contents(path) as root:
        write_hdf5(copy, root)
    for name, values in contents(path).items():
        for other in (path, copy):
            with h5py.File(other) as file:
                expected = file[name][()]
                assert file[name].dtype == values.dtype, name
                np.testing.assert_array_equal(values, expected, err_msg=name)
    assert len(contents(path)) == len(LAYOUTS) + 1


def test_what_is_no_numbers_has_no_type(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["text"], file["empty"] = "abc", h5py.Empty("f4")
        file["records"] = np.zeros(2, [("a", "f4"), ("b", "f4")])
        file["lists"] = np.array([np.zeros(2), np.zeros(3)], object)[:0].astype("f4")
        file.create_dataset("any", (2,), h5py.vlen_dtype("f4"))
    found = contents(path)
    assert {name for name, values in found.items() if values is None} == {
        "/text", "/empty", "/records", "/any",
    }  # fmt: skip


def test_paths_lead_where_hdf5_says(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["a/b/c"] = VALUES
        file["a"].attrs["layer_names"] = [b"x", b"y"]
        file["a"].attrs["backend"], file["a"].attrs["other"] = "jax", "not read"
    with hdf5_contents.hdf5_contents(path) as root:
        a = root.group("a")
        assert a.texts == {"layer_names": ["x", "y"], "backend": "jax"}
        assert isinstance(a.get("b/c"), Hdf5Array)
        assert a.get("b//./c") is a.get("/a/b/c") is root.get("a/b/c")
        assert a.get("c") is a.get("b/c/d") is a.group("b/c") is None
        assert a.get("") is a
        assert a.get("/") is root


def test_numbers_of_sixteen_bits_in_an_archive(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, dtype="bfloat16")])
    model.save(tmp_path / "m.keras")
    opened = load_model(tmp_path / "m.keras")
    for before, after in zip(model.get_weights(), opened.get_weights(), strict=True):
        np.testing.assert_array_equal(before.astype("f4"), after.astype("f4"))
    assert opened.weights[0].dtype == "bfloat16"


def test_an_array_that_is_cut_off(path, monkeypatch):
    real = hdf5_contents._answer

    def moved(request, shown):
        answer = real(request, shown)
        for node in answer["nodes"]:
            if node.get("at"):
                node["at"] += 10**6
        return answer

    monkeypatch.setattr(hdf5_contents, "_answer", moved)
    assert "is damaged: the values of 'bias:0' in it are cut off" in refused(path)
