"""Transforms as values and as text, and a list of them at work on images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.errors import InputError
from layerscope.instruments.features.image.pipeline import Pipeline
from layerscope.instruments.features.image.transforms import (
    Transform,
    blur,
    crop,
    flip,
    jitter,
    noise,
    pad,
    rotate,
    scale,
)
from layerscope.interfaces.cli.transform_texts import parse_transforms

keras = pytest.importorskip("keras")
ops = keras.ops

Array = npt.NDArray[Any]
SIZE = (7, 6)
EVERYTHING = [
    blur(25, falling=True, p=0.5),
    pad(2, mode="uniform", p=0.5),
    jitter(2),
    scale((0.9, 1.1)),
    rotate(10, until=3),
    blur(0.8, size=5),
    flip(p=0.5),
    pad(1, mode="constant", value=-0.5),
]


def generators(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, 1]) for seed in seeds]


def images(samples: int = 1, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (samples, *SIZE, 3)).astype(np.float32)


def applied(pipeline: Pipeline, to: Array, draws: dict[str, Array]) -> Array:
    tensors = {name: ops.convert_to_tensor(array) for name, array in draws.items()}
    result: Array = ops.convert_to_numpy(pipeline.apply(ops, ops.convert_to_tensor(to), tensors))
    return result


def seen(transforms: list[Transform], image: Array, step: int = 0, seed: int = 0) -> Array:
    pipeline = Pipeline(transforms, SIZE)
    return applied(pipeline, image, pipeline.draw(generators(seed), step))


def test_a_transform_reads_as_it_is_written() -> None:
    assert repr(jitter(2, p=0.25)) == "jitter(2, p=0.25)"
    assert str(pad(12, mode="constant")) == "pad(12, mode='constant')"
    assert (
        repr([scale((0.9, 1.1)), rotate(10), flip()]) == "[scale((0.9, 1.1)), rotate(10), flip()]"
    )
    assert repr(rotate(np.array([-5.0, 5.0]))) == "rotate((-5.0, 5.0))"
    assert repr(blur(np.float32(0.5), falling=True, until=9)) == "blur(0.5, falling=True, until=9)"


def test_what_a_transform_shows_is_read_back() -> None:
    assert parse_transforms(repr(EVERYTHING)) == EVERYTHING
    assert parse_transforms(repr(EVERYTHING)[1:-1]) == EVERYTHING
    assert parse_transforms("scale(2), rotate([1, -1])") == [scale((2,)), rotate((1, -1))]
    assert parse_transforms("") == parse_transforms("[]") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wobble(2)", "from pad, jitter, scale, rotate, blur, flip, crop and noise"),
        ("jitter", "can't be read; list them as"),
        ("jitter(2", "can't be read; list them as"),
        ("jitter(2)] + [jitter(2)", "can't be read; list them as"),
        ("__import__('os').getcwd()", "can't be read; list them as"),
        ("\0", "can't be read; list them as"),
        ("(" * 5000, "can't be read; list them as"),
        ("jitter(open('x'))", "jitter takes pixels, p, until, as plain"),
        ("jitter(2, 3)", "jitter takes pixels, p, until, as plain"),
        ("jitter(2, width=3)", "jitter takes pixels, p, until, as plain"),
        ("jitter(*[2])", "jitter takes pixels, p, until, as plain"),
        ("jitter(**{'p': 1})", "jitter takes pixels, p, until, as plain"),
        ("jitter(-1)", "jitter got pixels=-1; pass a whole number from 0"),
    ],
)
def test_other_text_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        parse_transforms(text)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: jitter(2.5), "jitter got pixels=2.5; pass a whole number from 0"),
        (lambda: jitter(True), "jitter got pixels=True; pass a whole number"),
        (lambda: jitter(2, p=1.5), "jitter got p=1.5; pass a number from 0 to 1"),
        (lambda: jitter(2, until=-1), "jitter got until=-1; pass a whole number"),
        (lambda: pad(3, mode="wrap"), "mode='wrap' is none that pad has: reflect"),
        (lambda: pad(3, value=2), "pad got value=2; pass a number from -1 to 1"),
        (lambda: scale((0.9, 0)), "scale got factors=0; pass a number above 0"),
        (lambda: scale("ab"), "scale got factors='a'; pass a number above 0"),
        (lambda: scale(()), "scale got no factors"),
        (lambda: rotate(float("nan")), "rotate got degrees=nan; pass a number"),
        (lambda: rotate([]), "rotate got no degrees"),
        (lambda: blur(-1), "blur got sigma=-1; pass a number from 0"),
        (lambda: blur(1, size=4), "blur got size=4; it must be odd"),
        (lambda: blur(1, falling=3), "blur got falling=3; it is True or False"),
        (lambda: flip("z"), "axis='z' is none that flip has: x and y"),
        (lambda: Pipeline(["jitter"], SIZE), "got 'jitter', which is none; pass a list"),
        (lambda: Pipeline([Transform()], SIZE), "which is none; pass a list"),
        (lambda: Pipeline([blur(1)], (9,)), r"blur\(1\) needs images .* is a sequence"),
        (lambda: Pipeline([jitter(1)], ()), r"jitter\(1\) needs images .* is a vector"),
        (lambda: Pipeline([], (9,), (8,)), r"the size \(9,\) can't be brought to \(8,\)"),
    ],
)
def test_what_can_not_be_is_one_sentence(made: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made()


@pytest.mark.parametrize("shape", [(2, 7, 6, 3), (2, 9, 4), (2, 5)])
def test_no_transforms_leave_the_very_tensor(shape: tuple[int, ...]) -> None:
    pipeline = Pipeline([], shape[1:-1])
    tensor = ops.ones(shape)
    draws = pipeline.draw(generators(0, 1), 0)
    assert draws == {}
    assert pipeline.apply(ops, tensor, draws) is tensor


@pytest.mark.parametrize("step", [0, 5])
def test_an_image_is_the_same_alone_and_in_a_batch(step: int) -> None:
    pipeline = Pipeline(EVERYTHING, SIZE)
    batch = images(3)
    together = pipeline.draw(generators(4, 5, 6), step)
    results = applied(pipeline, batch, together)
    for row, seed in enumerate((4, 5, 6)):
        alone = pipeline.draw(generators(seed), step)
        assert all(np.array_equal(alone[name][0], together[name][row]) for name in alone)
        result = applied(pipeline, batch[row : row + 1], alone)
        assert np.allclose(result[0], results[row], atol=1e-6)


def test_draws_take_as_many_numbers_whatever_comes_of_them() -> None:
    first = generators(0, 1)
    Pipeline(EVERYTHING, SIZE).draw(first, step=0)
    never: list[Transform] = [
        blur(1, p=0), pad(9, p=0), jitter(0, until=0), scale((2,)), rotate((5, 6)), blur(3),
        flip(until=0), pad(0, mode="constant"),
    ]  # fmt: skip
    second = generators(0, 1)
    Pipeline(never, (30, 40)).draw(second, step=99)
    assert [each.random() for each in first] == [each.random() for each in second]


def test_draws_are_float32_rows_and_keep_their_shapes() -> None:
    pipeline = Pipeline(EVERYTHING, SIZE)
    early, late = (pipeline.draw(generators(0, 1), step) for step in (0, 9))
    assert {array.dtype for array in early.values()} == {np.dtype(np.float32)}
    assert {array.shape[0] for array in early.values()} == {2}
    assert {name: each.shape for name, each in early.items()} == {
        name: each.shape for name, each in late.items()
    }


@pytest.mark.parametrize(
    "transform", [pad(2), jitter(3), scale((2,)), rotate((90,)), blur(1), flip(), flip("y")]
)
def test_probability_and_until(transform: Transform) -> None:
    image = images()
    kind, arguments = type(transform), {**vars(transform)}
    changed = [seen([kind(**{**arguments, "until": 5})], image, step) for step in (4, 5)]
    assert not np.array_equal(changed[0], image)
    assert np.array_equal(changed[1], image)
    assert np.array_equal(seen([kind(**{**arguments, "p": 0.0})], image), image)


def test_probability_is_a_share_of_the_images() -> None:
    draws = Pipeline([flip(p=0.25)], SIZE).draw(generators(*range(400)), 0)
    share = np.mean(draws["0.maps"][:, 1, 1] < 0)
    assert 0.18 < share < 0.32


def test_what_each_transform_does() -> None:
    image = images()
    assert np.array_equal(seen([flip()], image), image[:, :, ::-1])
    assert np.array_equal(seen([flip("y")], image), image[:, ::-1])
    assert np.array_equal(seen([flip(), flip()], image), image)
    square = Pipeline([rotate((90,))], (6, 6))
    turned = applied(square, image[:, :6], square.draw(generators(0), 0))
    assert np.allclose(turned[0], np.rot90(image[0, :6]), atol=1e-5)
    framed = seen([pad(7, mode="constant", value=0.5)], image)
    assert np.allclose(framed[0, 0], 0.5)
    assert np.allclose(framed[0, :, 0], 0.5)
    assert not np.allclose(framed[0, 3], 0.5)


def test_jitter_goes_as_far_as_it_says_in_each_direction() -> None:
    draws = Pipeline([jitter(2)], SIZE).draw(generators(*range(300)), 0)
    for axis in (0, 1):
        assert set(draws["0.maps"][:, axis, 2].tolist()) == {-2, -1, 0, 1, 2}


def test_neighbours_are_one_map_and_the_last_pad_is_the_frame() -> None:
    transforms = [pad(2, mode="constant", value=-1), jitter(9), pad(1, mode="constant", value=1)]
    pipeline = Pipeline(transforms, SIZE)
    draws = pipeline.draw(generators(3), 0)
    assert set(draws) == {"0.maps", "0.fill"}
    assert draws["0.fill"].tolist() == [1.0]
    assert Pipeline([*transforms, pad(1)], SIZE).draw(generators(3), 0).keys() == {"0.maps"}
    later = Pipeline([transforms[0], blur(1), rotate(9)], SIZE).draw(generators(3), 0)
    assert later["2.fill"].tolist() == [-1.0]


def test_the_order_is_that_of_the_list() -> None:
    """A scaled image moves by whole pixels of what is seen; a moved one is scaled, way and all."""
    later = Pipeline([scale((2,)), jitter(3)], SIZE).draw(generators(1), 0)["0.maps"][0]
    first = Pipeline([jitter(3), scale((2,))], SIZE).draw(generators(1), 0)["0.maps"][0]
    centre = (np.array(SIZE) - 1) / 2
    assert np.all((later[:, 2] - centre / 2) % 0.5 == 0)
    assert np.all((first[:, 2] - centre / 2) % 1 == 0)


def test_falling_blur_has_the_width_of_its_step() -> None:
    for step in (0, 9, 99):
        falling = Pipeline([blur(25, falling=True)], SIZE).draw(generators(0), step)
        fixed = Pipeline([blur(25 / (step + 1))], SIZE).draw(generators(0), step)
        assert np.array_equal(falling["0.kernels"], fixed["0.kernels"])
    assert Pipeline([blur(0)], SIZE).draw(generators(0), 0)["0.kernels"].tolist() == [[1, 0]]


@pytest.mark.parametrize("out", [(4, 9), (3, 3), (12, 13)])
def test_the_network_gets_its_own_size(out: tuple[int, int]) -> None:
    pipeline = Pipeline(EVERYTHING, SIZE, out)
    flat = np.full((2, *SIZE, 3), -0.5, np.float32)
    frames = [each for each in EVERYTHING if not isinstance(each, pad)]
    result = applied(pipeline, images(2), pipeline.draw(generators(0, 1), 0))
    assert result.shape == (2, *out, 3)
    unframed = Pipeline(frames, SIZE, out)
    assert np.allclose(applied(unframed, flat, unframed.draw(generators(0, 1), 0)), -0.5, atol=1e-5)


@given(step=st.integers(0, 300), sigma=st.floats(0.1, 30))
def test_structure_depends_on_what_is_computed_alone(step: int, sigma: float) -> None:
    one = Pipeline([blur(sigma), jitter(step), rotate(sigma)], SIZE)
    two = Pipeline([blur(1), pad(1), rotate((3, 4))], SIZE)
    assert one.structure == two.structure
    assert hash(one.structure) == hash(two.structure)
    assert Pipeline([blur(sigma), jitter(step)], SIZE).structure != one.structure


class TestCrop:
    def test_a_part_within_the_image_is_seen_less_of_it_at_each_step(self) -> None:
        numbers = np.random.default_rng(0).random((500, 4))
        shares = []
        for step in (0, 50, 99, 1000):
            maps = crop((0.8, 0.2), 100).maps_at(numbers, (20, 30), step)
            corners = maps @ np.array([[0, 0, 1], [19, 29, 1]]).T
            assert corners[:, :2].min() >= -0.5 - 1e-9
            assert (corners[:, 0] <= 19.5 + 1e-9).all()
            assert (corners[:, 1] <= 29.5 + 1e-9).all()
            shares.append(maps[:, 0, 0].mean())
        np.testing.assert_allclose(shares, [0.8, 0.497, 0.2, 0.2], atol=0.01)

    def test_all_of_it_is_the_image_as_it_is(self) -> None:
        middle = np.full((1, 4), [0.0, 0.25, 0.0, 0.25])
        np.testing.assert_allclose(crop((1.0, 1.0), 9).maps(middle, (20, 30))[0], np.eye(3))


def test_noise_has_the_size_that_was_asked_for() -> None:
    values = noise(0.1).values(np.array([[0.3], [0.3], [0.7]]), np.array([True, True, False]),
                               (40, 50, 3))  # fmt: skip
    np.testing.assert_array_equal(values[0], values[1])
    assert not values[2].any()
    # Of the normal part 0.1, of the uniform 0.1 / sqrt(12).
    assert values[0].std() == pytest.approx(0.1 * np.sqrt(1 + 1 / 12), rel=0.03)
    assert values[0].mean() == pytest.approx(0, abs=0.005)
