"""Scores and gradients of batches: all that attribution methods ask of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend, Tap
from layerscope.backends.gradient_rules import GradientRule
from layerscope.core.attention import is_attention
from layerscope.core.axes import presented
from layerscope.core.errors import InputError, ModelError
from layerscope.core.foreign_errors import checked_pass, in_one_sentence
from layerscope.core.network import Layer
from layerscope.core.selection import Selection
from layerscope.instruments.attribution.attributed_input import AttributedInput
from layerscope.instruments.features.objective.program import Program

Array = npt.NDArray[Any]

#: What a backend can do that a method may need.
PASSES, GRADIENTS, ALTERED = "passes", "gradients", "altered gradients"


def parts(count: int, size: int) -> Iterator[slice]:
    """Yield slices of as equal a length as they can be, none longer than ``size``."""
    pieces = max(1, math.ceil(count / size))
    even = math.ceil(count / pieces)
    for begin in range(0, count, even):
        yield slice(begin, min(begin + even, count))


def even_size(count: int, size: int) -> int:
    """Return how long the first of these slices is."""
    return math.ceil(count / max(1, math.ceil(count / size)))


class ScoreEngine(Protocol):
    """Computes scores; what can't compute gradients raises ModelError when asked for them.

    ``values`` are rows of what stands at the place where gradients begin, presented, and ``rows``
    says of each which sample it belongs to: that one's target is scored.
    """

    ability: str
    batch_size: int

    def scores(self, values: Array, rows: Array) -> Array:
        """Return the score of each row, in float64."""
        ...

    def read(self, tap: Tap, values: Array, rows: Array) -> Array:
        """Return a value of a pass on these rows."""
        ...

    def gradients(
        self, values: Array, rows: Array, rule: GradientRule | None = None
    ) -> tuple[Array, Array]:
        """Return scores, and the gradient of each with respect to its row."""
        ...

    def paired_gradients(
        self, values: Array, baselines: Array, rows: Array, rule: GradientRule
    ) -> tuple[Array, Array]:
        """Return scores of inputs less those of their baselines, and the inputs' gradients.

        Both go through the network as one batch, inputs first.
        """
        ...

    def layer_gradients(self, layer: Layer, rows: Array) -> tuple[Array, Array, Array]:
        """Return scores, a layer's value on the samples, and the scores' gradient at it."""
        ...

    def attention_gradients(
        self, layers: Sequence[Layer], rows: Array
    ) -> tuple[Array, list[tuple[Array, Array]]]:
        """Return scores, and the weights of each layer with the scores' gradient at them."""
        ...


class Batched:
    """Cuts what is asked for into batches of one size, so that it is compiled once."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    def in_batches(
        self, function: Callable[..., tuple[Any, ...]], *arrays: Array, doubled: bool = False
    ) -> tuple[Array, ...]:
        """Return what the function makes of the arrays' rows, together."""
        count = len(arrays[0])
        size = even_size(count, self.batch_size if not doubled else max(1, self.batch_size // 2))
        results: list[tuple[Array, ...]] = []
        for part in parts(count, size):
            cut = [array[part] for array in arrays]
            short = size - len(cut[0]) if count > size else 0
            if short:  # filled up with the last row
                cut = [np.concatenate([one, np.repeat(one[-1:], short, axis=0)]) for one in cut]
            made = function(*cut)
            kept = size - short if count > size else count
            results.append(tuple(np.asarray(one)[:kept] for one in made))
        if len(results) == 1:
            return results[0]
        return tuple(np.concatenate(each) for each in zip(*results, strict=True))


@dataclass
class GradientEngine(Batched):
    """A network that is differentiable."""

    subject: AttributedInput
    program: Program
    batch_size: int
    ability: str = GRADIENTS
    _functions: dict[Hashable, Callable[..., Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if hasattr(type(self.subject.backend), "altered"):
            self.ability = ALTERED

    @property
    def _backend(self) -> Any:
        return self.subject.backend

    def scores(self, values: Array, rows: Array) -> Array:
        """Return the score of each row."""
        function = self._function("scores", self.program.scorer.taps, (), None)

        def compute(values: Array, rows: Array) -> tuple[Any, ...]:
            return (self._read(function(*self._arguments(values, rows))),)

        return self.in_batches(compute, values, rows)[0].astype(np.float64)

    def read(self, tap: Tap, values: Array, rows: Array) -> Array:
        """Return a value of a pass on these rows."""
        function = self._function("value", (tap,), (), None)

        def compute(values: Array, rows: Array) -> tuple[Any, ...]:
            return (self._read(function(*self._arguments(values, rows))),)

        return self.in_batches(compute, values, rows)[0]

    def gradients(
        self, values: Array, rows: Array, rule: GradientRule | None = None
    ) -> tuple[Array, Array]:
        """Return scores, and the gradient of each with respect to its row."""
        self._check_altered(rule is not None)
        function = self._function("gradient", self.program.scorer.taps, (), rule)

        def compute(values: Array, rows: Array) -> tuple[Any, ...]:
            scores, gradient = function(*self._arguments(values, rows))
            return self._read(scores), self._read(gradient)

        scores, gradient = self.in_batches(compute, values, rows)
        return scores.astype(np.float64), gradient

    def paired_gradients(
        self, values: Array, baselines: Array, rows: Array, rule: GradientRule
    ) -> tuple[Array, Array]:
        """Return scores of inputs less those of baselines, and the inputs' gradients."""
        self._check_altered(True)
        function = self._function("gradient", self.program.scorer.taps, (), rule)

        def compute(values: Array, baselines: Array, rows: Array) -> tuple[Any, ...]:
            both = np.concatenate([values, baselines]), np.concatenate([rows, rows])
            scores, gradient = map(self._read, function(*self._arguments(*both)))
            count = len(rows)
            return scores[:count] - scores[count:], gradient[:count]

        scores, gradient = self.in_batches(compute, values, baselines, rows, doubled=True)
        return scores.astype(np.float64), gradient

    def layer_gradients(self, layer: Layer, rows: Array) -> tuple[Array, Array, Array]:
        """Return scores, a layer's value on the samples, and the scores' gradient at it."""
        self._check_altered(True)
        tap = Tap(layer.address)
        taps = tuple(dict.fromkeys((*self.program.scorer.taps, tap)))
        function = self._function("layer", taps, (layer,), None)
        shape = self._presented_shape(layer)

        def compute(rows: Array) -> tuple[Any, ...]:
            zeros = np.zeros((len(rows), *shape), np.float32)
            given = self.subject.given_to(rows)
            (scores, value), gradient = function(zeros, given, self.program_arrays(rows))
            return self._read(scores), self._read(value), self._read(gradient)

        scores, value, gradient = self.in_batches(compute, rows)
        return scores.astype(np.float64), value, gradient

    def attention_gradients(
        self, layers: Sequence[Layer], rows: Array
    ) -> tuple[Array, list[tuple[Array, Array]]]:
        """Return scores, and the weights of each layer with the scores' gradient at them."""
        self._check_altered(True)
        taps = tuple(
            dict.fromkeys((*self.program.scorer.taps, *(Tap(row.address) for row in layers)))
        )
        function = self._function("attention", taps, tuple(layers), None)
        shapes = [self._presented_shape(row) for row in layers]
        ends = np.cumsum([math.prod(shape) for shape in shapes])

        def compute(rows: Array) -> tuple[Any, ...]:
            zeros = np.zeros((len(rows), int(ends[-1])), np.float32)
            given = self.subject.given_to(rows)
            (scores, *values), gradient = function(zeros, given, self.program_arrays(rows))
            return tuple(map(self._read, (scores, gradient, *values)))

        scores, gradient, *values = self.in_batches(compute, rows)
        pieces = np.split(gradient, ends[:-1], axis=1)
        pairs = [
            (value, piece.reshape(-1, *shape))
            for value, piece, shape in zip(values, pieces, shapes, strict=True)
        ]
        return scores.astype(np.float64), pairs

    def program_arrays(self, rows: Array) -> dict[str, Array]:
        """Return the target's arrays of each row's sample."""
        images = self.program.images
        return self.program.arrays_of([int(row) % images for row in rows])

    def _arguments(self, values: Array, rows: Array) -> tuple[Any, ...]:
        """Return what a compiled function is called with."""
        arrays, subject = self.program_arrays(rows), self.subject
        values = np.asarray(values, np.float32)
        if not subject.entries and not subject.is_several:
            return (np.ascontiguousarray(values), None, arrays)
        # What is added to what an embedding returns of the sample itself.
        pieces = [
            piece if part.entry is None else piece - part.values[rows]
            for part, piece in zip(subject.parts, subject.split(values), strict=True)
        ]
        return (subject.joined(pieces), subject.given_to(rows), arrays)

    def _function(
        self, kind: str, taps: tuple[Tap, ...], layers: tuple[Layer, ...], rule: GradientRule | None
    ) -> Callable[..., Any]:
        """Return one compiled function of ``(values, given, arrays)``."""
        places = tuple(layer.address for layer in layers)
        key = (kind, taps, places, rule)
        if key in self._functions:
            return self._functions[key]
        backend, ops, scorer = self._backend, self._backend.ops, self.program.scorer
        run = self._pass(taps, layers, rule)

        def compute(values: Any, given: Any, arrays: Mapping[str, Any]) -> Any:
            values_by_tap = run(values, given)
            if kind == "value":
                return values_by_tap[taps[0]]
            scores = scorer.values(ops, values_by_tap, arrays)
            return (scores, *(values_by_tap[Tap(one)] for one in places)) if places else scores

        function = compute if kind in ("scores", "value") else backend.gradient(compute)
        whole = (
            "attribution", *key, scorer.structure,
            tuple((part.name, part.entry and part.entry.address) for part in self.subject.parts),
            self._shapes() if scorer.sized or self.subject.is_several else None,
        )  # fmt: skip
        self._functions[key] = backend.compiled(function, whole, network=True)
        return self._functions[key]

    def _pass(
        self, taps: tuple[Tap, ...], layers: tuple[Layer, ...], rule: GradientRule | None
    ) -> Callable[[Any, Any], Any]:
        """Return a pass, given what gradients are taken of, and what else the model is given."""
        subject = self.subject
        shifted = layers or subject.entries
        if not shifted and rule is None and not subject.is_several:
            plain = checked_pass(self._backend.values(taps))
            return lambda values, given: plain(values)
        altered: Callable[..., Any] = self._backend.altered(taps, shifted=shifted, rule=rule)
        if layers:
            return self._pass_of_layers(altered, layers)
        if subject.is_several:
            return self._pass_of_several(altered)
        if not shifted:
            return lambda values, given: altered(values)
        return lambda values, given: altered(given, (values,))

    def _pass_of_layers(
        self, altered: Callable[..., Any], layers: tuple[Layer, ...]
    ) -> Callable[[Any, Any], Any]:
        """Return a pass given what is added to layers; to several of them, in a row."""
        ops, layouts = self._backend.ops, self.subject.layouts
        is_several, is_row = self.subject.is_several, is_attention(layers[0].axes or ())
        shapes = [self._presented_shape(layer) for layer in layers]

        def run(values: Any, given: Any) -> Any:
            shifts, begin = [], 0
            for shape in shapes if is_row else ():
                end = begin + math.prod(shape)
                shifts.append(ops.reshape(values[:, begin:end], (-1, *shape)))
                begin = end
            taken = layouts.inward(ops, given) if is_several else given
            return altered(taken, tuple(shifts) if is_row else (values,))

        return run

    def _pass_of_several(self, altered: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        layouts, ops = self.subject.layouts, self._backend.ops

        def run(values: Any, given: Mapping[str, Any]) -> Any:
            pieces = layouts.split(ops, values)
            placed = {name: pieces[name] for name in pieces if name not in layouts.tokens}
            shifts = tuple(pieces[name] for name in layouts.tokens)
            return altered(layouts.inward(ops, {**given, **placed}), shifts)

        return run

    def _shapes(self) -> tuple[Any, ...]:
        held = tuple((name, array.values.shape[1:]) for name, array in self.subject.held.items())
        return (*(part.values.shape[1:] for part in self.subject.parts), held)

    def _presented_shape(self, layer: Layer) -> tuple[int, ...]:
        axes, shape = layer.axes or (), layer.shape or ()
        lengths = [shape[axes.index(name)] for name in presented(axes)][1:]
        if None in lengths:
            raise InputError(f"How large {layer.address!r} is depends on the input: name another.")
        return tuple(int(length) for length in lengths if length is not None)

    def _check_altered(self, wanted: bool) -> None:
        if wanted and self.ability != ALTERED:
            raise ModelError(
                f"{self._backend.framework} gives gradients at the input only: saliency, "
                "integrated_gradients, smoothgrad and occlusion work."
            )

    def _read(self, value: Any) -> Array:
        # Keras copies what JAX lets be looked at where it is.
        is_jax = type(value).__module__.startswith("jax")
        return np.asarray(value if is_jax else self._backend.ops.convert_to_numpy(value))


@dataclass
class PassEngine(Batched):
    """A network that only runs: what does without gradients works on it."""

    subject: AttributedInput
    program: Program
    batch_size: int
    ability: str = PASSES

    def scores(self, values: Array, rows: Array) -> Array:
        """Return the score of each row."""
        taps = self.program.scorer.taps
        images = self.program.images

        def compute(values: Array, rows: Array) -> tuple[Any, ...]:
            values_by_tap = self._run(values, rows, taps)
            arrays = self.program.arrays_of([int(row) % images for row in rows])
            return (self.program.scorer.values(_OPS, values_by_tap, arrays),)

        return self.in_batches(compute, values, rows)[0].astype(np.float64)

    def read(self, tap: Tap, values: Array, rows: Array) -> Array:
        """Return a value of a pass on these rows."""
        return self.in_batches(lambda v, r: (self._run(v, r, (tap,))[tap],), values, rows)[0]

    def gradients(
        self, values: Array, rows: Array, rule: GradientRule | None = None
    ) -> tuple[Array, Array]:
        """Raise ModelError: there are none."""
        raise without_gradients(self.subject.backend)

    def paired_gradients(
        self, values: Array, baselines: Array, rows: Array, rule: GradientRule
    ) -> tuple[Array, Array]:
        """Raise ModelError: there are none."""
        raise without_gradients(self.subject.backend)

    def layer_gradients(self, layer: Layer, rows: Array) -> tuple[Array, Array, Array]:
        """Raise ModelError: there are none."""
        raise without_gradients(self.subject.backend)

    def attention_gradients(
        self, layers: Sequence[Layer], rows: Array
    ) -> tuple[Array, list[tuple[Array, Array]]]:
        """Raise ModelError: there are none."""
        raise without_gradients(self.subject.backend)

    def _run(self, values: Array, rows: Array, taps: tuple[Tap, ...]) -> dict[Tap, Array]:
        layers = frozenset(tap.layer for tap in taps)
        selection = Selection(written=sorted(layers), exact=layers)
        with in_one_sentence():
            run = self.subject.backend.run(self.subject.to_model(values, rows), selection)
        return {tap: run.values[tap.layer].presented().values for tap in taps}


def without_gradients(backend: Backend) -> ModelError:
    """Return the error for a method that needs gradients where there are none."""
    return ModelError(
        f"{backend.framework} computes no gradients, which this method is made of: occlusion and "
        "rise work on it, or pass the Keras or PyTorch model that it was exported from."
    )


class _ArrayOps:
    """What ``keras.ops`` calls the functions that targets use, of NumPy's arrays."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def cast(x: Any, dtype: str) -> Array:
        """Return x as another type."""
        return np.asarray(x, dtype)

    @staticmethod
    def convert_to_tensor(x: Any) -> Array:
        """Return x as an array."""
        return np.asarray(x)

    @staticmethod
    def sigmoid(x: Array) -> Array:
        """Return the logistic function."""
        return np.asarray(1 / (1 + np.exp(-x)))

    @staticmethod
    def softmax(x: Array, axis: int = -1) -> Array:
        """Return the softmax along an axis."""
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


_OPS = _ArrayOps()


def is_differentiable(backend: Backend) -> bool:
    """Return whether a backend gives gradients."""
    # Not by ``isinstance``, which in Python 3.11 would ask for ``ops``, and so may import Keras.
    return hasattr(type(backend), "gradient")
