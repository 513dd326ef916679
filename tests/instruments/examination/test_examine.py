"""Examination on Keras: what is broken on purpose is found by name, and what is well is clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.broken_networks import (
    BROKEN,
    BROKEN_TRAININGS,
    Broken,
    BrokenTraining,
    healthy,
    images,
    keras_network,
    labels,
    learning,
    set_keras_weights,
)
from layerscope.errors import InputError, ViewError
from layerscope.instruments.examination.registry import kinds

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def well() -> Any:
    """A survey of the network as it is when it is well."""
    return ls.survey(keras_network(healthy()), images(), progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a training that goes well."""
    return recorded(tmp_path_factory.mktemp("well"), learning())


def examined(model: Any, **options: Any) -> Any:
    return ls.examine(model, images(), progress=False, **options)


def recorded(folder: Path, steps: list[Any], losses: tuple[float, ...] = ()) -> Path:
    """A recording of a training that goes through these weights."""
    model = keras_network(steps[0])
    where = folder / "run.zarr"
    with ls.Recorder(where, model, probe=images(), quiet=True, dtype="float32") as recorder:
        for step, weights in enumerate(steps):
            set_keras_weights(model, weights)
            metrics = {"loss": losses[step]} if losses else {}
            recorder.snap(step, **metrics)
    return where


def test_a_network_that_is_well_has_no_failing_finding() -> None:
    report = examined(keras_network(healthy()))
    assert report.failing == ()
    assert {finding.kind for finding in report.findings} == set(kinds())
    assert "batch-norm" in [f.kind for f in report.findings if f.state == "clean"]
    assert str(report).startswith("Examined 'sequential")


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_what_is_broken_is_named_with_its_layer(broken: Broken, run: Path) -> None:
    model = keras_network(broken.change(healthy()), two_softmaxes=broken.two_softmaxes)
    x = images() * np.float32(broken.scale)
    options: dict[str, Any] = {}
    if broken.kind in LABELLED:
        options["labels"] = labels() + broken.label_shift
    if broken.kind == "input-scale":
        options["against"] = run
    report = ls.examine(model, x, progress=False, **options)
    found = [(f.kind, f.layer, f.severity) for f in report.found]
    assert (broken.kind, broken.layer, "failing") in found, str(report)


LABELLED = ("same-class", "guessing")


@pytest.mark.parametrize("training", BROKEN_TRAININGS, ids=lambda training: training.name)
def test_a_training_that_goes_wrong_is_named_with_its_layer(
    training: BrokenTraining, tmp_path: Path
) -> None:
    report = ls.examine(recorded(tmp_path, training.steps(), training.losses))
    found = [(f.kind, f.layer, f.severity) for f in report.found]
    assert (training.kind, training.layer, "failing") in found, str(report)


def test_a_training_that_goes_well_has_no_failing_finding(run: Path) -> None:
    report = ls.examine(run)
    assert report.failing == (), str(report)
    assert "frozen" in [f.kind for f in report.findings if f.state == "clean"]


def test_every_finding_has_figures_words_and_a_picture() -> None:
    for broken in BROKEN[::3]:
        model = keras_network(broken.change(healthy()), two_softmaxes=broken.two_softmaxes)
        for finding in examined(model, labels=labels() + broken.label_shift).found:
            assert finding.words.startswith(finding.headline)
            assert finding.means
            assert finding.advice
            assert finding.samples
            if finding.chart is not None:
                assert finding.picture().header["title"]


def test_a_model_needs_data_and_a_recording_has_its_own(run: Path) -> None:
    with pytest.raises(InputError, match="A model is examined on data"):
        ls.examine(keras_network(healthy()))
    with pytest.raises(InputError, match="data= is for a model"):
        ls.examine(run, images())
    with pytest.raises(InputError, match="against= takes a recording or a survey"):
        examined(keras_network(healthy()), against=3)
    with pytest.raises(InputError, match="loss=3: pass the loss"):
        examined(keras_network(healthy()), loss=3)


def test_what_was_not_found_has_no_picture() -> None:
    report = examined(keras_network(healthy()))
    clean = next(f for f in report.findings if f.state == "clean")
    with pytest.raises(ViewError, match="there is no picture of it, clean"):
        clean.picture()


def test_the_model_is_left_as_it_was() -> None:
    model = keras_network(_off())
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    report = examined(model)
    assert report.of_kind("batch-norm")[0].state == "found"
    after = [keras.ops.convert_to_numpy(v) for v in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def _off() -> Any:
    return next(b for b in BROKEN if b.kind == "batch-norm").change(healthy())


def test_a_loss_that_does_not_fit_is_named() -> None:
    model = keras_network(healthy())
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert [f.layer for f in examined(model).of_kind("softmax-twice")] == ["out"]
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert examined(model).of_kind("softmax-twice")[0].state == "clean"
    assert examined(model).of_kind("loss-mismatch")[0].state == "clean"
    model.get_layer("out").activation = keras.activations.sigmoid
    report = examined(model)
    assert [(f.layer, f.severity) for f in report.of_kind("loss-mismatch")] == [("out", "failing")]


def test_a_survey_and_a_healthy_one_beside_it(well: Any) -> None:
    assert ls.examine(well).failing == ()
    model = keras_network(healthy())
    same = examined(model, against=well)
    assert same.failing == ()


def test_the_value_before_the_first_nan_is_told() -> None:
    overflow = next(b for b in BROKEN if b.name == "an overflow")
    report = examined(keras_network(overflow.change(healthy())))
    finding = report.of_kind("nan")[0]
    assert finding.figures["sample"] == 0
    assert 0 < finding.figures["before"] < 100
    assert "Its weights are finite" in finding.words


def test_the_modes_of_batch_normalization_are_shown_as_maps() -> None:
    finding = examined(keras_network(_off())).of_kind("batch-norm")[0]
    panel = finding.picture()
    assert panel.header["kind"] == "maps"
    assert len(panel) == 3 * 8  # evaluation, training and difference of each channel
    assert len(panel.png()) > 1000


def test_gradients_that_fade_are_named_with_the_layer(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    layers = [keras.layers.Dense(12, activation="sigmoid", name=f"h{i}") for i in range(7)]
    model = keras.Sequential(
        [keras.Input((6,)), *layers, keras.layers.Dense(3, activation="softmax", name="out")]
    )
    for variable in model.variables:
        variable.assign(random.normal(size=variable.shape) * 0.2)
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = random.normal(size=(64, 6)).astype("float32"), np.arange(64) % 3
    where = tmp_path / "run.zarr"
    with ls.Recorder(where, model, probe=x, gradients=y, quiet=True, steps=2) as recorder:
        recorder.snap(0)
        model.get_layer("out").bias.assign([0.1, 0.0, 0.0])
        recorder.snap(1)
    finding = ls.examine(where).of_kind("gradients")[0]
    assert (finding.layer, finding.severity) == ("h0", "failing")
    assert finding.picture().header["kind"] == "cards"


def test_answers_are_kept_of_the_first_samples_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from layerscope.instruments.examination import observed

    monkeypatch.setattr(observed, "_MOST_ANSWERS", 300)
    always = next(b for b in BROKEN if b.kind == "same-class")
    model = keras_network(always.change(healthy()))
    report = examined(model, labels=labels(), batch_size=16)
    assert report.of_kind("same-class")[0].samples == 32  # of 96: two batches of 16 × 10 values
    assert report.samples == 96


def test_before_the_first_batch_what_normalization_leaves_small_is_no_fault() -> None:
    """Of architectures with a normalization in each block, in evaluation mode all values fade."""
    layers = keras.layers
    small = keras.initializers.RandomNormal(stddev=0.01, seed=0)
    blocks = [
        layer
        for i in range(6)
        for layer in (
            layers.Conv2D(4, 3, padding="same", kernel_initializer=small, name=f"conv{i}"),
            layers.BatchNormalization(name=f"norm{i}"),
            layers.Activation("relu", name=f"relu{i}"),
        )
    ]
    gate = layers.Conv2D(4, 1, activation="hard_sigmoid", kernel_initializer=small, name="gate")
    ends = [gate, layers.GlobalAveragePooling2D(name="pool"), layers.Dense(3, name="out")]
    model = keras.Sequential([keras.Input(images().shape[1:]), *blocks, *ends])
    report = examined(model)
    assert report.failing == ()
    assert any("has seen no batch yet" in finding.words for finding in report.found)
    model.get_layer("norm0").set_weights([np.ones(4), np.zeros(4), np.zeros(4), np.full(4, 0.9)])
    assert "constant" in {finding.kind for finding in examined(model).failing}


def test_values_are_held_against_the_input_as_the_network_scales_it() -> None:
    layers = keras.layers
    small = keras.initializers.RandomNormal(stddev=0.02, seed=0)
    model = keras.Sequential(
        [
            keras.Input(images().shape[1:]),
            layers.Rescaling(1 / 255, name="scaled"),
            layers.Conv2D(4, 3, kernel_initializer=small, name="first"),
            layers.Conv2D(4, 3, kernel_initializer=small, name="second"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, name="out"),
        ]
    )
    report = ls.examine(model, images() * 255, progress=False)
    assert [finding.state for finding in report.of_kind("vanishing")] == ["clean"]
