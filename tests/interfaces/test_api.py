from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.networks import chain
from layerscope.core.errors import ModelError, ViewError
from layerscope.interfaces.api import diagram

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def model() -> Any:
    layers = keras.layers
    pixels = keras.Input((8, 8, 3), name="pixels")
    hidden = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(pixels)
    other = layers.Conv2D(4, 1, name="other")(pixels)
    total = layers.Add(name="total")([hidden, other])
    return keras.Model(pixels, layers.GlobalMaxPooling2D(name="most")(total), name="tiny")


@pytest.fixture(scope="module")
def acts(model: Any) -> Any:
    return ls.activations(model, np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32))


def test_of_a_model(model: Any) -> None:
    header = diagram(model).header
    assert [box["id"] for box in header["boxes"]] == ["pixels", "first", "other", "total", "most"]
    assert len(header["lines"]) >= 5
    assert header["tiles"] == []


def test_of_what_describe_returned(model: Any) -> None:
    assert diagram(ls.describe(model)).header == diagram(model).header
    assert len(diagram(chain(3)).header["boxes"]) == 3


def test_with_activations_each_box_carries_a_map(model: Any, acts: Any) -> None:
    picture = diagram(model, acts)
    assert [tile["label"] for tile in picture.header["tiles"]] == [
        "pixels", "first", "other", "total", "most"
    ]  # fmt: skip
    assert picture.pixels(0).shape == (8, 8, 3)
    assert len(diagram(model, ls.activations(model, np.zeros((1, 8, 8, 3)), layers=["first"]))) == 2


def test_options_reach_the_picture(model: Any, acts: Any) -> None:
    texts = [text["text"] for text in diagram(model, show_layer_names=False).header["texts"]]
    assert "first" not in texts
    texts = [text["text"] for text in diagram(model, show_shapes=False).header["texts"]]
    assert "(None, 8, 8, 4)" not in texts
    picture = diagram(model, acts, unit=1, sample=1, scale="unit", palette="gray", ground="dark")
    texts = [text["text"] for text in picture.header["texts"]]
    assert "in each box channel 1 on sample 1, drawn on its own range" in texts
    assert (picture.header["palette"], picture.header["ground"]) == ("gray", "dark")
    assert diagram(model, style="volume").header["polygons"]


@pytest.mark.parametrize("what", [3, "model.keras", None, [1, 2]])
def test_no_model(what: Any) -> None:
    with pytest.raises(ModelError):
        diagram(what)


def test_an_array_in_the_place_of_activations(model: Any) -> None:
    message = "diagram takes activations, and this is a ndarray: pass what activations"
    with pytest.raises(ViewError, match=message):
        diagram(model, np.zeros((1, 8, 8, 3)))  # type: ignore[arg-type]


def test_a_torch_model_is_known_after_a_pass() -> None:
    torch = pytest.importorskip("torch")

    class Residual(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return x + self.two(torch.relu(self.one(x)))

    model, x = Residual().eval(), torch.ones(1, 4)
    with pytest.raises(ViewError, match=r"before it is run: pass activations\(model, x\)"):
        diagram(model)
    header = diagram(model, ls.activations(model, x)).header
    addresses = [address for box in header["boxes"] for address in box["addresses"]]
    assert {"one", "two"} <= set(addresses)
    assert len(header["tiles"]) == len(header["boxes"])
    assert diagram(ls.describe(model, x)).header["lines"]


def test_activations_of_another_model(model: Any) -> None:
    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(7, 3)], name="other")
    acts = ls.activations(other, np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(ViewError, match="These activations are those of 'other', which has other"):
        diagram(model, acts)


def test_a_unit_without_activations(model: Any) -> None:
    with pytest.raises(ViewError, match="unit= says which channel of activations to show"):
        diagram(model, unit=3)


def test_a_recording_in_the_place_of_the_model(model: Any) -> None:
    acts = ls.activations(model, np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(ViewError, match=r"pass diagram\(model, recording\)"):
        diagram(acts)
