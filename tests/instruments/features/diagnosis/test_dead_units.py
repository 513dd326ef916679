"""Reasons beyond Keras: PyTorch's own modules, and MLPs of scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.networks import layer
from layerscope.backends.base import Tap
from layerscope.core.network import Layer, Network, Parameter
from layerscope.instruments.features.ascent.task import task_of
from layerscope.instruments.features.diagnosis import sample_scores
from layerscope.instruments.features.diagnosis.unit_path import (
    ancestors,
    most_of_kernel,
    unit_path,
)
from layerscope.instruments.features.image.recipes import recipe


def note(model: Any, objective: Any, **options: Any) -> str:
    (grade,) = ls.features(model, objective, steps=2, progress=False, **options).grades
    return grade.note


class TestOnPyTorch:
    @pytest.fixture
    def model(self) -> Any:
        keras, torch = pytest.importorskip("keras"), pytest.importorskip("torch")
        if keras.config.backend() != "torch":
            pytest.skip("Keras runs on another backend")
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 3, 3), torch.nn.ReLU(), torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU()
        )
        with torch.no_grad():
            model[0].weight[0], model[0].bias[0], model[0].bias[1] = 0, -1, -30
            model[2].bias[1] = -30
        return model

    def test_the_samples_best_is_that_of_their_activations(self, model: Any) -> None:
        samples = np.random.default_rng(0).uniform(size=(35, 3, 8, 9)).astype("float32")
        values = ls.activations(model, samples, ["2"])["2"].values
        task = task_of(model, ls.objectives.units("2", range(2)), recipe("lucid"), samples=samples)

        scores = sample_scores.scores_of_samples(task)

        assert scores is not None
        best = scores.best
        np.testing.assert_allclose(best, values.mean((1, 2)).max(0), rtol=1e-4)

    def test_a_unit_is_told_why_it_never_fired(self, model: Any) -> None:
        size = {"size": (8, 9)}
        assert note(model, "1:0", **size) == (
            "the unit never fired: dead — in '0', the weights are all 0"
        )
        assert "dead — in '0', the bias of -30 outweighs the" in note(model, "1:1", **size)
        assert "blocked by the ReLU '3': the largest value before it is -" in (
            note(model, "3:1", **size)
        )


class TestOnScikitLearn:
    @pytest.fixture
    def model(self) -> Any:
        pytest.importorskip("keras")
        network = pytest.importorskip("sklearn.neural_network")
        drawn = np.random.default_rng(0)
        x, y = drawn.uniform(size=(40, 6)), drawn.integers(0, 3, 40)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = network.MLPClassifier((4,), max_iter=3, random_state=0).fit(x, y)
        model.coefs_[0][:, 0] = 0
        model.intercepts_[0][:2] = -1, -30
        return model

    def test_the_samples_best_is_that_of_their_activations(self, model: Any) -> None:
        samples = np.random.default_rng(1).uniform(size=(35, 6))
        values = ls.activations(model, samples, ["hidden_0"])["hidden_0"].values
        task = task_of(
            model, ls.objectives.units("hidden_0", range(4)), recipe("lucid"), samples=samples
        )

        scores = sample_scores.scores_of_samples(task)

        assert scores is not None
        best = scores.best
        np.testing.assert_allclose(best, values.max(0), rtol=1e-4, atol=1e-6)

    def test_a_unit_is_told_why_it_never_fired(self, model: Any) -> None:
        assert "dead — its weights are all 0" in note(model, "hidden_0:0")
        assert "dead — its bias of -30 outweighs the" in note(model, "hidden_0:1")


def row(address: str, kind: str, *inputs: str, weighted: bool = False, **settings: Any) -> Layer:
    kernel = Parameter(f"{address}/kernel", (3, 3, 4, 4), "float32", True, False, 576)
    return layer(
        address, kind, shape=(None, 8, 8, 4), axes=("sample", "y", "x", "channel"),
        settings=settings, parameters=(kernel,) if weighted else (), inputs=inputs,
    )  # fmt: skip


def network(*layers: Layer) -> Network:
    return Network("small", "none", layers)


class TestTheWayBack:
    def test_ends_at_the_weights(self) -> None:
        small = network(
            row("conv", "Conv2D", "input", weighted=True),
            row("norm", "BatchNormalization", "conv"),
            row("relu", "ReLU", "norm"),
            row("pool", "MaxPooling2D", "relu"),
        )

        path = unit_path(small, Tap("pool"))

        assert (path.owner, path.owner_inputs) == ("conv", ("input",))
        (gate,) = path.gates
        assert (gate.layer, gate.activation, gate.before) == ("relu", "relu", Tap("norm"))
        # What goes into it is not what the kernel makes.
        assert not path.is_straight(gate)

    def test_ends_where_channels_are_mixed(self) -> None:
        small = network(
            row("one", "Conv2D", "input", weighted=True),
            row("both", "Add", "one", "one"),
            row("relu", "Activation", "both", activation="relu"),
        )

        path = unit_path(small, Tap("relu"))

        assert path.owner is None
        assert [gate.layer for gate in path.gates] == ["relu"]

    @pytest.mark.parametrize(
        ("before", "limits"),
        [
            ("relu", (0, np.inf)), ("sigmoid", (0, 1)), ("tanh", (-1, 1)), ("relu6", (0, 6)),
            ("swish", (-np.inf, np.inf)), (None, (-np.inf, np.inf)),
        ],
    )  # fmt: skip
    def test_knows_between_what_the_inputs_of_the_weights_are(
        self, before: str | None, limits: Any
    ) -> None:
        settings = {} if before is None else {"activation": before}
        small = network(
            row("one", "Conv2D", "input", weighted=True, **settings),
            row("pool", "MaxPooling2D", "one"),
            row("two", "Conv2D", "pool", weighted=True, activation="relu"),
        )

        assert unit_path(small, Tap("two")).limits(small, (-1, 1)) == limits
        assert unit_path(small, Tap("one")).limits(small, (0.5, 2)) == (0, 2)

    def test_the_activation_is_not_on_it_where_what_comes_before_is_read(self) -> None:
        small = network(row("one", "Conv2D", "input", weighted=True, activation="relu"))

        assert unit_path(small, Tap("one", before_activation=True)).gates == ()
        assert len(unit_path(small, Tap("one")).gates) == 1

    def test_what_leads_to_a_layer_is_what_it_depends_on(self) -> None:
        small = network(
            row("a", "Conv2D", "input"), row("b", "Conv2D", "input"), row("c", "ReLU", "a")
        )

        assert ancestors(small, ["c"]) == ["a", "c"]


def test_the_most_of_a_kernel_is_reached_by_the_best_inputs() -> None:
    kernel = np.random.default_rng(0).normal(size=(2, 2, 3)).astype("float32")
    best = np.where(kernel > 0, 2.0, -0.5)

    assert most_of_kernel(kernel, (-0.5, 2.0)) == pytest.approx(float((kernel * best).sum()))
    assert most_of_kernel(-abs(kernel), (0.0, np.inf)) == 0
    assert most_of_kernel(kernel, (0.0, np.inf)) == np.inf
