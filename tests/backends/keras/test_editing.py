"""Edited values of Keras models are what a model that is edited by hand computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from layerscope.errors import AddressError, InputError, ModelError

Maps = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
        keras.layers.MaxPooling2D(name="pool"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, name="out"),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def x() -> Maps:
    return np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)


def _unit(maps: Maps) -> Maps:
    maps[..., 2] = 0
    return maps


def _neuron(maps: Maps) -> Maps:
    maps[:, 1, 3, 1] = 7
    return maps


def _ramps(maps: Maps) -> Maps:
    maps[..., :2] = np.arange(36).reshape(6, 6, 1)
    return maps


EDITS: dict[str, tuple[dict[str, Any], Callable[[Maps], Maps]]] = {
    "a unit": ({"conv:2": 0}, _unit),
    "a neuron": ({"conv:1@1,3": 7.0}, _neuron),
    "a layer by a function": ({"conv": lambda a: a * 0.5}, lambda maps: maps * 0.5),
    "a unit by a function and a glob": ({"co*:2": lambda a: a * 0}, _unit),
    "several units by an array": ({"conv:0,1": np.arange(36).reshape(6, 6)}, _ramps),
    "one after the other": ({"conv": 1, "conv:2": 0}, lambda maps: _unit(np.ones_like(maps))),
}


@pytest.mark.parametrize(("edits", "by_hand"), EDITS.values(), ids=EDITS)
def test_edits_are_what_a_model_edited_by_hand_computes(
    model: Any, x: Maps, edits: dict[str, Any], by_hand: Callable[[Maps], Maps]
) -> None:
    before = model.predict(x, verbose=0)
    maps = by_hand(np.array(ls.activations(model, x)["conv"]))
    rest = keras.Sequential([keras.Input(maps.shape[1:]), *model.layers[1:]])
    expected = keras.ops.convert_to_numpy(rest(maps))
    edited = ls.activations(model, x, edits=edits)
    np.testing.assert_allclose(edited["conv"], maps, atol=1e-6)
    np.testing.assert_allclose(edited["out"], expected, atol=1e-5)
    assert f"values were edited: {', '.join(edits)}" in edited.notes
    assert edited.provenance["edited"] == ", ".join(edits)
    with ls.edited(model, edits) as same:
        assert same is model
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x)), expected, atol=1e-5)
        np.testing.assert_allclose(ls.activations(model, x)["out"], expected, atol=1e-5)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
    np.testing.assert_allclose(ls.activations(model, x)["out"], before, atol=1e-5)


def test_nothing_remains_also_after_an_exception(model: Any, x: Maps) -> None:
    model.predict(x, verbose=0)
    attributes = {id(layer): list(vars(layer)) for layer in (model, *model.layers)}
    compiled = model.predict_function
    with pytest.raises(ZeroDivisionError), ls.edited(model, {"conv:2": 0, "out": 1}):
        raise ZeroDivisionError
    with pytest.raises(InputError, match=r"The function that edits '.*' raised ZeroDivisionError"):
        ls.activations(model, x, edits={"conv": lambda a: 1 / 0})
    assert {id(layer): list(vars(layer)) for layer in (model, *model.layers)} == attributes
    assert model.predict_function is compiled


def test_edits_within_edits(model: Any, x: Maps) -> None:
    outer, both = {"conv:2": 0}, {"conv:2": 0, "pool:1": 3}
    expected = {
        name: np.asarray(ls.activations(model, x, edits=edits)["out"])
        for name, edits in (("outer", outer), ("both", both))
    }
    with ls.edited(model, outer):
        with ls.edited(model, {"pool:1": 3}):
            np.testing.assert_allclose(model.predict(x, verbose=0), expected["both"], atol=1e-5)
        np.testing.assert_allclose(
            ls.activations(model, x, edits={"pool:1": 3})["out"], expected["both"], atol=1e-5
        )
        np.testing.assert_allclose(model.predict(x, verbose=0), expected["outer"], atol=1e-5)


def test_a_shared_layer_is_edited_at_the_call_that_is_named() -> None:
    keras.utils.set_random_seed(0)
    given = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    model = keras.Model(given, keras.layers.Dense(2, name="out")(shared(shared(given))))
    x = np.ones((3, 4), np.float32)
    whole, edited = ls.activations(model, x), ls.activations(model, x, edits={"shared#2:1": 5})
    np.testing.assert_allclose(edited["shared"], whole["shared"])
    assert (edited["shared#2"][:, 1] == 5).all()
    np.testing.assert_allclose(edited["shared#2"][:, [0, 2, 3]], whole["shared#2"][:, [0, 2, 3]])


@pytest.mark.one_backend
def test_bad_edits_are_one_sentence(model: Any, x: Maps) -> None:
    bad: list[tuple[Any, type[Exception], str]] = [
        ({"conv:9": 0}, AddressError, "'conv:9': the layer has 4 units, 0 to 3"),
        ({"conv:1@9,9": 0}, AddressError, r"the maps of this layer are \(6, 6\)"),
        ({"nope": 0}, AddressError, "There is no layer 'nope'"),
        ({"n*pe": 0}, AddressError, r"No layer matches 'n\*pe'"),
        ({"conv": np.ones((3, 5))}, InputError, r"the shape \(3, 5\), and what it is to replace"),
        ({"conv:1": lambda a: "x"}, InputError, "is a function that returned a str"),
        ({"conv:1": lambda a: a[:1, :2]}, InputError, r"has the shape \(1, 2, 6\)"),
        ({"conv": "x"}, InputError, "pass a number, an array, or a function"),
        ({"conv": None}, InputError, "pass a number, an array, or a function"),
        ({"conv": np.array(["x"])}, InputError, "pass a number, an array, or a function"),
        ({}, InputError, "pass what becomes of which address"),
        ([("conv", 0)], InputError, "edits is a list: pass what becomes of which address"),
        ({3: 1}, InputError, "edits has the key 3"),
        ({"conv#2": 0}, ModelError, "'conv#2' was not called"),
    ]
    for edits, kind, words in bad:
        with pytest.raises(kind, match=words):
            ls.activations(model, x, edits=edits)
    some = ls.activations(model, x, layers="conv", edits={"conv#2": 0})
    assert "not edited, as no pass came to it: 'conv#2'" in some.notes


def test_an_ablation_is_what_edits_measure(model: Any) -> None:
    x = np.random.default_rng(1).normal(size=(40, 8, 8, 1)).astype(np.float32)
    labels = np.random.default_rng(2).integers(0, 3, 40)
    result = ls.ablate(model, x, "conv", labels=labels, metric="cross_entropy", batch_size=16)
    maps = np.asarray(ls.activations(model, x)["conv"])
    np.testing.assert_allclose(result.put, maps.mean(axis=(0, 1, 2)), rtol=1e-5)

    def loss() -> float:
        raised = np.exp(model.predict(x, verbose=0).astype(np.float64))
        shares = raised / raised.sum(axis=1, keepdims=True)
        return float(-np.log(shares[np.arange(40), labels]).mean())

    intact = loss()
    assert result.intact == pytest.approx(intact, rel=1e-5)
    for unit in (0, 3):
        with ls.edited(model, {f"conv:{unit}": float(result.put[unit])}):
            assert result.effect[unit] == pytest.approx(loss() - intact, abs=1e-5)
