"""What holds of every feature visualization, on small random networks."""

from __future__ import annotations

import queue
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layerscope as ls
from cases.amounts import examples
from cases.closed_form import draw_weights
from layerscope import objectives
from layerscope.backends import backend_for
from layerscope.core.errors import InputError
from layerscope.core.progress import Bar
from layerscope.instruments.features.ascent.ascent import Ascent
from layerscope.instruments.features.ascent.task import task_of
from layerscope.instruments.features.ascent.watching import StepReport
from layerscope.instruments.features.image.recipes import recipe

keras = pytest.importorskip("keras")

few = settings(max_examples=examples(3))


#: What :func:`network` takes: grey or colour images, seldom square.
networks = st.tuples(
    st.tuples(st.integers(8, 12), st.integers(8, 12), st.sampled_from([1, 3])),
    st.sampled_from(["relu", "tanh"]),
    st.integers(0, 9),
)


def network(shape: Any = (9, 12, 3), activation: str = "relu", seed: int = 0) -> Any:
    """Two convolutions and a dense layer with random weights."""
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(4, 3, padding="same", activation=activation, name="conv"),
            layers.Conv2D(3, 3, name="last"),
            layers.Flatten(name="flat"),
            layers.Dense(5, activation="softmax", name="out"),
        ]
    )
    return draw_weights(made, seed)


def features(model: Any, objective: Any, **options: Any) -> ls.FeatureVisualization:
    usual = {"steps": 4, "transforms": [], "progress": False, "retry": False}
    return ls.features(model, objective, **{**usual, **options})


@few
@given(networks, st.sampled_from(["conv:1", "last:2", "last:0@3,4", "out:3", "conv"]))
def test_ascent_raises_the_objective(made_of: Any, objective: str) -> None:
    model = network(*made_of)
    made = features(model, objective, steps=12, step_size=0.02)

    (grade,) = made.grades
    assert grade.reached > grade.start
    assert made.history.values[-1, 0] == pytest.approx(grade.reached)


@few
@given(networks, st.floats(-2, 2), st.integers(0, 5))
def test_sums_score_as_the_sum_and_negatives_as_the_negative(
    made_of: Any, weight: float, seed: int
) -> None:
    model = network(*made_of)
    one, other = objectives.channel("conv", 1), objectives.logit("out", 2)
    first, second, both, less = (
        features(model, objective, seed=seed, steps=1).grades[0].start
        for objective in (one, other, one + weight * other, -one)
    )

    assert both == pytest.approx(first + weight * second, rel=1e-4, abs=1e-5)
    assert less == pytest.approx(-first, rel=1e-6)


@few
@given(networks, st.sampled_from(["lucid", "tutorial"]), st.integers(0, 1000))
def test_equal_seeds_give_equal_images_and_others_others(
    made_of: Any, name: str, seed: int
) -> None:
    model = network(*made_of)

    def image(seed: int) -> Any:
        return features(model, "last:1", recipe=name, transforms=None, seed=seed).image()

    first = image(seed)

    np.testing.assert_array_equal(first, image(seed))
    assert not np.array_equal(first, image(seed + 1))


@few
@given(networks, st.sampled_from(["lucid", "tutorial", "chollet"]))
def test_an_image_is_the_same_in_a_batch_as_alone(made_of: Any, name: str) -> None:
    model = network(*made_of)
    units = [2, 0, 1]
    together = features(model, ls.objectives.units("last", units), recipe=name, transforms=None)

    for unit, grade in zip(units, together.grades, strict=True):
        alone = features(model, f"last:{unit}", recipe=name, transforms=None)
        np.testing.assert_allclose(together.image(f"last:{unit}"), alone.image(), rtol=0, atol=2e-3)
        assert grade.reached == pytest.approx(alone.grades[0].reached, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("name", ["lucid", "tutorial", "deepdream", "chollet"])
def test_the_start_is_exactly_the_same_in_a_batch_as_alone(name: str) -> None:
    model = network()
    batch, alone = (
        task_of(model, objective, recipe(name), seed=3)
        for objective in (ls.objectives.units("last", range(3)), "last:2")
    )

    starts = batch.ascent.start_images(batch.seeds, batch.start_of(range(3)))

    only = alone.ascent.start_images(alone.seeds, alone.start_of([0]))
    np.testing.assert_array_equal(starts[2:], only)


def test_the_model_is_left_as_it_was() -> None:
    model = network()
    weights = [keras.ops.convert_to_numpy(v).copy() for v in model.variables]
    digest = backend_for(model).digest()
    trainable = [v.trainable for v in model.variables]

    features(model, ls.objectives.units("last", range(2)), transforms=None, optimizer="adam")

    assert backend_for(model).digest() == digest
    assert [v.trainable for v in model.variables] == trainable
    for before, variable in zip(weights, model.variables, strict=True):
        np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(variable))


def noting(shape: Any = (9, 12, 3), *, above: bool = False) -> tuple[Any, Any]:
    """A network, and the shapes that one of its layers is given when it is called from Python.

    That layer comes before ``last``, or above it.
    """
    # A queue has no contents that could be a setting of the layer, as those of a list would be.
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
    noted: list[Any] = []

    def shapes() -> list[Any]:
        while not calls.empty():
            noted.append(calls.get())
        return noted

    class Noting(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            calls.put(tuple(x.shape[1:]))
            return x

    keras.utils.set_random_seed(0)
    seen, last = Noting(name="seen"), keras.layers.Conv2D(3, 3, name="last")
    x = keras.Input(shape)
    model = keras.Model(x, seen(last(x)) if above else last(seen(x)))
    shapes().clear()
    return model, shapes


@pytest.mark.skipif(keras.config.backend() == "torch", reason="nothing is compiled on PyTorch")
def test_another_unit_seed_or_step_size_compiles_nothing() -> None:
    model, shapes = noting()
    features(model, "last:0", transforms=None)
    traced = len(shapes())
    assert traced

    for options in ({"seed": 5}, {"step_size": 0.5}, {"step_size": 0.1, "seed": 9}):
        features(model, "last:2", transforms=None, **options)
    features(model, objectives.direction("last", [1, 0, 2]), transforms=None)

    assert len(shapes()) == traced


def test_layers_above_the_target_are_not_called() -> None:
    model, shapes = noting(above=True)

    features(model, "last:1")

    assert shapes() == []


@pytest.mark.parametrize("name", ["lucid", "tutorial", "deepdream"])
def test_a_network_of_a_fixed_size_always_receives_that_size(name: str) -> None:
    model, shapes = noting((18, 20, 3))

    made = features(model, "last:1", recipe=name, transforms=None, octaves=2, size=(30, 33))

    assert set(shapes()) == {(18, 20, 3)}
    assert made.image().shape == (30, 33, 3)


def test_octaves_end_at_the_size_asked_for_with_all_steps_at_each() -> None:
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3, name="last")])

    made = features(model, "last:1", octaves=3, size=(40, 34), steps=3)

    assert made.image().shape == (40, 34, 3)
    assert len(made.history) == 3 * 3 + 1


def test_intermediate_images_are_those_of_their_steps() -> None:
    model = network()

    made = features(model, ls.objectives.units("last", range(2)), steps=7, every=3, start="normal")

    assert tuple(made.steps) == (3, 6, 7)
    for steps in (3, 6):
        shorter = features(
            model, ls.objectives.units("last", range(2)), steps=steps, start="normal"
        )
        np.testing.assert_array_equal(made.image("last:1", step=steps), shorter.image("last:1"))
    np.testing.assert_array_equal(
        made.image("last:1"),
        features(model, ls.objectives.units("last", range(2)), steps=7, start="normal").image(
            "last:1"
        ),
    )


def test_ctrl_c_returns_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    expected = features(model, ls.objectives.units("last", range(2)), steps=3, at_once=2)
    steps: list[str] = []

    def advance(self: Bar, note: str) -> None:
        steps.append(note)
        if len(steps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "advance", advance)

    made = features(model, ls.objectives.units("last", range(3)), steps=9, at_once=2)

    assert made.interrupted
    assert not expected.interrupted
    assert made.images == ("last:0", "last:1")  # the second batch was not begun
    np.testing.assert_array_equal(made["last"].values, expected["last"].values)


def test_ctrl_c_before_the_first_step_is_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def climb(*args: Any) -> Any:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Ascent, "climb", climb)

    with pytest.raises(KeyboardInterrupt):
        features(network(), "last:1")


def test_ctrl_c_keeps_the_batches_that_were_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it comes before the first step of the next batch, or while images are graded."""
    model = network()
    expected = features(model, ls.objectives.units("last", range(3)), at_once=1)
    climb, score = Ascent.climb, Ascent.score
    begun: list[int] = []

    def second_stops(self: Any, *args: Any, **kwargs: Any) -> Any:
        begun.append(1)
        if len(begun) == 2:
            raise KeyboardInterrupt
        yield from climb(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Ascent, "climb", second_stops)
        made = features(model, ls.objectives.units("last", range(3)), at_once=1)
    assert made.interrupted
    assert made.images == ("last:0",)
    np.testing.assert_array_equal(made.image("last:0"), expected.image("last:0"))

    scored: list[int] = []

    def stops_once(self: Any, *args: Any) -> Any:
        scored.append(1)
        if len(scored) == 3:
            raise KeyboardInterrupt
        return score(self, *args)

    monkeypatch.setattr(Ascent, "score", stops_once)
    made = features(model, ls.objectives.units("last", range(3)), at_once=1)
    assert made.interrupted
    assert made.images == ("last:0", "last:1")


def test_settings_tell_how_to_make_the_images_again() -> None:
    model = network()
    made = features(
        model, "last:1", recipe="tutorial", steps=3, jitter=1, transforms=None, border=1, seed=4,
        octaves=2, start="uniform", input_range=(-1, 1),
    )  # fmt: skip
    told = dict(made.settings)
    assert told.pop("size") == (9, 12)
    objective = told.pop("objective")
    again = features(model, objective, **told)
    np.testing.assert_array_equal(made.image(), again.image())
    assert "Adam" not in str(made)
    adam = features(model, "last:1", optimizer=keras.optimizers.Adam(0.5))
    assert (adam.settings["optimizer"], adam.settings["step_size"]) == ("Adam", 0.5)


@pytest.mark.parametrize("every", [0, -1, 1.5, "a", True])
def test_every_is_a_number_of_steps(every: Any) -> None:
    with pytest.raises(InputError, match=r"every=.*: pass a whole number of steps, 1 or more"):
        features(network(), "last:1", every=every)


def test_a_watcher_sees_every_step_and_changes_nothing() -> None:
    seen: list[StepReport] = []
    units = objectives.units("conv", [0, 1])
    watched = features(network(), units, steps=3, at_once=1, watch=seen.append)
    plain = features(network(), units, steps=3, at_once=1)

    assert [(report.step, report.steps) for report in seen] == [(i, 6) for i in range(1, 7)]
    assert {report.attempt for report in seen} == {1}
    assert [report.value for report in seen] == plain.history.values[:-1].T.ravel().tolist()
    assert all(np.array_equal(watched[name], plain[name]) for name in plain)


def test_a_watcher_is_shown_the_images_as_they_are() -> None:
    seen: list[Any] = []

    def watch(report: StepReport) -> None:
        seen.append(report.images())

    made = features(network(), "conv:1", steps=3, input_range=(0, 255), every=1, watch=watch)

    assert [images.shape for images in seen] == [(1, 9, 12, 3)] * 3
    for step, images in enumerate(seen, start=1):
        assert np.array_equal(images[0], made.image(step=step))


def test_a_watcher_ends_it_with_what_there_is() -> None:
    made = features(network(), "conv:1", steps=50, watch=lambda report: report.step == 3)

    assert made.interrupted
    assert len(made.history) == 4
    assert np.array_equal(made.image(), features(network(), "conv:1", steps=3).image())
