"""Sequentials are built once as they are opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from layerscope.backends.opening import load_model
from layerscope.core.errors import ModelError

pytestmark = pytest.mark.one_backend


def chain(layers: int, name: str) -> Any:
    parts = [keras.layers.Dense(4, name=f"{name}_{i}") for i in range(layers)]
    return keras.Sequential(parts, name=name)


def deep() -> Any:
    return keras.Sequential([keras.Input((4,)), *chain(9, "a").layers, chain(5, "inner")])


def not_built() -> Any:
    return chain(3, "open")


def built_by_a_call() -> Any:
    model = chain(3, "called")
    model(np.ones((2, 4)))
    return model


def functional() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, chain(3, "part")(chain(2, "other")(x)))


@pytest.mark.parametrize("make", [deep, not_built, built_by_a_call, functional])
def test_they_are_what_keras_makes_of_them(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make()
    (tmp_path / "model.json").write_text(model.to_json())
    kind = keras.Sequential
    before = (kind.add, kind.__dict__["from_config"])
    built: list[str] = []
    build = kind.build

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        built.append(self.name)
        return build(self, *args, **options)

    monkeypatch.setattr(kind, "build", counted)
    opened = load_model(tmp_path / "model.json")
    assert max(map(built.count, built), default=0) <= 2  # as a configuration, and in what holds it
    assert (kind.add, kind.__dict__["from_config"]) == before
    theirs = keras.models.model_from_json(model.to_json())
    assert opened.get_config() == theirs.get_config()
    assert opened.built == theirs.built
    assert [w.path for w in opened.weights] == [w.path for w in theirs.weights]
    assert [w.shape for w in opened.weights] == [w.shape for w in theirs.weights]
    if theirs.built:
        opened.set_weights(model.get_weights() or theirs.get_weights())
        theirs.set_weights(opened.get_weights())
        x = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 4)
        np.testing.assert_array_equal(opened.predict(x, verbose=0), theirs.predict(x, verbose=0))


def test_one_that_fails_leaves_keras_as_it_was(tmp_path: Path) -> None:
    config = json.loads(deep().to_json())
    config["config"]["layers"][3]["config"]["units"] = "many"
    (tmp_path / "model.json").write_text(json.dumps(config))
    before = keras.Sequential.add
    with pytest.raises(ModelError):
        load_model(tmp_path / "model.json")
    assert keras.Sequential.add is before
