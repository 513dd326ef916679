import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.amounts import examples
from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import array_files, prepare

ONE = [InputSpec("x", (None, 2))]
TWO = [InputSpec("a", (None, 2)), InputSpec("b", (None, 3))]
A, B = np.array([[1.0, 2.0]], np.float32), np.array([[3.0, 4.0, 5.0]], np.float32)


def test_an_archive_of_one_array_is_that_array(tmp_path):
    np.savez(tmp_path / "x.npz", anything=A)
    np.testing.assert_array_equal(prepare(tmp_path / "x.npz", ONE).value, A)
    np.savez_compressed(tmp_path / "y.npz", A)
    np.testing.assert_array_equal(prepare(str(tmp_path / "y.npz"), ONE).value, A)


def test_one_array_of_several_is_named(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=A, b=B)
    np.testing.assert_array_equal(prepare(f"{path}:a", ONE).value, A)
    with pytest.raises(InputError) as caught:
        prepare(path, ONE)
    assert str(caught.value) == f"'{path}' holds 2 arrays, 'a', 'b': name one, as in '{path}:a'."
    with pytest.raises(InputError, match="has no array 'c': it holds 'a', 'b'"):
        prepare(f"{path}:c", ONE)


def test_several_inputs_come_by_name_or_in_order(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, b=B, a=A)
    value = prepare(path, TWO).value
    np.testing.assert_array_equal(value["a"], A)
    np.testing.assert_array_equal(value["b"], B)
    np.savez(path, A, B)
    np.testing.assert_array_equal(prepare(path, TWO).value[1], B)
    np.savez(path, c=A, d=B)
    with pytest.raises(InputError, match="holds 'c', 'd': save the arrays by the names of the inp"):
        prepare(path, TWO)
    np.savez(path, c=A, d=B)
    value = prepare([f"{path}:c", f"{path}:d"], TWO).value
    np.testing.assert_array_equal(value[0], A)


def header(shape, dtype="<f4"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def archive(path, content, name="x.npy"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickles_are_refused(tmp_path, suffix):
    path = tmp_path / f"code{suffix}"
    objects = np.array([print, None], dtype=object)
    if suffix == ".npy":
        np.save(path, objects, allow_pickle=True)
    else:
        np.savez(path, objects, allow_pickle=True)
    with pytest.raises(
        InputError, match=r"can't be read as a \.np[yz] file of numbers \(it holds Python o"
    ):
        prepare(path, [])


@pytest.mark.parametrize("shape", [(10**6, 10**6), (10**15,), (3, 2), (-1, 2)])
def test_an_array_that_promises_more_than_it_holds_is_refused(tmp_path, shape):
    (tmp_path / "x.npy").write_bytes(header(shape) + bytes(16))
    with pytest.raises(InputError, match=r"can't be read as a \.npy file of numbers"):
        prepare(tmp_path / "x.npy", [])
    with pytest.raises(InputError, match=r"can't be read as a \.npz file of numbers"):
        prepare(archive(tmp_path / "x.npz", header(shape) + bytes(16)), [])


def of_type(dtype, shape):
    """The header of an array of any type."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("dtype", ["'|V0'", "'|S0'", "'<U0'", "[]"])
def test_values_without_bytes_can_t_be_any_number(tmp_path, dtype):
    (tmp_path / "x.npy").write_bytes(of_type(dtype, (10**12,)))
    with pytest.raises(InputError, match=r"promises 1,000,000,000,000 values of .* holds 0 bytes"):
        prepare(tmp_path / "x.npy", [])
    with pytest.raises(InputError, match="promises 1,000,000,000,000 values of"):
        prepare(archive(tmp_path / "x.npz", of_type(dtype, (10**12,))), [])


@pytest.mark.slow
def test_a_small_archive_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(np.lib.format, "read_array", lambda *args, **options: read.append(args))
    path = archive(tmp_path / "x.npz", of_type("'|u1'", (300_000_000,)) + bytes(300_000_000))
    with pytest.raises(
        InputError,
        match=r"has 29\d\.\d kB, and one of its arrays would unpack to "
        r"300\.0 MB: save it as a \.npy file",
    ):
        prepare(path, [])
    assert not read


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_more_than_there_is_memory_for_is_refused(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(array_files, "free_memory", lambda: 5_000)
    path = tmp_path / f"bomb{suffix}"
    (np.save if suffix == ".npy" else np.savez_compressed)(path, np.zeros((1, 1000)))
    with pytest.raises(
        InputError,
        match=r"holds 8\.0 kB, and 5\.0 kB of memory are free, of which half may be taken",
    ):
        prepare(path, [])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", b"\x93NUMPY\x09\x09"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_what_is_no_array_file_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="can't be read as a"):
        prepare(path, [])
    with pytest.raises(InputError, match="There is no file"):
        prepare(tmp_path / f"none{suffix}", [])


def test_an_archive_under_another_name_and_an_empty_one(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.savez(file, A)
    with pytest.raises(InputError, match=r"it is a \.npz archive under another name"):
        prepare(tmp_path / "x.npy", ONE)
    with zipfile.ZipFile(tmp_path / "e.npz", "w"):
        pass
    with pytest.raises(InputError, match="holds no arrays"):
        prepare(tmp_path / "e.npz", ONE)
    folder = tmp_path / "folder.npy"
    folder.mkdir()
    with pytest.raises(InputError, match="is no regular file"):
        prepare([folder], ONE)


@settings(max_examples=examples(150))
@given(
    archived=st.booleans(),
    compressed=st.booleans(),
    where=st.floats(0, 1),
    flip=st.integers(1, 255),
    cut=st.booleans(),
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory, archived, compressed, where, flip, cut
):
    stream = io.BytesIO()
    if archived:
        (np.savez_compressed if compressed else np.savez)(stream, A)
    else:
        np.save(stream, A)
    data = bytearray(stream.getvalue())
    at = int(where * (len(data) - 1))
    if cut:
        del data[at:]
    else:
        data[at] ^= flip
    path = tmp_path_factory.mktemp("damaged") / ("x.npz" if archived else "x.npy")
    path.write_bytes(data)
    try:
        value = prepare(path, [InputSpec("x", (None, None))]).value
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert value.ndim == 2


def test_a_file_that_is_there_is_no_array_in_another(tmp_path):
    (tmp_path / "x.npz:name").write_bytes(b"")
    assert array_files.array_file(tmp_path / "x.npz:name") is None
    assert array_files.array_file(tmp_path / "y.npz:name") is not None
