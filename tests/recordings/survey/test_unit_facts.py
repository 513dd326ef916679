"""What pages tell of single units."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.sample_figures import SampleFigures
from layerscope.recordings.survey.unit_facts import NO_LABEL, even_histogram, preference


def tally_of(values, labels=(), label_count=0):
    """The tally of values, (sample, place, unit)."""
    values = np.asarray(values, np.float32)
    mean = values.mean(axis=1)
    figures = SampleFigures(
        peak=values.max(axis=1),
        place=values.argmax(axis=1),
        low=values.min(axis=1),
        mean=mean,
        squares=((values - mean[:, None]) ** 2).sum(axis=1),
        zeros=(values == 0).sum(axis=1),
        count=np.full(mean.shape, values.shape[1]),
        some=values,
        axes=("position",),
        shape=values.shape[1:2],
    )
    of = np.array(labels or [-1] * len(values))
    return LayerTally.of(figures, np.arange(len(values)), of, label_count, top=4, comoments=False)


def test_a_unit_prefers_the_label_of_its_highest_mean():
    values = np.zeros((4, 1, 4))
    values[:, 0, 0] = [1, 2, 3, 6]  # means by label: 1.5 and 4.5
    values[:, 0, 1] = [5, 5, 1, 1]
    values[:, 0, 2] = 7  # all alike
    values[:, 0, 3] = [-4, -4, -2, -2]  # from its lowest, it is all of label 1
    known = preference(tally_of(values, [0, 0, 1, 1], 2))
    assert known.label.tolist() == [1, 0, NO_LABEL, 1]
    np.testing.assert_allclose(known.share, [0.75, 5 / 6, 0, 1])


def test_without_two_labels_nothing_is_preferred():
    values = np.random.RandomState(0).rand(6, 2, 3)
    for labels, count in (((), 0), ([0] * 6, 1), ([2] * 6, 3)):
        assert (preference(tally_of(values, list(labels), count)).label == NO_LABEL).all()


@given(
    st.lists(
        st.floats(-1e6, 1e6, width=32) | st.just(0.0) | st.floats(-2, 2, width=32),
        min_size=1,
        max_size=60,
    )
)
def test_a_histogram_on_even_bins_counts_every_value_near_where_it_is(values):
    numbers = np.array(values, np.float32)
    tally = tally_of(numbers[:, None, None])
    known = even_histogram(tally, 0, bins=10)
    assert known.zeros == (numbers == 0).sum()
    if known.high == known.low:
        return
    assert known.counts.sum() + known.zeros == len(numbers)
    assert (known.counts >= 0).all()
    # A bin of the survey is 4.5 % wide: below any edge are no fewer than of the values that lie
    # clearly below it, and no more than of those that do not lie clearly above.
    edges = np.linspace(known.low, known.high, 11)[1:-1]
    below = np.cumsum(known.counts)[:-1]
    others = numbers[numbers != 0].astype(np.float64)
    for edge, count in zip(edges, below, strict=True):
        slack = 0.05 * abs(edge) + 1e-9
        assert (others < edge - slack).sum() - 1 <= count <= (others <= edge + slack).sum() + 1


def test_a_unit_of_one_value_has_no_histogram():
    known = even_histogram(tally_of(np.full((3, 2, 1), 2.5)), 0)
    assert (known.low, known.high, known.counts.sum(), known.zeros) == (2.5, 2.5, 0, 0)
    known = even_histogram(tally_of(np.zeros((3, 2, 1))), 0)
    assert known.zeros == 6
