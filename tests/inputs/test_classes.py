from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.core.errors import InputError
from layerscope.inputs.classes import classes_of, read_classes


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("\ufeffKatze\r\nHund\r\n", ("Katze", "Hund")),
        ("background\n\ncat", ("background", "", "cat")),
        ('["cat", 7]', ("cat", "7")),
        ('{"1": "dog", "0": "cat"}', ("cat", "dog")),
        ('{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}', ("tench", "goldfish")),
    ],
    ids=["lines", "windows", "a_gap", "a_list", "a_dict", "imagenet"],
)
def test_names_in_every_form(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    path = tmp_path / "classes"
    path.write_bytes(text.encode("utf-8"))
    assert read_classes(path) == names


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "holds no names of classes"),
        (b"\n\n", "holds no names of classes"),
        (b"[", "is no JSON that can be read"),
        (b"[" * 100_000, "is no JSON that can be read"),
        (b'{"a": "cat"}', "holds JSON, but no names of classes"),
        (b'{"1": "cat"}', "holds JSON, but no names of classes"),
        (b"[[1]]", "holds JSON, but no names of classes"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (None, "can't be read"),
    ],
    ids=["empty", "blank", "broken", "deep", "words", "gap", "nested", "binary", "missing"],
)
def test_what_holds_no_names(tmp_path: Path, data: bytes | None, complaint: str) -> None:
    path = tmp_path / "classes"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=f"{complaint}.*: write one name on each line, or JSON"):
        read_classes(path)


def test_names_may_be_written_out(tmp_path: Path) -> None:
    assert classes_of("cat, dog,a bird") == ("cat", "dog", "a bird")
    path = tmp_path / "cats,dogs"
    path.write_text("cat\ndog")
    assert classes_of(str(path)) == ("cat", "dog")  # a file of that very name
    with pytest.raises(InputError, match=r"'none\.txt' can't be read"):
        classes_of("none.txt")
