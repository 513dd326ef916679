"""Files of single units: what is written is read, and what is something else is not there."""

import json

import numpy as np
import pytest

from layerscope.core.errors import OutputError
from layerscope.core.files import OutputFolder
from layerscope.instruments.features.unit_files import UnitFiles, UnitResult
from layerscope.recordings.visualization import Grade

pytestmark = pytest.mark.one_backend

SETTINGS = {"model": "abc", "layer": "conv", "steps": "3"}
TEXTS = ("axes", "grades", "notes", "settings")


def unit_of(number, variants=1):
    rng = np.random.default_rng(number)
    grades = (
        Grade(f"conv:{number} [0]", 2.5, 0.5, 1.25, "it fires"),
        Grade(f"conv:{number} [1]", float("inf"), 0.0),
    )
    axes = ("y", "x", "input") if variants == 1 else ("sample", "y", "x", "input")
    shape = (4, 5, 3) if variants == 1 else (variants, 4, 5, 3)
    return UnitResult(
        rng.normal(size=shape).astype(np.float32),
        axes,
        rng.normal(size=(4, variants)),
        grades[:variants],
        ("a note",),
    )


def files_in(folder, variants=1, **settings):
    shape = unit_of(0, variants).image.shape
    return UnitFiles(OutputFolder(folder), {**SETTINGS, **settings}, 12, variants, shape)


def assert_same(unit, other):
    np.testing.assert_array_equal(unit.image, other.image)
    np.testing.assert_array_equal(unit.history, other.history)
    assert (unit.axes, unit.grades, unit.notes) == (other.axes, other.grades, other.notes)


@pytest.mark.parametrize("variants", [1, 2])
def test_what_is_written_is_read(tmp_path, variants):
    files = files_in(tmp_path / "units", variants)
    assert files.read() == {}
    for number in (11, 0):
        files.write(number, unit_of(number, variants))
    assert sorted(path.name for path in files.folder.path.iterdir()) == ["00.npz", "11.npz"]
    made = files.read()
    assert list(made) == [0, 11]
    for number, unit in made.items():
        assert_same(unit, unit_of(number, variants))


def graded(**changes):
    """The same file with a grade that has other values, or, of ``...``, lacks them."""

    def other(text):
        (grade,) = text["grades"]
        return {"grades": [{k: v for k, v in {**grade, **changes}.items() if v is not ...}]}

    return other


@pytest.mark.parametrize(
    "foreign",
    [
        lambda text: {"settings": []},
        lambda text: {"settings": {**text["settings"], "steps": 3}},
        graded(colour="red"),
        graded(note=...),
        graded(reached="much"),
        graded(address=None),
        lambda text: {"grades": {}},
        lambda text: {"grades": [1]},
        lambda text: {"grades": text["grades"] * 2},
        lambda text: {"axes": ["y", "x"]},
        lambda text: {"axes": 3},
        lambda text: {"notes": [1]},
        lambda text: {"notes": np.array("{")},
        lambda text: {"image": np.zeros((4, 4, 3))},
        lambda text: {"image": np.full((4, 5, 3), "x")},
        lambda text: {"image": np.full((4, 5, 3), None)},
        lambda text: {"history": np.zeros(4)},
        lambda text: {"history": np.zeros((4, 2))},
        lambda text: {"history": np.zeros((0, 1))},
    ],
    ids=[
        "settings in a list", "other settings", "a grade with a colour", "a grade without a note",
        "a grade of a word", "a grade of nothing", "grades in a table", "grades that are numbers",
        "two grades", "two axes", "axes that are a number", "notes that are numbers",
        "notes that are no JSON", "a smaller image", "an image of words", "an image of nothing",
        "a history in a row", "a history of two", "no history",
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_as_if_it_were_not_there(tmp_path, foreign):
    files = files_in(tmp_path)
    for number in (3, 4):
        files.write(number, unit_of(number))
    with np.load(files.path(3)) as file:
        whole = dict(file)
    changes = foreign({name: json.loads(str(whole[name])) for name in TEXTS})
    arrays = {
        name: value if isinstance(value, np.ndarray) else np.array(json.dumps(value))
        for name, value in changes.items()
    }
    np.savez(files.path(3), **{**whole, **arrays})
    assert list(files.read()) == [4]
    np.savez(files.path(3), **whole)
    assert list(files.read()) == [3, 4]


def test_a_file_that_is_no_archive_or_lacks_a_part_is_as_if_it_were_not_there(tmp_path):
    files = files_in(tmp_path)
    files.write(3, unit_of(3))
    with np.load(files.path(3)) as file:
        whole = dict(file)
    for name in whole:
        np.savez(files.path(3), **{k: v for k, v in whole.items() if k != name})
        assert files.read() == {}
    with files.path(3).open("wb") as raw:
        np.save(raw, whole["image"])
    assert files.read() == {}
    files.path(3).unlink()
    files.path(3).mkdir()
    assert files.read() == {}


def test_other_settings_are_told_unless_they_may_be_replaced(tmp_path):
    files_in(tmp_path).write(3, unit_of(3))
    for changes, said in [
        ({"steps": "4"}, "steps 3, not 4"),
        ({"model": "def"}, "another model"),
        ({"steps": "4" * 90}, "other steps"),
        ({"seed": "1"}, "seed none, not 1"),
    ]:
        other = files_in(tmp_path, **changes)
        with pytest.raises(OutputError, match=f"holds units that were made with {said}: name an"):
            other.read()
        assert other.read(overwrite=True) == {}
