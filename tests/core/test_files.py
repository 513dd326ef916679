"""Files and folders that are written whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.core.errors import OutputError
from layerscope.core.files import OutputFolder, whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with whole(tmp_path / "a.txt") as part:
        part.write_text("half")
        assert not (tmp_path / "a.txt").exists()
    assert names(tmp_path) == ["a.txt"]


def test_what_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("before")

    def stopped(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        OutputFolder(tmp_path).write("a.txt", stopped)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


def test_a_file_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("before")
    with (
        pytest.raises(OutputError, match="already: name another, or pass overwrite=True"),
        whole(tmp_path / "a.txt"),
    ):
        pass
    with pytest.raises(OutputError, match="is a folder: name a file"), whole(tmp_path):
        pass


def test_a_folder_is_made_when_its_first_file_is_written(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path / "new" / "out").claim()
    assert names(tmp_path) == []
    assert output.write_text("a.txt", "a\n") == tmp_path / "new" / "out" / "a.txt"
    assert (tmp_path / "new" / "out" / "a.txt").read_bytes() == b"a\n"
    output.within("b").write("c.txt", Path.touch)
    assert names(output.path) == ["a.txt", "b"]


def test_a_folder_that_holds_something_is_written_only_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text("before")
    in_the_shell = OutputFolder(tmp_path, "name another with --out", "pass --force")
    sentence = "is not empty: name another with --out, or pass --force to replace the files of the"
    with pytest.raises(OutputError, match=sentence):
        in_the_shell.claim()
    with pytest.raises(OutputError, match="name another, or pass overwrite=True to replace"):
        OutputFolder(tmp_path).claim()
    OutputFolder(tmp_path).claim(overwrite=True).write_text("a.txt", "after")
    assert (tmp_path / "a.txt").read_text() == "after"


def test_a_folder_that_is_a_file_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match=r"a' can't be written \(.+\): name another\."):
        OutputFolder(tmp_path / "a").claim()
    with pytest.raises(OutputError, match=r"b.txt' can't be written \(.+\)\."):
        OutputFolder(tmp_path / "a").write_text("b.txt", "")
