"""MACO, on the backend that Keras has: phases are moved, magnitudes are those of the data."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

keras = pytest.importorskip("keras")

import layerscope as ls
from cases.closed_form import draw_weights
from layerscope.core.errors import InputError
from layerscope.instruments.features.image.colours import Colours
from layerscope.instruments.features.image.phases import Phases, Spectrum

ops, layers = keras.ops, keras.layers
RANDOM = np.random.default_rng(0)


def data(*shape: int) -> np.ndarray:
    """Smooth images, from 0 to 1."""
    values = RANDOM.uniform(size=(12, *shape))
    for axis in range(1, len(shape)):
        values = (values + np.roll(values, 1, axis) + np.roll(values, 2, axis)) / 3
    return values.astype(np.float32)


def network(*shape: int) -> Any:
    return draw_weights(
        keras.Sequential(
            [
                keras.Input(shape),
                layers.Conv2D(5, 3, activation="relu", name="conv"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(4, name="classes"),
            ]
        )
    )


def values_of(made: Phases, params: np.ndarray) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(made.values(ops, ops.convert_to_tensor(params))))


@pytest.mark.parametrize("space", [(7, 8), (8, 6), (9, 5), (10,)])
@pytest.mark.parametrize("colours", [None, Colours.photographs()], ids=["plain", "colours"])
def test_whatever_the_phases_are_magnitudes_and_mean_are_the_data_s(
    space: tuple[int, ...], colours: Colours | None
) -> None:
    images = data(*space, 3) * 2 - 1
    made = Phases(Spectrum.of([images[:5], images[5:]], colours, "clip"), "clip", colours)
    params = made.noise([np.random.default_rng(3), np.random.default_rng(4)], (*space, 3), 1.0)

    def spectra(values: np.ndarray) -> np.ndarray:
        mixed = values if colours is None else values @ colours.decorrelating.T
        axes = range(1, 1 + len(space))
        spectrum = np.fft.fftn(mixed - mixed.mean(tuple(axes), keepdims=True), axes=axes)
        return np.abs(spectrum)

    values = values_of(made, params)
    wanted = spectra(images.astype(float)).mean(axis=0)
    for one in spectra(values):
        np.testing.assert_allclose(one, wanted, atol=1e-4 * wanted.max())
    axes = tuple(range(1, 1 + len(space)))
    np.testing.assert_allclose(values.mean(axes), [images.mean((0, *axes))] * 2, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 6), (7, 9)])
def test_an_image_is_its_own_phases_under_its_own_spectrum(size: tuple[int, int]) -> None:
    image = data(*size, 2)[:1] * 1.6 - 0.8
    made = Phases(Spectrum.of([image], None, "clip"))
    np.testing.assert_allclose(values_of(made, made.params(image)), image, atol=1e-5)


def test_at_another_size_each_frequency_has_its_magnitude() -> None:
    wave = np.cos(2 * np.pi * 2 * np.arange(24) / 24)[None, :, None, None] * np.ones((1, 24, 24, 1))
    spectrum = Spectrum.of([0.5 * wave], None, "clip")
    for size in ((12, 16), (40, 24)):
        magnitudes = spectrum.at(size)[0] / np.prod(size)
        assert magnitudes[2, 0] == pytest.approx(0.25, rel=1e-5)
        assert magnitudes[-2, 0] == pytest.approx(0.25, rel=1e-5)
        assert magnitudes.sum() == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("shape", [(20, 20, 3), (17, 22, 1)])
def test_an_image_rises_within_the_range_and_says_how_opaque_it_is(shape: tuple[int, ...]) -> None:
    objective = ls.objectives.units("classes", [0, 3])
    made = ls.features(
        network(*shape), objective, recipe="maco", samples=data(*shape), steps=12, crop=(1.0, 0.9)
    )

    assert made.settings["recipe"] == "maco"
    assert made.settings["parameterization"] == "phase"
    assert made.settings["copies"] == 4
    for grade in made.grades:
        assert grade.reached > grade.start
        image, alpha = made.image(grade.address), made.alpha(grade.address)
        assert alpha is not None
        assert image.shape == shape
        assert image.min() >= 0
        assert image.max() <= 1
        assert alpha.shape == shape[:2]
        assert alpha.min() >= 0
        assert alpha.max() == 1
    assert not made.notes


def test_it_is_opaque_only_where_the_gradient_went() -> None:
    model = network(16, 16, 3)
    made = ls.features(
        model, "conv:2@3,4", recipe="maco", samples=data(16, 16, 3), steps=5, transforms=[]
    )
    alpha = made.alpha()
    assert alpha is not None
    inside = np.zeros(alpha.shape, bool)
    inside[3:6, 4:7] = True
    assert alpha[inside].any()
    assert not alpha[~inside].any()


def test_without_data_magnitudes_fall_and_it_says_what_to_pass() -> None:
    made = ls.features(network(24, 24, 3), "classes:1", recipe="maco", steps=3)
    (note,) = made.notes
    assert "fall as 1/f" in note
    assert "pass samples=" in note
    assert 0.1 < made.image().std() < 0.4


def test_images_are_the_same_alone_and_among_others() -> None:
    options: dict[str, Any] = {"recipe": "maco", "steps": 6, "samples": data(18, 18, 3)}
    model = network(18, 18, 3)
    both = ls.features(model, ls.objectives.units("classes", [1, 2]), **options)
    alone = ls.features(model, "classes:2", **options)
    np.testing.assert_allclose(both.image("classes:2"), alone.image(), atol=2e-3)


def test_copies_that_are_alike_are_as_one() -> None:
    options: dict[str, Any] = {"recipe": "tutorial", "steps": 5, "transforms": []}
    model = network(14, 14, 3)
    one = ls.features(model, "classes:2", **options)
    three = ls.features(model, "classes:2", copies=3, **options)
    np.testing.assert_allclose(three.image(), one.image(), atol=1e-4)
    np.testing.assert_allclose(three.history, one.history, atol=1e-4)


def test_any_recipe_keeps_where_the_gradient_went() -> None:
    options: dict[str, Any] = {"recipe": "lucid", "steps": 5}
    model = network(14, 14, 3)
    plain = ls.features(model, "classes:2", **options)
    kept = ls.features(model, "classes:2", transparency=True, **options)
    assert plain.alpha() is None
    assert kept.alpha() is not None
    np.testing.assert_allclose(kept.image(), plain.image(), atol=1e-3)


@pytest.mark.one_backend
def test_data_are_samples() -> None:
    with pytest.raises(InputError, match=r"no data=: pass samples="):
        ls.features(network(14, 14, 3), "classes:1", recipe="maco", data=data(14, 14, 3))


@pytest.mark.one_backend
def test_the_picture_is_faded_to_its_ground() -> None:
    made = ls.features(
        network(16, 16, 3), "conv:2@3,4", recipe="maco", samples=data(16, 16, 3), steps=3,
        transforms=[],
    )  # fmt: skip
    for ground, colour in (("dark", (18, 18, 22)), ("light", (255, 255, 255))):
        panel = ls.sheet(made, ground=ground)
        assert "faded where the gradient did not go" in panel.header["scale"]["text"]
        pixels = np.asarray(Image.open(io.BytesIO(panel.png())).convert("RGB"))
        assert (pixels == colour).all(axis=-1).mean() > 0.5


@pytest.mark.one_backend
def test_a_whole_layer_keeps_it_in_its_files(tmp_path: Path) -> None:
    options: dict[str, Any] = {"recipe": "maco", "steps": 2, "samples": data(14, 14, 3)}
    model = network(14, 14, 3)
    first = ls.features(model, "classes", to=tmp_path / "units", **options)
    again = ls.features(model, "classes", to=tmp_path / "units", **options)
    for unit in range(4):
        alpha = again.alpha(f"classes:{unit}")
        assert alpha is not None
        np.testing.assert_array_equal(alpha, first.alpha(f"classes:{unit}"))
