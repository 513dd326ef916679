import numpy as np
import pytest

from layerscope.backends.digits import with_samples
from layerscope.backends.keras import digits_network
from layerscope.core.errors import InputError, MissingDependencyError
from layerscope.core.network import InputSpec
from layerscope.inputs import prepare

pytestmark = pytest.mark.one_backend


def test_a_digit_is_white_on_black_and_named():
    pytest.importorskip("sklearn")
    image = with_samples("digits:3")
    assert (image.size, image.mode) == ((28, 28), "L")
    pixels = np.asarray(image)
    assert pixels[:4].max() == 0
    assert pixels.max() > 200
    example = digits_network.load("digits").example
    np.testing.assert_allclose(pixels / 255, example, atol=0.5 / 255)
    prepared = prepare(image, [InputSpec("x", (None, 28, 28, 1))])
    assert prepared.samples == ("digits:3",)
    assert prepared.notes == ("digits:3: scaled to 0..1",)


def test_one_of_each_is_a_batch():
    pytest.importorskip("sklearn")
    images = with_samples("digits")
    assert [image.filename for image in images] == [f"digits:{i}" for i in range(10)]
    assert len(with_samples(["digits:1", "photo.png", "digits"])) == 12
    assert with_samples({"a": "digits:1", "b": 3})["b"] == 3


@pytest.mark.parametrize("x", ["digit", "digits.png", "./digits", 3, None, ["noise"], {"a": 1}])
def test_anything_else_is_left_alone(x):
    assert with_samples(x) is x


@pytest.mark.parametrize("name", ["digits:", "digits:10", "digits:x", "digits:-1", "digits:7.2"])
def test_digits_that_are_none(name):
    with pytest.raises(InputError, match="write digits:0 to digits:9 for a digit, or digits for"):
        with_samples(name)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr(digits_network, "installed", lambda package: False)
    with pytest.raises(MissingDependencyError, match="The digits come with scikit-learn, which is"):
        with_samples("digits:1")


def test_a_file_that_is_there_is_no_sample(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits:7").write_bytes(b"")
    assert with_samples("digits:7") == "digits:7"
