"""What every backend that can be differentiated must keep to. Subclass, and give the models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from layerscope.backends import backend_for
from layerscope.backends.base import Tap
from layerscope.core.errors import AddressError
from layerscope.testing.contract import close

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class DifferentiableCase:
    """A small model, an input as it is presented, and values to look at."""

    model: Any
    x: Array  #: presented, float32
    received: Array  #: the same as the model takes it
    taps: Sequence[str]
    tolerance: float = 1e-5
    #: How far to go to either side for a difference: where all is linear as far as that, and its
    #: numbers are small multiples of powers of two, differences are exact.
    step: float = 2.0**-3
    slope_tolerance: float = 1e-4


class DifferentiableContract(ABC):
    """The tests that all differentiable backends share."""

    #: Whether a function remembered stands for another of the same key.
    remembers = False

    @abstractmethod
    def case(self) -> DifferentiableCase:
        """Return a network of some layers, with a map or two where it can have any."""

    @abstractmethod
    def state(self, model: Any) -> Any:
        """Return all that looking must leave alone, gradients too, comparable with ``==``."""

    @abstractmethod
    def failing(self) -> tuple[Any, Array, str, str, type[Exception]]:
        """Return a model that raises midway, its input, an address before there, one after."""

    def tensor(self, backend: Any, array: Array) -> Any:
        """Return an array as the framework's own tensor."""
        return backend.ops.convert_to_tensor(array)

    def numpy(self, backend: Any, tensor: Any) -> Array:
        """Return a tensor as an array."""
        array: Array = backend.ops.convert_to_numpy(tensor)
        return array

    def test_values_are_those_of_a_run(self) -> None:
        case = self.case()
        backend = differentiable(case.model)
        expected = backend.run(case.received, backend.select(list(case.taps))).values
        taps = [Tap(address) for address in case.taps]
        for redirected in (False, True):
            values = backend.values(taps, redirected=redirected)
            values = backend.compiled(values, ("values", redirected), network=True)
            for _ in range(2):  # the first pass may be another than those that follow
                tensors = values(self.tensor(backend, case.x))
                assert set(tensors) == set(taps)
                for tap in taps:
                    array = self.numpy(backend, tensors[tap])
                    assert array.dtype == np.float32
                    close(array, expected[tap.layer].presented().values, case.tolerance)

    def test_gradients_are_the_slopes_of_differences(self) -> None:
        case = self.case()
        backend = differentiable(case.model)
        places = list(np.ndindex(case.x.shape))
        places = [places[i] for i in np.random.default_rng(0).permutation(len(places))[:12]]
        for address in case.taps:
            score = self.scored(backend, case, address)
            slope = backend.compiled(backend.gradient(score), ("slope", address), network=True)
            _, gradient = slope(self.tensor(backend, case.x))
            slope_array = self.numpy(backend, gradient)
            assert slope_array.dtype == np.float32
            total = self.totals(backend, backend.compiled(score, address, network=True))
            slopes = differences(total, case.x, places, case.step)
            close(np.array([slope_array[place] for place in places]), slopes, case.slope_tolerance)

    def test_what_the_function_returns_comes_with_the_gradient(self) -> None:
        case = self.case()
        backend = differentiable(case.model)
        score = self.scored(backend, case, case.taps[-1])

        def with_more(x: Any, factor: Any) -> Any:
            return score(x) * factor, {"more": x * 2}

        slope = backend.compiled(backend.gradient(with_more), "with more", network=True)
        x, factor = (self.tensor(backend, np.asarray(a, np.float32)) for a in (case.x, 3))
        (scores, more), gradient = slope(x, factor)
        plain = backend.compiled(backend.gradient(score), "without", network=True)
        expected, once = plain(x)
        close(self.numpy(backend, scores), 3 * self.numpy(backend, expected), case.tolerance)
        close(self.numpy(backend, gradient), 3 * self.numpy(backend, once), case.tolerance)
        np.testing.assert_array_equal(self.numpy(backend, more["more"]), 2 * case.x)

    def test_scores_that_do_not_depend_on_x_have_no_slope(self) -> None:
        case = self.case()
        backend = differentiable(case.model)
        constant = backend.gradient(lambda x, y: y * 2.0)
        x = self.tensor(backend, case.x)
        _, gradient = backend.compiled(constant, "constant", network=False)(x, x)
        np.testing.assert_array_equal(self.numpy(backend, gradient), np.zeros_like(case.x))

    def test_several_values_have_the_gradients_of_each(self) -> None:
        case = self.case()
        backend = differentiable(case.model)
        taps = [Tap(address) for address in case.taps]
        values = backend.values(taps)
        x = self.tensor(backend, case.x)
        for tap in taps:
            alone = backend.values([tap])
            pair = [
                backend.compiled(
                    backend.gradient(lambda x, tap=tap, of=of: of(x)[tap]), (tap, i), network=True
                )(x)[1]
                for i, of in enumerate((values, alone))
            ]
            among, by_itself = (self.numpy(backend, gradient) for gradient in pair)
            close(among, by_itself, case.tolerance)

    def test_differentiating_changes_nothing(self) -> None:
        case = self.case()
        backend = differentiable(case.model)
        before, digest = self.state(case.model), backend.digest()
        kept = case.x.copy()
        for address in case.taps:
            slope = backend.gradient(self.scored(backend, case, address))
            for _ in range(2):
                slope(self.tensor(backend, case.x))
        assert self.state(case.model) == before
        assert backend.digest() == digest
        np.testing.assert_array_equal(case.x, kept)

    def test_layers_after_the_last_value_are_not_called(self) -> None:
        model, x, reached, _, _ = self.failing()
        backend = differentiable(model)
        before = self.state(model)
        values = backend.values([Tap(reached)])
        for _ in range(2):
            tensor = values(self.tensor(backend, x))[Tap(reached)]
            assert np.isfinite(self.numpy(backend, tensor)).all()
        assert self.state(model) == before

    def test_a_pass_that_raises_changes_nothing(self) -> None:
        model, x, reached, beyond, error = self.failing()
        backend = differentiable(model)
        before = self.state(model)
        taps = [Tap(reached), Tap(beyond)]
        values = backend.values(taps)
        for _ in range(2):
            with pytest.raises(error):
                backend.gradient(lambda x: values(x)[taps[1]])(self.tensor(backend, x))
        assert self.state(model) == before

    def test_no_layer_of_that_name(self) -> None:
        case = self.case()
        backend = differentiable(case.model)
        wrong = case.taps[0] + "x"
        with pytest.raises(AddressError, match=r"did you mean '"):
            backend.values([Tap(wrong)])(self.tensor(backend, case.x))

    def test_a_key_stands_for_its_function(self) -> None:
        case = self.case()
        backend = differentiable(case.model)
        x = self.tensor(backend, case.x)
        calls = []

        def doubled(x: Any) -> Any:
            calls.append(1)
            return x * 2

        first = backend.compiled(doubled, "doubled", network=False)(x)
        before = len(calls)
        again = differentiable(case.model).compiled(lambda x: doubled(x), "doubled", network=False)
        np.testing.assert_array_equal(self.numpy(backend, again(x)), self.numpy(backend, first))
        assert (len(calls) == before) == self.remembers
        other = backend.compiled(lambda x: x * 3, "tripled", network=False)(x)
        np.testing.assert_array_equal(self.numpy(backend, other), 3 * case.x)

    def test_adam_ascends(self) -> None:
        """Check that it goes by the step size, in the direction of the gradient."""
        backend = differentiable(self.case().model)
        start = np.array([[1.0, -2.0, 0.5]], np.float32)
        slope = np.array([[0.5, -4.0, 1e-2]], np.float32)
        update = backend.optimizer("adam", self.tensor(backend, start))
        step = backend.compiled(lambda *args: update(*args), "adam", network=False)
        params, state = self.tensor(backend, start), update.state
        for count in (1, 2):
            params, state = step(params, state, self.tensor(backend, slope), 0.25)
            moved = start + count * 0.25 * np.sign(slope)
            close(self.numpy(backend, params), moved, 1e-4)

    def scored(self, backend: Any, case: DifferentiableCase, address: str) -> Any:
        """Return a function of x: the values of a layer, each weighted by another small number."""
        tap = Tap(address)
        shape = backend.run(case.received, backend.select([address])).values[address]
        lengths = shape.presented().values.shape
        weights = (np.arange(np.prod(lengths)) % 5 - 1).astype(np.float32).reshape(lengths)
        values = backend.values([tap])
        held = self.tensor(backend, weights)
        return lambda x: values(x)[tap] * held

    def totals(self, backend: Any, score: Any) -> Any:
        """Return a function of an array: the sum of the scores, in double precision."""
        return lambda x: self.numpy(backend, score(self.tensor(backend, x))).sum(dtype=np.float64)


def differentiable(model: Any) -> Any:
    """Return the model's backend, which must be ``Differentiable``."""
    backend = backend_for(model)
    # Not by ``isinstance``, which in Python 3.11 asks for ``ops``, and may import Keras.
    assert all(hasattr(type(backend), name) for name in _CAPABILITIES)
    return backend


_CAPABILITIES = ("ops", "values", "gradient", "compiled", "optimizer")


def differences(
    function: Callable[[Array], Any], x: Array, places: Sequence[tuple[int, ...]], step: float
) -> Array:
    """Return the slopes of a function along elements of x, by central differences."""
    slopes = np.zeros(len(places), x.dtype)
    for i, place in enumerate(places):
        ahead, behind = x.copy(), x.copy()
        ahead[place] += step
        behind[place] -= step
        slopes[i] = (function(ahead) - function(behind)) / (2 * step)
    return slopes
