"""What every backend must keep to. Subclass, give the models, and pytest does the rest."""

from __future__ import annotations

import functools
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import layerscope as ls
from layerscope.backends import backend_for
from layerscope.backends.base import Editable
from layerscope.core.errors import AddressError, LayerscopeError
from layerscope.core.layer_kinds import KINDS, Kind
from layerscope.testing import reference
from layerscope.testing.threads import at_once

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A model, an input, and what looking must find."""

    model: Any
    x: Any
    #: The addresses in execution order, the model's inputs aside.
    addresses: tuple[str, ...]
    #: Names of the axes of some of them.
    axes: Mapping[str, tuple[str, ...]] | None = None
    #: What some of them return, worked out by other means, in the presented order of axes.
    values: Mapping[str, Array] | None = None
    #: Addresses that run inside a loop, and must be said to be left out.
    left_out: tuple[str, ...] = ()
    tolerance: float = 1e-5


#: Layers that most frameworks have, by name: what each is, and the function that it applies.
STANDARD: Mapping[str, tuple[Kind, str | None]] = {
    "convolution": ("conv", None),
    "transposed convolution": ("conv_transpose", None),
    "dense": ("dense", None),
    "embedding": ("embedding", None),
    "LSTM": ("recurrent", "tanh"),
    "attention": ("attention", None),
    "batch normalization": ("batch_norm", None),
    "group normalization": ("group_norm", None),
    "layer normalization": ("norm", None),
    "ReLU": ("activation", "relu"),
    "leaky ReLU": ("activation", "leaky_relu"),
    "parametric ReLU": ("activation", "prelu"),
    "ELU": ("activation", "elu"),
    "GELU": ("activation", "gelu"),
    "SiLU": ("activation", "silu"),
    "tanh": ("activation", "tanh"),
    "sigmoid": ("activation", "sigmoid"),
    "softmax": ("activation", "softmax"),
    "largest values": ("pool", None),
    "means": ("pool", None),
    "sum of two": ("add", None),
    "product of two": ("merge", None),
    "side by side": ("concat", None),
    "flattened": ("reshape", None),
    "transposed": ("rearrange", None),
    "padded with zeros": ("pad", None),
    "upsampled": ("resize", None),
    "dropout": ("dropout", None),
    "identity": ("identity", None),
    "derived from a convolution": ("conv", None),
    "nobody knows it": ("other", None),
}


class BackendContract(ABC):
    """The tests that all backends share."""

    #: What an input of a wrong shape raises: the framework's own error, or layerscope's.
    shape_errors: tuple[type[Exception], ...] = (LayerscopeError, RuntimeError)

    @abstractmethod
    def mlp(self) -> Any:
        """Return the network of ``reference.MLP_*``: two dense layers, a relu after the first."""

    @abstractmethod
    def predict(self, model: Any, x: Any) -> Any:
        """Return the model's own prediction in inference mode, arrays in its own structure."""

    @abstractmethod
    def state(self, model: Any) -> Any:
        """Return everything that looking must leave alone, comparable with ``==``."""

    @abstractmethod
    def failing(self) -> tuple[Any, Any, type[Exception]]:
        """Return a model, an input, and what the model raises midway through its forward pass."""

    def standard(self) -> Mapping[str, tuple[Any, Any]]:
        """Return a model and an input for each of the layers in ``STANDARD`` that there are."""
        return {}

    def test_layers_say_what_they_are(self) -> None:
        for network in (ls.describe(self.mlp()), ls.describe(self.mlp(), reference.MLP_INPUT)):
            weighing = [layer for layer in network if layer.weights]
            assert [layer.kind for layer in weighing] == ["dense", "dense"]
            assert "relu" in [layer.activation for layer in network]
            assert weighing[-1].activation is None
            assert KINDS.issuperset(layer.kind for layer in network)

    def test_standard_layers_say_what_they_are(self) -> None:
        for name, (model, x) in self.standard().items():
            network = ls.describe(model, x)
            shown = {(layer.kind, layer.activation) for layer in network}
            assert STANDARD[name] in shown, (name, shown)

    def test_activations_are_those_computed_by_hand(self) -> None:
        acts = ls.activations(self.mlp(), reference.MLP_INPUT)
        returned = [acts[address].values for address in acts]
        for expected in reference.MLP_ACTIVATIONS:
            assert any(v.shape == expected.shape and np.array_equal(v, expected) for v in returned)
        np.testing.assert_array_equal(returned[-1], reference.MLP_ACTIVATIONS[-1])
        np.testing.assert_array_equal(acts.input.values, reference.MLP_INPUT)

    def test_addresses_hold_no_sign_that_means_something_else(self) -> None:
        """Check names: calls, units, neurons, parts of results and patterns have these signs."""
        addresses = [layer.address for layer in ls.describe(self.mlp())]
        assert not set("".join(addresses)) & set("#:@*?[]"), addresses

    def test_weights_are_those_put_in(self) -> None:
        weights = ls.weights(self.mlp())
        kernels = [a for a in weights.values() if a.dims == ("input", "unit")]
        for kernel, expected in zip(kernels, reference.MLP_KERNELS, strict=True):
            np.testing.assert_array_equal(kernel.values, expected)
        biases = [a for a in weights.values() if a.dims == ("unit",)]
        for bias, expected in zip(biases, reference.MLP_BIASES, strict=True):
            np.testing.assert_array_equal(bias.values, expected)

    def test_parameters_are_counted(self) -> None:
        network = ls.describe(self.mlp())
        assert (network.total, network.trainable, network.non_trainable) == (11, 11, 0)
        assert sum(layer.weights for layer in network) == 8
        assert sum(layer.biases for layer in network) == 3

    def test_the_prediction_is_the_models_own(self) -> None:
        model = self.mlp()
        backend = backend_for(model)
        run = backend.run(reference.MLP_INPUT, backend.select(None))
        np.testing.assert_array_equal(run.output, self.predict(model, reference.MLP_INPUT))

    def test_looking_changes_nothing(self) -> None:
        model = self.mlp()
        self.predict(model, reference.MLP_INPUT)
        before = self.state(model)
        for _ in range(3):
            ls.activations(model, reference.MLP_INPUT)
        ls.weights(model)
        ls.describe(model)
        assert self.state(model) == before

    def test_looking_leaves_random_numbers_alone(self) -> None:
        model = self.mlp()
        random.seed(3)
        np.random.seed(3)  # the global state is what is tested
        expected = random.random(), np.random.rand()
        random.seed(3)
        np.random.seed(3)
        ls.activations(model, reference.MLP_INPUT)
        assert (random.random(), np.random.rand()) == expected

    def test_a_pass_that_raises_changes_nothing(self) -> None:
        model, x, error = self.failing()
        before = self.state(model)
        for _ in range(2):
            with pytest.raises(error):
                ls.activations(model, x)
        assert self.state(model) == before
        # And the next look at another model works.
        self.test_activations_are_those_computed_by_hand()

    def test_looks_from_many_threads_are_those_of_one(self) -> None:
        model = self.mlp()
        before = self.state(model)
        xs = [reference.MLP_INPUT * i for i in range(8)]
        expected = [ls.activations(model, x) for x in xs]
        address = next(iter(expected[0]))
        weights = {name: array.values.copy() for name, array in ls.weights(model).items()}

        def look(number: int) -> None:
            for turn in range(6):
                i = (number + turn) % len(xs)
                acts = ls.activations(model, xs[i], layers=address if turn == number % 6 else None)
                assert set(acts) == ({address} if turn == number % 6 else set(expected[i]))
                for name in acts:
                    close(acts[name].values, expected[i][name].values, 1e-5)
                for name, array in ls.weights(model).items():
                    np.testing.assert_array_equal(array.values, weights[name])
                assert ls.describe(model).total == 11

        at_once([functools.partial(look, number) for number in range(8)])
        assert self.state(model) == before

    def test_what_other_threads_compute_meanwhile_is_no_part_of_a_look(self) -> None:
        model, other = self.mlp(), self.mlp()
        expected = ls.activations(model, reference.MLP_INPUT)
        done = threading.Event()

        def look() -> None:
            try:
                for _ in range(12):
                    acts = ls.activations(model, reference.MLP_INPUT)
                    assert (list(acts), acts.network, acts.notes) == (
                        list(expected), expected.network, expected.notes
                    )  # fmt: skip
                    for name in acts:
                        close(acts[name].values, expected[name].values, 1e-5)
            finally:
                done.set()

        def compute(which: Any) -> None:
            while not done.is_set():
                outcome = self.predict(which, reference.MLP_INPUT)
                np.testing.assert_array_equal(outcome, reference.MLP_ACTIVATIONS[-1])

        at_once([look, functools.partial(compute, model), functools.partial(compute, other)])

    def test_a_recorder_takes_its_steps_while_other_threads_look(self, tmp_path: Path) -> None:
        model = self.mlp()
        expected = ls.activations(model, reference.MLP_INPUT)
        options: dict[str, Any] = {"probe": reference.MLP_INPUT, "steps": 5, "quiet": True}
        options["dtype"] = "float32"

        def record() -> None:
            with ls.Recorder(str(tmp_path / "run.zarr"), model, **options) as recorder:
                for _ in range(5):
                    recorder.snap()

        def look() -> None:
            for _ in range(5):
                ls.activations(model, reference.MLP_INPUT[:1])

        at_once([record, look, look])
        run = ls.open_recording(str(tmp_path / "run.zarr"))
        assert len(run.steps) == 5
        for step in run.steps:
            for address in expected:
                close(run.at(step)[address].values, expected[address].values, 1e-5)

    def test_a_survey_is_of_the_values_that_layers_returned(self) -> None:
        model, x = self.mlp(), np.concatenate([reference.MLP_INPUT] * 3)
        acts = ls.activations(model, x)
        survey = ls.survey(model, x, top=2, batch_size=2)
        assert survey.count == len(x)
        for address in survey:
            values = acts[address].values.reshape(len(x), -1, survey[address].sizes["unit"])
            figures = survey[address]
            np.testing.assert_allclose(figures["mean"], values.mean((0, 1)), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(figures["max"], values.max((0, 1)), rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(figures["min"], values.min((0, 1)), rtol=1e-6, atol=1e-6)
            assert figures["count"].values.tolist() == [values.size // values.shape[2]] * len(
                figures["count"]
            )
            # A sample counts once, and of samples that are alike the first comes first.
            peaks = values.max(axis=1)
            first = peaks.round(4).argmax(axis=0)
            assert figures["top_sample"].values[:, 0].tolist() == first.tolist()

    def test_edits_are_what_the_weights_give_and_leave_nothing(self) -> None:
        model = self.mlp()
        if not isinstance(backend_for(model), Editable):
            return
        whole = ls.activations(model, reference.MLP_INPUT)
        hidden = reference.MLP_ACTIVATIONS[0].copy()
        of_hidden = [a for a, v in whole.items() if np.array_equal(v.values, hidden)]
        before = self.state(model)
        hidden[:, 0] = 2
        expected = hidden @ reference.MLP_KERNELS[1] + reference.MLP_BIASES[1]
        edits = {f"{of_hidden[-1]}:0": 2}
        edited = ls.activations(model, reference.MLP_INPUT, edits=edits)
        np.testing.assert_allclose(list(edited.values())[-1], expected, rtol=1e-6)
        with ls.edited(model, edits):
            within = ls.activations(model, reference.MLP_INPUT)
            np.testing.assert_allclose(list(within.values())[-1], expected, rtol=1e-6)
        assert self.state(model) == before
        again = ls.activations(model, reference.MLP_INPUT)
        for address in whole:
            np.testing.assert_array_equal(again[address], whole[address])

    def test_arrays_can_not_be_written_to(self) -> None:
        model = self.mlp()
        acts = ls.activations(model, reference.MLP_INPUT)
        for array in (*acts.values(), acts.input, *ls.weights(model).values()):
            assert not array.values.flags.writeable
            with pytest.raises(ValueError, match=r"read-only|is a view"):
                array[:] = 0

    def test_a_recording_does_not_follow_the_users_array(self) -> None:
        x = reference.MLP_INPUT.copy()
        acts = ls.activations(self.mlp(), x)
        x[:] = 7
        np.testing.assert_array_equal(acts.input.values, reference.MLP_INPUT)
        np.testing.assert_array_equal(list(acts.values())[-1], reference.MLP_ACTIVATIONS[-1])

    def test_one_layer_alone_is_what_it_is_among_all(self) -> None:
        model = self.mlp()
        acts = ls.activations(model, reference.MLP_INPUT)
        for i, address in enumerate(acts):
            position = [layer.address for layer in acts.network].index(address)
            by_predicate = lambda layer, a=address: layer.address == a  # noqa: E731
            for layers in (address, [address], position, by_predicate):
                alone = ls.activations(model, reference.MLP_INPUT, layers=layers)
                assert list(alone) == [address], (i, layers)
                np.testing.assert_array_equal(alone[address].values, acts[address].values)

    def test_layers_by_position(self) -> None:
        model = self.mlp()
        acts = ls.activations(model, reference.MLP_INPUT)
        order = [layer.address for layer in acts.network]
        for chosen in (slice(0, 2), slice(1, None), slice(None, None, 2), slice(-2, None)):
            acts_chosen = ls.activations(model, reference.MLP_INPUT, layers=chosen)
            assert list(acts_chosen) == [a for a in order[chosen] if a in acts]
        assert list(ls.activations(model, reference.MLP_INPUT, layers=-1)) == order[-1:]

    def test_an_unknown_layer_gets_the_nearest_addresses(self) -> None:
        model = self.mlp()
        acts = ls.activations(model, reference.MLP_INPUT)
        wrong = next(iter(acts)) + "x"
        for look in (
            lambda: ls.activations(model, reference.MLP_INPUT, layers=wrong),
            lambda: acts[wrong],
        ):
            with pytest.raises(AddressError, match=r"did you mean '"):
                look()
        with pytest.raises(AddressError, match="No layer matches"):
            ls.activations(model, reference.MLP_INPUT, layers="nothing*")

    def test_a_wrong_shape_is_refused(self) -> None:
        with pytest.raises(self.shape_errors):
            ls.activations(self.mlp(), np.zeros((2, 5), np.float32))

    def check_case(self, case: Case) -> None:
        """Check everything that holds for any model whatever."""
        expected = self.predict(case.model, case.x)
        before = self.state(case.model)
        first = ls.activations(case.model, case.x)
        assert tuple(first) == case.addresses
        again = ls.activations(case.model, case.x)  # compiled, where that is done
        assert tuple(again) == case.addresses
        for address, array in first.items():
            close(again[address].values, array.values, case.tolerance)
        for address, axes in (case.axes or {}).items():
            assert first[address].dims == axes, address
        for address, values in (case.values or {}).items():
            close(first[address].values, values, case.tolerance)
        notes = " ".join(first.notes)
        for address in case.left_out:
            assert address in notes
            assert address not in first
        backend = backend_for(case.model)
        run = backend.run(case.x, backend.select(None))
        close_structures(run.output, expected, case.tolerance)
        assert self.state(case.model) == before
        for address in case.addresses:
            alone = ls.activations(case.model, case.x, layers=address)
            assert list(alone) == [address]
            close(alone[address].values, first[address].values, case.tolerance)


def close(actual: Array, expected: Array, tolerance: float) -> None:
    """Check that shapes are equal, and values within a tolerance relative to the largest."""
    assert actual.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max(initial=0))) if expected.size else 1.0
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale)


def close_structures(actual: Any, expected: Any, tolerance: float) -> None:
    """Check that two structures of arrays are the same, within a tolerance."""
    if isinstance(expected, Mapping):
        assert sorted(actual) == sorted(expected)
        for key in expected:
            close_structures(actual[key], expected[key], tolerance)
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            close_structures(one, other, tolerance)
    elif expected is None:
        assert actual is None
    else:
        close(
            np.asarray(actual, dtype=np.float32), np.asarray(expected, dtype=np.float32), tolerance
        )
