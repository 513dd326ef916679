from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from layerscope.backends.class_names import class_names


def labelled(labels: Any) -> Any:
    """A model as transformers makes it."""
    return SimpleNamespace(config=SimpleNamespace(id2label=labels))


def test_the_labels_of_transformers() -> None:
    assert class_names(labelled({0: "angry", 1: "happy"})) == ("angry", "happy")
    assert class_names(labelled({"1": "happy", "0": "angry"})) == ("angry", "happy")


@pytest.mark.parametrize("labels", [{0: "LABEL_0", 1: "LABEL_1"}, {}, {3: "x"}, None, ["a"]])
def test_labels_that_say_nothing(labels: Any) -> None:
    assert class_names(labelled(labels)) == ()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_the_classes_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.random.default_rng(0).random((30, 4))
    three = np.array(["ash", "birch", "cedar"])[np.arange(30) % 3]
    model = MLPClassifier((3,), max_iter=2).fit(x, three)
    assert class_names(model) == ("ash", "birch", "cedar")
    whole = make_pipeline(StandardScaler(), MLPClassifier((3,), max_iter=2)).fit(x, three)
    assert class_names(whole) == ("ash", "birch", "cedar")
    two = MLPClassifier((3,), max_iter=2).fit(x, np.arange(30) % 2)
    assert class_names(two) == ("1",)  # its one output is the second class
    assert class_names(MLPRegressor(hidden_layer_sizes=(3,), max_iter=2).fit(x, x[:, 0])) == ()


def test_imagenets_names_where_keras_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras = pytest.importorskip("keras")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def model(name: str, units: int = 1000) -> Any:
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)], name=name)

    assert class_names(model("resnet50")) == ()
    (tmp_path / "models").mkdir()
    index = {str(i): [f"n{i}", f"thing_{i}"] for i in range(1000)}
    (tmp_path / "models" / "imagenet_class_index.json").write_text(json.dumps(index))
    assert class_names(model("resnet50"))[7] == "thing_7"
    assert class_names(model("inception_v3"))[999] == "thing_999"
    assert class_names(model("mine")) == ()
    assert class_names(model("resnet50", 10)) == ()


def test_models_of_other_kinds() -> None:
    assert class_names(object()) == ()
