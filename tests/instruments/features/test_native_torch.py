"""Features of native PyTorch modules, with Keras on PyTorch: the same code, the same images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from torch import nn

import layerscope as ls
from layerscope.backends.torch.watching import Watching
from layerscope.core.errors import AddressError, InputError

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="Keras runs on another framework"
)


def module() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 5, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
        nn.Softmax(-1),
    )


def same_in_keras(model: Any) -> Any:
    layers = keras.layers
    twin = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(6, 3, activation="relu", name="a"),
            layers.Conv2D(5, 3, name="b"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax", name="classes"),
        ]
    )
    arrays = []
    for layer in (model[0], model[2], model[5]):
        kernel = layer.weight.detach().numpy()
        order = (2, 3, 1, 0) if kernel.ndim == 4 else (1, 0)
        arrays += [kernel.transpose(order), layer.bias.detach().numpy()]
    twin.set_weights(arrays)
    return twin


@pytest.mark.parametrize("recipe", ["lucid", "deepdream", "tutorial", "chollet", "maco"])
def test_every_recipe_gives_the_images_that_keras_gives(recipe: str) -> None:
    model = module()
    twin = same_in_keras(model)
    options = {"recipe": recipe, "steps": 5, "size": (20, 24), "seed": 3}
    for own, theirs in (("2:1", "b:1"), ("6:2", "classes:2"), ("5:3", "classes:3")):
        mine, other = ls.features(model, own, **options), ls.features(twin, theirs, **options)
        np.testing.assert_allclose(mine.image(), other.image(), atol=2e-2)
        assert mine.grades[0].reached == pytest.approx(other.grades[0].reached, abs=1e-3)
        assert mine.grades[0].start == pytest.approx(other.grades[0].start, abs=1e-4)


def test_a_batch_of_units_and_layers_that_are_functions() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.head = nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            return self.head((torch.relu(self.conv(x)) + x).mean((2, 3)))

    torch.manual_seed(1)
    model = Residual()
    feats = ls.features(
        model, ls.objectives.units("add", [0, 2]), size=16, steps=10, recipe="tutorial"
    )
    assert feats["add"].attrs["units"] == (0, 2)
    assert all(grade.reached > grade.start for grade in feats.grades)


def test_the_module_is_left_as_it_was() -> None:
    model = module().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    ls.features(model, "2:1", size=16, steps=3)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_one_sentence() -> None:
    with pytest.raises(AddressError, match="'2' has 5 along channel, counted from 0: 9"):
        ls.features(module(), "2:9", size=16)
    with pytest.raises(AddressError, match="There is no layer '20'"):
        ls.features(module(), "20:1", size=16)
    with pytest.raises(InputError, match="step_size=-1"):
        ls.features(module(), "2:1", size=16, step_size=-1)


class Functions(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.tanh(x).mean((2, 3))


@pytest.mark.parametrize("how", ["start", "samples"])
def test_a_module_that_says_nothing_takes_images_with_the_channels_first(how: str) -> None:
    images = np.random.default_rng(0).random((1, 3, 9, 8), np.float32)
    feats = ls.features(Functions(), "tanh:1", steps=3, **{how: images})
    assert feats.image().shape == (9, 8, 3)
    with pytest.raises(InputError, match="does not say what it takes: pass samples= or start="):
        ls.features(Functions(), "tanh:1", steps=3)


def test_samples_that_are_tensors() -> None:
    feats = ls.features(module(), "2:1", steps=3, samples=torch.rand(2, 3, 9, 8))
    assert feats.image().shape == (9, 8, 3)


def test_a_module_that_takes_vectors() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3))
    assert ls.features(model, "3:1", steps=3).image().shape == (64,)
    assert ls.features(model, "3:1", steps=3, size=(8, 8)).image().shape == (8, 8, 1)


def test_a_module_that_takes_indices() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 3))
    feats = ls.features(model, "1:2", steps=3, samples=np.array([[1, 2, 3, 0, 6]]))
    assert feats.image().shape == (5, 4)
    with pytest.raises(InputError, match="sequences of any length: pass samples= an array"):
        ls.features(model, "1:2", steps=3)


def test_a_sequence_with_the_channels_first() -> None:
    model = nn.Sequential(nn.Conv1d(5, 3, 3))
    start = np.random.default_rng(0).random((1, 5, 9), np.float32)
    assert ls.features(model, "0:1", steps=3, start=start).image().shape == (9, 5)


def test_a_wrong_guess_of_the_channels() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.b, self.a = nn.Conv2d(4, 4, 3), nn.Conv2d(1, 2, 3)

        def forward(self, x: Any) -> Any:
            return self.b(torch.cat([self.a(x)] * 2, 1))

    with pytest.raises(InputError, match=r"\(1, 4, 16, 16\).*to features as start= or samples="):
        ls.features(Twice(), "b:1", size=16, steps=3)
    start = np.random.default_rng(0).random((1, 1, 16, 16), np.float32)
    assert ls.features(Twice(), "b:1", steps=3, start=start).image().shape == (16, 16, 1)


def test_the_module_is_watched_twice_for_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[Any] = []
    original = Watching.watched

    def counted(self: Any, *args: Any) -> Any:
        watched.append(args)
        return original(self, *args)

    monkeypatch.setattr(Watching, "watched", counted)
    model = module()
    for unit in range(2):
        watched.clear()
        ls.features(model, f"2:{unit}", size=16, steps=5, retry=False)
        assert len(watched) <= 2  # for its layers, and for the layout of its input


def test_in_inference_mode_the_images_are_the_same() -> None:
    model = module()
    options = {"size": 16, "steps": 3, "optimizer": "adam"}
    outside = ls.features(model, "2:1", **options)
    with torch.inference_mode():
        inside = ls.features(model, "2:1", **options)
    np.testing.assert_array_equal(inside.image(), outside.image())
