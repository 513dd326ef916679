import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import prepare

DIGITS = InputSpec("digits", (None, 28, 28, 1))
FLAT = InputSpec("digits", (None, 784))
FIRST = InputSpec("images", (None, 1, 32, 32), layout="channels_first")
TOKENS = InputSpec("tokens", (None, None), dtype="int32")


@given(
    hnp.arrays(
        st.sampled_from(["float32", "float64", "int64", "uint8", "bool", "float16"]),
        st.tuples(st.integers(1, 4), st.just(3), st.integers(1, 5)),
        elements=st.integers(0, 1),
    )
)
def test_an_array_is_taken_as_it_is_in_the_type_of_the_input(x):
    value = prepare(x, [InputSpec("x", (None, 3, None))]).value
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, x.astype(np.float32))


def test_an_array_of_the_right_type_is_not_copied():
    x = np.zeros((2, 28, 28, 1), np.float32)
    assert prepare(x, [DIGITS]).value is x


def test_a_model_that_does_not_say_its_shape_takes_any():
    x = np.zeros((7,), np.float64)
    assert prepare(x, [InputSpec("x")]).value.dtype == np.float32
    assert prepare(x, []).value.dtype == np.float32
    assert prepare(np.arange(3), []).value.dtype == np.int64
    assert [v.dtype for v in prepare([x, np.arange(3)], []).value] == [np.float32, np.int64]


def test_a_guessed_shape_refuses_no_array():
    guess = [InputSpec("x", (None, 3, None, None), layout="channels_first", certain=False)]
    assert prepare(np.arange(4), guess).value.dtype == np.int64
    assert len(prepare([np.zeros((1, 2)), np.zeros((1, 3))], guess).value) == 2


def test_integers_stay_integers_where_the_model_takes_them():
    assert prepare(np.array([[1, 2]]), [TOKENS]).value.dtype == np.int64
    assert prepare([[1.0, 2.0]], [TOKENS]).value.dtype == np.int32
    with pytest.raises(InputError, match="not whole; the model expects int32"):
        prepare([[1.5, 2.0]], [TOKENS])


def test_eight_bit_arrays_are_not_scaled_and_that_is_said():
    prepared = prepare(np.full((1, 28, 28, 1), 200, np.uint8), [DIGITS])
    assert prepared.value.max() == 200
    assert prepared.notes == (
        "x holds whole numbers up to 200 and was not scaled: the range of values is the array's "
        "own",
    )


@pytest.mark.parametrize(
    ("shape", "spec", "what", "code"),
    [
        ((28, 28, 1), DIGITS, "add the batch axis", "x[None]"),
        ((5, 28, 28), DIGITS, "add the channel axis", "x[..., None]"),
        ((28, 28), DIGITS, "add the batch and the channel axis", "x[None, ..., None]"),
        ((2, 1, 28, 28), DIGITS, "put the channels last", "np.moveaxis(x, 1, -1)"),
        ((2, 784), DIGITS, "reshape it", "x.reshape(-1, 28, 28, 1)"),
        ((7, 28, 28), FLAT, "reshape it", "x.reshape(-1, 784)"),
        ((28, 28), FLAT, "reshape it", "x.reshape(1, 784)"),
        ((784,), FLAT, "add the batch axis", "x[None]"),
        ((1, 32, 32), FIRST, "add the batch axis", "x[None]"),
        ((2, 32, 32, 1), FIRST, "put them first", "np.moveaxis(x, -1, 1)"),
        ((6, 32, 32), FIRST, "add the channel axis", "x[:, None]"),
        ((32, 32), FIRST, "add the batch and the channel axis", "x[None, None]"),
    ],
)
def test_the_fix_for_a_wrong_shape_is_said_and_works(shape, spec, what, code):
    x = np.zeros(shape, np.float32)
    with pytest.raises(InputError) as caught:
        prepare(x, [spec])
    expected = str(spec.shape)
    assert str(caught.value) == (
        f"x has shape {shape}, the model expects {expected}: {what} with {code}."
    )
    fixed = eval(code, {"x": x, "np": np})
    assert prepare(fixed, [spec]).value is fixed


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 5), "x has shape (3, 5), the model expects (None, 28, 28, 1)."),
        ((0, 28, 28, 1), "x has shape (0, 28, 28, 1): it holds no samples."),
        ((), "x has shape (), the model expects (None, 28, 28, 1)."),
    ],
)
def test_a_shape_that_cannot_be_mended_is_refused(shape, message):
    with pytest.raises(InputError) as caught:
        prepare(np.zeros(shape), [DIGITS])
    assert str(caught.value) == message


@given(
    hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=3),
    st.lists(st.none() | st.integers(1, 3), max_size=5).map(tuple),
)
def test_a_shape_passes_exactly_when_each_length_does(shape, expected):
    fits = len(shape) == len(expected) and all(
        e in (None, n) for n, e in zip(shape, expected, strict=False)
    )
    fits = fits and shape[:1] != (0,)
    try:
        prepare(np.zeros(shape), [InputSpec("x", expected)])
    except InputError:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize(
    "x", ["abc", object(), {1}, np.array(["a"]), np.array([None]), [[1, 2], [3]], None]
)
def test_what_holds_no_numbers_is_refused(x):
    with pytest.raises(InputError):
        prepare(x, [InputSpec("x", (None, 2))])


def test_complex_numbers_are_refused():
    with pytest.raises(InputError, match="x holds complex numbers; the model expects float32"):
        prepare(np.zeros((1, 2), complex), [InputSpec("x", (None, 2))])


def test_a_table_becomes_an_array():
    class Frame:
        columns = ("a", "b")

        def to_numpy(self):
            return np.array([[1.0, 2.0], [3.0, 4.0]])

    value = prepare(Frame(), [InputSpec("x", (None, 2), dtype="float64")]).value
    assert value.dtype == np.float64
    assert value.shape == (2, 2)


TWO = [InputSpec("a", (None, 2)), InputSpec("b", (None, 3))]


def test_several_inputs_by_position_and_by_name():
    a, b = np.zeros((1, 2)), np.ones((1, 3))
    as_list = prepare([a, b], TWO).value
    assert isinstance(as_list, list)
    assert [v.dtype for v in as_list] == [np.float32] * 2
    assert isinstance(prepare((a, b), TWO).value, tuple)
    named = prepare({"b": b, "a": a}, TWO).value
    np.testing.assert_array_equal(named["b"], b)
    assert prepare([[[1, 2]], [[1, 2, 3]]], TWO).value[1].shape == (1, 3)


def test_several_inputs_keep_their_structure():
    a, b = np.zeros((1, 2)), np.ones((1, 3))
    value = prepare([{"a": a}, (b, None)], TWO).value
    assert isinstance(value[1], tuple)
    assert value[1][1] is None
    assert value[0]["a"].dtype == np.float32


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 2)), "The model has 2 inputs, 'a' (None, 2), 'b' (None, 3), and x is one nd"),
        ([np.zeros((1, 2))], "The model has 2 inputs, 'a' (None, 2), 'b' (None, 3), and x is a li"),
        ({"c": np.zeros((1, 2))}, "x has 'c': none of these names is one of its inputs."),
        ({"a": np.zeros((2,)), "b": np.zeros((1, 3))}, "Input 'a' has shape (2,), the model expe"),
    ],
)
def test_several_inputs_that_do_not_fit(x, message):
    with pytest.raises(InputError) as caught:
        prepare(x, TWO)
    assert message in str(caught.value)


def test_a_list_for_one_input():
    batch = np.zeros((4, 2), np.float32)
    spec = InputSpec("x", (None, 2))
    assert prepare([batch], [spec]).value[0].shape == (4, 2)
    assert prepare([batch[0], batch[1]], [spec]).value.shape == (2, 2)
    with pytest.raises(InputError, match=r"The model has 1 input, 'x' \(None, 2\), and x is a li"):
        prepare([batch, batch], [spec])


def test_an_array_from_a_file(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1, 2)))
    assert prepare(tmp_path / "x.npy", [InputSpec("x", (None, 2))]).value.dtype == np.float32
    np.save(tmp_path / "code.npy", np.array([object()]), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-3])
    (tmp_path / "empty.npy").touch()
    for name in ("code.npy", "cut.npy", "empty.npy"):
        with pytest.raises(InputError, match=r"can't be read as a \.npy file of numbers"):
            prepare(tmp_path / name, [])
    with pytest.raises(InputError, match="There is no file"):
        prepare(tmp_path / "none.npy", [])
