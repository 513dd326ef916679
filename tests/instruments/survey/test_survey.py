"""Surveys: the same numbers from any kind of data, in any batches, stopped and gone on with."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from cases import forked_runs
from cases.forked_runs import started
from layerscope.errors import AddressError, InputError, OutputError
from layerscope.instruments.survey import building, sample_pool
from layerscope.instruments.survey import running as module
from layerscope.recordings.survey.store import is_survey, read_survey
from layerscope.recordings.survey.survey import Survey

Array = np.ndarray[Any, Any]
COUNT = 90


def network() -> Any:
    """A small CNN of whole numbers: whatever the batches, every framework sums them exactly."""
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.layers.Input((6, 6, 1)),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.Conv2D(3, 2, name="linear"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(2, name="dense"),
        ]
    )
    model.set_weights([rng.integers(-2, 3, w.shape).astype("f4") for w in model.get_weights()])
    return model


def images(count: int = COUNT) -> Array:
    return np.random.default_rng(1).integers(0, 5, (count, 6, 6, 1)).astype(np.float32)


def assert_same(one: Survey, other: Survey) -> None:
    assert (list(one), one.ranges, one.labels) == (list(other), other.ranges, other.labels)
    assert set(one.samples) == set(other.samples)
    for address in one:
        for name, values in one[address].variables.items():
            mine, theirs = values.values, other[address][name].values
            if name in ("mean", "std", "label_mean", "label_peak"):
                np.testing.assert_allclose(mine, theirs, rtol=1e-6, err_msg=str(name))
            else:
                np.testing.assert_array_equal(mine, theirs, err_msg=str(name))


@pytest.fixture(scope="module")
def model() -> Any:
    return network()


@pytest.fixture(scope="module")
def whole(model: Any) -> Survey:
    return ls.survey(model, images(), top=5, labels=np.arange(COUNT) % 3)


def test_it_leaves_out_layers_that_hand_on_values_unless_they_are_named(model: Any) -> None:
    x = images(8)
    assert list(ls.survey(model, x)) == ["conv", "linear", "dense"]
    assert list(ls.survey(model, x, layers="flat")) == ["flat"]
    assert list(ls.survey(model, x, layers=["dense", "conv"])) == ["conv", "dense"]
    with pytest.raises(AddressError, match="conv"):
        ls.survey(model, x, layers="convv")


def test_figures_examples_and_labels_are_those_of_the_activations(
    model: Any, whole: Survey
) -> None:
    values = ls.activations(model, images())["conv"].values
    figures = whole["conv"]
    np.testing.assert_allclose(figures["mean"], values.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(figures["std"], values.std((0, 1, 2), dtype=float), rtol=1e-6)
    np.testing.assert_allclose(figures["zeros"], (values == 0).mean((0, 1, 2)), rtol=1e-6)
    peaks = values.max((1, 2))
    for unit in range(4):
        ranked = np.lexsort((np.arange(COUNT), -peaks[:, unit]))[:5]
        assert figures["top_sample"][unit].values.tolist() == ranked.tolist()
        for example in whole.examples(f"conv:{unit}"):
            y, x = example.place
            assert values[example.sample.number, y, x, unit] == example.value
            received = (
                example.sample.inputs["input"]
                if "input" in example.sample.inputs
                else next(iter(example.sample.inputs.values()))
            )
            np.testing.assert_array_equal(received.values[0], images()[example.sample.number])
            assert example.sample.label == str(example.sample.number % 3)
    for label in range(3):
        of_label = peaks[np.arange(COUNT) % 3 == label]
        np.testing.assert_allclose(
            figures["label_peak"].sel(label=str(label)), of_label.mean(0), rtol=1e-6
        )
    assert whole.examples("conv:1", "weak")[0].value == peaks[:, 1].min()


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_the_size_of_batches_makes_no_difference(
    model: Any, whole: Survey, batch_size: int
) -> None:
    again = ls.survey(model, images(), top=5, labels=np.arange(COUNT) % 3, batch_size=batch_size)
    assert_same(again, whole)


def test_surveys_of_parts_merge_to_that_of_the_whole(model: Any, whole: Survey) -> None:
    cuts = [0, 1, 40, 41, COUNT]
    x, labels = images(), np.arange(COUNT) % 3
    parts = [
        ls.survey(model, x[a:b], labels=labels[a:b], first=a, top=5)
        for a, b in itertools.pairwise(cuts)
    ]
    assert_same(parts[2].merge(parts[0]).merge(parts[3], parts[1]), whole)
    with pytest.raises(InputError, match=r"samples 0 to 0.*first=90"):
        whole.merge(parts[0])
    other = network()
    other.layers[0].bias.assign([9, 9, 9, 9])
    with pytest.raises(InputError, match="different models"):
        parts[0].merge(ls.survey(other, x[1:4], first=1, top=5))
    with pytest.raises(InputError, match="different layers"):
        parts[0].merge(ls.survey(model, x[1:4], "conv", first=1, top=5))


def folder_of_images(at: Path, broken: bool = True) -> Path:
    """Write images into a folder for each label, and a file that is no image."""
    for number, image in enumerate(images(12)):
        folder = at / f"class{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0].astype(np.uint8) * 50).save(folder / f"{number:02}.png")
    if broken:
        (at / "class1" / "05a.png").write_bytes(b"no image")
    return at


def test_folders_in_a_folder_are_labels_and_broken_files_are_named(
    model: Any, tmp_path: Path
) -> None:
    got = ls.survey(model, folder_of_images(tmp_path / "photos"), batch_size=4, top=12)
    assert got.labels == ("class0", "class1", "class2")
    assert got.count == 12
    assert list(got.unreadable) == ["05a.png"] or list(got.unreadable) == ["class1/05a.png"]
    assert "could not be read" in str(got)
    best = got.examples("conv:0")[0].sample
    assert best.label is not None
    assert best.file is not None
    assert Path(best.file).is_file()
    assert best.label in best.file
    assert not best.inputs  # read again where it is needed


def generator(x: Array, labels: Array) -> Iterator[Any]:
    for begin in range(0, len(x), 11):
        yield x[begin : begin + 11], labels[begin : begin + 11]


class Samples:
    """What Hugging Face calls a data set: samples by number, with names for its labels."""

    features: ClassVar = {"label": type("ClassLabel", (), {"names": ["0", "1", "2"]})()}

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, number: int) -> Any:
        return {"image": images()[number], "label": number % 3}


Samples.__module__, Samples.__name__ = "datasets.arrow_dataset", "Dataset"


def test_every_kind_of_data_gives_the_same_survey(
    model: Any, whole: Survey, tmp_path: Path
) -> None:
    import torch
    import zarr

    x, labels = images(), np.arange(COUNT) % 3
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, x.shape)
    mapped[:] = x
    stored = zarr.create_array(str(tmp_path / "x.zarr"), data=x, chunks=(16, 6, 6, 1))
    pairs = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(labels))
    kinds = {
        "generator": (generator(x, labels), None),
        "DataLoader": (torch.utils.data.DataLoader(pairs, batch_size=8), None),
        "Dataset": (pairs, None),
        "Hugging Face": (Samples(), None),
        "memmap": (mapped, labels),
        "Zarr": (stored, labels),
        "torch": (torch.from_numpy(x), labels),
    }
    for name, (data, given) in kinds.items():
        got = ls.survey(model, data, top=5, labels=given)
        assert_same(got, whole), name


def test_labels_must_reach_to_the_end(model: Any) -> None:
    with pytest.raises(InputError, match="5 labels, and the data have more"):
        ls.survey(model, images(), labels=range(5))


@pytest.mark.parametrize(("name", "value"), [("top", 0), ("top", True), ("first", -1)])
def test_wrong_numbers_are_refused(model: Any, name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name}={value!r}: pass a whole number"):
        ls.survey(model, images(), **{name: value})


def test_what_is_not_finite_is_counted_and_left_out(whole: Survey) -> None:
    model = network()
    x = images()
    x[3, 0, 0] = np.nan
    x[4] = np.inf
    got, values = ls.survey(model, x, "conv"), ls.activations(model, x, "conv")["conv"].values
    figures = got["conv"]
    finite = np.isfinite(values)
    assert figures["nonfinite"].values.tolist() == (~finite).sum((0, 1, 2)).tolist()
    assert figures["nonfinite"].sum() > 0
    for unit in range(4):
        of_unit = values[..., unit][finite[..., unit]]
        assert float(figures["max"][unit]) == of_unit.max()
        assert float(figures["mean"][unit]) == pytest.approx(of_unit.mean(dtype=float), rel=1e-6)


def test_a_survey_is_kept_and_gone_on_with(
    model: Any, whole: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "survey.zarr"
    arguments: dict[str, Any] = {"top": 5, "labels": np.arange(COUNT) % 3, "batch_size": 8}
    monkeypatch.setattr(module, "CHECKPOINT_SAMPLES", 16)

    def interrupted(*_: Any) -> Any:
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(1)
        return reduced(*_)

    seen: list[int] = []
    reduced = building.reduced
    monkeypatch.setattr(building, "reduced", interrupted)
    part = ls.survey(model, images(), to=where, **arguments)
    assert part.count == 40
    assert part.notes[-1] == "it was stopped after 40 samples; the same call goes on from there"
    monkeypatch.setattr(building, "reduced", reduced)
    assert ls.open_recording(where).count == 40
    assert_same(ls.survey(model, images(), to=where, **arguments), whole)
    assert_same(ls.open_recording(where), whole)
    assert_same(ls.survey(model, images(), to=where, **arguments), whole)  # nothing is left to do
    example = ls.open_recording(where).examples("conv:2")[0]
    received = next(iter(example.sample.inputs.values()))
    np.testing.assert_array_equal(received.values[0], images()[example.sample.number])


def test_what_is_there_is_not_lost(model: Any, tmp_path: Path) -> None:
    where = tmp_path / "survey.zarr"
    ls.survey(model, images(8), to=where)
    with pytest.raises(OutputError, match="another top, 16 instead of 5"):
        ls.survey(model, images(8), to=where, top=5)
    with pytest.raises(OutputError, match="already: name another, or pass overwrite=True"):
        ls.survey(model, images(8), to=where, resume=False)
    other = network()
    other.layers[0].bias.assign([9, 9, 9, 9])
    with pytest.raises(OutputError, match="other weights"):
        ls.survey(other, images(8), to=where)
    for data, more in (
        (images(9), {}),
        (images(8)[::-1].copy(), {}),
        (images(8), {"labels": range(8)}),
        (generator(images(8), images(8)), {}),
    ):
        with pytest.raises(OutputError, match="begun with another data"):
            ls.survey(model, data, to=where, **more)
    for number in (8, 9):
        folder = folder_of_images(tmp_path / f"photos{number}")
        if number == 9:
            (folder / "class0" / "00.png").unlink()
            with pytest.raises(OutputError, match="begun with another data"):
                ls.survey(model, folder, to=tmp_path / "of_photos.zarr")
        else:
            ls.survey(model, folder, to=tmp_path / "of_photos.zarr")
    assert ls.survey(other, images(4), to=where, overwrite=True).count == 4
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="is no survey"):
        ls.survey(model, images(8), to=tmp_path / "notes")
    with pytest.raises(InputError, match="there is no recording"):
        ls.open_recording(tmp_path / "nothing.zarr")
    with pytest.raises(InputError, match="is no recording of layerscope: that is a folder"):
        ls.open_recording(tmp_path / "notes")


def test_files_are_gone_on_with_where_the_survey_was_stopped(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = folder_of_images(tmp_path / "photos")
    np.save(photos / "class2" / "several.npy", images(5))
    arguments: dict[str, Any] = {"batch_size": 3, "top": 4}
    straight = ls.survey(model, photos, **arguments)
    reduced = building.reduced
    for stop in range(1, 6):
        where = tmp_path / f"{stop}.zarr"
        calls: list[int] = []

        def interrupted(*_: Any, calls: list[int] = calls, stop: int = stop) -> Any:
            if len(calls) == stop:
                raise KeyboardInterrupt
            calls.append(1)
            return reduced(*_)

        monkeypatch.setattr(building, "reduced", interrupted)
        ls.survey(model, photos, to=where, **arguments)
        monkeypatch.setattr(building, "reduced", reduced)
        again = ls.survey(model, photos, to=where, **arguments)
        assert_same(again, straight)
        assert again.unreadable == straight.unreadable


@pytest.mark.full
@pytest.mark.timeout(2400)  # a second or two for each, on a busy machine ten
def test_killed_anywhere_and_gone_on_with_it_is_as_if_it_never_was(
    whole: Survey, tmp_path: Path
) -> None:
    where = tmp_path / "survey.zarr"
    rng = np.random.default_rng(int.from_bytes(os.urandom(4)))
    killed = begun = 0
    with started(Path(forked_runs.__file__).with_name("killed_survey.py")) as script:
        script.run(tmp_path / "first.zarr", 0)
        start = time.monotonic()
        script.run(tmp_path / "second.zarr", 0)
        longest = 0.9 * (time.monotonic() - start)
        while killed < 100:
            done = script.run(where, rng.uniform(0.001, longest))
            assert done.returncode in (0, -signal.SIGALRM), done.stderr
            killed += done.returncode != 0
            if not is_survey(where):
                continue  # killed before its first checkpoint
            begun += 1
            survey, progress = read_survey(where)
            assert survey.count == progress.samples
            if progress.complete:
                assert_same(survey, whole)
                where = tmp_path / f"{rng.integers(10**9)}.zarr"
        assert script.run(where, 0).returncode == 0
    assert begun > 10
    assert_same(ls.open_recording(where), whole)


def test_never_having_fired_claims_no_more_than_it_may(model: Any) -> None:
    silent = network()
    silent.layers[0].bias.assign([-1000, 0, 0, 0])
    got = ls.survey(silent, images())
    assert got.never_fired("conv") == [0]
    assert got.never_fired("dense") == []
    assert "never fired in 90 samples fires on fewer than 3.3 % of such data (95 %)" in str(got)


def test_a_pool_of_samples_lets_go_of_those_that_no_unit_needs(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_pool, "_BYTES", 5_000)
    sizes = []
    keep = sample_pool.SamplePool.keep
    monkeypatch.setattr(
        sample_pool.SamplePool,
        "keep",
        lambda pool, referred: (sizes.append(len(pool.samples)), keep(pool, referred)),
    )
    x = images(600)
    small = ls.survey(model, x, "dense", top=2, batch_size=20)
    monkeypatch.undo()
    assert_same(small, ls.survey(model, x, "dense", top=2))
    assert len(small.samples) < 200
    assert len(sizes) > 3  # it was looked at on the way
    assert max(sizes) < 400


def test_checkpoints_are_surveyed_one_by_one(model: Any, tmp_path: Path) -> None:
    x = images()
    weights = model.get_weights()
    files = []
    for epoch, bias in ((1, 0), (2, -1000), (10, 0)):
        one = network()
        one.layers[0].bias.assign([bias, 0, 0, 0])
        files.append(tmp_path / f"epoch{epoch:02}-loss=0.5.keras")
        one.save(files[-1])
    series = ls.survey(None, x, "conv", at=files[::-1], to=tmp_path / "kept")
    assert series.steps == (1, 2, 10)
    same = network()
    same.layers[0].bias.assign([0, 0, 0, 0])
    assert_same(series[1], ls.survey(same, x, "conv"))
    assert series[2].never_fired("conv") == [0]
    frame = series.fate().to_frame()
    assert frame.iloc[0]["died"] == 2
    assert frame.iloc[0]["revived"] == 10
    assert len(list((tmp_path / "kept").iterdir())) == 3
    # Weights alone go into a copy of the model.
    dead = network()
    dead.layers[0].bias.assign([-1000, 0, 0, 0])
    dead.save_weights(tmp_path / "epoch3.weights.h5")
    series = ls.survey(model, x, "conv", at=[tmp_path / "epoch3.weights.h5"])
    assert series[3].never_fired("conv") == [0]
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    with pytest.raises(InputError, match=r"run through only once.*3 checkpoints"):
        ls.survey(None, generator(x, x), at=files)
    with pytest.raises(InputError, match="pass the files of a training"):
        ls.survey(None, x, at=[])


def test_a_survey_that_went_on_to_its_end_does_not_say_that_it_was_stopped(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reduced, seen = building.reduced, []

    def interrupted(*arguments: Any) -> Any:
        if seen:
            raise KeyboardInterrupt
        seen.append(1)
        return reduced(*arguments)

    monkeypatch.setattr(building, "reduced", interrupted)
    part = ls.survey(model, images(), batch_size=8, to=tmp_path / "s.zarr")
    assert any("stopped after 8" in note for note in part.notes)
    monkeypatch.undo()
    whole = ls.survey(model, images(), batch_size=8, to=tmp_path / "s.zarr")
    assert whole.count == COUNT
    assert not any("stopped" in note for note in whole.notes)


def test_one_that_was_killed_before_its_first_checkpoint_is_begun_anew(
    model: Any, whole: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerscope.recordings.survey import store

    where, arguments = tmp_path / "s.zarr", {"top": 5, "labels": np.arange(COUNT) % 3}
    for name in ("_write_inputs", "_write_state"):
        with monkeypatch.context() as patched:
            patched.setattr(store, name, lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                ls.survey(model, images(), to=where, **arguments)
        with pytest.raises(InputError, match="no survey"):
            ls.open_recording(where)
    assert_same(ls.survey(model, images(), to=where, **arguments), whole)
    assert_same(ls.open_recording(where), whole)
