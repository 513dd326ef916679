import numpy as np
import pytest

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import InputSettings, prepare

IMAGE = InputSpec("x", (None, 4, 5, 3))


def test_noise_is_uniform_over_the_input_range_and_the_same_each_time():
    spec = InputSpec("x", (None, 64, 64, 3))
    for low, high in ((0, 1), (-1, 1), (0, 255)):
        prepared = prepare("noise", [spec], input_range=(low, high))
        value = prepared.value
        assert (value.shape, value.dtype) == ((1, 64, 64, 3), np.float32)
        assert low <= value.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < value.max() <= high
        assert value.mean() == pytest.approx((low + high) / 2, abs=0.01 * (high - low))
        np.testing.assert_array_equal(
            value, prepare("noise", [spec], input_range=(low, high)).value
        )
        assert prepared.notes == (f"x: noise (1, 64, 64, 3), uniform in {low}..{high}",)
        assert prepared.samples == ("noise",)
    assert prepare("noise", [spec], input_range="raw").value.max() > 250


def test_zeros():
    prepared = prepare("zeros", [InputSpec("x", (None, 7), dtype="float64")])
    assert prepared.value.dtype == np.float64
    assert not prepared.value.any()
    assert prepared.notes == ("x: zeros (1, 7)",)


def test_whole_numbers_are_valid_indices():
    spec = InputSpec("x", (None, 500), dtype="int32")
    value = prepare("noise", [spec], InputSettings(indices=10)).value
    assert value.dtype == np.int32
    assert set(value.ravel().tolist()) == set(range(10))
    assert set(prepare("noise", [spec]).value.ravel().tolist()) == {0, 1}
    pixels = prepare("noise", [InputSpec("x", (None, 32, 32, 3), dtype="uint8")]).value
    assert (pixels.dtype, pixels.min() < 5, pixels.max() > 250) == (np.uint8, True, True)
    assert prepare("noise", [InputSpec("x", (None, 9), dtype="bool")]).value.dtype == np.bool_


def test_several_inputs_have_noise_of_their_own():
    specs = [InputSpec("a", (None, 9)), InputSpec("b", (None, 9))]
    value = prepare("noise", specs).value
    assert list(value) == ["a", "b"]
    assert (value["a"] != value["b"]).all()
    value = prepare(["zeros", np.ones((1, 9))], specs).value
    assert (value[0].sum(), value[1].sum()) == (0, 9)


def test_what_is_open_in_a_shape():
    anything = InputSpec("x", (None, None, None, 3))
    assert prepare("noise", [anything], size=(5, 6)).value.shape == (1, 5, 6, 3)
    first = InputSpec("x", (None, 3, None, None), layout="channels_first", certain=False)
    assert prepare("noise", [first], size=(5, 6)).value.shape == (1, 3, 5, 6)
    assert prepare("noise", [InputSpec("x", (None, None), dtype="int64")]).value.shape == (1, 16)
    assert prepare("zeros", [InputSpec("x", (None, None, 8))]).value.shape == (1, 16, 8)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ([], {}, "The model does not say which shape it takes, so 'noise' can't be made"),
        ([InputSpec("x")], {}, "The model does not say which shape it takes"),
        ([InputSpec("x", (None, None, None, 3))], {}, "can't be made: pass size=(height, width)"),
        ([IMAGE], {"size": (9, 9)}, "size=(9, 9) was asked for; the model expects (None, 4, 5, 3)"),
        ([InputSpec("x", (None, 3, None, 4, 5))], {}, "can't be made: pass an array."),
    ],
)
def test_what_no_noise_can_be_made_for(spec, options, message):
    with pytest.raises(InputError) as caught:
        prepare("noise", spec, **options)
    assert message in str(caught.value)


def test_a_text_is_no_name_and_a_path_is_a_path(tmp_path, monkeypatch):
    text = InputSpec("x", (None,), dtype="string")
    assert prepare("noise", [text]).value.tolist() == ["noise"]
    assert prepare(["noise", "zeros"], [text]).value.tolist() == ["noise", "zeros"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"There is no file '\./noise'"):
        prepare("./noise", [IMAGE])


def test_a_function_of_the_user_s_gets_noise_of_pixels():
    seen = []

    def halved(batch):
        seen.append(batch)
        return batch / 2

    prepared = prepare("noise", [InputSpec("x", (None, 32, 32, 3))], preprocess=halved)
    assert 250 < seen[0].max() <= 255
    np.testing.assert_array_equal(prepared.value, seen[0] / 2)
    assert prepared.notes[0].endswith("uniform in 0..255, preprocessed by halved")


@pytest.mark.parametrize("name", ["noise", "zeros"])
def test_lengths_that_are_fixed_are_filled(name):
    """A network that keeps states takes one number of samples; a state counts them elsewhere."""
    prepared = prepare(name, [InputSpec("x", (4, 3, 2))])
    assert prepared.value.shape == (4, 3, 2)
    assert prepared.samples == tuple(f"{name}[{i}]" for i in range(4))
    state = InputSpec("state", (2, None, 4), samples=1)
    assert prepare(name, [state]).value.shape == (2, 1, 4)
    scales = prepare(name, [InputSpec("scales", (4,), samples=None)])
    assert (scales.value.shape, scales.samples) == ((4,), (name,))
    rate = prepare(name, [InputSpec("rate", ())])
    assert (rate.value.shape, rate.samples) == ((), (name,))
