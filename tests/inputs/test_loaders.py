"""What yields batches, whoever makes them: which part is input, and how many are taken."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import InputSettings, feed_of, sample_count
from layerscope.inputs.ahead import made_ahead
from layerscope.inputs.loaders import is_loader

ONE = (InputSpec("x", (None, 3)),)
TWO = (InputSpec("a", (None, 3)), InputSpec("b", (None, 2)))
ANY = (InputSpec("x", None, certain=False),)


def feed(x: Any, specs: Any = ONE, **options: Any) -> Any:
    made = feed_of(x, specs, InputSettings(), **options)
    assert made is not None
    return made


def values(x: Any, specs: Any = ONE, **options: Any) -> list[Any]:
    return [part.value for part in feed(x, specs, **options)]


def rows(*counts: int) -> list[Any]:
    """Batches whose rows are numbered through."""
    ends = list(itertools.accumulate(counts, initial=0))
    number = np.arange(ends[-1] * 3, dtype=np.float32).reshape(-1, 3)
    return [number[begin:end] for begin, end in itertools.pairwise(ends)]


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    limit=st.none() | st.integers(1, 20),
    with_target=st.booleans(),
)
def test_batches_are_taken_as_they_come_up_to_a_limit(
    counts: list[int], limit: int | None, with_target: bool
) -> None:
    batches = rows(*counts)
    given_batches = [(batch, np.zeros(len(batch))) for batch in batches]
    parts = values(iter(given_batches if with_target else batches), samples=limit)
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(batches)[:limit])


@given(count=st.integers(1, 9), size=st.integers(1, 10), limit=st.none() | st.integers(1, 10))
def test_an_array_is_cut_into_batches(count: int, size: int, limit: int | None) -> None:
    x = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    made = feed(x, batch_size=size, samples=limit)
    parts = [part.value for part in made]
    np.testing.assert_array_equal(np.concatenate(parts), x[:limit])
    assert {len(part) for part in parts[:-1]} <= {size}
    assert made.opened == made.count == len(parts)
    assert made.samples() == sum(map(len, parts))


def test_several_inputs_are_cut_together() -> None:
    a, b = np.zeros((5, 3), np.float32), np.ones((5, 2), np.float32)
    for x in ([a, b], (a, b), {"a": a, "b": b}):
        parts = values(x, TWO, batch_size=2)
        lengths = [[len(v) for v in (p.values() if isinstance(p, dict) else p)] for p in parts]
        assert lengths == [[2, 2], [2, 2], [1, 1]]
        assert type(parts[0]) is type(x)


def test_a_batch_has_as_many_parts_as_the_model_has_inputs() -> None:
    a, b, y = np.zeros((4, 3)), np.ones((4, 2)), np.arange(4)
    for batch in ((a, b), [a, b, y], ((a, b), y), ({"b": b, "a": a}, y), {"a": a, "b": b, "y": y}):
        (value,) = values(iter([batch]), TWO)
        got = list(value.values()) if isinstance(value, dict) else list(value)
        assert sorted(array.shape for array in got) == [(4, 2), (4, 3)]


def test_no_batch_more_is_asked_for_than_is_needed() -> None:
    asked = []

    def endless() -> Any:
        for number in itertools.count():
            asked.append(number)
            yield np.full((4, 3), number, np.float32)

    parts = values(endless(), samples=8)
    assert [part[0, 0] for part in parts] == [0, 1]
    assert asked == [0, 1]


class Items:
    """Batches by number, as a Keras data set has them."""

    num_batches: int | None = 3

    def __getitem__(self, number: int) -> Any:
        return np.full((2, 3), number, np.float32), np.zeros(2)

    def __len__(self) -> int:
        return 3


class Loader:
    def __iter__(self) -> Any:
        return iter(rows(2, 2))


def test_batches_by_number() -> None:
    made = feed(Items())
    assert made.count == 3
    assert [part.value[0, 0] for part in made] == [0, 1, 2]
    assert made.samples() == 6


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (iter([]), "The list_iterator yields no batch: it can be run through only once."),
        (itertools.cycle([1]), "The cycle never ends: pass samples=, how many to take of it."),
        (
            iter([np.zeros(3)]),
            "Batch 0 of the list_iterator has shape (3,), one sample's: it has to yield batches, "
            "with an axis of samples first, as dataset.batch(32) makes them.",
        ),
        (
            iter([np.zeros((2, 3)), np.zeros((2, 4))]),
            "Batch 1 of the list_iterator does not fit: x has shape (2, 4), the model expects "
            "(None, 3).",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(x: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        values(x)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0: pass a whole number from 1 up."),
        ({"samples": 2.5}, "samples=2.5: pass a whole number from 1 up."),
        ({"batch_size": True}, "batch_size=True: pass a whole number from 1 up."),
    ],
)
def test_sizes_that_are_none(options: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        feed(np.zeros((2, 3)), **options)
    assert str(caught.value) == message


def test_the_batches_of_a_loader_are_its_own() -> None:
    with pytest.raises(InputError, match="batch_size=2: the batches of a Loader are its own"):
        feed(Loader(), batch_size=2)


def test_only_what_yields_batches_is_a_loader() -> None:
    for x in (Loader(), iter([]), (i for i in ())):
        assert is_loader(x, ONE)
        assert is_loader(x, ANY)
    assert is_loader(Items(), ONE)
    assert not is_loader(Items(), ANY)  # an object that a module may take
    for x in ([1], (1,), "text", b"", {}, np.zeros(2), None, 3, {1}, Loader):
        assert not is_loader(x, ONE)


def test_samples_are_counted_by_the_first_array() -> None:
    assert sample_count({"a": np.zeros((4, 2)), "flag": True}) == 4
    assert sample_count([True, np.zeros((3, 1))]) == 3
    assert sample_count("noise") == 1


@given(count=st.integers(0, 12), most=st.integers(1, 4), taken=st.integers(0, 12))
def test_what_is_made_ahead_comes_in_order_and_ends_when_it_is_left(
    count: int, most: int, taken: int
) -> None:
    made: list[int] = []
    ahead = made_ahead(range(count), lambda n: made.append(n) or n * n, most)
    got = list(itertools.islice(ahead, taken))
    ahead.close()
    before = len(made)
    assert got == [n * n for n in range(min(count, taken))]
    assert before <= min(count, taken + most + 1)
    assert len(made) == before


def test_an_error_stands_where_the_item_would() -> None:
    def make(number: int) -> int:
        if number == 1:
            raise ValueError("no")
        return number

    got = list(made_ahead([0, 1, 2], make, 2))
    assert got[0] == 0
    assert isinstance(got[1], ValueError)
    assert got[2] == 2
