import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cases.networks import layer
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError
from layerscope.core.network import Network, Parameter
from layerscope.instruments.summary import Row, merged, scope, summary, tallies
from layerscope.recordings.recording import Recording

MAPS = ("sample", "y", "x", "channel")


def recording(kind="Conv2D", **arrays):
    """By address, (values, axes)."""
    layers = tuple(layer(name, kind) for name in arrays)
    named = {name: NamedArray(np.asarray(v), axes) for name, (v, axes) in arrays.items()}
    return Recording(named, network=Network("net", "none", layers))


def slow(values):
    """Blank channels of (sample, y, x, channel), one by one."""
    samples, _, _, channels = values.shape
    return sum(
        all(np.ptp(values[s, :, :, c]) == 0 for s in range(samples)) for c in range(channels)
    )


def test_the_figures_are_those_of_numpy():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    values[..., 2] = 0
    values[1, :, :, 4] = 7  # flat for one sample only
    values[:, :, :, 5] = np.arange(3)[:, None, None]  # flat for each, at another level
    (row,) = summary(recording(conv=(values, MAPS)))
    assert row == Row(
        address="conv",
        type="Conv2D",
        shape=(4, 5, 6),
        min=float(values.min()),
        mean=float(values.mean(dtype=np.float64)),
        max=float(values.max()),
        units=6,
        blank=0,
        nonfinite=0,
        constant=slow(values),
    )
    assert row.constant == 2
    (second,) = summary(recording(conv=(values, MAPS)), sample=1)
    assert second.constant == slow(values[1:2]) == 3
    assert second.max == values[1].max()
    (rectified,) = summary(recording("ReLU", conv=(np.maximum(values, 0), MAPS)))
    assert (rectified.blank, rectified.constant) == (1, 1)
    assert rectified.blank_share == pytest.approx(1 / 6)


@given(
    shape=hnp.array_shapes(min_dims=4, max_dims=4, max_side=4),
    dtype=st.sampled_from(["float32", "float16", "float64", "int32", "uint8", "bool"]),
    share=st.sampled_from([0, 0.6, 1]),
    layer_type=st.sampled_from(["ReLU", "Conv2D", "Softmax", "Mine"]),
    odd=st.sampled_from([None, np.nan, np.inf]),
    first=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_what_is_read_three_times_has_the_figures_of_the_maps_one_by_one(
    shape, dtype, share, layer_type, odd, first, seed
):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape) * (rng.random(shape) >= share)
    values[..., 0] = rng.integers(0, 3)
    values = (np.abs(values) if layer_type != "Conv2D" else values).astype(dtype)
    if odd is not None and values.dtype.kind == "f":
        values[0, 0, 0, -1] = odd
    axes = ("sample", "channel", "y", "x") if first else MAPS
    (row,) = summary(recording(layer_type, conv=(values, axes)))
    by_unit = np.moveaxis(values, 1 if first else -1, 1).reshape(*maps_shape(values, first))
    finite = by_unit[np.isfinite(by_unit)].astype(float)
    flat = [
        by_unit.shape[2] > 1 and all(len(set(m.tolist())) == 1 and np.isfinite(m[0]) for m in unit)
        for unit in np.moveaxis(by_unit, 1, 0)
    ]
    silent = [
        layer_type in ("ReLU", "Mine") and not unit.any() for unit in np.moveaxis(by_unit, 1, 0)
    ]
    assert (row.blank, row.constant) == (
        sum(silent), sum(f and not s for f, s in zip(flat, silent, strict=True)),
    )  # fmt: skip
    assert row.nonfinite == by_unit.size - finite.size
    if finite.size:
        assert (row.min, row.max) == (finite.min(), finite.max())
        assert row.mean == pytest.approx(finite.mean())


def maps_shape(values, first):
    units = values.shape[1 if first else -1]
    return len(values), units, values.size // len(values) // units


def test_channels_first_and_channels_last_give_the_same():
    values = np.random.default_rng(1).normal(size=(2, 4, 5, 3)).astype(np.float32)
    values[..., 1] = 0
    last = summary(recording(conv=(values, MAPS)))
    first = summary(recording(conv=(np.moveaxis(values, -1, 1), ("sample", "channel", "y", "x"))))
    assert first == last


def test_a_unit_is_blank_when_it_is_zero():
    values = np.array([[0.0, 3.0, 0.0], [0.0, 3.0, 1.0]])
    rec = recording("ReLU", dense=(values, ("sample", "unit")))
    assert summary(rec)[0].blank == 1
    assert summary(rec, sample=0)[0].blank == 2
    assert summary(rec)[0].shape == (3,)


@pytest.mark.parametrize("kind", ["LogSoftmax", "Softmax", "Linear", "Dense", "LSTM"])
def test_a_zero_that_is_an_answer_is_not_blank(kind):
    values = np.array([[0.0, 0.0, 1.0]])
    (row,) = summary(recording(kind, dense=(values, ("sample", "unit"))))
    assert (row.blank, row.constant) == (0, 0)


def test_values_that_are_not_finite_are_counted_and_left_out():
    values = np.array([[1.0, np.nan, np.inf, 3.0]], np.float32)
    (row,) = summary(recording(dense=(values, ("sample", "unit"))))
    assert (row.min, row.mean, row.max, row.nonfinite) == (1, 2, 3, 2)
    (row,) = summary(recording(dense=(np.full((1, 2), np.nan), ("sample", "unit"))))
    assert np.isnan([row.min, row.mean, row.max]).all()
    assert row.nonfinite == 2


def test_half_precision_does_not_overflow():
    values = np.full((1, 200, 200, 2), 1000, np.float16)
    (row,) = summary(recording(conv=(values, MAPS)))
    assert row.mean == 1000


@pytest.mark.parametrize(
    ("values", "axes", "shape", "units"),
    [
        (np.zeros((2, 0), np.float32), ("sample", "unit"), (0,), 0),
        (np.arange(2), ("sample",), (), 1),
        (np.array([[True, False]]), ("sample", "unit"), (2,), 2),
        (np.ones((3, 3, 2, 4), np.float32), ("y", "x", "input", "channel"), (3, 3, 2, 4), 4),
        (np.ones((1, 2, 5, 5), np.float32), ("sample", "head", "query", "key"), (2, 5, 5), 2),
    ],
)
def test_all_kinds_of_arrays(values, axes, shape, units):
    (row,) = summary(recording(layer=(values, axes)))
    assert (row.shape, row.units) == (shape, units)


def test_what_the_figures_are_about():
    one = recording(a=(np.zeros((1, 2)), ("sample", "unit")))
    three = recording(a=(np.zeros((3, 2)), ("sample", "unit")))
    assert scope(one) == scope(three, 2) == "for this sample"
    assert scope(three) == "for all 3 samples given"
    with pytest.raises(InputError, match="There is no sample 3: there are 3, counted from 0"):
        summary(three, 3)


def test_weights_are_summarised_by_the_type_of_their_layer():
    kernel = Parameter("dense/kernel", (2, 3), "float32", True, False, 24)
    network = Network("net", "none", (layer("dense", "Dense", parameters=(kernel,)),))
    arrays = {"dense/kernel": NamedArray(np.ones((2, 3)), ("input", "unit"))}
    (row,) = summary(Recording(arrays, network=network))
    assert (row.type, row.units) == ("Dense", 3)


values_of = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.just(2), st.just(2), st.just(3)),
    elements=st.sampled_from([0, 0, 0, 1, -2, 3.5, 1000, np.nan, np.inf]),
)


@given(values_of, st.data())
def test_chunks_of_samples_give_the_summary_of_all(values, data):
    whole = summary(recording(conv=(values, MAPS)))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(values) - 1)), max_size=3)))
    parts = [part for part in np.split(values, cuts) if len(part)]
    total = tallies(recording(conv=(parts[0], MAPS)))
    for part in parts[1:]:
        total = merged(total, tallies(recording(conv=(part, MAPS))))
    (row,) = [tally.row for tally in total]
    np.testing.assert_equal(
        [row.min, row.max, row.blank, row.nonfinite, row.units],
        [whole[0].min, whole[0].max, whole[0].blank, whole[0].nonfinite, whole[0].units],
    )
    np.testing.assert_allclose(row.mean, whole[0].mean, rtol=1e-12)


def test_what_has_no_samples_is_counted_once():
    table = {"table": (np.array([[1.0, np.nan]]), ("position", "channel"))}
    once = tallies(recording(**table))
    (row,) = [tally.row for tally in merged(once, tallies(recording(**table)))]
    assert row == once[0].row
    assert row.nonfinite == 1
