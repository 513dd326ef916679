from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import Files, batches, files_of, listed
from layerscope.inputs.sources import natural

SPEC = InputSpec("x", (None, 4, 4, 1))


def save(path, level=0, size=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Images 1 to 12 of so many levels of grey, and what is none."""
    for number in range(1, 13):
        save(tmp_path / "photos" / f"img{number}.png", number)
    return tmp_path / "photos"


def levels(feed):
    return [(batch.value[:, 0, 0, 0].tolist(), batch.samples) for batch in feed]


def test_a_folder_comes_in_batches_in_natural_order(folder):
    files = files_of(folder)
    assert len(files) == 12
    feed = batches(files, [SPEC], chunk=5, input_range="raw")
    got = levels(feed)
    assert [len(values) for values, _ in got] == [5, 5, 2]
    assert [v for values, _ in got for v in values] == list(range(1, 13))
    assert [n for _, names in got for n in names] == [f"img{i}.png" for i in range(1, 13)]
    assert feed.notes == ("img1.png, img2.png, img3.png and 9 more: pixel values as they are",)


def test_nothing_is_read_before_it_is_needed(folder):
    feed = batches(files_of(folder), [SPEC], chunk=4)
    assert feed.opened == 0
    stream = iter(feed)
    next(stream)
    assert feed.opened == 4
    (folder / "img9.png").unlink()
    assert [len(batch.samples) for batch in stream] == [4, 3]
    assert feed.notes[-1].startswith("1 file was skipped: There is no file")


def test_hidden_files_and_others_are_left_out(folder):
    save(folder / ".hidden.png")
    (folder / "README.md").write_text("hello")
    assert len(files_of(str(folder))) == 12
    assert files_of(str(folder)).notes == (f"{folder}: 1 other file is no image or array",)


def test_files_that_cannot_be_read_are_skipped_and_said(folder):
    (folder / "img3.png").write_bytes(b"broken")
    (folder / "img5.png").write_bytes((folder / "img6.png").read_bytes()[:40])
    feed = batches(files_of(folder), [SPEC], chunk=5, input_range="raw")
    assert [v for values, _ in levels(feed) for v in values] == [1, 2, 4, *range(6, 13)]
    assert feed.notes[-1].startswith("2 files were skipped: '")
    assert "img3.png' is no image that opens: PNG, JPEG" in feed.notes[-1]
    for path in folder.iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(
        InputError, match=r"None of the 12 files can be read: '.*img1\.png' is no im"
    ):
        list(batches(files_of(folder), [SPEC]))


def test_a_long_list_is_strict(folder):
    paths = [folder / "img1.png"] * 40
    assert files_of(paths[:10]) is None
    files = files_of(paths)
    assert [len(b.samples) for b in batches(files, [SPEC])] == [32, 8]
    (folder / "img2.png").write_bytes(b"broken")
    with pytest.raises(InputError, match="is no image that opens"):
        list(batches(files_of([*paths, folder / "img2.png"]), [SPEC]))
    with pytest.raises(InputError, match=r"There is no file '.*none\.png'"):
        files_of([*paths, folder / "none.png"])


def test_globs(folder, tmp_path):
    assert files_of(str(folder / "img1?.png")).names == ("img10.png", "img11.png", "img12.png")
    assert len(files_of(str(tmp_path / "**" / "*.png"))) == 12
    with pytest.raises(InputError, match=r"The glob '.*\*\.gif' finds no file"):
        files_of(str(folder / "*.gif"))
    literal = save(folder / "img[1].png", 99)
    assert files_of(str(literal)) is None
    assert files_of("photo.png") is files_of(np.zeros(3)) is files_of("noise") is None


def test_two_of_a_name_carry_their_folders(tmp_path):
    save(tmp_path / "cats/1.png")
    save(tmp_path / "dogs/1.png")
    assert files_of(str(tmp_path / "*/*.png")).names == ("cats/1.png", "dogs/1.png")
    with pytest.raises(InputError, match=r"holds no images or arrays of its own: pass '.*\*/\*'"):
        files_of(tmp_path)


def test_empty_folders(tmp_path):
    with pytest.raises(InputError, match=r"The folder '.*' holds no images or arrays\."):
        files_of(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"The folder '.*' holds no images or arrays\."):
        files_of(tmp_path)


def test_several_folders_and_files_together(folder, tmp_path):
    one = save(tmp_path / "one.png", 77)
    assert len(listed([folder, one, str(folder / "img1?.png")])) == 16
    with pytest.raises(InputError, match=r"There is no file 'none\.png'"):
        listed([folder, "none.png"])


def test_arrays_in_files(tmp_path):
    rng = np.random.default_rng(0)
    many, one, more = rng.random((7, 4, 4, 1)), rng.random((4, 4, 1)), rng.random((2, 4, 4, 1))
    np.save(tmp_path / "a.npy", many)
    np.save(tmp_path / "b.npy", one)
    np.savez(tmp_path / "c.npz", x=more)
    np.save(tmp_path / "d.npy", rng.random((3, 3)))
    np.save(tmp_path / "e.npy", 3.0)
    feed = batches(files_of(tmp_path), [SPEC], chunk=4)
    got = list(feed)
    assert [len(batch.value) for batch in got] == [4, 4, 2]
    expected = np.concatenate([many, one[None], more]).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate([b.value for b in got]), expected)
    names = [name for batch in got for name in batch.samples]
    assert names[:2] + names[7:9] == ["a.npy[0]", "a.npy[1]", "b.npy", "c.npz[0]"]
    assert "d.npy has shape (1, 3, 3)" in feed.notes[-1] or "d.npy has shape" in feed.notes[-1]
    assert files_of(tmp_path).samples() == 7 + 4 + 2 + 3 + 1


def test_images_of_many_sizes_are_said_together(tmp_path):
    for i in range(6):
        save(tmp_path / f"{i}.png", size=(5 + i, 9))
    feed = batches(files_of(tmp_path), [SPEC])
    list(feed)
    assert feed.notes == (
        "0.png, 1.png, 2.png and 3 more: resized to 4×4 (bilinear, the whole image), scaled to "
        "0..1",
    )
    with pytest.raises(InputError, match=r"The images differ in size, .*: pass size="):
        list(batches(files_of(tmp_path), [InputSpec("x", (None, None, None, 1))]))


def test_a_function_of_the_user_s_gets_whole_batches(folder):
    shapes = []

    def function(batch):
        shapes.append(batch.shape)
        return batch - batch.mean()

    got = list(batches(files_of(folder), [SPEC], chunk=5, preprocess=function))
    assert shapes == [(5, 4, 4, 1), (5, 4, 4, 1), (2, 4, 4, 1)]
    assert abs(got[0].value.mean()) < 1e-6


def test_a_model_with_several_inputs_takes_no_files(folder):
    with pytest.raises(InputError, match="files are a batch for a model with one input"):
        batches(files_of(folder), [SPEC, SPEC])


@given(st.lists(st.tuples(st.text("ab", max_size=2), st.integers(0, 10**6)), max_size=8))
def test_the_natural_order_is_that_of_the_numbers(parts):
    names = [f"{text}{number}" for text, number in parts]
    assert sorted(names, key=natural) == [
        f"{text}{number}" for text, number in sorted(parts, key=lambda part: part)
    ]


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_two_names_can_be_ordered(a, b):
    assert (natural(a) < natural(b)) + (natural(b) < natural(a)) <= 1


@given(st.integers(1, 9), st.lists(st.booleans(), min_size=1, max_size=20))
def test_batches_are_full_but_for_the_last(tmp_path_factory, chunk, readable):
    folder = tmp_path_factory.mktemp("batches")
    for i, fine in enumerate(readable):
        if fine:
            save(folder / f"{i}.png", i)
        else:
            (folder / f"{i}.png").write_bytes(b"")
    feed = batches(files_of(folder), [SPEC], chunk=chunk, input_range="raw")
    if not any(readable):
        with pytest.raises(InputError, match="None of the"):
            list(feed)
        return
    got = [values for values, _ in levels(feed)]
    assert [v for values in got for v in values] == [i for i, fine in enumerate(readable) if fine]
    assert all(len(values) == chunk for values in got[:-1])


def test_files_are_files():
    files = Files(("a",), ("a",))
    assert files_of(files) is files
    assert files.samples() == 1
    assert files_of(Path("/none")) is None


def test_notes_are_of_the_samples_that_were_taken_where_a_batch_is_cut(folder):
    feed = batches(files_of(folder), [SPEC], chunk=5, limit=7, input_range="raw")
    assert [len(values) for values, _ in levels(feed)] == [5, 2]
    assert feed.notes == ("img1.png, img2.png, img3.png and 4 more: pixel values as they are",)
