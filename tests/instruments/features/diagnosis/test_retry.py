"""A second attempt: only where the first did not rise, with the gradient of ReLUs redirected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.progress import Bar
from layerscope.instruments.features.ascent.ascent import Ascent
from layerscope.instruments.features.ascent.outcome import Outcome, ascended
from layerscope.instruments.features.ascent.task import task_of
from layerscope.instruments.features.diagnosis import retry
from layerscope.instruments.features.image.recipes import recipe

pytestmark = pytest.mark.one_backend

keras = pytest.importorskip("keras")

SHAPE = (8, 9, 1)


@pytest.fixture(scope="module")
def model() -> Any:
    """A convolution: unit 0 has no weights, 1 a bias that no input outweighs; 3 and 4 are alive.

    Unit 2 fires on what is brighter than grey.
    """
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Conv2D(5, 3, activation="relu", name="conv")]
    )
    kernel = np.abs(np.random.default_rng(0).normal(size=(3, 3, 1, 5)))
    kernel[..., 0] = 0
    kernel[..., 1:3] = 1 / 9
    made.get_layer("conv").set_weights([kernel, np.array([-1, -2, -0.55, 0, 0])])
    return made


DIFFERENCE = "with the gradient let through its ReLUs"


class Climbs:
    """What ascents were asked for, in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seeds: list[tuple[int, ...]] = []
        self.starts: list[Any] = []
        self.step_sizes: list[float] = []
        self.redirected: list[bool] = []
        climb = Ascent.climb

        def noted(ascent: Ascent, arrays: Any, seeds: Any, start: Any, every: Any = None) -> Any:
            self.seeds.append(tuple(seeds))
            self.starts.append(start)
            self.step_sizes.append(ascent.recipe.step_size)
            self.redirected.append(ascent.redirected)
            return climb(ascent, arrays, seeds, start, every)

        monkeypatch.setattr(Ascent, "climb", noted)


@pytest.fixture
def climbs(monkeypatch: pytest.MonkeyPatch) -> Climbs:
    return Climbs(monkeypatch)


def features(model: Any, objective: Any, **options: Any) -> ls.FeatureVisualization:
    return ls.features(
        model, objective, **{"steps": 3, "transforms": [], "progress": False, **options}
    )


def test_one_more_attempt_for_the_images_that_failed(model: Any, climbs: Climbs) -> None:
    made = features(
        model, ls.objectives.units("conv", range(5)), at_once=2, start="fourier", seed=7
    )

    # Three batches; then one of the same size, with units 1 and 2: nothing can move unit 0.
    assert climbs.seeds == [(7, 7)] * 4
    assert climbs.starts == ["fourier"] * 4
    assert climbs.step_sizes == [0.05] * 3 + [0.2]
    assert climbs.redirected == [False] * 3 + [True]
    notes = [grade.note for grade in made.grades]
    assert "tried again" not in notes[0]
    assert notes[1].endswith(f"; tried again {DIFFERENCE} and step_size=0.2, in vain")
    assert notes[2] == f"it rose only when tried again, {DIFFERENCE} and step_size=0.2"
    assert notes[3:] == [""] * 2


def test_the_last_of_those_that_failed_fills_the_batch(model: Any, climbs: Climbs) -> None:
    features(model, ls.objectives.units("conv", [3, 1, 4]), at_once=3)

    assert [len(seeds) for seeds in climbs.seeds] == [3, 3]


def test_images_that_did_rise_are_the_same_to_the_bit(model: Any) -> None:
    objective = ls.objectives.units("conv", range(5))
    options = {"every": 1, "start": "fourier"}

    with_retry = features(model, objective, retry=True, **options)
    without = features(model, objective, retry=False, **options)

    here, there = (made["conv"].values for made in (with_retry, without))
    np.testing.assert_array_equal(here[..., 3:], there[..., 3:])
    history, alone = with_retry.history.values, without.history.values
    np.testing.assert_array_equal(history[:, 3:], alone[:, 3:])
    assert not np.array_equal(here[..., 2], there[..., 2])
    assert history[-1, 2] > alone[-1, 2]


def test_the_better_image_has_its_own_history_and_its_own_start(model: Any) -> None:
    made = features(model, "conv:2", start="fourier", every=1)

    (grade,) = made.grades
    history = made.history.values[:, 0]
    assert history[0] == pytest.approx(grade.start, rel=1e-5)
    assert history[-1] == pytest.approx(grade.reached, rel=1e-5)
    fires = ls.activations(model, made.image("conv:2")[None], ["conv"])["conv"].values[..., 2]
    assert fires.mean() == pytest.approx(grade.reached, rel=1e-4)
    assert list(made.steps) == [1, 2, 3]


def test_none_where_it_is_not_wanted(model: Any, climbs: Climbs) -> None:
    made = features(model, "conv:1", retry=False)

    assert len(climbs.seeds) == 1
    assert "tried again" not in made.grades[0].note


def test_a_second_attempt_makes_the_same_image_each_time(model: Any) -> None:
    one, other = (features(model, "conv:2", start="fourier", seed=5, retry=True) for _ in range(2))

    assert "tried again" in one.grades[0].note
    np.testing.assert_array_equal(one.image(), other.image())


def test_an_image_given_is_kept_and_only_steps_are_larger(model: Any, climbs: Climbs) -> None:
    start = np.ones(SHAPE, np.float32)  # the largest that unit 2 can have

    made = features(model, "conv:2", start=start, step_size=0.5, input_range=(0, 1))

    assert climbs.step_sizes == [0.5, 2.0]
    assert climbs.seeds == [(0,), (0,)]
    np.testing.assert_array_equal(climbs.starts[0], climbs.starts[1])
    assert made.grades[0].note.endswith(f"; tried again {DIFFERENCE} and step_size=2, in vain")


@pytest.mark.parametrize("start", ["normal", np.ones(SHAPE, np.float32)])
def test_none_where_nothing_could_move_the_image(model: Any, climbs: Climbs, start: Any) -> None:
    made = features(model, "conv:0", start=start)

    assert len(climbs.seeds) == 1
    assert "tried again" not in made.grades[0].note


@pytest.mark.parametrize("name", ["lucid", "deepdream", "tutorial", "chollet"])
def test_every_recipe_takes_larger_steps(model: Any, climbs: Climbs, name: str) -> None:
    features(model, "conv:1", recipe=name, octaves=1)

    assert climbs.step_sizes[1] == pytest.approx(4 * climbs.step_sizes[0])


def test_images_that_are_compared_are_tried_again_together(model: Any, climbs: Climbs) -> None:
    objective = ls.objectives.units("conv", [1, 3]) + 0 * ls.objectives.diversity("conv")

    made = features(model, objective, batch=2, at_once=4)

    assert [len(seeds) for seeds in climbs.seeds] == [4, 4]
    assert [bool(grade.note) for grade in made.grades] == [True, True, False, False]


def test_of_the_network_only_the_redirected_gradient_is_compiled_for_it(model: Any) -> None:
    task = task_of(model, ls.objectives.units("conv", [3, 1, 4]), recipe("lucid", steps=1))
    keys: list[Any] = []
    compiled = type(task.backend).compiled

    class Watching(type(task.backend)):  # type: ignore[misc]
        def compiled(self, function: Any, key: Any, *, network: bool) -> Any:
            keys.append((key, network))
            return compiled(self, function, key, network=network)

    watching = Watching.__new__(Watching)
    vars(watching).update(vars(task.backend))
    task = replace(task, backend=watching, ascent=replace(task.ascent, backend=watching))
    outcome = ascended(task)
    first = set(keys)

    retry.attempts(task, outcome)

    more = {key for key, network in set(keys) - first if network}
    assert [key[-1] for key in more] == [True]
    assert all(key[-1] is False for key, network in first if network)


def test_ctrl_c_in_the_second_attempt_returns_what_the_first_made(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = features(
        model, ls.objectives.units("conv", range(5)), at_once=2, start="fourier", retry=False
    )
    steps: list[str] = []

    def advance(self: Bar, note: str) -> None:
        steps.append(note)
        if len(steps) == 3 * 3 + 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "advance", advance)

    made = features(model, ls.objectives.units("conv", range(5)), at_once=2, start="fourier")

    assert made.interrupted
    np.testing.assert_array_equal(made["conv"].values, expected["conv"].values)
    assert all("tried again" not in grade.note for grade in made.grades)


def test_an_attempt_that_was_stopped_is_not_repeated(
    model: Any, climbs: Climbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(self: Bar, note: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "advance", advance)

    made = features(model, "conv:1")

    assert made.interrupted
    assert len(climbs.seeds) == 1


def test_of_two_attempts_the_one_that_is_a_number_is_kept() -> None:
    def outcome(reached: float) -> Outcome:
        row = np.array([0, reached])
        image = np.full((1, 2), reached)
        return Outcome(image, (row,), (row[:1],), row[:1], row[1:])

    rows = retry._won(outcome(float("nan")), outcome(1.0), [0], 1)

    assert rows == {0: 0}
    assert retry._won(outcome(1.0), outcome(float("nan")), [0], 1) == {}
    mixed = retry._mixed(outcome(float("nan")), outcome(1.0), rows)
    assert mixed.reached.tolist() == [1.0]
    assert mixed.history[0].tolist() == [0.0, 1.0]


PIXELS = 64


def picky(*, fused: bool = True) -> Any:
    """Unit 0 fires on half of the pixels without the other half, which no noise is; 1 on any."""
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            layers.Dense(2, activation="relu" if fused else None, name="dense"),
            *([] if fused else [layers.ReLU(name="relu")]),
        ]
    )
    halves = np.repeat([1, -1], PIXELS // 2) / (PIXELS // 2)
    kernel = np.stack([halves, abs(halves)], axis=1)
    made.get_layer("dense").set_weights([kernel, np.array([-0.7, 0])])
    return made


HALF = np.repeat([1, 0], PIXELS // 2)[None].astype(np.float32)  # what unit 0 fires most on
ROSE = f"it rose only when tried again, {DIFFERENCE} and step_size="


@pytest.mark.parametrize("fused", [True, False])
def test_a_unit_that_no_noise_excites_is_woken(fused: bool) -> None:
    made = features(
        picky(fused=fused), ls.objectives.units("dense" if fused else "relu", [0, 1]), steps=60
    )

    picked, other = made.grades
    assert picked.note == f"{ROSE}0.2"
    assert 0.2 < picked.reached < 0.3 + 1e-6  # the most that there is, and rounding
    assert other.note == ""


def test_it_is_woken_from_an_image_given(climbs: Climbs) -> None:
    start = np.full((1, PIXELS), 0.5, np.float32)

    made = features(picky(), "dense:0", start=start, input_range=(0, 1), steps=60, step_size=0.05)

    assert len(climbs.starts) == 2
    for began in climbs.starts:
        np.testing.assert_allclose(began, 0, atol=1e-6)
    assert made.grades[0].note == f"{ROSE}0.2"
    assert made.grades[0].reached > 0


def behind() -> Any:
    """A unit behind a picky one: also what its activation gets is the same on all noise."""
    made = keras.Sequential(
        [*picky().layers, keras.layers.Dense(1, activation="relu", name="behind")]
    )
    made.build((None, PIXELS))
    made.get_layer("behind").set_weights([np.array([[1], [0]]), np.array([0.0])])
    return made


def test_a_unit_behind_one_that_is_off_is_woken_too() -> None:
    (grade,) = features(behind(), "behind:0", steps=60).grades

    assert grade.note == f"{ROSE}0.2"
    assert grade.reached > 0.2


def test_where_samples_fire_nothing_else_is_said_to_be_wrong() -> None:
    (grade,) = features(behind(), "behind:0", samples=HALF, start=0 * HALF).grades

    assert grade.samples == pytest.approx(0.3, rel=1e-5)
    assert grade.note.startswith(
        "the unit never fired: it fires on the samples, but not from this start: pass start= one "
        "of them; tried again "
    )


def test_the_mean_of_a_softmax_is_not_tried_again(climbs: Climbs) -> None:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5, activation="softmax", name="out")]
    )

    (grade,) = features(model, "out").grades

    assert len(climbs.seeds) == 1
    assert grade.note == (
        "the mean of the softmax 'out' is always 1 over the number of its units: pass one of "
        "these, as 'out:0'"
    )


class Cutting(keras.layers.Layer):  # type: ignore[misc]
    """No gradient gets through."""

    def call(self, x: Any) -> Any:
        return keras.ops.stop_gradient(x)


def test_a_gradient_that_is_cut_is_not_tried_again(climbs: Climbs) -> None:
    model = keras.Sequential(
        [keras.Input((4,)), Cutting(), keras.layers.Dense(2, activation="relu", name="out")]
    )
    model.add(keras.layers.Dense(1, name="last"))

    for address in ("out:0", "last:0"):
        (grade,) = features(model, address).grades
        assert grade.note.startswith("no gradient reaches the image, though other noise changes")
    assert len(climbs.seeds) == 2


@pytest.mark.parametrize("start", ["zeros", np.ones(SHAPE, np.float32)])
def test_steps_that_are_laid_down_in_a_schedule_are_no_larger(model: Any, start: Any) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)

    made = features(
        model, "conv:1", start=start, optimizer=keras.optimizers.Adam(schedule), input_range=(0, 1)
    )

    (grade,) = made.grades
    assert grade.note.endswith(f"; tried again {DIFFERENCE}, in vain")


@pytest.mark.parametrize("scaled", [lambda: keras.layers.Rescaling(1 / 255), None])
def test_an_input_of_whole_numbers_is_named_as_what_stops_the_gradient(scaled: Any) -> None:
    pixels = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.ops.cast(pixels, "float32") / 255 if scaled is None else scaled()(pixels)
    model = keras.Model(pixels, keras.layers.Conv2D(2, 3, name="conv")(x))
    (grade,) = ls.features(model, "conv:1", steps=2, progress=False).grades
    assert "no gradient reaches the image: the model's input is uint8" in grade.note


def _dense(units: int, weight: float, name: str) -> Any:
    kernel = keras.initializers.Constant(weight)
    return keras.layers.Dense(units, dtype="mixed_float16", kernel_initializer=kernel, name=name)


def test_a_gradient_too_small_for_float16_is_not_said_to_be_cut() -> None:
    layers = [_dense(3, 5e-5, "hidden"), _dense(2, 5e-5, "out")]
    model = keras.Sequential([keras.Input((64,)), *layers])
    (grade,) = ls.features(model, "out:1", steps=2, input_range=(0, 255), progress=False).grades
    assert grade.note.startswith(
        "no gradient reaches the image: on its way it gets too small for float16, in which the "
        "network computes"
    )


@pytest.mark.parametrize("objective", ["relu:0", "relu", "out:0"])
def test_a_layer_that_float16_silences_is_said_to_compute_in_it(objective: str) -> None:
    layers = [_dense(4, 1e-5, "small"), _dense(2, 1e-4, "tiny"), keras.layers.ReLU(name="relu")]
    model = keras.Sequential([keras.Input((4,)), *layers, _dense(1, 0.5, "out")])
    (grade,) = ls.features(model, objective, steps=2, progress=False).grades
    assert (
        "; 'tiny' computes in float16, where what is below 6e-08 becomes 0, and the largest value "
        "that it gets is "
    ) in grade.note


def test_a_layer_that_is_silent_for_another_reason_is_not_said_to_be_so_by_its_type() -> None:
    layers = [_dense(4, 0.1, "small"), _dense(2, 0.0, "none"), keras.layers.ReLU(name="relu")]
    model = keras.Sequential([keras.Input((4,)), *layers, _dense(1, 0.5, "out")])
    (grade,) = ls.features(model, "out:0", steps=2, progress=False).grades
    assert "'none'" in grade.note
    assert "float16" not in grade.note
