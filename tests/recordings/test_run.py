from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases.runs import MAPS, changing_maps, learner, run_of
from layerscope import across, diagram, open_recording, pages, sheet
from layerscope.core.errors import AddressError, InputError


def test_a_layer_is_a_lazy_array_over_steps() -> None:
    run = learner()
    assert list(run) == ["conv", "dense"]
    assert run["conv"].dims == ("step", *MAPS)
    assert run["conv"].sel(epoch=3).dims == MAPS
    assert run["conv:2"].dims == ("step", "sample", "y", "x")
    assert (run["conv:2"].sel(epoch=3) == changing_maps()[3, ..., 2]).all()
    assert run["conv:2@1,2"].dims == ("step", "sample")


def test_what_is_known_of_the_run() -> None:
    run = learner()
    assert run.steps.tolist() == [0, 1, 2, 3, 4]
    assert run.epochs.tolist() == [0, 1, 2, 3, 4]
    assert list(run.metrics) == ["loss", "val_loss"]
    assert run.samples == ("a.png", "b.png", "c.png")
    assert run.network.name == "learner"
    assert run.notes == ("made by hand",)
    assert run.provenance == {"model": "abc"}
    assert run.input.shape == (3, 8, 10, 1)
    assert run.described == ("conv", "dense")
    assert run.axes("conv") == {"step": 5, "sample": 3, "y": 6, "x": 8, "channel": 4}
    assert run.nbytes == 5 * 4 * (3 * 6 * 8 * 4 + 3 * 10)


def test_statistics() -> None:
    run = learner()
    found = run.statistics("conv")
    assert set(found) == {"mean", "std", "min", "max", "zeros"}
    assert found["mean"].dims == ("step", "unit")
    np.testing.assert_allclose(found["mean"], changing_maps().mean(axis=(1, 2, 3)), rtol=1e-5)
    assert set(run.weights.statistics("conv/kernel")) == {"norm", "change"}
    with pytest.raises(AddressError, match="did you mean 'conv'"):
        run.statistics("conv2")
    assert run.statistic("conv", "norm") is None


def test_weights_are_a_run_of_their_own_and_lead_back() -> None:
    weights = learner().weights
    assert list(weights) == ["conv/kernel", "dense/kernel"]
    assert weights["conv/kernel:3"].dims == ("step", "y", "x", "input")
    assert weights.weights is weights
    assert list(weights.activations) == ["conv", "dense"]


def test_one_step_is_as_activations_would_have_been() -> None:
    run = learner()
    moment = run.at(3)
    assert list(moment) == ["conv", "dense"]
    assert moment["conv"].dims == MAPS
    assert (moment["conv"].values == changing_maps()[3]).all()
    assert list(moment["conv"].sample.values) == ["a.png", "b.png", "c.png"]
    assert moment.provenance == {"model": "abc", "step": "3"}
    assert (run.at(None)["conv"].values == changing_maps()[4]).all()
    assert moment.at(None) is moment
    with pytest.raises(AddressError, match="There is no step 1: this recording is of a single"):
        moment.at(1)


def test_steps_are_named_by_their_numbers() -> None:
    run = run_of({"conv": (MAPS, changing_maps(9))}, steps=range(0, 900, 100))
    assert (run.at(300)["conv"].values == changing_maps(9)[3]).all()
    with pytest.raises(AddressError, match=r"There is no step 3 in this recording: .* 500, … 800"):
        run.at(3)
    with pytest.raises(AddressError, match="There is no step True"):
        run.at(True)
    with pytest.raises(AddressError, match="holds no steps yet"):
        run_of({"conv": (MAPS, changing_maps(3)[:0])}).at(None)


@pytest.mark.parametrize("step", [0, 2, None])
def test_every_view_takes_a_step(step: int | None) -> None:
    run = learner()
    moment = run.at(step)
    for view in (lambda r, **k: sheet(r, "conv", **k), lambda r, **k: across(r, 1, **k),
                 lambda r, **k: pages(r, min_size=(1, 1), **k)[0],
                 lambda r, **k: diagram(run.network, r, **k)):  # fmt: skip
        seen, expected = view(run, step=step), view(moment)
        assert seen.buffers == expected.buffers
    assert sheet(run, "conv", step=0).buffers != sheet(run, "conv", step=1, scale="unit").buffers
    with pytest.raises(AddressError, match="There is no step 9 in this recording"):
        sheet(run, "conv", step=9)


def test_a_picture_of_one_layer_reads_that_layer_at_that_step() -> None:
    run = learner()
    sheet(run, "conv:2", step=1)
    asked = [a for a in run._reader.asked if a[0] == "activations"]
    assert [(a[1], a[3]) for a in asked] == [("conv", 1)]


def test_to_tell_of_a_run_nothing_is_read() -> None:
    run = learner()
    assert "conv   (step: 5, sample: 3, y: 6, x: 8, channel: 4) float32" in repr(run)
    assert "note: made by hand" in repr(run)
    assert "conv   (sample: 3, y: 6, x: 8, channel: 4) float32" in repr(run.at(2))
    assert run._reader.asked == []


def test_part_reads_no_more_than_it_is_asked_for() -> None:
    run = learner()
    part = run.part("conv", slice(1, 3), channel=slice(2, 3), sample=slice(0, 1))
    assert part.axes == ("step", *MAPS)
    assert (part.values == changing_maps()[1:3, :1, :, :, 2:3]).all()
    assert run._reader.asked[-1][3:] == (
        slice(1, 3), {"channel": slice(2, 3), "sample": slice(0, 1)},
    )  # fmt: skip


def test_a_recording_in_a_store(tmp_path) -> None:
    """The same by way of the disk, where Zarr is installed."""
    pytest.importorskip("zarr")
    from layerscope.recordings.store.writer import Writer

    known = learner()
    schema = known._reader.schema
    url = str(tmp_path / "run.zarr")
    writer = Writer.create(url, schema, constants={"input": known.input.values})
    arrays = known._reader.arrays
    for i in range(4):
        here = {key: values[i] for key, values in arrays.items() if key[0] != "input"}
        writer.append(
            i, epoch=float(i), wall_time=1.0, metrics={"loss": 1.0 / (i + 1)}, arrays=here
        )
    run = open_recording(url)
    assert run.steps.tolist() == [0, 1, 2, 3]
    for address in known:
        assert (run[address].values == known[address].values[:4]).all()
        assert (run.at(2)[address].values == known.at(2)[address].values).all()
    assert run["conv"].sel(epoch=2).dims == MAPS
    assert sheet(run, "conv:1", step=2).buffers == sheet(known, "conv:1", step=2).buffers
    assert (run.weights["conv/kernel"].values == known.weights["conv/kernel"].values[:4]).all()
    here = {key: values[4] for key, values in arrays.items() if key[0] != "input"}
    writer.append(4, epoch=4.0, wall_time=2.0, metrics={"loss": 0.2}, arrays=here)
    writer.close()
    assert run.refresh()
    assert not run.refresh()
    assert run.metrics["loss"][-1] == 0.2
    assert run["conv"].sizes["step"] == 5
    with pytest.raises(InputError, match="no recording"):
        open_recording(tmp_path / "other.zarr")


@pytest.mark.parametrize("url", [3, None, ""])
def test_what_is_no_place(url: Any) -> None:
    with pytest.raises(InputError, match="pass where a recording is kept, such as"):
        open_recording(url)


def test_a_run_and_its_moments_say_what_they_are() -> None:
    run = learner()
    assert [run.kind, run.weights.kind, run.weights.at(1).kind] == [
        "activations",
        "weights",
        "weights",
    ]
    assert run.has_steps
    moment = run.at(2)
    assert not moment.has_steps
    assert not moment.steps.size
    assert moment.axes("dense") == {"sample": 3, "unit": 10}
