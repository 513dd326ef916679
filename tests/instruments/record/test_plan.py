"""How much a recording takes, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.errors import InputError
from layerscope.instruments.record.budget import (
    Spending,
    chosen_samples,
    free_on_disk,
    read_budget,
)
from layerscope.instruments.record.plan import Array, RecordingPlan, ordinal, thinned

MAPS = Array("conv2d", ("sample", "y", "x", "channel"), (16, 10, 10, 64), "float16")
DENSE = Array("dense", ("sample", "unit"), (16, 500), "float16")
KERNEL = Array("conv2d/kernel", ("y", "x", "input", "channel"), (3, 3, 3, 64), "float16")


def plan(limit: float | None = None, steps: int | None = 40) -> RecordingPlan:
    samples = tuple(range(16))
    return RecordingPlan((MAPS, DENSE), (KERNEL,), 2, samples, steps, limit)


def test_it_says_how_much() -> None:
    whole = plan()
    values = 16 * (10 * 10 * 64 + 500) * 2
    statistics = 4 * 5 * (64 + 500)
    assert whole.step_bytes == values + statistics + 3 * 3 * 3 * 64 * 2 + 2 * 16
    assert str(whole) == "40 steps × 16 samples × 2 layers: 9.4 MB before compression"
    assert str(plan(steps=None)) == "16 samples × 2 layers: 235.6 kB a step before compression"
    assert thinned(whole) is whole


def test_first_samples_then_channels_then_weights_then_steps() -> None:
    assert len(thinned(plan(5e6)).samples) == 7
    assert thinned(plan(5e6)).channels is None
    fewer = thinned(plan(0.7e6))
    assert (len(fewer.samples), fewer.channels, len(fewer.weights)) == (1, 8, 1)
    fewer = thinned(plan(0.6e6))
    assert (len(fewer.samples), fewer.channels, len(fewer.weights), fewer.stride) == (1, 8, 0, 1)
    fewer = thinned(plan(0.3e6))
    assert fewer.stride == 2
    assert str(fewer) == (
        "20 of 40 steps × 1 sample × 2 layers: 278.2 kB before compression; thinned to stay "
        "within 300.0 kB: all of it would take 9.4 MB; of 16 samples one is stored; of each "
        "feature map the first 8 channels are stored; the values of the weights are left out, "
        "their norms are kept; every 2nd of them is recorded"
    )


@given(st.floats(1e4, 1e8), st.one_of(st.none(), st.integers(1, 10_000)))
def test_a_thinned_plan_fits_where_a_step_does(limit: float, steps: int | None) -> None:
    fewer = thinned(plan(limit, steps))
    if fewer.step_bytes <= limit and steps is not None:
        assert fewer.fits()
        assert fewer.nbytes <= limit
    assert fewer.fits() or fewer.channels == 8


def test_only_feature_maps_lose_channels() -> None:
    assert MAPS.stored(2, 8) == (2, 10, 10, 8)
    assert DENSE.stored(2, 8) == (2, 500)
    constant = Array("table", ("position", "channel"), (7, 9), "float32")
    assert constant.stored(2, None) == (7, 9)


@given(st.integers(1, 60), st.integers(1, 4000), st.floats(0.2, 1.0), st.integers(0, 2**32 - 1))
def test_the_budget_holds_however_many_steps_come(
    fits: int, steps: int, compressed: float, seed: int
) -> None:
    planned = plan(None, None)
    limit = float(fits * planned.step_bytes)
    spending = Spending(plan(limit, None))
    random = np.random.default_rng(seed)
    spent, taken = 0, []
    for step in range(steps):
        if spending.allows():
            nbytes = int(planned.step_bytes * random.uniform(compressed, 1))
            spending.spent(nbytes)
            spent += nbytes
            taken.append(step)
    assert spent <= limit
    assert taken[0] == 0
    assert len(taken) >= min(steps, fits // 2 or 1)
    gaps = np.diff(taken)
    assert (np.diff(gaps) >= 0).all() or not spending.notes
    if len(taken) == steps:
        assert not spending.notes


def test_a_long_training_is_thinned_as_it_goes_on_and_says_so() -> None:
    each = plan().step_bytes
    spending = Spending(plan(20.0 * each, None))
    taken = [step for step in range(1000) if spending.allows()]
    assert taken[:10] == list(range(10))
    assert 15 <= len(taken) <= 20
    assert spending.notes[0].startswith("after 10 steps only every 4th is recorded")
    assert spending.notes[-1].startswith("the budget of 4.7 MB was spent after ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 GB", 2e9), ("500MB", 5e8), ("1.5 kB", 1500), ("3 GiB", 3 * 2**30), ("12", 12),
        (7, 7), (None, None), ("2 tb", 2e12), ("10 B", 10),
    ],
)  # fmt: skip
def test_a_budget(text: object, expected: float | None) -> None:
    assert read_budget(text) == expected


@pytest.mark.parametrize("bad", ["", "much", "-1 GB", 0, -3, True, "0", [], "2 XB"], ids=repr)
def test_no_budget(bad: object) -> None:
    with pytest.raises(InputError, match="pass a number of bytes, a size such as '2 GB', or None"):
        read_budget(bad)


def test_samples() -> None:
    names = ("a.png", "b.png", "c.png")
    assert chosen_samples(None, 3, names) == (0, 1, 2)
    assert chosen_samples(2, 3, names) == (0, 1)
    assert chosen_samples([-1, "a.png"], 3, names) == (2, 0)
    assert chosen_samples("b.png", 3, names) == (1,)
    for bad, message in (
        (0, "at least 1"),
        (9, "samples=9: the probe has 3 samples"),
        ([0, 0], r"samples=\[0, 0\] names a sample twice"),
        ([2, "a.png", -1], "names a sample twice"),
        ([3], "the probe has 3 samples, counted from 0"),
        (["d.png"], "they are 'a.png', 'b.png', 'c.png'"),
        ([], "how many samples of the probe"),
        (1.5, "how many samples of the probe"),
        (True, "how many samples of the probe"),
    ):
        with pytest.raises(InputError, match=message):
            chosen_samples(bad, 3, names)


def test_what_is_free_is_known_of_local_paths_only() -> None:
    assert (free_on_disk("run.zarr") or 0) > 0
    assert free_on_disk("file:///nowhere/at/all/run.zarr") == pytest.approx(
        free_on_disk("/nowhere/run.zarr"), rel=0.1
    )
    assert free_on_disk("s3://bucket/run.zarr") is None
    assert free_on_disk("memory://run.zarr") is None


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip
