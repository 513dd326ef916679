"""Several units by one address, or by their numbers; samples by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.recordings import MAPS, VECTOR, kernel, maps, named
from cases.runs import run_of
from cases.visualizations import coloured
from layerscope.core.errors import AddressError, LayerscopeError, ViewError
from layerscope.core.network import Network
from layerscope.recordings.recording import Recording

CONV = maps(6, 20, 30)
ACTS = Recording(
    {"conv": CONV, "late": maps(4, 10, 15), "out": named(np.arange(10.0).reshape(2, 5), VECTOR)},
    network=Network("net", "none", ()),
    inputs={"input": maps(1, 20, 30)},
    samples=("a.png", "b.png"),
)


def run() -> Any:
    values = np.random.default_rng(0).normal(size=(5, 3, 8, 8, 4)).astype(np.float32)
    return run_of({"conv": (MAPS, values)}, image=values[0, ..., :1])


def pixels(panel: Any) -> list[Any]:
    return [panel.pixels(i).tolist() for i in range(len(panel))]


def labels(panel: Any) -> list[str]:
    return [tile["label"] for tile in panel.header["tiles"]]


def test_a_recording_is_read_by_several_units() -> None:
    several = ACTS["conv:4,1"]
    np.testing.assert_array_equal(several.values, ACTS["conv"].values[..., [4, 1]])
    assert several.channel.values.tolist() == [4, 1]
    assert ACTS["out:3,0"].values.tolist() == [[3, 0], [8, 5]]
    assert "conv:4,1" in ACTS
    assert "conv:4,9" not in ACTS


def test_a_layer_of_that_name_wins() -> None:
    acts = Recording({"conv:4,1": CONV, "conv": CONV}, network=Network("net", "none", ()))
    assert acts["conv:4,1"].shape == CONV.values.shape


@pytest.mark.parametrize("units", [[4, 1], (4, 1), np.array([4, 1])])
def test_a_sheet_of_several_units(units: Any) -> None:
    panel = ls.sheet(ACTS, "conv:4,1", scale="unit")
    assert labels(panel) == ["4", "1"]
    alone = [pixels(ls.sheet(ACTS, f"conv:{unit}", scale="unit"))[0] for unit in (4, 1)]
    assert pixels(panel) == alone
    assert pixels(ls.sheet(ACTS, "conv", units=units, scale="unit")) == alone
    assert pixels(ls.sheet(ACTS, "conv", units=4)) == pixels(ls.sheet(ACTS, "conv:4"))


def test_other_layers_and_companions() -> None:
    assert labels(ls.sheet(ACTS, "out:3,0")) == ["3", "0"]
    weights = Recording(
        {"conv/kernel": kernel(2, 6)}, network=Network("net", "none", ()), kind="weights"
    )
    assert labels(ls.sheet(weights, "conv/kernel:5,2")) == ["5·0", "5·1", "2·0", "2·1"]
    images = coloured()
    (address,) = list(images)[:1]
    layer = address.partition(":")[0]
    numbers = [int(n) for n in images[layer].attrs["units"]][:2]
    assert len(ls.sheet(images, layer, units=numbers)) == len(numbers)


def test_a_timeline_has_a_row_for_each() -> None:
    panel = ls.timeline(run(), "conv:3,0")
    assert len(panel) == 10
    assert labels(panel)[:2] == ["3 · 0", "3 · 1"]
    assert labels(panel)[5] == "0 · 0"
    assert pixels(ls.timeline(run(), "conv", units=[3, 0])) == pixels(panel)


def test_across_takes_channels_and_layers() -> None:
    both = ls.across(ACTS, [3, 1])
    assert both.header["columns"] == 3
    assert both.header["title"] == "channels 3, 1 through 2 layers"
    assert pixels(both) == [*pixels(ls.across(ACTS, 3)), *pixels(ls.across(ACTS, 1))]
    assert labels(both)[1:3] == ["conv:3 (20, 30)", "late:3 (10, 15)"]
    assert labels(ls.across(ACTS, 3, layers="la*")) == [labels(both)[0], "late (10, 15)"]
    assert len(ls.across(ACTS, 3, layers=["late", "conv"])) == 3
    uneven = ls.across(ACTS, [3, 5])
    assert len(uneven) == 5
    with pytest.raises(AddressError, match="No layer matches layers='x"):
        ls.across(ACTS, 3, layers="x*")
    with pytest.raises(ViewError, match="No layer has a channel 9"):
        ls.across(ACTS, [3, 9])


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (lambda: ls.sheet(ACTS, "conv", units=["a"]), r"units=\['a'\]: pass whole numbers"),
        (lambda: ls.sheet(ACTS, "conv", units=[]), r"units=\[\]: pass whole numbers"),
        (lambda: ls.sheet(ACTS, "conv", units=[-1]), r"units=\[-1\]: pass whole numbers"),
        (lambda: ls.sheet(ACTS, "conv", units=True), "units=True: pass whole numbers"),
        (lambda: ls.sheet(ACTS, "conv:3", units=[4]), "'conv:3:4'"),
        (lambda: ls.sheet(ACTS, "conv:3,9"), "'conv' has 6 along channel, .*: 9 is not among"),
        (lambda: ls.sheet(ACTS, "conv:3,"), "'3,' is no unit"),
        (lambda: ls.sheet(ACTS, ["conv:3"]), r"address=\['conv:3'\]: pass one address, such as"),  # type: ignore[arg-type]
        (lambda: ls.sheet(ACTS, "none:3,4"), "There is no layer 'none:3,4'"),
        (lambda: ls.across(ACTS, []), r"channel=\[\]: pass a whole number, .* or several"),
        (lambda: ls.across(ACTS, "3"), "channel='3': pass a whole number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nonsense_is_refused(view: Any, message: str) -> None:
    with pytest.raises(LayerscopeError, match=message):
        view()


def test_samples_go_by_name(tmp_path: Path) -> None:
    for view in (
        lambda sample: ls.sheet(ACTS, "conv", sample=sample),
        lambda sample: ls.across(ACTS, 1, sample=sample),
        lambda sample: ls.pages(ACTS, sample=sample)[0],
        lambda sample: ls.histogram(ACTS, "conv", sample=sample),
    ):
        assert view("b.png").buffers == view(1).buffers
        with pytest.raises(ViewError, match=r"no sample 'c\.png': did you mean '[ab]\.png'"):
            view("c.png")
    unnamed = Recording({"conv": CONV}, network=Network("net", "none", ()))
    with pytest.raises(ViewError, match=r"no sample 'a\.png': its samples have no names"):
        ls.sheet(unnamed, "conv", sample="a.png")
