"""Objectives are values: they add up, and each scores what a plain loop over activations does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from layerscope import objectives as o
from layerscope.backends.base import Tap
from layerscope.core.errors import AddressError, InputError
from layerscope.instruments.features.ascent.task import task_of
from layerscope.instruments.features.image.recipes import recipe
from layerscope.instruments.features.objective.objectives import as_objective
from layerscope.instruments.features.objective.program import bind

layers = keras.layers


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((10, 12, 2)),
            layers.Conv2D(5, 3, activation="tanh", name="conv"),
            layers.Conv2D(4, 3, name="conv2"),
            layers.Flatten(name="flat"),
            layers.Dense(6, activation="softmax", name="classes"),
        ],
        name="m",
    )


@pytest.fixture(scope="module")
def images() -> Any:
    """Three unit images."""
    return np.random.default_rng(0).uniform(-1, 1, (3, 10, 12, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def acts(model: Any, images: Any) -> Any:
    return ls.activations(model, images)


def scores(model: Any, images: Any, objective: Any, **changes: Any) -> Any:
    """What the objective says of unit images that are the network's input as well."""
    made = recipe("tutorial", input_range=(-1, 1), **changes)
    task = task_of(model, objective, made, variants=len(images))
    arrays = task.program.arrays_of([0] * len(images))
    return task.ascent.score(images, arrays)


def logits(model: Any, acts: Any) -> Any:
    kernel, bias = model.get_layer("classes").get_weights()
    return acts["flat"].values @ kernel + bias


def test_a_channel_is_the_mean_of_its_map(model: Any, images: Any, acts: Any) -> None:
    expected = acts["conv"].values[..., 3].mean(axis=(1, 2))
    for written in (o.channel("conv", 3), "conv:3", o.units("conv", [3])):
        np.testing.assert_allclose(scores(model, images, written), expected, atol=1e-5)


def test_a_border_is_left_out(model: Any, images: Any, acts: Any) -> None:
    expected = acts["conv"].values[:, 2:-2, 2:-2, 3].mean(axis=(1, 2))
    np.testing.assert_allclose(scores(model, images, "conv:3", border=2), expected, atol=1e-5)
    # Where there would be nothing left, it stays: conv2's map is 6 high.
    expected = acts["conv2"].values[:, :, 3:-3, 1].mean(axis=(1, 2))
    np.testing.assert_allclose(scores(model, images, "conv2:1", border=3), expected, atol=1e-5)


def test_a_neuron_is_one_value(model: Any, images: Any, acts: Any) -> None:
    for written in (o.neuron("conv", 1, (2, 7)), "conv:1@2,7"):
        found = scores(model, images, written)
        np.testing.assert_allclose(found, acts["conv:1@2,7"].values, atol=1e-5)
    centre = acts["conv"].values[:, 4, 5, 1]
    np.testing.assert_allclose(scores(model, images, o.neuron("conv", 1)), centre, atol=1e-5)


def test_a_layer_is_its_mean_and_layers_add_up(model: Any, images: Any, acts: Any) -> None:
    one = acts["conv"].values.mean(axis=(1, 2, 3))
    other = acts["conv2"].values.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(scores(model, images, "conv"), one, atol=1e-5)
    for written in (
        ["conv", "conv2"],
        o.layer(["conv", "conv2"]),
        o.layer("conv", "conv2"),
        o.layer("conv") + o.layer("conv2"),
    ):
        np.testing.assert_allclose(scores(model, images, written), one + other, atol=1e-5)
    squares = np.square(acts["conv"].values).mean(axis=(1, 2, 3))
    found = scores(model, images, o.layer("conv", squared=True))
    np.testing.assert_allclose(found, squares, atol=1e-5)


def test_a_class_is_its_logit_unless_its_probability_is_asked_for(
    model: Any, images: Any, acts: Any
) -> None:
    for written in ("classes:2", o.logit("classes", 2), o.channel("classes", 2)):
        expected = logits(model, acts)[:, 2]
        np.testing.assert_allclose(scores(model, images, written), expected, atol=1e-4)
    found = scores(model, images, o.probability("classes", 2))
    np.testing.assert_allclose(found, acts["classes"].values[:, 2], atol=1e-5)


@pytest.mark.parametrize("after", ["layer", "activation"])
def test_the_logit_before_a_softmax_of_its_own(after: str) -> None:
    last = layers.Softmax(name="p") if after == "layer" else layers.Activation("softmax", name="p")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d"), last])
    x = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32)
    acts = ls.activations(model, x)
    for written in ("d:1", "p:1", o.logit("p", 1)):
        found = scores(model, x, written)
        np.testing.assert_allclose(found, acts["d"].values[:, 1], atol=1e-5)
    for written in (o.probability("p", 1), o.probability("d", 1)):
        found = scores(model, x, written)
        np.testing.assert_allclose(found, acts["p"].values[:, 1], atol=1e-5)


def test_a_hidden_sigmoid_is_read_after_it() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, "sigmoid", name="hidden"), layers.Dense(2, name="out")]
    )
    x = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32)
    expected = ls.activations(model, x)["hidden"].values[:, 1]
    np.testing.assert_allclose(scores(model, x, "hidden:1"), expected, atol=1e-5)


def test_a_direction_is_a_mean_dot_product(model: Any, images: Any, acts: Any) -> None:
    vector = np.array([3.0, 0, -4, 0, 0])
    expected = (acts["conv"].values @ vector / 5).mean(axis=(1, 2))
    found = scores(model, images, o.direction("conv", vector))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    at = scores(model, images, o.direction("conv", vector, (1, 2)))
    np.testing.assert_allclose(at, acts["conv"].values[:, 1, 2] @ vector / 5, atol=1e-5)


def test_similarity_is_1_for_the_same_and_0_for_zeros(model: Any, images: Any, acts: Any) -> None:
    target = acts["conv"][1]
    found = scores(model, images, o.similarity("conv", target))
    a, t = acts["conv"].values, target.values
    expected = 1 - np.square(a - t).sum(axis=(1, 2, 3)) / np.square(t).sum()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found[1] == pytest.approx(1, abs=1e-5)
    assert 2 * found[0] != found[1]


def test_diversity_is_1_minus_the_mean_cosine_of_gram_matrices(
    model: Any, images: Any, acts: Any
) -> None:
    flat = acts["conv2"].values.reshape(3, -1, 4)
    grams = [(f.T @ f).ravel() for f in flat]
    units = [g / np.linalg.norm(g) for g in grams]
    expected = [1 - np.mean([units[i] @ units[j] for j in range(3) if j != i]) for i in range(3)]
    found = scores(model, images, o.diversity("conv2"))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(InputError, match=r"diversity\(conv2\) compares the images .* batch=4"):
        scores(model, images[:1], o.diversity("conv2"))


def test_penalties_are_means_over_the_image(model: Any, images: Any) -> None:
    rows = np.abs(np.diff(images, axis=1)).mean(axis=(1, 2, 3))
    columns = np.abs(np.diff(images, axis=2)).mean(axis=(1, 2, 3))
    for written, expected in (
        (o.l1(), np.abs(images).mean(axis=(1, 2, 3))),
        (o.l2(3), 3 * np.square(images).mean(axis=(1, 2, 3))),
        (-o.total_variation(0.5), -0.5 * (rows + columns)),
    ):
        np.testing.assert_allclose(scores(model, images, written), expected, rtol=1e-4)
    flat = np.full_like(images, 0.3)
    assert scores(model, flat, o.blur() + o.total_variation()) == pytest.approx(0, abs=1e-6)
    assert (scores(model, images, o.blur()) > 0.05).all()


def test_arithmetic(model: Any, images: Any) -> None:
    a, b = o.channel("conv", 1), o.neuron("conv2", 2)
    each = [scores(model, images, one) for one in (a, b, o.total_variation())]
    for written, expected in (
        (a + b, each[0] + each[1]),
        (a - 2 * b, each[0] - 2 * each[1]),
        (-a / 4, -each[0] / 4),
        (sum([a, b]), each[0] + each[1]),
        ([a, "conv:1"], 2 * each[0]),
        (a + 0.5 * b - o.total_variation(0.1), each[0] + 0.5 * each[1] - 0.1 * each[2]),
    ):
        np.testing.assert_allclose(scores(model, images, written), expected, atol=1e-5)


def test_a_function_of_ones_own(model: Any, images: Any, acts: Any) -> None:
    ops = keras.ops

    def mine(found: Any) -> Any:
        return ops.max(found["conv"], axis=(1, 2, 3)) - found["classes"][:, 0]

    expected = acts["conv"].values.max(axis=(1, 2, 3)) - acts["classes"].values[:, 0]
    for written in (mine, o.function(mine), o.function(mine, "conv", "classes")):
        np.testing.assert_allclose(scores(model, images, written), expected, atol=1e-5)
    totals = scores(model, images, lambda found: ops.sum(found["conv"]))
    np.testing.assert_allclose(totals, acts["conv"].values.sum(axis=(1, 2, 3)), rtol=1e-4)
    both = scores(model, images, o.function(lambda found: ops.sum(found["conv"])) + 2 * o.l2())
    np.testing.assert_allclose(both, totals + 2 * np.square(images).mean(axis=(1, 2, 3)), rtol=1e-4)
    with pytest.raises(InputError, match="looked at no activation: return a score of some"):
        scores(model, images, lambda found: 1.0)
    with pytest.raises(InputError, match=r"mine returned values of shape \(.*\): return one"):
        scores(model, images, o.function(lambda found: found["conv"], name="mine"))
    with pytest.raises(AddressError, match="There is no layer 'cnv': did you mean 'conv'"):
        scores(model, images, lambda found: found["cnv"])


def test_one_number_is_that_of_each_image_also_where_their_number_is_not_known() -> None:
    """As in TensorFlow, whose compiled functions may serve every number of images."""
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)

    class Batch:
        """Values of which it is not known how many there are."""

        shape = (None, 4)

    class Ops:
        """Such as maps over them."""

        @staticmethod
        def map(function: Any, found: Any) -> Any:
            return np.stack([function({"d": row}) for row in values])

    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="d")])

    def total(found: Any) -> Any:
        value = found["d"]
        return np.float32(0) if isinstance(value, Batch) else value.sum()

    objective = o.function(total, "d")
    ((_, score),) = task_of(model, objective, recipe("tutorial")).program.scorer.of_values
    tap = Tap("d")
    np.testing.assert_allclose(score(Ops, {tap: Batch()}, {}), values.sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda found: None, "mine returned None: return a number of some activations"),
        (lambda found: found["conv"] is None, "mine returned False: return a number of some"),
        (lambda found: [found["conv"]], "mine returned a list: return a number of some"),
    ],
)
def test_a_function_that_returns_no_score(model: Any, compute: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        task_of(model, o.function(compute, name="mine"), recipe("tutorial"))


def test_what_fails_in_ones_own_function_is_not_the_models(model: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        task_of(model, lambda found: found["conv"][0, 0, 0, 0] + 1 / 0, recipe("tutorial"))


def test_no_two_images_have_one_label(model: Any, acts: Any) -> None:
    objective = o.similarity("conv", acts["conv"].values[:2])
    task = task_of(model, objective, recipe("tutorial"), variants=2)
    assert [task.label(i) for i in range(4)] == [
        "similarity(conv)[0] [0]", "similarity(conv)[0] [1]",
        "similarity(conv)[1] [0]", "similarity(conv)[1] [1]",
    ]  # fmt: skip
    for one in (acts["conv"].values[:1], acts["conv"].values[0], acts["conv"][0]):
        task = task_of(model, o.similarity("conv", one), recipe("tutorial"))
        assert task.label(0) == "similarity(conv)"


@pytest.mark.parametrize("last", ["log_softmax", "sigmoid", None])
def test_a_probability_is_between_0_and_1(last: str | None) -> None:
    count = 3 if last == "log_softmax" else 1
    model = keras.Sequential([keras.Input((4,)), layers.Dense(count, last, name="d")])
    x = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32)
    logit = x @ model.get_layer("d").get_weights()[0]
    expected = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    expected = expected if count > 1 else 1 / (1 + np.exp(-logit))
    found = scores(model, x, o.probability("d", 0))
    np.testing.assert_allclose(found, expected[:, 0], atol=1e-5)


def test_they_read_as_they_are_written() -> None:
    written = o.channel("a", 3) + 0.5 * o.neuron("b", 7, (1, 2)) - o.total_variation(0.1)
    assert str(written) == "a:3 + 0.5·b:7@1,2 - 0.1·total_variation"
    assert str(-o.logit("out", 2)) == "-logit(out:2)"
    assert str(o.layer("a", "b", squared=True)) == "(a + b)²"
    assert str(o.units("a", range(3))) == "a:0,1,2"
    assert o.units("a", [4, 9]).label(1) == "a:9"
    assert str(o.neuron("b", 7)) == "b:7@centre"


def test_units_are_an_image_each(model: Any) -> None:
    task = task_of(model, o.units("conv", [4, 0]) - o.l1(), recipe("tutorial"), variants=2)
    assert task.program.images == 2
    assert [task.label(i) for i in range(4)] == [
        "conv:4 - l1 [0]", "conv:4 - l1 [1]", "conv:0 - l1 [0]", "conv:0 - l1 [1]"
    ]  # fmt: skip
    with pytest.raises(InputError, match="for different numbers of images: conv:0,1 is for 2 and"):
        task_of(model, o.units("conv", [0, 1]) + o.units("conv2", [0, 1, 2]), recipe("tutorial"))


def test_several_units_are_an_image_each(model: Any) -> None:
    task = task_of(model, "conv:4,0", recipe("tutorial"))
    assert [task.label(i) for i in range(2)] == ["conv:4", "conv:0"]
    images = ls.features(model, "conv", units=[4, 0], steps=1, progress=False)
    assert images["conv"].attrs["units"] == (4, 0)
    with pytest.raises(AddressError, match=r"units=\['a'\]: pass whole numbers"):
        ls.features(model, "conv", units=["a"])
    with pytest.raises(InputError, match=r"units=\[1\] are those of a layer: pass its address"):
        ls.features(model, o.channel("conv", 1), units=[1])


def test_what_differs_only_in_its_numbers_is_one_function(model: Any) -> None:
    def structure(objective: Any) -> Any:
        return task_of(model, objective, recipe("tutorial")).program.scorer.structure

    assert structure("conv:1") == structure("conv:4") == structure(o.direction("conv", np.ones(5)))
    assert structure("conv:1@1,2") == structure("conv:2@3,4")
    assert structure(o.channel("conv", 1) - o.l1(0.1)) == structure(o.channel("conv", 2) - o.l1(2))
    assert structure("conv:1") != structure("conv2:1")
    assert structure("conv:1") != structure("conv:1@1,2")
    assert structure("classes:1") != structure(o.probability("classes", 1))


@pytest.mark.parametrize(
    ("written", "error", "message"),
    [
        ("cnv:1", AddressError, "There is no layer 'cnv': did you mean 'conv'"),
        ("conv:5", AddressError, "'conv' has 5 along channel, counted from 0: 5 is not among them"),
        ("conv:1@9,0", AddressError, "'conv' has 8 along y, counted from 0: 9 is not among them"),
        ("conv:1@1", AddressError, "'conv' has 2 coordinates: y, x; @1 gives 1"),
        ("classes:1@1", AddressError, "'classes' has 0 coordinates; @1 gives 1"),
        (3, InputError, "An int is no objective: pass an address such as 'conv2d:3'"),
        ([], InputError, "is no objective"),
        (None, InputError, "None is no objective: pass an address"),
        (layers.Dense(2, name="conv"), InputError, "A Dense itself is no .* such as 'conv'"),
        (layers.Dense(2, name="other"), InputError, "A Dense itself is no .* such as 'conv'"),
        (lambda a, b: 1, InputError, r"The function takes \(a, b\): pass one that takes a mapping"),
        (o.direction("conv", np.ones(4)), InputError, "has 4 numbers, and 'conv' has 5 channels"),
    ],
)
def test_one_sentence(model: Any, written: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        task_of(model, written, recipe("tutorial"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: o.channel("a", -1), "-1 is no unit or position: pass whole numbers from 0 up"),
        (lambda: o.channel("a", 1.5), "1.5 is no unit or position"),
        (lambda: o.units("a", []), r"units\('a', …\) got no indices"),
        (lambda: o.units("a", 3), r"units\('a', …\) got 3: pass several .* such as range\(16\)"),
        (lambda: o.units("a", slice(3)), r"got slice\(None, 3, None\): pass several whole"),
        (lambda: 2 * o.units("a", [2, 1, 2]), r"units\('a', …\) lists unit 2 twice: list each"),
        (lambda: o.neuron("a", 1, 3), r"3 is no position: pass a coordinate for each axis"),
        (lambda: o.channel(3, 1), "3 is no address of a layer: pass a text such as 'conv2d'"),
        (lambda: o.layer(layers.Dense(2)), "a Dense is no address of a layer"),
        (lambda: o.direction("a", "abc"), r"direction\('a', …\) got a str that is no array"),
        (lambda: o.direction("a", [[1, 2], [3]]), "got a list that is no array of numbers"),
        (lambda: o.similarity("a", "abc"), r"similarity\('a', …\) got a str that is no array"),
        (lambda: o.l1() / 0, "l1 can't be divided by 0"),
        (lambda: o.l1() / "a", "'a' is no weight of an objective: pass a finite number"),
        (lambda: o.total_variation("a"), "'a' is no weight"),
        (lambda: float("nan") * o.l1(), "nan is no weight"),
        (lambda: o.function(layers.Dense(2)), "got a Dense: pass a function of activations"),
        (lambda: o.layer(), r"layer\(\) got no address"),
        (lambda: o.direction("a", [0, 0]), "pass one finite number per channel, not all of them 0"),
        (lambda: o.similarity("a", np.zeros((2, 2))), "got values that are all 0"),
        (lambda: o.function(3), "got an int: pass a function"),
    ],
)
def test_what_makes_no_objective(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_an_image_of_another_size_is_not_similar(model: Any, acts: Any) -> None:
    objective = o.similarity("conv", np.ones((4, 4, 5)))
    task = task_of(model, objective, recipe("tutorial", steps=1))
    with pytest.raises(InputError, match=r"recorded with shape \(4, 4, 5\), and 'conv' now has"):
        task.ascent.score(np.zeros((1, 10, 12, 2), np.float32), task.arrays([0]))


def test_names_that_look_like_units_win(images: Any) -> None:
    assert str(as_objective("a:1", ["a", "a:1"])) == "a:1"
    assert len(as_objective("a:1", ["a", "a:1"]).parts) == 1
    with pytest.raises(InputError, match="The objective is empty"):
        bind(o.Objective(()), None)  # type: ignore[arg-type]


def test_a_layer_that_is_the_input() -> None:
    model = keras.Model(
        inputs := keras.Input((4,), name="in"), layers.Dense(2, name="d")(inputs), name="m"
    )
    with pytest.raises(AddressError, match="'in' is the input itself: name a layer after it"):
        task_of(model, "in:1", recipe("tutorial"))
