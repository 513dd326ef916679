"""Grades: the samples' best is the slow obvious one; what never fires is told why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope import objectives
from layerscope.instruments.features.ascent.task import Task, task_of
from layerscope.instruments.features.diagnosis import sample_scores
from layerscope.instruments.features.image.recipes import recipe

pytestmark = pytest.mark.one_backend

keras = pytest.importorskip("keras")

SHAPE = (9, 8, 3)


@pytest.fixture(scope="module")
def samples() -> Any:
    return np.random.default_rng(0).uniform(size=(37, *SHAPE)).astype("float32")


@pytest.fixture(scope="module")
def model() -> Any:
    return network()


def network(seed: int = 0) -> Any:
    """Unit 0 of ``a`` has no weights, 1 a bias that is too large; 2 and 3 are alive.

    Of ``b``, unit 0 only falls, and unit 1 gets far too little for the ReLU after it; behind them
    comes ``dead``, a layer without weights, and ``behind``.
    """
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, activation="relu", name="a"),
            layers.Conv2D(3, 3, name="b"),
            layers.ReLU(name="relu"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(3, 1, activation="relu", name="dead"),
            layers.Conv2D(2, 1, name="behind"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", name="out"),
        ]
    )
    kernel, bias = (np.array(a) for a in made.get_layer("a").get_weights())
    kernel[..., 0], bias[0], bias[1] = 0, -1, -30
    kernel[..., 2:] = abs(kernel[..., 2:])
    made.get_layer("a").set_weights([kernel, bias])
    kernel, bias = (np.array(a) for a in made.get_layer("b").get_weights())
    kernel[..., 0], kernel[..., 2], bias[:] = -abs(kernel[..., 0]), abs(kernel[..., 2]), (-1, -9, 0)
    made.get_layer("b").set_weights([kernel, bias])
    made.get_layer("dead").set_weights([np.zeros((1, 1, 3, 3)), np.zeros(3)])
    return made


def task(model: Any, objective: Any, samples: Any, **options: Any) -> Task:
    return task_of(model, objective, recipe("lucid", **options), samples=samples)


def best(model: Any, objective: Any, samples: Any, **options: Any) -> Any:
    scored = sample_scores.scores_of_samples(task(model, objective, samples, **options))
    assert scored is not None
    return scored.best


def note(model: Any, objective: Any, **options: Any) -> str:
    options = {"steps": 2, "progress": False, **options}
    (grade,) = ls.features(model, objective, **options).grades
    return grade.note


class TestTheSamplesBest:
    def test_of_units_is_the_largest_mean_over_their_maps(self, model: Any, samples: Any) -> None:
        values = ls.activations(model, samples, ["a"])["a"].values

        found = best(model, ls.objectives.units("a", [3, 0, 2]), samples)

        np.testing.assert_allclose(found, values.mean((1, 2)).max(0)[[3, 0, 2]], rtol=1e-5)

    def test_at_a_position_in_the_middle_and_within_a_border(
        self, model: Any, samples: Any
    ) -> None:
        values = ls.activations(model, samples, ["b"])["b"].values[..., 2]

        assert best(model, "b:2@1,3", samples) == pytest.approx(values[:, 1, 3].max(), rel=1e-5)
        middle = values[:, values.shape[1] // 2, values.shape[2] // 2].max()
        assert best(model, objectives.neuron("b", 2), samples) == pytest.approx(middle, rel=1e-5)
        inside = values[:, 1:-1, 1:-1].mean((1, 2)).max()
        assert best(model, "b:2", samples, border=1) == pytest.approx(inside, rel=1e-5)

    def test_of_sums_has_their_weights_and_the_penalties_of_the_samples(
        self, model: Any, samples: Any
    ) -> None:
        recorded = ls.activations(model, samples, ["a", "b"])
        unit = samples * 2 - 1
        falls = abs(np.diff(unit, axis=1)).mean((1, 2, 3)) + abs(np.diff(unit, axis=2)).mean(
            (1, 2, 3)
        )
        expected = (
            recorded["a"].values[..., 3].mean((1, 2))
            - 2 * recorded["b"].values[..., 2].mean((1, 2))
            - 0.3 * falls
        )

        found = best(
            model,
            objectives.channel("a", 3)
            - 2 * objectives.channel("b", 2)
            - objectives.total_variation(0.3),
            samples,
            input_range=(0, 1),
        )

        assert found == pytest.approx(expected.max(), rel=1e-4)

    def test_of_a_similarity_is_1_where_a_sample_is_what_was_recorded(
        self, model: Any, samples: Any
    ) -> None:
        target = ls.activations(model, samples[-1:], ["b"])["b"].values

        assert best(model, objectives.similarity("b", target), samples) == pytest.approx(1)

    def test_of_a_function_that_returns_one_number_is_that_of_each_sample_alone(
        self, model: Any, samples: Any
    ) -> None:
        values = ls.activations(model, samples, ["b"])["b"].values

        found = best(model, lambda of: keras.ops.mean(of["b"][..., 2]), samples)

        assert found == pytest.approx(values[..., 2].mean((1, 2)).max(), rel=1e-5)

    def test_of_penalties_alone_needs_no_network(self, model: Any, samples: Any) -> None:
        expected = -((samples * 2 - 1) ** 2).mean((1, 2, 3)).min()

        found = best(model, -objectives.l2(), samples, input_range=(0, 1))

        assert found == pytest.approx(expected, rel=1e-5)

    def test_of_a_folder_is_that_of_its_files(
        self, model: Any, samples: Any, tmp_path: Path
    ) -> None:
        for i, sample in enumerate(samples):
            np.save(tmp_path / f"{i}.npy", sample)
        expected = best(model, ls.objectives.units("b", range(3)), samples)

        found = best(model, ls.objectives.units("b", range(3)), str(tmp_path))

        np.testing.assert_allclose(found, expected, rtol=1e-5)

    def test_of_many_units_is_computed_in_one_pass_for_each_batch(
        self, samples: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = network()
        directions = np.random.default_rng(0).normal(size=(36, 4))
        settled = task(model, objectives.direction("a", directions), samples)
        passes = []
        compiled = settled.backend.compiled

        def counted(function: Any, key: Any, *, network: bool) -> Any:
            made = compiled(function, key, network=network)
            return lambda *args: (passes.append(network), made(*args))[1]

        monkeypatch.setattr(type(settled.backend), "compiled", lambda _, *a, **k: counted(*a, **k))

        sample_scores.scores_of_samples(settled)

        assert passes.count(True) == 2  # 32 samples, and 5
        assert passes.count(False) == 2 * 3  # 36 objectives, 16 at a time

    def test_of_diversity_there_is_none(self, model: Any, samples: Any) -> None:
        objective = objectives.channel("a", 3) + objectives.diversity("a")
        settled = task_of(model, objective, recipe("lucid"), samples=samples, variants=2)

        assert sample_scores.scores_of_samples(settled) is None

    def test_of_indices_is_that_of_their_vectors(self) -> None:
        layers = keras.layers
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((6,), dtype="int32"),
                layers.Embedding(11, 4, name="words"),
                layers.Conv1D(3, 3, name="conv"),
            ]
        )
        indices = np.random.default_rng(0).integers(0, 11, (40, 6))
        values = ls.activations(model, indices, ["conv"])["conv"].values

        found = best(model, ls.objectives.units("conv", range(3)), indices)

        np.testing.assert_allclose(found, values.mean(1).max(0), rtol=1e-4)

    def test_of_vectors_that_are_images_is_the_same(self) -> None:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(2, name="out")])
        x = np.random.default_rng(0).uniform(size=(5, 12)).astype("float32")
        values = ls.activations(model, x, ["out"])["out"].values

        found = best(model, ls.objectives.units("out", range(2)) - objectives.l1(0), x, size=(4, 3))

        np.testing.assert_allclose(found, values.max(0), rtol=1e-5)


class TestGrades:
    def test_say_what_was_reached_from_where_and_beside_the_samples(
        self, model: Any, samples: Any
    ) -> None:
        made = ls.features(
            model,
            ls.objectives.units("a", [2, 3]),
            samples=samples,
            steps=4,
            transforms=[],
            progress=False,
        )

        for i, grade in enumerate(made.grades):
            history = made.history.values[:, i]
            assert grade.address == f"a:{i + 2}"
            assert (grade.start, grade.reached) == pytest.approx((history[0], history[-1]))
            assert grade.samples == pytest.approx(best(model, f"a:{i + 2}", samples)[0])
            assert grade.note == ""

    def test_an_image_that_was_stopped_is_graded(
        self, samples: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from layerscope.core.progress import Bar

        steps = []

        def advance(self: Bar, note: str) -> None:
            steps.append(note)
            if len(steps) == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(Bar, "advance", advance)

        made = ls.features(
            network(), "a:3", samples=samples, steps=9, transforms=[], progress=False
        )

        assert made.interrupted
        (grade,) = made.grades
        assert grade.reached > grade.start
        assert grade.samples is not None


class TestWhatNeverFired:
    def test_has_no_weights(self, model: Any) -> None:
        assert note(model, "a:0") == "the unit never fired: dead — its weights are all 0"

    def test_has_a_bias_that_outweighs_its_kernel(self, model: Any) -> None:
        kernel = keras.ops.convert_to_numpy(model.get_layer("a").kernel)[..., 1]
        most = kernel[kernel > 0].sum()

        assert note(model, "a:1").startswith(
            f"the unit never fired: dead — its bias of -30 outweighs the {most:.3g} that its "
            "kernel can add at most;"
        )

    def test_gets_nothing_above_0_from_what_is_never_below(self, model: Any) -> None:
        # What comes before is a ReLU, and all weights are negative.
        for address in ("relu:0", "pool:0"):
            assert note(model, address).startswith(
                "the unit never fired: dead — for inputs in range its kernel and bias come to no "
                "more than -1;"
            )

    def test_is_blocked_by_the_relu_after_it(self, model: Any, samples: Any) -> None:
        assert "blocked by the ReLU 'relu': the largest value before it is -" in (
            note(model, "relu:1")
        )
        told = note(model, "relu:1", samples=samples)
        assert ", on the image, on noise and on 16 samples; tried again" in told

    def test_is_blocked_by_its_own_relu(self) -> None:
        model = keras.Sequential(
            [
                keras.Input(SHAPE),
                keras.layers.BatchNormalization(name="norm"),
                keras.layers.Conv2D(1, 3, activation="relu", name="conv"),
            ]
        )
        model.get_layer("conv").set_weights([np.full((3, 3, 3, 1), 0.01), np.full(1, -5.0)])

        told = note(model, "conv:0")

        # The kernel's inputs have no bounds, so that nothing is said of the bias.
        assert told.startswith(
            "the unit never fired: blocked by its own relu: the largest value before it is -"
        )

    def test_comes_after_a_layer_that_is_silent(self, model: Any) -> None:
        first = "nothing gets to it: the first silent layer on the way is 'dead'"
        assert note(model, "behind:1") == f"the unit never fired: {first}"
        assert first in note(model, "out:1")
        assert note(model, "behind") == (
            "it did not rise: its gradient was 0 in every step; the first silent layer on the way "
            "is 'dead'"
        )

    def test_is_saturated(self) -> None:
        model = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(2, activation="tanh", name="out")]
        )
        model.get_layer("out").set_weights([np.eye(4, 2), np.full(2, 40.0)])

        assert "saturated: its own tanh gets 40" in note(model, "out:1")

    def test_is_a_probability_that_the_softmax_leaves_at_1(self) -> None:
        model = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(2, activation="softmax", name="out")]
        )
        model.get_layer("out").set_weights([np.eye(4, 2), np.array([200.0, 0])])

        told = note(model, objectives.probability("out", 0))

        assert told.startswith("saturated: the probability is 1, where the softmax is flat")
        assert note(model, objectives.logit("out", 0)) == ""

    def test_is_said_of_it_also_where_a_penalty_rose(self, model: Any) -> None:
        told = note(model, objectives.channel("a", 0) - objectives.l2(0.1), start="uniform")

        assert told.startswith("the unit never fired: dead — its weights are all 0")

    def test_has_no_reason_given_where_none_was_seen(self, model: Any) -> None:
        told = note(model, -1 * objectives.layer("a", squared=True), start="zeros", steps=1)

        assert "dead" not in told
        assert "blocked" not in told

    def test_may_be_no_more_than_a_penalty(self, model: Any) -> None:
        grey = np.full(SHAPE, 0.5, np.float32)

        told = note(model, -objectives.l2(), start=grey, input_range=(0, 1), retry=False)

        assert told == "it did not rise"

    def test_of_an_alive_unit_there_is_nothing_to_say(self, model: Any) -> None:
        assert note(model, "a:3", transforms=[]) == ""
