"""A recording's folder is a plain folder of plain files: nothing beyond it is read or written."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from cases.stored_runs import SCHEMA, arrays_of, go_on, recorded
from layerscope.core.errors import InputError, LayerscopeError, OutputError
from layerscope.recordings.store import StoreReader, Writer, plain_files
from layerscope.recordings.store.plain_files import Inside
from layerscope.recordings.store.written import is_file, is_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows lets few make links")

FILES = (
    "zarr.json", "about/zarr.json", "step/c.0", "step/zarr.json", "step/claim", "epoch/c.0",
    "step/partial.zarr.json", "activations.scaled/values/c.1.0.0.0.0", "metrics/loss/c.0",
    "activations.scaled/values/c.2.0.0.0.0", "input.image/values/c.0.0.0.0",
    "metrics/loss/zarr.json",
)  # fmt: skip
FOLDERS = ("step", "about", "metrics", "activations.scaled", "activations.scaled/values", "epoch")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("links") / "run.zarr"
    recorded(path, 2).close()
    return path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A recording of two steps."""
    return shutil.copytree(finished, tmp_path / "run.zarr")


@pytest.fixture
def home(run: Path) -> Path:
    """A folder of the user's, of files that are called as those of a recording are."""
    home = shutil.copytree(run, run.parent / "home")
    (home / "step/partial.thesis").write_text("mine")
    (home / "step/partial.zarr.json").write_text("mine, too")
    return home


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def linked(run: Path, home: Path, key: str, how: Callable[[Path, Path], object]) -> None:
    """Put a link to what has the same name in another folder in the place of a file or folder."""
    path = run / key
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if not (home / key).exists():
        (home / key).write_text("mine, three")
    how(home / key, path)


def everything(run: Path) -> None:
    """Whatever one does with a recording; what layerscope refuses, it refuses in a sentence."""
    with refused_or_not():
        reader = StoreReader.open(run)
        for key in arrays_of(0):
            with refused_or_not():
                reader.read(*key)
        with refused_or_not():
            assert reader.metrics
        with refused_or_not():
            reader.read("input", "image")
    with refused_or_not():
        written_on(run)
    with refused_or_not():
        recorded(run, 1, overwrite=True, sync=False).close()


@contextlib.contextmanager
def refused_or_not() -> Iterator[None]:
    with contextlib.suppress(LayerscopeError):
        try:
            yield
        except LayerscopeError as error:
            assert "\n" not in str(error)  # noqa: PT017
            raise


def written_on(run: Path) -> None:
    with Writer.resume(run, SCHEMA, sync=False) as writer:
        go_on(writer, 4)


@pytest.mark.parametrize("key", [*FILES, *FOLDERS])
def test_a_link_leads_nowhere(run: Path, home: Path, key: str) -> None:
    linked(run, home, key, lambda there, path: path.symlink_to(there))
    before = contents(home)
    everything(run)
    assert contents(home) == before


@pytest.mark.parametrize("key", FILES)
def test_what_is_shared_by_a_hard_link_stays_as_it_is(run: Path, home: Path, key: str) -> None:
    linked(run, home, key, lambda there, path: os.link(there, path))
    before = contents(home)
    everything(run)
    assert contents(home) == before


def test_a_copy_made_of_hard_links_is_gone_on_with(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "backup", copy_function=os.link)
    before = contents(run)
    written_on(tmp_path / "backup")
    assert len(StoreReader.open(tmp_path / "backup").steps) == 4
    assert contents(run) == before


@pytest.mark.parametrize("key", [*FOLDERS, "activations.scaled/values/c.2.0.0.0.0", "zarr.json"])
def test_a_link_that_comes_while_a_recording_is_open_leads_nowhere(
    run: Path, home: Path, key: str
) -> None:
    writer = Writer.resume(run, sync=False)
    shutil.rmtree(home / "activations.scaled")
    shutil.copytree(run / "activations.scaled", home / "activations.scaled")
    linked(run, home, key, lambda there, path: path.symlink_to(there))
    before = contents(home)
    with refused_or_not():
        go_on(writer, 4)
    with refused_or_not():
        writer.close()
    assert contents(home) == before


@pytest.mark.parametrize("key", FILES)
@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_in_a_sentence(run: Path, key: str, what: str) -> None:
    (run / key).unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(run / key)
    elif what == "device":
        (run / key).symlink_to("/dev/zero")
    else:
        (run / key).mkdir()
    everything(run)


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run.zarr").symlink_to(tmp_path / "disk")
    recorded(tmp_path / "run.zarr", 2).close()
    written_on(tmp_path / "run.zarr")
    recorded(tmp_path / "run.zarr", 1, overwrite=True).close()
    assert (tmp_path / "run.zarr").is_symlink()
    assert len(StoreReader.open(tmp_path / "disk").steps) == 1


def test_a_link_is_named(run: Path, home: Path) -> None:
    linked(run, home, "step", lambda there, path: path.symlink_to(there))
    with pytest.raises(
        InputError, match="can't be opened: step is a link; a recording is a folder"
    ):
        StoreReader.open(run)
    with pytest.raises(LayerscopeError, match="step is a link; a recording is a folder of plain"):
        Writer.resume(run)
    with pytest.raises(OutputError, match="can't be written: step is a link; a recording is a"):
        recorded(run, 0, overwrite=True)


def test_a_folder_that_went_or_was_replaced_is_noticed(tmp_path: Path) -> None:
    writer = recorded(tmp_path / "run", 1)
    (tmp_path / "run").rename(tmp_path / "moved")
    with pytest.raises(OutputError, match="was moved or removed while it was recorded into: it is"):
        go_on(writer, 2)
    assert not (tmp_path / "run").exists()
    other = recorded(tmp_path / "run", 2)
    before = contents(tmp_path / "run")
    with pytest.raises(OutputError, match="something else has taken its place"):
        go_on(writer, 2)
    assert contents(tmp_path / "run") == before
    other.close()
    (tmp_path / "run").rename(tmp_path / "other")
    (tmp_path / "moved").rename(tmp_path / "run")
    go_on(writer, 2)
    writer.close()


def test_overwriting_removes_what_layerscope_wrote_and_names_the_rest(tmp_path: Path) -> None:
    run = tmp_path / "run.zarr"
    recorded(run, 3).close()
    mine = ("thesis.tex", "figures/a.png", "activations.dense/values/notes.txt", "step/partial.doc",
            "weights.backup.h5", "activations/c.txt", "figures/zarr.json")  # fmt: skip
    for name in mine:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text(name)
    (run / "elsewhere").symlink_to(tmp_path)
    with recorded(run, 1, overwrite=True) as writer:
        assert set(writer.left) == {*mine[:1], "figures", *mine[2:6], "elsewhere"}
    for name in mine:
        assert (run / name).read_text() == name
    assert (run / "elsewhere").is_symlink()
    assert not list(run.glob("activations.scaled/values/c.1*"))
    assert StoreReader.open(run).steps.tolist() == [10]
    assert zarr.open_group(run, mode="r")["step"][:].tolist() == [10]
    with xr.open_datatree(run, engine="zarr") as tree:
        assert tree["step"].values.tolist() == [10]
    written_on(run)
    assert len(StoreReader.open(run).steps) == 4


@pytest.mark.slow
def test_overwriting_that_ends_midway_is_in_nobody_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, unlink = tmp_path / "run.zarr", Inside.unlink
    recorded(run, 2).close()
    (run / "thesis.tex").write_text("mine")
    for count in (0, 1, 2, 3, *range(4, 1000, 9)):
        left = [count]

        def ends(self: Inside, name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            unlink(self, name)

        monkeypatch.setattr(Inside, "unlink", ends)
        try:
            recorded(run, 0, overwrite=True).close()
            break
        except KeyboardInterrupt:
            monkeypatch.setattr(Inside, "unlink", unlink)
            if count % 3 == 0:  # after some of them, what was begun is replaced without being told
                recorded(run, 1, overwrite=count % 2 == 0 or (run / "zarr.json").exists()).close()
    assert count > 20
    assert (run / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("key", ["step", "activations.scaled/values", "zarr.json", "step/claim"])
def test_links_are_refused_where_the_system_opens_nothing_by_descriptors(
    run: Path, home: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(plain_files, "_BY_DESCRIPTOR", False)
    monkeypatch.setattr(plain_files, "_NOFOLLOW", 0)
    monkeypatch.setattr(plain_files, "_ALWAYS", 0)
    recorded(run.parent / "new.zarr", 2).close()
    written_on(run.parent / "new.zarr")
    recorded(run.parent / "new.zarr", 1, overwrite=True).close()
    assert StoreReader.open(run.parent / "new.zarr").steps.tolist() == [10]
    linked(run, home, key, lambda there, path: path.symlink_to(there))
    before = contents(home)
    everything(run)
    assert contents(home) == before


def test_overwriting_never_follows_a_link(run: Path, tmp_path: Path) -> None:
    shutil.move(run / "metrics", tmp_path / "metrics")
    (run / "metrics").symlink_to(tmp_path / "metrics")
    before = contents(tmp_path / "metrics"), set(contents(run))
    with pytest.raises(OutputError, match="metrics is no plain file or folder"):
        recorded(run, 0, overwrite=True)
    assert (contents(tmp_path / "metrics"), set(contents(run))) == before


def test_all_that_is_written_is_known_to_be_layerscope_s(tmp_path: Path) -> None:
    with recorded(tmp_path, 3):
        pass
    for path in tmp_path.rglob("*"):
        key = path.relative_to(tmp_path).as_posix()
        assert is_folder(key) if path.is_dir() else is_file(key), key


@pytest.mark.parametrize(
    "key",
    ["thesis.tex", "c.0", "claim", "step/partial.thesis", "weights/best.h5", "figures/zarr.json",
     "activations.conv/values/c.0.0/c.0", "../zarr.json", "activations.Conv/zarr.json", "",
     "/zarr.json", "step//c.0", "activations.conv/values/c.x", "weights.best/model.keras"],
)  # fmt: skip
def test_other_names_are_not(key: str) -> None:
    assert not is_file(key)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file or folder has such a name"):
        StoreReader.open(f"{tmp_path}/run\0.zarr")


def test_values_are_those_that_were_written(tmp_path: Path) -> None:
    recorded(tmp_path / "run", 2).close()
    written_on(tmp_path / "run")
    reader = StoreReader.open(tmp_path / "run")
    for key in arrays_of(0).keys() - {("activations", "scaled", "values")}:
        np.testing.assert_array_equal(reader.read(*key, step=3), arrays_of(3)[key])
