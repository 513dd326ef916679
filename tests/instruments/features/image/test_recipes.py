"""Recipes: what each is known for, what can be changed, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from layerscope.core.errors import InputError
from layerscope.instruments.features.image.recipes import RECIPES, Recipe, recipe
from layerscope.instruments.features.image.starts import STARTS
from layerscope.instruments.features.image.transforms import (
    blur,
    crop,
    flip,
    jitter,
    noise,
    pad,
    rotate,
    scale,
)

IMAGE = (299, 299, 3)


def test_lucid() -> None:
    made = recipe("lucid")
    assert (made.parameterization, made.decorrelate, made.bounds) == ("fourier", True, "sigmoid")
    assert (made.optimizer, made.step_size, made.octaves) == ("adam", 0.05, 1)
    assert (made.start, made.contrast) == ("fourier", 0.01)
    assert made.transforms_of() == (
        pad(12, mode="constant"), jitter(8), scale((0.9, 1.1)), rotate(10), jitter(4)
    )  # fmt: skip


def test_deepdream() -> None:
    made = recipe("deepdream")
    assert (made.normalize, made.step_size, made.steps) == ("std", 0.01, 100)
    assert (made.octave_scale, made.detail, made.optimizer) == (1.3, True, "ascent")
    assert made.octaves > 1
    assert made.transforms_of() == (jitter(32),)


def test_tutorial() -> None:
    made = recipe("tutorial")
    assert (made.normalize, made.step_size, made.steps) == ("std", 0.01, 200)
    assert (made.bounds, made.start, made.octave_scale) == ("clip", "normal", 1.15)
    assert set(made.transforms_of()) == {
        blur(25, size=3, falling=True), jitter(2, p=0.25), pad(3, p=0.25, until=50)
    }  # fmt: skip


def test_maco() -> None:
    made = recipe("maco")
    assert (made.parameterization, made.copies, made.transparency) == ("phase", 4, True)
    assert made.transforms_of() == (crop((1.0, 0.5), 256), noise(0.08))
    assert recipe("maco", steps=9, crop=[0.5, 0.1]).transforms_of()[0] == crop((0.5, 0.1), 9)


def test_chollet() -> None:
    made = recipe("chollet")
    assert (made.border, made.normalize, made.steps, made.step_size) == (2, "l2", 30, 10)
    assert (made.start, made.contrast) == ("uniform", 0.125)
    assert made.transforms_of() == ()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_found_by_its_name(name: str) -> None:
    assert recipe(name).name == name
    assert recipe(recipe(name)) == recipe(name)
    assert recipe(name).start in STARTS


def test_values_change_and_none_leaves_them() -> None:
    made = recipe("tutorial", steps=7, octaves=None, size=64, input_range=[-1, 1])
    assert (made.steps, made.octaves, made.size, made.input_range) == (7, 1, (64, 64), (-1, 1))
    same = recipe("tutorial", **{field.name: None for field in dataclasses.fields(Recipe)[1:-2]})
    assert same == recipe("tutorial")
    assert recipe(made, steps=9).size == (64, 64)


def test_numpy_numbers_are_numbers() -> None:
    made = recipe(steps=np.int64(3), step_size=np.float32(0.5), size=np.int32(8))
    assert made.size == (8, 8)


def test_transforms_replace_the_shorthands() -> None:
    assert recipe("lucid", transforms=[]).transforms_of() == ()
    assert recipe("lucid", transforms=[flip()], jitter=5).transforms_of() == (flip(),)


def test_shorthands_change_one_transform_of_the_recipe() -> None:
    assert recipe("tutorial", jitter=9, pad=0, blur=0).transforms_of() == (jitter(9, p=0.25),)
    assert recipe("chollet", blur=0.5, rotate=3).transforms_of() == (blur(0.5), rotate(3))
    without = recipe("lucid", pad=0, scale=(1, 1), rotate=0).transforms_of()
    assert without == (jitter(8),)
    assert recipe("lucid", jitter=1).transforms_of()[-1] == rotate(10)  # half of 1 is none


def test_a_recipe_is_suited_to_images_of_three_channels() -> None:
    assert recipe("lucid").suited_to(IMAGE) == recipe("lucid")
    grey = recipe("lucid").suited_to((200, 300, 1))
    assert grey == dataclasses.replace(recipe("lucid"), decorrelate=False)


def test_a_small_image_is_moved_less_unless_it_was_said_how_much() -> None:
    small = recipe("lucid").suited_to((64, 200, 3))
    assert (small.pad, small.jitter) == (6, 4)  # half of what is meant for 128
    said = recipe("lucid", jitter=8).suited_to((64, 200, 3))
    assert (said.pad, said.jitter) == (6, 8)
    tutorial = recipe("tutorial").suited_to((8, 8, 1))
    assert (tutorial.pad, tutorial.jitter) == (3, 2)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("shape", [(20, 8), (64,)])
def test_sequences_and_vectors_have_nothing_that_only_images_can(
    name: str, shape: tuple[int, ...]
) -> None:
    made = recipe(name).suited_to(shape)
    assert made.transforms_of() == ()
    assert (made.octaves, made.border, made.decorrelate) == (1, 0, False)
    if len(shape) == 1:
        assert made.parameterization == "pixel"
        assert made.start != "fourier"
    assert recipe(name, transforms=[jitter(1)]).suited_to(shape).transforms_of() == (jitter(1),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"which": "lucidd"},
            r"no recipe 'lucidd' \(did you mean 'lucid'\?\): pass one of 'lucid'",
        ),
        ({"which": 3}, "no recipe 3: pass one of"),
        ({"name": "a"}, "A recipe has no 'name'"),
        ({"step": 3}, r"A recipe has no 'step' \(did you mean 'steps'\?\): it has steps, "),
        ({"zzz": 3}, "A recipe has no 'zzz': it has steps"),
        ({"steps": 0}, "steps=0: pass a whole number, 1 or more"),
        ({"steps": 2.5}, "steps=2.5: pass a whole number"),
        ({"steps": True}, "steps=True: pass a whole number"),
        ({"octaves": -1}, "octaves=-1: pass a whole number, 1 or more"),
        ({"octave_scale": 1}, "octave_scale=1: pass a number, above 1"),
        ({"step_size": float("nan")}, "step_size=nan: pass a number, above 0"),
        ({"step_size": "big"}, "step_size='big': pass a number"),
        ({"contrast": -1}, "contrast=-1: pass a number, 0 or more"),
        ({"pad_until": -1}, "pad_until=-1: pass a whole number, 0 or more"),
        ({"p": 2}, "p=2: pass a probability"),
        ({"size": (0, 3)}, r"size=\(0, 3\): pass height and width in pixels, or one for both"),
        ({"size": (1, 2, 3)}, "pass height and width"),
        ({"input_range": (1, 0)}, r"input_range=\(1, 0\): pass two numbers, low before high"),
        ({"input_range": "raw"}, "input_range='raw': pass two numbers"),
        ({"scale": (2, 1)}, "two factors, low before high"),
        ({"normalize": "l3"}, "normalize='l3': pass 'std', 'l2' or 'none'"),
        ({"crop": (0.5, 0)}, r"crop=\(0.5, 0\): pass the parts seen first and last, above 0"),
        ({"copies": 0}, "copies=0: pass a whole number, 1 or more"),
        ({"parameterization": 3}, "parameterization=3: pass 'pixel', 'fourier' or 'phase'"),
        ({"optimizer": "sgd"}, "optimizer='sgd': pass 'ascent' or 'adam'"),
        ({"bounds": "wrap"}, "bounds='wrap': pass 'clip' or 'sigmoid'"),
        ({"pad_mode": "edge"}, "pad_mode='edge': pass 'reflect', 'constant' or 'uniform'"),
        ({"transforms": jitter(3)}, r"transforms=jitter\(3\): pass a list of transforms"),
        ({"transforms": ["blur"]}, r"transforms=\('blur',\): pass a list of transforms"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe(**{"which": "lucid", **changes})


def test_an_optimizer_brings_its_own_learning_rate() -> None:
    keras = pytest.importorskip("keras")
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert recipe("lucid", optimizer=keras.optimizers.SGD(0.5)).step_size == 0.5
    assert recipe("lucid", optimizer=keras.optimizers.SGD(0.5), step_size=2).step_size == 2
    assert recipe("lucid", optimizer=keras.optimizers.SGD(schedule)).step_size == 0.05
    assert recipe("lucid", optimizer="adam").step_size == 0.05
