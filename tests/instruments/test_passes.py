"""Inputs of all kinds on their way through a model: what ``activations`` makes of them."""

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from layerscope.core.errors import InputError, ModelError
from layerscope.instruments import passes

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3, name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(4, name="out"),
        ]
    )


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(7):
        pixels = rng.integers(0, 256, (6, 6), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def test_a_folder_is_all_its_files_at_once(model, folder, monkeypatch):
    monkeypatch.setattr(passes, "_LARGEST_CHUNK", 3)
    acts = ls.activations(model, folder)
    whole = ls.activations(model, [folder / f"{i}.png" for i in range(7)])
    assert list(acts) == list(whole)
    for address in acts:
        np.testing.assert_allclose(acts[address].values, whole[address].values, atol=1e-6)
        assert acts[address].dims == whole[address].dims
    np.testing.assert_array_equal(acts.input.values, whole.input.values)
    assert acts["conv"].coords["sample"].values.tolist() == [f"{i}.png" for i in range(7)]
    assert acts.notes == whole.notes == ("0.png, 1.png, 2.png and 4 more: scaled to 0..1",)
    assert acts.provenance == whole.provenance
    assert list(ls.activations(model, f"{folder}/*.png", layers="conv")) == ["conv"]


def test_an_image_gives_its_name(model, folder):
    acts = ls.activations(model, str(folder / "3.png"))
    assert acts.samples == ("3.png",)
    assert acts["out"].coords["sample"].values.tolist() == ["3.png"]
    assert ls.activations(model, np.zeros((1, 6, 6, 1))).samples == ()


def test_a_broken_file_does_not_end_the_run(model, folder):
    (folder / "2.png").write_bytes(b"broken")
    acts = ls.activations(model, folder)
    assert acts.samples == tuple(f"{i}.png" for i in (0, 1, 3, 4, 5, 6))
    assert acts.notes[-1].startswith("1 file was skipped: ")


def test_more_than_fits_into_memory_is_refused_after_the_first_chunk(model, folder, monkeypatch):
    monkeypatch.setattr(passes, "_LARGEST_CHUNK", 3)
    one = ls.activations(model, folder / "1.png")
    each = sum(a.values[:1].nbytes for a in (*one.values(), *one.inputs.values()))
    monkeypatch.setattr(passes, "free_memory", lambda: int(each * 10))
    with pytest.raises(InputError) as caught:
        ls.activations(model, folder)
    assert str(caught.value) == (
        "The activations on 7 samples, with their input, would take "
        f"{7 * each / 1000:.1f} kB, {each} B each, and "
        f"{10 * each / 1000:.1f} kB of memory are free, of which half may be taken: name fewer "
        "layers with layers=, or take fewer samples with samples=."
    )
    assert len(ls.activations(model, folder, layers="out")["out"]) == 7


def test_lists_of_array_files(model, tmp_path):
    x = np.random.default_rng(0).random((3, 6, 6, 1)).astype(np.float32)
    np.save(tmp_path / "a.npy", x[:2])
    np.save(tmp_path / "b.npy", x[2])
    acts = ls.activations(model, [tmp_path / "a.npy", tmp_path / "b.npy"])
    np.testing.assert_array_equal(acts.input.values, x)
    assert acts.samples == ("a.npy[0]", "a.npy[1]", "b.npy")


def test_names_of_inputs(model):
    assert ls.activations(model, "zeros")["conv"].shape == (1, 4, 4, 3)
    pytest.importorskip("sklearn")
    acts = ls.activations(model, "digits")
    assert acts["out"].shape == (10, 4)
    assert acts.samples == tuple(f"digits:{i}" for i in range(10))


def test_noise_is_of_indices_that_embeddings_have():
    layers = keras.layers
    text = keras.Sequential(
        [keras.Input((50,), dtype="int32"), layers.Embedding(7, 3), layers.GlobalMaxPooling1D()]
    )
    values = ls.activations(text, "noise").input.values
    assert set(values.ravel().tolist()) == set(range(7))


def test_noise_for_several_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], keras.layers.Concatenate(name="join")([a, b]))
    assert ls.activations(model, "noise")["join"].shape == (1, 7)
    assert ls.activations(model, {"a": "zeros", "b": np.ones((1, 3))})["join"].values.sum() == 3


def test_a_function_by_its_name(folder):
    layers = keras.layers
    model = keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(1, 1, name="conv")])
    name = "keras.applications.resnet50:preprocess_input"
    acts = ls.activations(model, folder / "1.png", preprocess=name)
    pixels = np.asarray(Image.open(folder / "1.png").convert("RGB"), np.float32)[None]
    expected = keras.applications.resnet50.preprocess_input(pixels.copy())
    np.testing.assert_array_equal(acts.input.values, expected)
    other = ls.activations(
        model, folder / "1.png", preprocess=keras.applications.resnet50.preprocess_input
    )
    np.testing.assert_array_equal(acts["conv"].values, other["conv"].values)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "keras.applications.resnet50:preprocess",
            "has no 'preprocess': did you mean 'preprocess_",
        ),
        ("nowhere.to.be:found", "There is no module 'nowhere.to.be' to import"),
        ("keras", "can't be read: write package.module:name"),
        ("os:getcwd()", "is a call: write the function's name, without brackets"),
    ],
)
def test_a_name_that_is_no_function(model, name, message):
    with pytest.raises(ModelError) as caught:
        ls.activations(model, "zeros", preprocess=name)
    assert message in str(caught.value)


def test_a_model_with_several_inputs_takes_no_folder(folder):
    a, b = keras.Input((6, 6, 1)), keras.Input((6, 6, 1))
    model = keras.Model([a, b], keras.layers.Add()([a, b]))
    with pytest.raises(InputError, match="files are a batch for a model with one input"):
        ls.activations(model, folder)


def test_chunks_are_small_where_a_sample_is_large(model):
    assert passes.chunk_of(ls.describe(model)) == 32
    large = keras.Sequential([keras.Input((2000, 2000, 3)), keras.layers.ReLU()])
    assert passes.chunk_of(ls.describe(large)) == 512_000_000 // (2000 * 2000 * 3 * 4)
    unknown = keras.Sequential([keras.Input((None, None, 3)), keras.layers.ReLU()])
    assert passes.chunk_of(ls.describe(unknown)) == 8
